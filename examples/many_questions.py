"""Ask many questions at once. The documents are the same for all, so a server processes them once.

LONGREAD_SERVER=http://localhost:8000/v1 python examples/many_questions.py book.pdf questions.txt
"""

import asyncio
import os
import sys
from pathlib import Path

from longread import Corpus, LongReader
from longread.errors import LongreadError

AT_ONCE = 8


async def main(path: str, questions: list[str]) -> None:
    reader = LongReader(
        Corpus.load([path]), server=os.environ["LONGREAD_SERVER"], model=os.environ.get("LONGREAD_MODEL")
    )
    free = asyncio.Semaphore(AT_ONCE)

    async def ask(question: str) -> str:
        async with free:
            try:
                answer = await reader.aask(question)
            except LongreadError as error:
                return f"{question}\n  error: {error}"
            return f"{question}\n  {answer.text} {' '.join(map(str, answer.citations))}"

    first, *rest = questions  # alone: the others then find the documents in the server's prefix cache
    print(await ask(first))
    for answered in asyncio.as_completed(map(ask, rest)):
        print(await answered)


if len(sys.argv) < 3:
    sys.exit(__doc__)
lines = Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
asyncio.run(main(sys.argv[1], [line for line in lines if line.strip()]))
