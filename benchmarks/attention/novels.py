"""Long public-domain prose: Jane Austen's novels, from the Debian package of the R package `janeaustenr`."""

import zlib
from pathlib import Path

from platformdirs import user_cache_path

from benchmarks import report

PACKAGE = "r-cran-janeaustenr"

_STRING = b"\x00\x04\x00\x09"
"""The tag before each string in R's serialization: an element of a character vector, in UTF-8 or ASCII."""


def novel(title: str) -> str:
    """The text of one novel, by its title in capitals, such as "EMMA". The package is downloaded once."""
    folder = report.debian(PACKAGE, user_cache_path("longread-benchmarks", appauthor=False))
    texts = _novels(next(folder.rglob("data/Rdata.rdb")))
    return next(text for text in texts if text[: len(title)].upper() == title)


def _novels(database: Path) -> list[str]:
    """Each object in R's database is its length in four bytes, then zlib: here, a vector of lines."""
    data, found = database.read_bytes(), []
    while data:
        stream = zlib.decompressobj()
        found.append("\n".join(_strings(stream.decompress(data[4:]))))
        data = stream.unused_data
    return found


def _strings(serialized: bytes) -> list[str]:
    """The strings of R's serialization of a character vector: for each a tag, four bytes of length, and the bytes."""
    place, found = serialized.index(_STRING), []
    while serialized[place : place + 4] == _STRING:
        start = place + 8
        place = start + int.from_bytes(serialized[place + 4 : start], "big")
        found.append(serialized[start:place].decode())
    return found
