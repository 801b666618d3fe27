"""Check the quotes of an answer against the pages it cites, and highlight them in a copy of the PDF.

LONGREAD_SERVER=http://localhost:8000/v1 python examples/check_quotes.py book.pdf "Who wrote it?" marked.pdf
"""

import os
import sys

from longread import Corpus, LongReader, highlight

if len(sys.argv) < 4:
    sys.exit(__doc__)
path, question, copy = sys.argv[1:]
corpus = Corpus.load([path])

answer = LongReader(corpus, server=os.environ["LONGREAD_SERVER"], model=os.environ.get("LONGREAD_MODEL")).ask(question)
print(answer.text)
for quote in answer.quotes:
    print(f"{quote.status}: “{quote.text}”")
    if quote.status in ("corrected", "moved"):
        print(f"  page {quote.label} of {quote.document} says: “{quote.actual}”")
print("all verified" if answer.verified else "not all verified")

if any(quote.page_found for quote in answer.quotes):
    for file in highlight(corpus, answer.quotes, copy, question=question).files:
        print(f"{file.path}: {len(file.quotes)} highlighted")
