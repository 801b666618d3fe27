"""Ask one question of a book, and say where the answer stands.

    python examples/ask_a_book.py examples/handbook.pdf "What is the window of the built-in model?"

Runs on the embedded model; set LONGREAD_SERVER (and LONGREAD_MODEL) to use an OpenAI-compatible server.
"""

import os
import sys

from longread.agent import Corpus, LongReader

if len(sys.argv) < 3:
    sys.exit(__doc__)
path, question = sys.argv[1:]
server = os.environ.get("LONGREAD_SERVER")
llm = (
    {"model_type": "longread-endpoint", "server": server, "model": os.environ.get("LONGREAD_MODEL", "")}
    if server
    else None
)

corpus = Corpus.load([path])
answer = LongReader(corpus, llm, max_tokens=150).ask(question)
print(answer.text)
for citation in answer.citations:
    print(citation, corpus[citation.document].title, f"(found by {citation.found_by})")
