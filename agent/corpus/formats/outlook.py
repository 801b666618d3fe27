"""Outlook's .msg files, rebuilt as the mails that they were [MS-OXMSG]."""

import base64
import email.policy
import struct
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage, Message
from email.utils import format_datetime
from typing import TYPE_CHECKING

from .base import ParseError, ParseOptions
from .compound_file import MAGIC, open_compound
from .mail_reader import MailFile, open_message
from .text_encoding import decode

if TYPE_CHECKING:
    import olefile

# MAPI properties [MS-OXPROPS]
_SUBJECT, _SENT, _CODEPAGE, _INTERNET_CODEPAGE = 0x0037, 0x0039, 0x3FFD, 0x3FDE
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP = 0x0C1A, 0x0C1F, 0x5D01
_HEADERS, _BODY, _RTF, _HTML = 0x007D, 0x1000, 0x1009, 0x1013
_TO, _CC, _BCC = 0x0E04, 0x0E03, 0x0E02
_NAME, _ADDRESS, _SMTP, _RECIPIENT_KIND = 0x3001, 0x3003, 0x39FE, 0x0C15
_DATA, _LONG_NAME, _SHORT_NAME, _MEDIA_TYPE, _CONTENT_ID, _HIDDEN = 0x3701, 0x3707, 0x3704, 0x370E, 0x3712, 0x7FFE
_UNICODE, _BYTES_TEXT, _BINARY, _OBJECT = "001F", "001E", "0102", "000D"
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_MAX_DEPTH = 20
_WINDOWS_UTF_8 = 65001


def open_outlook(data: bytes, options: ParseOptions) -> MailFile:
    """Open a .msg file.

    Raises:
        ParseError: it is damaged, or something else.
    """
    if not data.startswith(MAGIC):
        raise ParseError("not an Outlook mail, or a damaged one")
    with open_compound(data) as file:
        return open_message(_message(_Storage(file, ())), options)


class _Storage:
    """A message, recipient or attachment: a storage with a stream for each property."""

    def __init__(self, file: "olefile.OleFileIO", path: tuple[str, ...]):
        self._file = file
        self._path = path
        self.fixed = self._fixed()

    def _stream(self, name: str) -> bytes | None:
        try:
            return self._file.openstream([*self._path, name]).read()
        except (OSError, IndexError, ValueError):  # not there, or damaged
            return None

    def _fixed(self) -> dict[int, bytes]:
        """The properties of fixed size: the eight bytes of their values by their numbers."""
        data = self._stream("__properties_version1.0") or b""
        # A header that differs between kinds of storages precedes entries of 16 bytes.
        start = 32 if not self._path else 24 if self._path[-1].startswith("__substg1.0_3701000D") else 8
        entries = (data[at : at + 16] for at in range(start, len(data) - 15, 16))
        return {struct.unpack_from("<HH", entry)[1]: entry[8:] for entry in entries}

    def number(self, name: int) -> int:
        return struct.unpack_from("<I", self.fixed.get(name, bytes(8)))[0]

    def binary(self, name: int) -> bytes | None:
        return self._stream(f"__substg1.0_{name:04X}{_BINARY}")

    def text(self, name: int) -> str:
        data = self._stream(f"__substg1.0_{name:04X}{_UNICODE}")
        if data is not None:
            return data.decode("utf-16-le", "replace").rstrip("\0")
        data = self._stream(f"__substg1.0_{name:04X}{_BYTES_TEXT}")
        return decode(data, declared=self.charset)[0].rstrip("\0") if data else ""

    @property
    def charset(self) -> str:
        page = self.number(_CODEPAGE) or self.number(_INTERNET_CODEPAGE)
        return "utf-8" if page == _WINDOWS_UTF_8 else f"cp{page}" if page else ""

    def inside(self, prefix: str) -> "list[_Storage]":
        depth = len(self._path)
        names = {
            entry[depth]
            for entry in self._file.listdir(streams=True, storages=True)
            if entry[:depth] == list(self._path) and len(entry) > depth and entry[depth].startswith(prefix)
        }
        return [_Storage(self._file, (*self._path, name)) for name in sorted(names)]


def _message(storage: _Storage, depth: int = 0) -> Message:
    """A message as a mail program would have sent it."""
    message = EmailMessage(policy=email.policy.compat32)
    sender = _address(storage.text(_SENDER_NAME), storage.text(_SENDER_SMTP) or storage.text(_SENDER_ADDRESS))
    recipients: dict[int, list[str]] = {}
    for one in storage.inside("__recip_version1.0_"):
        shown = _address(one.text(_NAME), one.text(_SMTP) or one.text(_ADDRESS))
        recipients.setdefault(one.number(_RECIPIENT_KIND), []).append(shown)
    named = {
        "From": sender,
        "To": ", ".join(recipients.get(1, ())) or storage.text(_TO),
        "Cc": ", ".join(recipients.get(2, ())) or storage.text(_CC),
        "Bcc": ", ".join(recipients.get(3, ())) or storage.text(_BCC),
        "Date": _sent(storage),
        "Subject": storage.text(_SUBJECT),
    }
    for name, text in named.items():
        if text.strip():
            message[name] = " ".join(text.split())
    forms = list(_forms(storage))
    body = forms[0] if len(forms) == 1 else _multipart("alternative", forms) if forms else _part("text/plain", b"")
    attached = [_attachment(one, depth) for one in storage.inside("__attach_version1.0_")]
    pictures = [part for part in attached if part.get_content_maintype() == "image" and part["Content-ID"]]
    files = [part for part in attached if part not in pictures]
    if pictures:
        body = _multipart("related", [body, *pictures])
    if files:
        body = _multipart("mixed", [body, *files])
    for name, text in body.items():
        message[name] = text
    message.set_payload(body.get_payload())
    return message


