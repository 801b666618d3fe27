"""Ask one question about a book, and print the pages that the answer comes from.

    python examples/ask_a_book.py examples/handbook.pdf "What is the window of the built-in model?"

Uses the embedded model, or the OpenAI-compatible server at LONGREAD_SERVER (and there LONGREAD_MODEL).
"""

import os
import sys

from longread import Corpus, LongReader

if len(sys.argv) < 3:
    sys.exit(__doc__)
path, question = sys.argv[1:]

corpus = Corpus.load([path])
reader = LongReader(
    corpus, server=os.environ.get("LONGREAD_SERVER"), model=os.environ.get("LONGREAD_MODEL"), max_tokens=150
)
answer = reader.ask(question)
print(answer.text)
for citation in answer.citations:
    print(citation, corpus[citation.document].title, f"(found by {citation.found_by})")
