"""Reads a mail: its headers, its text in the richest of its forms, and what is attached."""

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message

from .base import AttachedFile, ParseOptions, RawPage, Sections, WrongFormat
from .html import to_markdown
from .mail_headers import SHOWN, decoded, header
from .markdown import sections
from .text_encoding import decode

_WORDS = re.compile(r"\w+")
_RICHER = 0.8
"""The HTML of a message is taken if it has this fraction of the words of its plain text: some have only a hint."""
_MAX_PARTS = 10_000
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_SEALED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted")
_RESOURCES = ("text/css", "text/javascript", "application/javascript", "application/x-javascript")
"""Parts of web pages that nobody reads."""
_MBOX = re.compile(rb"^From [^\n]*\d{4}[^\n]*\r?\n(?=[A-Za-z-]+:)", re.MULTILINE)


def open_mail(data: bytes, options: ParseOptions) -> "MailFile":
    """Open a mail or a web archive.

    Raises:
        WrongFormat: it has no headers.
    """
    message = email.message_from_bytes(data.lstrip(b"\xef\xbb\xbf\r\n \t"), policy=email.policy.compat32)
    if not message.keys():
        raise WrongFormat("not a mail: it has no headers")
    return open_message(message, options)


def open_mailbox(data: bytes, options: ParseOptions) -> "MailFile":
    """Open an mbox file.

    Raises:
        WrongFormat: there is no mail in it.
    """
    starts = [match.start() for match in _MBOX.finditer(data)]
    if not starts:
        raise WrongFormat('not a mailbox: no line starts a mail with "From "')
    file = MailFile(0)
    pages: list[RawPage] = []
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        lines = re.sub(rb"^>(>*From )", rb"\1", data[start:end].partition(b"\n")[2], flags=re.MULTILINE)
        one = open_message(email.message_from_bytes(lines, policy=email.policy.compat32), options)
        title = one.title or f"mail {len(file.outline) + 1}"
        file.outline.append((1, title, len(pages) + 1))
        pages += [page._replace(label=title) for page in one.sections]
        file.warnings += one.warnings
        file.files += [(f"{len(file.outline)}/{name}", part) for name, part in one.files]
    file.pages, file.sections = len(pages), pages
    file.warnings = list(dict.fromkeys(file.warnings))
    return file


@dataclass
class MailFile(Sections):
    """An open mail."""

    files: list[tuple[str, Message]] = field(default_factory=list)
    """The attached files by name."""

    def attached_files(self) -> Iterator[AttachedFile]:
        for name, part in self.files:
            kind = part.get_content_type()
            if kind in _SIGNATURES:
                yield AttachedFile(name, problem="signatures")
            elif kind.startswith("message/"):
                yield AttachedFile(name, _source(part), "message/rfc822")
            else:
                yield AttachedFile(name, _payload(part), kind)


def open_message(message: Message, options: ParseOptions) -> MailFile:
    """Open a message that has been parsed."""
    reader = _Reader(options)
    body = "\n\n".join(text for text in reader.read(message) if text.strip())
    lines = [f"{name}: {text}" for name in SHOWN if (text := header(message, name))]
    if reader.files:
        lines.append(f"Attachments: {', '.join(name for name, _ in reader.files)}")
    pages, outline = sections("\n".join([*lines, "", body]))
    if reader.pictures and not any("picture" in note for note in reader.notes):
        reader.notes.append(_pictures(reader.pictures))
    notes = tuple(dict.fromkeys(reader.notes))
    labelled = [
        RawPage("message" if len(pages) == 1 else page.label, page.text, (*page.notes, *notes * (not index)))
        for index, page in enumerate(pages)
    ]
    metadata = {name.lower(): text for name in SHOWN if name != "Subject" and (text := header(message, name))}
    return MailFile(
        len(labelled),
        sections=labelled,
        outline=outline,
        title=header(message, "Subject"),
        metadata=metadata,
        warnings=list(dict.fromkeys(reader.warnings)),
        files=reader.files,
    )


