"""Keep a conversation on disk, and go on with it when the program is started again. Kill it at any moment.

python examples/resume.py talk.db examples/handbook.pdf "What is the window of the built-in model?"
python examples/resume.py talk.db examples/handbook.pdf "And its licence?"

Runs on the embedded model, or on the server that LONGREAD_SERVER names. Without a path, `Sessions()` is the database
that `agent chat` and `agent sessions` have.
"""

import os
import sys
from pathlib import Path

from longread.agent import Answer, Corpus, LongReader, Sessions
from longread.serving.events import Delta

if len(sys.argv) < 4:
    sys.exit(__doc__)
database, path, question = sys.argv[1:]
server = os.environ.get("LONGREAD_SERVER")
corpus = Corpus.load([path])
reader = LongReader(corpus, {"model_type": "longread-endpoint", "server": server} if server else None, max_tokens=100)

with Sessions(Path(database)) as sessions:
    session = sessions.latest(corpus) or sessions.create(corpus, reader.model_name)
    session.claim()  # no other process goes on with it meanwhile
    for change in session.changed(corpus):
        print(f"note: {change}")
    history = session.history()
    if history:
        print(f"going on with: {session.title}")
    with session, session.begin(question, documents=corpus) as turn:
        for event in reader.stream(question, history=history):
            match event:
                case Delta(text=text, reasoning=reasoning):
                    turn.add(text, reasoning=reasoning)  # survives a kill from here on
                    print("" if reasoning else text, end="", flush=True)
                case Answer():
                    turn.finish(event.text, citations=event.citations, usage=event.usage)
                    print("\n", *event.citations)
