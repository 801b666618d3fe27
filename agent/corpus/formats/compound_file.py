"""Compound files (OLE 2), in which Outlook and Office before 2007 store their documents [MS-CFB]."""

import struct
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from .base import ParseError

if TYPE_CHECKING:
    import olefile

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def open_compound(source: bytes | Path) -> "olefile.OleFileIO":
    """Open a compound file.

    Raises:
        ParseError: it is damaged.
    """
    import olefile

    try:
        return olefile.OleFileIO(BytesIO(source) if isinstance(source, bytes) else str(source))
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise ParseError(f"damaged: {' '.join(str(error).split())}") from None


def streams(path: Path) -> frozenset[str]:
    """The names of the streams and storages at the top of a compound file, in lower case."""
    file = open_compound(path)
    try:
        return frozenset(entry[0].lower() for entry in file.listdir(streams=True, storages=True))
    finally:
        file.close()
