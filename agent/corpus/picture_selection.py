"""Add the pictures of pages to a corpus, for models that read pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from longread.documents import Document, Page, PagePicture
from longread.errors import ConfigError, DocumentError
from longread.page_ranges import format_ranges

from .page_pictures import has_pictures, page_pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Corpus

Vision = Literal["auto", "never", "always"]
"""Which pages are sent as pictures, after their text. "auto": those whose text does not account for what they show, if
the model reads pictures. "always": all pages that can be rendered."""


def with_pictures(
    corpus: "Corpus",
    *,
    vision: Vision,
    reads_pictures: "Callable[[], bool]",
    tokens: "Callable[[int, int], int]",
    password: str | None = None,
) -> "Corpus":
    """The corpus with the pictures of the pages that go into the prompt as pictures.

    Rendering is deterministic, so that the prompt has the same bytes for every question and hits the prefix cache.

    Args:
        reads_pictures: whether the model does. Called only if a page needs a picture.
        tokens: tokens of a picture by its width and height in pixels.
        password: of encrypted files.

    Raises:
        ConfigError: "always", and the model does not read pictures.
        DocumentError: "always", and a page cannot be rendered. With "auto" the document gets a warning instead.
    """
    wanted = {document.name: _wanted(document, vision) for document in corpus.documents}
    if not any(wanted.values()):
        return corpus
    if not reads_pictures():
        if vision == "always":
            raise ConfigError("The model does not read pictures: leave out --vision always, or choose another model.")
        return corpus
    documents = tuple(
        _with_pictures(document, wanted[document.name], vision, tokens, password) for document in corpus.documents
    )
    return type(corpus)(documents=documents, failures=corpus.failures, warnings=corpus.warnings)


def _wanted(document: Document, vision: Vision) -> list[int]:
    """The numbers of the pages that are to be pictures."""
    if vision == "never" or not has_pictures(document):
        return []
    return [page.number for page in document.pages if vision == "always" or page.needs_picture]


def _with_pictures(
    document: Document,
    numbers: Sequence[int],
    vision: Vision,
    tokens: "Callable[[int, int], int]",
    password: str | None,
) -> Document:
    if not numbers:
        return document
    pictures: dict[int, PagePicture] = {}
    warnings = document.warnings
    try:
        for page, jpeg, width, height in page_pictures(document, numbers, password=password):
            pictures[page] = PagePicture(jpeg=jpeg, width=width, height=height, tokens=tokens(width, height))
    except DocumentError as error:
        if vision == "always":
            raise
        missing = [number for number in numbers if number not in pictures]
        warnings = (*warnings, f"{_pages(missing)}: not sent as pictures: {error}")
    pages = tuple(
        Page(**{**dict(page), "picture": pictures[page.number]}) if page.number in pictures else page
        for page in document.pages
    )
    # New objects, not copies: a copy of a pydantic model would keep the token counts that the original has cached.
    return Document(**{**dict(document), "pages": pages, "warnings": warnings})


def _pages(numbers: Sequence[int]) -> str:
    return f"Page{'' if len(numbers) == 1 else 's'} {format_ranges(numbers)}"
