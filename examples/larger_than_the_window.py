"""Ask about documents that exceed the context window: select pages, or process everything in parts.

python examples/larger_than_the_window.py retrieve examples/handbook.pdf "What is the window of the built-in model?"
python examples/larger_than_the_window.py map examples/handbook.pdf "Which licences are named?"

Uses the embedded model, or the server at LONGREAD_SERVER, with a window of only 2,000 tokens.
"""

import os
import sys

from longread import Answer, Corpus, LongReader, MapPlanned, Note, WindowDone

match sys.argv[1:]:
    case [("retrieve" | "map" | "auto") as strategy, path, question]:
        pass
    case _:
        sys.exit(__doc__)
reader = LongReader(
    Corpus.load([path]), server=os.environ.get("LONGREAD_SERVER"), window=2000, max_tokens=100, overflow=strategy
)

for event in reader.stream(question):
    match event:
        case MapPlanned():
            print(event.describe())  # the cost; nothing has been sent yet
        case WindowDone(index=index, of=of, found=found):
            print(f"part {index} of {of}: {'something' if found else 'nothing'}")
        case Note(text=text):
            print(text)
        case Answer(text=text, citations=citations):
            print(text, *citations)