@dataclass
class _Reader:
    options: ParseOptions
    files: list[tuple[str, Message]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pictures: int = 0
    """Pictures in the text of the mail."""

    def read(self, message: Message) -> Iterator[str]:
        """The texts of a message, in order; attached files are collected."""
        pending: list[tuple[Message, bool]] = [(message, False)]
        parts = 0
        while pending:
            part, is_resource = pending.pop()
            parts += 1
            if parts > _MAX_PARTS:
                self.warnings.append(f"Only the first {_MAX_PARTS:,} parts of the mail were read.")
                return
            kind = part.get_content_type()
            inside = part.get_payload() if part.is_multipart() else None
            children = [child for child in inside if isinstance(child, Message)] if isinstance(inside, list) else []
            if kind == "multipart/alternative" and children:
                chosen = self._richest(children)
                if chosen.get_content_maintype() == "multipart":
                    pending.append((chosen, False))
                else:
                    yield self._text(chosen)
                others = [c for c in children if c.get_content_maintype() not in ("text", "multipart")]
                pending += [(child, is_resource) for child in reversed(others) if child is not chosen]
            elif kind == "multipart/related" and children:
                root = next((c for c in children if c.get_content_maintype() in ("text", "multipart")), children[0])
                rest = [child for child in children if child is not root]
                pending += [(child, True) for child in reversed(rest)]
                pending.append((root, False))
            elif kind.startswith("multipart/"):
                pending += [(child, is_resource) for child in reversed(children)]
            elif kind.startswith("message/") and children:
                if kind == "message/delivery-status":
                    yield "\n\n".join(
                        "\n".join(f"{name}: {decoded(str(value))}" for name, value in child.items())
                        for child in children
                    )
                else:
                    self.files.append((self._name(part), part))
            elif (
                is_resource
                and part.get_content_disposition() != "attachment"
                and (kind.startswith(("image/", "font/")) or kind in _RESOURCES)
            ):
                self.pictures += kind.startswith("image/")
            elif kind.startswith("text/") and kind != "text/calendar" and not self._is_attachment(part):
                yield self._text(part)
            elif kind in _SEALED:
                self.warnings.append(f"The mail, or a part of it, is encrypted or sealed ({kind}), and was not read.")
            else:
                self.files.append((self._name(part), part))

    def _is_attachment(self, part: Message) -> bool:
        disposition = part.get_content_disposition()
        return disposition == "attachment" or (disposition is None and bool(part.get_filename()))

    def _richest(self, children: list[Message]) -> Message:
        """Of several forms of a message, HTML if it says about as much as the text, since it has tables and links."""
        flat = {id(child): child for child in children}
        texts = [child for child in flat.values() if child.get_content_type() == "text/plain"]
        rich = [child for child in flat.values() if child.get_content_type() in ("text/html", "multipart/related")]
        rich += [child for child in flat.values() if child.get_content_maintype() == "multipart" and child not in rich]
        if not rich or not texts:
            return (rich or texts or children)[-1]
        page = next((part for part in rich[-1].walk() if part.get_content_type() == "text/html"), None)
        words = len(_WORDS.findall(self._html(page).text)) if page is not None else 0
        return rich[-1] if words >= _RICHER * len(_WORDS.findall(_text(texts[0], "")[0])) else texts[0]

    def _html(self, part: Message):
        data = _payload(part)
        text, _ = decode(data, self.options.encoding, _declared(part, data))
        return to_markdown(text.encode("utf-8", "replace"), encoding="utf-8", hidden=self.options.hidden)

    def _text(self, part: Message) -> str:
        """The text of a part as Markdown."""
        if part.get_content_type() in ("text/html", "application/xhtml+xml"):
            page = self._html(part)
            self.notes += page.notes
            self.warnings += page.warnings
            return page.text
        text, warnings = _text(part, self.options.encoding)
        self.warnings += warnings
        if part.get_content_type() == "text/enriched":
            text = re.sub(r"<[^>\n]{,40}>", "", text)
        return _unflowed(text) if str(part.get_param("format", "")).lower() == "flowed" else text

    def _name(self, part: Message) -> str:
        name = decoded(part.get_filename() or "")
        if not name and part.get_content_type().startswith("message/"):
            inner = part.get_payload(0) if part.is_multipart() else None
            subject = header(inner, "Subject") if isinstance(inner, Message) else ""
            name = " ".join(re.sub(r'[/\\:*?"<>|]', " ", subject).split())[:80].strip()
            return f"{name or f'mail {len(self.files) + 1}'}.eml"
        if not name:
            kind = part.get_content_type()
            extension = {"text/calendar": ".ics"}.get(kind, "." + part.get_content_subtype().split("+")[0])
            name = f"{part.get_content_maintype()} {len(self.files) + 1}{extension}"
        return name


def _pictures(count: int) -> str:
    return "a picture in the message was not read" if count == 1 else f"{count} pictures in the message were not read"


def _payload(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _source(part: Message) -> bytes:
    """The mail that is attached as a part."""
    inner = part.get_payload(0) if part.is_multipart() else None
    if not isinstance(inner, Message):
        return _payload(part)
    try:
        return inner.as_bytes(policy=email.policy.compat32)
    except (
        UnicodeError,
        LookupError,
        KeyError,
        AttributeError,
        TypeError,
    ):  # faults of the message; see Python's tracker
        return b"".join(f"{name}: {value}\r\n".encode("utf-8", "replace") for name, value in inner.items()) + b"\r\n"


def _declared(part: Message, data: bytes) -> str:
    charset = str(part.get_content_charset() or "")
    if charset:
        return charset
    named = re.search(rb"""<meta[^>]+charset\s*=\s*["']?([\w-]+)""", data[:4096], re.IGNORECASE)
    return named[1].decode("ascii") if named else ""


def _text(part: Message, encoding: str) -> tuple[str, list[str]]:
    data = _payload(part)
    return decode(data, encoding, _declared(part, data))


def _unflowed(text: str) -> str:
    """Join the lines of a paragraph (RFC 3676): a line that ends in a space goes on in the next one."""
    lines: list[str] = []
    flows = False
    quoted = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        depth = re.match(r">*", line)
        mark = depth[0] if depth else ""
        content = line[len(mark) :].removeprefix(" ")
        if flows and mark == quoted and content != "-- ":
            lines[-1] += content
        else:
            lines.append(f"{mark} {content}" if mark else content)
        flows, quoted = content.endswith(" ") and content != "-- ", mark
    return "\n".join(lines)
