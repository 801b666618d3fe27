"""Select pages of a corpus by ranges as people write them: `1-20,45` and `book:1-20`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from longread.errors import DocumentError
from longread.page_ranges import PageRangeError, format_range, format_ranges, parse_ranges

if TYPE_CHECKING:
    from longread.documents import Document

    from . import Corpus


def select_pages(corpus: "Corpus", selections: Sequence[str]) -> "Corpus":
    """A corpus with only the selected pages of the documents that are named. The other documents stay complete.

    Args:
        selections: `name:ranges`, or only `ranges` if the corpus has a single document. Ranges of one document add up.

    Raises:
        DocumentError: an unknown document, a page that it does not have, or ranges that are not valid.
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
    """Check the ranges of `--pages`, before any document is loaded.

    Raises:
        DocumentError: ranges that are not valid.
    """
    for selection in selections:
        _parse(selection.rpartition(":")[2], selection)


def only(document: "Document", numbers: set[int]) -> "Document":
    """The document with only these of its pages, in the same order and with the same numbers.

    Raises:
        DocumentError: a page that it does not have.
    """
    pages = tuple(page for page in document.pages if page.number in numbers)
    missing = numbers - {page.number for page in pages}
    if missing:
        raise DocumentError(
            f"{document.name} was loaded without page {format_ranges(missing)}.", source=document.source
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


def _numbers(ranges: str, document: "Document", selection: str) -> set[int]:
    last = max(page.number for page in document.pages)
    numbers: set[int] = set()
    for start, end in _parse(ranges, selection):
        if not 1 <= start <= end <= last:
            raise DocumentError(
                f"--pages {selection}: {document.name} has pages 1-{last}, not {format_range(start, end)}.",
                source=selection,
            )
        numbers.update(range(start, end + 1))
    return numbers


def _parse(ranges: str, selection: str) -> list[tuple[int, int]]:
    try:
        return parse_ranges(ranges)
    except PageRangeError as error:
        raise DocumentError(f"--pages {selection}: {error}.", source=selection) from error
