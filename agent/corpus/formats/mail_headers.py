"""The headers of mails as a mail program shows them."""

import base64
import binascii
import quopri
import re
from email.message import Message

from .text_encoding import decode

SHOWN = ("From", "To", "Cc", "Bcc", "Reply-To", "Date", "Subject")
"""The headers that readers see, in that order."""

_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*?)\?=")
_BETWEEN = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")


def header(message: Message, name: str) -> str:
    """A header in one line, decoded (RFC 2047); empty if the message has none.

    Several of one name are joined by commas. Bytes that should not be there are decoded like those of a text file.
    """
    values = (value for key, value in message.raw_items() if key.lower() == name.lower())
    return ", ".join(" ".join(decoded(str(value)).split()) for value in values)


def decoded(raw: str) -> str:
    """The text of a header or a file name.

    Unlike `email.header`, this joins the bytes of neighbouring words first, since mail programs divide characters
    between them, and understands the names of encodings as browsers do.
    """
    try:
        data = raw.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return raw  # characters already
    if not data.isascii():
        raw = decode(data)[0]
    parts: list[str] = []
    done, held, charset = 0, b"", ""
    raw = _BETWEEN.sub(r"\1", raw)
    for word in _WORD.finditer(raw):
        between = raw[done : word.start()]
        if held and (between or word[1].lower() != charset):
            parts.append(decode(held, declared=charset)[0])
            held = b""
        parts.append(between)
        held, charset, done = held + _bytes(word[2], word[3]), word[1].lower(), word.end()
    if held:
        parts.append(decode(held, declared=charset)[0])
    return "".join([*parts, raw[done:]])


def _bytes(how: str, text: str) -> bytes:
    if how in "qQ":
        return quopri.decodestring(text.replace("_", " ").encode("ascii", "replace"), header=False)
    text = re.sub(r"[^A-Za-z0-9+/]", "", text)
    try:
        return base64.b64decode(text[: len(text) - (len(text) % 4 == 1)] + "=" * (-len(text) % 4))
    except binascii.Error:
        return text.encode()
