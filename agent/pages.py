"""Page ranges as people write them: `1-20,45` and `book:1-20`."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .corpus.text import ranges
from .errors import DocumentError

if TYPE_CHECKING:
    from .corpus import Corpus, Document

_RANGE = re.compile(r"(\d{1,9})(?:\s*[-–]\s*(\d{1,9}))?$")


def select(corpus: "Corpus", selections: list[str]) -> "Corpus":
    """The corpus with only the chosen pages of the documents that are named; the others stay whole.

    Args:
        selections: `name:ranges`, or just `ranges` where the corpus has one document. Ranges of one document add up.

    Raises:
        DocumentError: an unknown document, a page that it does not have, or a range that cannot be read.
    """
    wanted: dict[str, set[int]] = {}
    for selection in selections:
        name, _, ranges = selection.rpartition(":")
        document = _document(corpus, name, selection)
        wanted.setdefault(document.name, set()).update(_numbers(ranges, document, selection))
    # New objects, not copies: a copy of a pydantic model would keep the token counts that the original has cached.
    documents = tuple(
        document if document.name not in wanted else only(document, wanted[document.name])
        for document in corpus.documents
    )
    return type(corpus)(documents=documents, failures=corpus.failures, warnings=corpus.warnings)


def check_syntax(selections: Sequence[str]) -> None:
    """Find what no document could make sense of, before any is loaded.

    Raises:
        DocumentError: a range that cannot be read.
    """
    for selection in selections:
        for part in selection.rpartition(":")[2].split(","):
            _range(part, selection)


def only(document: "Document", numbers: set[int]) -> "Document":
    """The document with only these of its pages, in its order and under their numbers.

    Raises:
        DocumentError: a page that it does not have.
    """
    pages = tuple(page for page in document.pages if page.number in numbers)
    missing = numbers - {page.number for page in pages}
    if missing:
        raise DocumentError(
            f"{document.name} was loaded without page {ranges(sorted(missing))}.", source=document.source
        )
    return type(document)(**{**dict(document), "pages": pages})


def _document(corpus: "Corpus", name: str, selection: str) -> "Document":
    names = [document.name for document in corpus.documents]
    if not name and len(names) == 1:
        return corpus.documents[0]
    for document in corpus.documents:
        if document.name == name:
            return document
    if not name:
        problem = f"--pages {selection} does not say which of the {len(names)} documents it means"
    else:
        problem = f"--pages {selection}: no document is named {name!r}"
    raise DocumentError(f"{problem}. Write name:ranges with one of: {', '.join(names)}.", source=selection)


def _numbers(text: str, document: "Document", selection: str) -> set[int]:
    last = max(page.number for page in document.pages)
    numbers: set[int] = set()
    for part in text.split(","):
        first, final = _range(part, selection)
        if not 1 <= first <= final <= last:
            raise DocumentError(
                f"--pages {selection}: {document.name} has pages 1-{last}, not {part.strip()}.", source=selection
            )
        numbers.update(range(first, final + 1))
    return numbers


def _range(part: str, selection: str) -> tuple[int, int]:
    match = _RANGE.match(part.strip())
    if not match:
        raise DocumentError(f"--pages {selection}: {part!r} is not a page or a range like 3-20.", source=selection)
    return int(match[1]), int(match[2] or match[1])
