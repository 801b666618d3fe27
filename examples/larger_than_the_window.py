"""Ask about more than the model can hold: choose pages, or read everything in parts.

python examples/larger_than_the_window.py retrieve examples/handbook.pdf "What is the window of the built-in model?"
python examples/larger_than_the_window.py map examples/handbook.pdf "Which licences are named?"

Here the model is told to hold no more than 2,000 tokens. It is the embedded one, or on the server that LONGREAD_SERVER
names.
"""

import os
import sys

from longread.agent import Answer, Corpus, LongReader
from longread.agent.events import Note
from longread.agent.overflow import MapPlanned, Overflow, WindowDone

WAYS: tuple[Overflow, ...] = ("retrieve", "map", "auto")

if len(sys.argv) < 4 or sys.argv[1] not in WAYS:
    sys.exit(__doc__)
way = WAYS[WAYS.index(sys.argv[1])]
path, question = sys.argv[2:]
server = os.environ.get("LONGREAD_SERVER")
llm = {"model_type": "longread-endpoint", "server": server} if server else None
reader = LongReader(Corpus.load([path]), llm, window=2000, max_tokens=100, overflow=way)

for event in reader.stream(question):
    match event:
        case MapPlanned():
            print(event.describe())  # what it will cost: closing the stream here costs nothing
        case WindowDone(index=index, of=of, found=found):
            print(f"part {index} of {of}: {'something' if found else 'nothing'}")
        case Note(text=text):
            print(text)
        case Answer(text=text, citations=citations):
            print(text, *citations)
