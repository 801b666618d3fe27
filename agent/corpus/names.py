"""Short names for documents, which citations use: `[handbook:12]`."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from urllib.parse import unquote, urlsplit

LONGEST = 24
_ARXIV = re.compile(r"arxiv:[^/]*\Z", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def names(sources: Iterable[str]) -> list[str]:
    """A unique name for each source: its stem in lower case, with the letters and digits of any script and '-'."""
    taken: dict[str, None] = {}
    for source in sources:
        name = base = _slug("stdin" if source == "-" else stem(source))[:LONGEST].strip("-") or "document"
        number = 1
        while name in taken:
            number += 1
            suffix = f"-{number}"
            name = base[: LONGEST - len(suffix)].rstrip("-") + suffix
        taken[name] = None
    return list(taken)


def stem(source: str) -> str:
    """The name of a file without its folder and extension; of an address, of the file that it names, or its host."""
    if _ARXIV.match(source):
        return source
    if _ADDRESS.match(source):
        path = unquote(urlsplit(source).path).rstrip("/")
        return PurePath(path).stem if path else urlsplit(source).netloc
    return PurePath(source).stem


def _slug(stem: str) -> str:
    text = unicodedata.normalize("NFC", stem).lower()
    # Marks (M) are part of letters in many scripts.
    letters = (char if unicodedata.category(char)[0] in "LM" or char.isdecimal() else "-" for char in text)
    return "-".join(part for part in "".join(letters).split("-") if part)
