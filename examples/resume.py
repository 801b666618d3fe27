"""Store a conversation on disk, and resume it when the program is started again. Kill it at any moment.

python examples/resume.py talk.db examples/handbook.pdf "What is the window of the built-in model?"
python examples/resume.py talk.db examples/handbook.pdf "And its licence?"

Uses the embedded model, or the server at LONGREAD_SERVER. Without a path, `Sessions()` is the database of `agent chat`.
"""

import os
import sys
from pathlib import Path

from longread import Answer, Corpus, Delta, LongReader, Sessions

if len(sys.argv) < 4:
    sys.exit(__doc__)
database, path, question = sys.argv[1:]
corpus = Corpus.load([path])
reader = LongReader(corpus, server=os.environ.get("LONGREAD_SERVER"), max_tokens=100)

with Sessions(Path(database)) as sessions:
    session = sessions.latest(corpus) or sessions.create(corpus, reader.model_name)
    session.claim()  # no other process can write it meanwhile
    for change in session.changed(corpus):
        print(f"note: {change}")
    history = session.history()
    if history:
        print(f"resuming: {session.title}")
    with session, session.begin(question, documents=corpus) as turn:
        for event in reader.stream(question, history=history):
            match event:
                case Delta(text=text, reasoning=reasoning):
                    turn.add(text, reasoning=reasoning)  # survives a kill from here on
                    print("" if reasoning else text, end="", flush=True)
                case Answer():
                    turn.finish(event.text, citations=event.citations, usage=event.usage)
                    print("\n", *event.citations)
