"""Short names for documents: what a citation calls them, as in `[handbook:12]`."""

import unicodedata
from collections.abc import Iterable
from pathlib import PurePath

LONGEST = 24


def names(sources: Iterable[str]) -> list[str]:
    """A name for each source, all different: its stem in lower case, letters and digits of any script and '-'."""
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
    kept = (char if unicodedata.category(char)[0] in "LM" or char.isdecimal() else "-" for char in text)
    return "-".join(part for part in "".join(kept).split("-") if part)
