"""Short names for documents, which citations use: `[handbook:12]`."""

import unicodedata
from collections.abc import Iterable
from pathlib import PurePath

LONGEST = 24


def names(sources: Iterable[str]) -> list[str]:
    """A unique name for each source: its stem in lower case, with the letters and digits of any script and '-'."""
    taken: dict[str, None] = {}
    for source in sources:
        stem = "stdin" if source == "-" else PurePath(source).stem
        name = base = _slug(stem)[:LONGEST].strip("-") or "document"
        number = 1
        while name in taken:
            number += 1
            suffix = f"-{number}"
            name = base[: LONGEST - len(suffix)].rstrip("-") + suffix
        taken[name] = None
    return list(taken)


def _slug(stem: str) -> str:
    text = unicodedata.normalize("NFC", stem).lower()
    # Marks (M) are part of letters in many scripts.
    letters = (char if unicodedata.category(char)[0] in "LM" or char.isdecimal() else "-" for char in text)
    return "-".join(part for part in "".join(letters).split("-") if part)