def _forms(storage: _Storage) -> "list[Message]":
    """The text in the forms in which the message has it."""
    forms: list[Message] = []
    if text := storage.text(_BODY):
        forms.append(_part("text/plain; charset=utf-8", text.encode("utf-8", "replace")))
    html = storage.binary(_HTML)
    if html:
        page = storage.number(_INTERNET_CODEPAGE)
        charset = "utf-8" if page == _WINDOWS_UTF_8 else f"cp{page}" if page else ""
        forms.append(_part("text/html" + f"; charset={charset}" * bool(charset), html))
    elif html_text := storage.text(_HTML):
        forms.append(_part("text/html; charset=utf-8", html_text.encode("utf-8", "replace")))
    if not forms and (packed := storage.binary(_RTF)):
        from .rtf import text_of

        forms.append(_part("text/plain; charset=utf-8", text_of(unpacked(packed)).encode("utf-8", "replace")))
    return forms


def _attachment(storage: _Storage, depth: int) -> Message:
    name = storage.text(_LONG_NAME) or storage.text(_NAME) or storage.text(_SHORT_NAME)
    messages = storage.inside("__substg1.0_3701000D")
    data = storage.binary(_DATA)
    if data is None and messages and depth < _MAX_DEPTH:
        part = Message(email.policy.compat32)
        part["Content-Type"] = "message/rfc822"
        part.set_payload([_message(messages[0], depth + 1)])
        return part
    kind = storage.text(_MEDIA_TYPE)
    part = _part(kind if "/" in kind else "application/octet-stream", data or b"")
    part["Content-Disposition"] = "attachment"
    part.set_param("filename", name or "attachment", "Content-Disposition", charset="utf-8")
    if content_id := storage.text(_CONTENT_ID):
        part["Content-ID"] = f"<{content_id}>"
        if part.get_content_maintype() == "image":
            part.replace_header("Content-Disposition", "inline")
    return part


def _part(kind: str, data: bytes) -> Message:
    part = Message(email.policy.compat32)
    part["Content-Type"] = kind
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(base64.encodebytes(data).decode("ascii"))
    return part


def _multipart(kind: str, parts: list[Message]) -> Message:
    whole = Message(email.policy.compat32)
    whole["Content-Type"] = f"multipart/{kind}"
    whole.set_payload(parts)  # pyright: ignore[reportArgumentType] - typeshed lacks lists of messages
    return whole


def _address(name: str, address: str) -> str:
    if "@" not in address or address == name:  # Exchange has addresses like "/o=ExchangeLabs/…"
        return name or address
    return f"{name} <{address}>" if name else address


def _sent(storage: _Storage) -> str:
    ticks = struct.unpack("<Q", storage.fixed.get(_SENT, bytes(8)))[0]
    try:
        return format_datetime(_EPOCH + timedelta(microseconds=ticks // 10)) if ticks else ""
    except OverflowError:
        return ""


_RTF_START = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard"
    b"\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""What the window of the compression contains at the beginning [MS-OXRTFCP]."""


def unpacked(data: bytes) -> bytes:
    """Decompress the RTF of a message [MS-OXRTFCP]."""
    if len(data) < 16 or data[8:12] != b"LZFu":
        return data[16:]
    size = struct.unpack_from("<I", data, 4)[0]
    window = bytearray(_RTF_START.ljust(4096, b"\0"))
    at, write = 16, len(_RTF_START)
    out = bytearray()
    while at < len(data) and len(out) < size:
        flags = data[at]
        at += 1
        for bit in range(8):
            if not flags >> bit & 1:
                chunk = data[at : at + 1]
                at += 1
            else:
                if at + 2 > len(data):
                    return bytes(out)
                token = data[at] << 8 | data[at + 1]
                at += 2
                start, length = token >> 4, (token & 15) + 2
                if start == write % 4096:
                    return bytes(out)
                for step in range(length):
                    byte = window[(start + step) % 4096]
                    window[write % 4096] = byte
                    write += 1
                    out.append(byte)
                continue
            for byte in chunk:
                window[write % 4096] = byte
                write += 1
                out.append(byte)
    return bytes(out[:size])
