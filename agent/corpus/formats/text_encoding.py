"""Decode text files."""

import codecs

from .base import WrongFormat

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's mark, which is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(data: bytes) -> tuple[str, list[str]]:
    """Decode a text; returns it with a warning if the encoding was guessed (no byte order mark, and not UTF-8).

    Raises:
        WrongFormat: it is not text in any encoding.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding), []
    except UnicodeDecodeError as error:
        broken = error
    if encoding != "utf-8":
        raise WrongFormat(f"the byte order mark says {encoding}, but byte {broken.start:,} cannot be that")
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if best is None:
        raise WrongFormat(f"byte {broken.start:,} is not UTF-8, and no other encoding fits; save the file as UTF-8")
    return str(best), [f"Decoded as {best.encoding}, a guess: it is not UTF-8 (byte {broken.start:,})."]
