# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""Formats of before 2007, binary Excel, Outlook's mails, and files that are not what their names say."""

import struct

from .archive import packed
from .compound import compound
from .facts import Cell, Contains, Flagged, Hidden, cells
from .mails import order, web_archive
from .other import letter
from .samples import sample

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OLD = "libreoffice|before 2007|old kind|save it as"


def _record(kind: int, data: bytes = b"") -> bytes:
    """A record of a binary workbook (MS-XLSB 2.1.4)."""
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    return head + bytes([len(data)]) + data


def _wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def _cell(column: int, value: str | float) -> bytes:
    head = struct.pack("<II", column, 0)
    return _record(6, head + _wide(value)) if isinstance(value, str) else _record(5, head + struct.pack("<d", value))


@sample("binary.xlsb", cells(("Kiln", "Bricks"), ("East", "1250"), ("West", "980.5")), Contains("Firing"))
def binary() -> bytes:
    rows = (("Kiln", "Bricks"), ("East", 1250.0), ("West", 980.5))
    data = b"".join(
        _record(0, struct.pack("<IIHBBBI", number, 0, 300, 0, 0, 0, 0))
        + b"".join(_cell(column, value) for column, value in enumerate(row))
        for number, row in enumerate(rows)
    )
    sheet = (
        _record(129)
        + _record(148, struct.pack("<IIII", 0, 2, 0, 1))
        + _record(145)
        + data
        + _record(146)
        + _record(130)
    )
    book = (
        _record(131)
        + _record(143)
        + _record(156, struct.pack("<II", 0, 1) + _wide("rId1") + _wide("Firing"))
        + _record(144)
        + _record(132)
    )
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    return packed(
        {
            "[Content_Types].xml": f'{_HEAD}<Types xmlns="{types}"><Default Extension="bin" ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/xl/worksheets/sheet1.bin" ContentType="application/vnd.ms-excel.worksheet"/></Types>',
            "_rels/.rels": f'{_HEAD}{relations}<Relationship Id="rId1" Type="{office}/officeDocument" Target="xl/workbook.bin"/></Relationships>',
            "xl/workbook.bin": book,
            "xl/_rels/workbook.bin.rels": f'{_HEAD}{relations}<Relationship Id="rId1" Type="{office}/worksheet" Target="worksheets/sheet1.bin"/></Relationships>',
            "xl/worksheets/sheet1.bin": sheet,
        }
    )  # fmt: skip


def _text_property(number: int, text: str) -> tuple[str, bytes]:
    return f"__substg1.0_{number:04X}001F", text.encode("utf-16-le")


@sample(
    "meeting.msg",
    Contains("Moving the board meeting – Łódź"),
    Contains("Ewa Nowak"),
    Contains("The meeting moves to Thursday at 15:30 in the small hall"),
    Contains("agenda.txt", named="attach"),
    Contains("Item 1: the new boiler", named="attach"),
)
def meeting() -> bytes:
    texts = {
        0x001A: "IPM.Note",
        0x0037: "Moving the board meeting – Łódź",
        0x0C1A: "Ewa Nowak",
        0x0C1F: "ewa@hall.example",
        0x0E04: "board@hall.example",
        0x1000: "The meeting moves to Thursday at 15:30 in the small hall.\r\n",
    }
    fixed = b"".join(struct.pack("<HHIII", 0x001F, number, 6, len(text) * 2 + 2, 0) for number, text in texts.items())
    attached = {0x3001: "agenda.txt", 0x3704: "agenda.txt", 0x3707: "agenda.txt"}
    inner = b"".join(
        struct.pack("<HHIII", 0x001F, number, 6, len(text) * 2 + 2, 0) for number, text in attached.items()
    )
    content = b"Item 1: the new boiler\n"
    inner += struct.pack("<HHIII", 0x0102, 0x3701, 6, len(content), 0) + struct.pack("<HHIII", 0x0003, 0x3705, 6, 1, 0)
    folder = "__attach_version1.0_#00000000"
    return compound(
        {
            "__properties_version1.0": struct.pack("<8xIIII8x", 0, 1, 0, 1) + fixed,
            **dict(_text_property(number, text) for number, text in texts.items()),
            f"{folder}/__properties_version1.0": b"\0" * 8 + inner,
            **{f"{folder}/{name}": data for name, data in (_text_property(number, text) for number, text in attached.items())},
            f"{folder}/__substg1.0_37010102": content,
        }
    )  # fmt: skip


@sample("slides.ppt", Flagged("that such files are not read without another program", named=_OLD))
def old_slides() -> bytes:
    return compound({"Current User": b"\0" * 64, "PowerPoint Document": bytes(range(256)) * 20})


@sample(
    "web_export.xls", cells(("Customer", "Turnover"), ("Ahorn GmbH", "41,200.00"), ("Birke AG", "9,310.50"), named=_OLD)
)
def web_export() -> bytes:
    """A page of HTML under Excel's name, as many web programs export tables."""
    body = "".join(
        f"<tr><td>{name}</td><td>{amount}</td></tr>"
        for name, amount in (("Ahorn GmbH", "41,200.00"), ("Birke AG", "9,310.50"))
    )
    return (
        '<html xmlns:x="urn:schemas-microsoft-com:office:excel"><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head>'
        f"<body><table border=1><tr><th>Customer</th><th>Turnover</th></tr>{body}</table></body></html>"
    ).encode()


@sample(
    "rich_text.doc",
    Contains("Sehr geehrte Frau Müller", named=_OLD),
    Contains("Der Preis beträgt 45 €", named=_OLD),
    Hidden("fonttbl"),
)
def rich_text() -> bytes:
    """Rich text under Word's name, as WordPad and many programs save it."""
    return letter().replace(b"Lift of", b"Depth of")


@sample(
    "wiki_export.doc",
    Contains("Runbook – Überlauf", named=_OLD),
    Cell("2 h", "Limit", "Overflow", named=_OLD),
    Hidden("=C3=9C"),
    Hidden("MultipartBoundary"),
)
def wiki_export() -> bytes:
    """A web archive under Word's name, as wikis export pages."""
    return web_archive(
        "<html><body><h1>Runbook – Überlauf</h1><table><tr><th>Alarm</th><th>Limit</th></tr><tr><td>Overflow</td><td>2 h</td></tr></table></body></html>"
    )


@sample(
    "two_mails.mbox",
    Contains("We need 40 sacks for 1.200 €"),
    Contains("Second mail: from the yard"),
    Hidden("=E2=82=AC"),
)
def two_mails() -> bytes:
    second = b"From: b@yard.example\r\nTo: c@yard.example\r\nSubject: Yard\r\nDate: Wed, 05 Mar 2025 09:00:00 +0100\r\n\r\nSecond mail: from the yard\r\n"
    return b"".join(
        b"From sender@mills.example Tue Mar  4 08:15:00 2025\n" + mail.replace(b"\r\n", b"\n") + b"\n"
        for mail in (order(), second)
    )
