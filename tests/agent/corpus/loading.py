"""Loading as most of these tests do it."""

from pathlib import Path

from longread.agent.corpus import Corpus, LoadOptions
from longread.documents import Document


def load(path: Path | str, **options: object) -> Document:
    """The one document at `path`, without the cache, and however busy the machine is."""
    given = LoadOptions.model_validate({"cache": False, "timeout": 300.0, **options})
    return Corpus.load([path], options=given).documents[0]


def text_of(document: Document) -> str:
    return "\n".join(page.text for page in document.pages)
