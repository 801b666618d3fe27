"""Excel workbooks written part by part, as all kinds of programs write them; the binary kind record by record."""

import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMESPACES = f'xmlns="{MAIN}" xmlns:r="{RELATIONS}"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_STRICT = (
    ("http://schemas.openxmlformats.org/officeDocument/2006/", "http://purl.oclc.org/ooxml/officeDocument/"),
    ("http://schemas.openxmlformats.org/spreadsheetml/2006/", "http://purl.oclc.org/ooxml/spreadsheetml/"),
)


@dataclass
class SheetPart:
    """A sheet: `rows` is what is in sheetData, `before` and `after` what is around it."""

    name: str
    rows: str = ""
    before: str = ""
    after: str = ""
    state: str = ""
    relations: Sequence[tuple[str, str, str]] = ()
    """Id, kind and target; of an external one, the target contains "://" or ":"."""
    kind: str = "worksheet"


def rows(*lines: Sequence[object]) -> str:
    """Rows of numbers and texts; None is an empty cell."""
    return "".join(
        f'<row r="{number}">'
        + "".join(cell(f"{chr(65 + at)}{number}", value) for at, value in enumerate(line) if value is not None)
        + "</row>"
        for number, line in enumerate(lines, start=1)
    )


def cell(reference: str, value: object, style: int = 0) -> str:
    if isinstance(value, str):
        return f'<c r="{reference}" s="{style}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{reference}" s="{style}"><v>{value}</v></c>'


def styles(*codes: str | int, fonts: str = "", fills: str = "", xfs: str = "") -> str:
    """A styles part: style 1 has the first format, which is a code or the number of a built-in one, and so on."""
    formats = [(164 + at, code) for at, code in enumerate(codes) if isinstance(code, str)]
    numbers = [code if isinstance(code, int) else 164 + at for at, code in enumerate(codes)]
    listed = "".join(f'<numFmt numFmtId="{number}" formatCode={quoteattr(code)}/>' for number, code in formats)
    cells = "".join(f'<xf numFmtId="{number}" fontId="0" fillId="0"/>' for number in (0, *numbers))
    return (
        f"<styleSheet {NAMESPACES}><numFmts>{listed}</numFmts><fonts><font/>{fonts}</fonts>"
        f'<fills><fill/><fill><patternFill patternType="gray125"/></fill>{fills}</fills>'
        f"<cellXfs>{cells}{xfs}</cellXfs></styleSheet>"
    )


@dataclass
class Book:
    sheets: Sequence[SheetPart]
    styles: str | None = field(default_factory=styles)
    strings: str | None = None
    """The `si` elements of the shared strings."""
    properties: str = ""
    """Elements of the workbook part before and after its sheets, such as workbookPr."""
    parts: Mapping[str, str | bytes] = field(default_factory=dict)
    relations: Sequence[tuple[str, str, str]] = ()
    strict: bool = False

    def data(self, rename: Mapping[str, str] | None = None) -> bytes:
        """The file. Names of parts can be changed, as in files with names in the wrong case."""
        listed = "".join(
            f'<sheet name={quoteattr(sheet.name)} sheetId="{number}" r:id="rId{number}"'
            + (f' state="{sheet.state}"/>' if sheet.state else "/>")
            for number, sheet in enumerate(self.sheets, start=1)
        )
        relations = [(f"rId{n}", s.kind, f"worksheets/sheet{n}.xml") for n, s in enumerate(self.sheets, start=1)]
        files: dict[str, str | bytes] = {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
            "_rels/.rels": _relationships([("rId1", "officeDocument", "xl/workbook.xml")]),
            "xl/workbook.xml": f"<workbook {NAMESPACES}>{self.properties}<sheets>{listed}</sheets></workbook>",
        }
        for number, sheet in enumerate(self.sheets, start=1):
            body = f"{sheet.before}<sheetData>{sheet.rows}</sheetData>" if sheet.kind == "worksheet" else sheet.before
            files[f"xl/worksheets/sheet{number}.xml"] = f"<{sheet.kind} {NAMESPACES}>{body}{sheet.after}</{sheet.kind}>"
            if sheet.relations:
                files[f"xl/worksheets/_rels/sheet{number}.xml.rels"] = _relationships(sheet.relations)
        if self.styles is not None:
            files["xl/styles.xml"] = self.styles
            relations.append(("rStyles", "styles", "styles.xml"))
        if self.strings is not None:
            files["xl/sharedStrings.xml"] = f"<sst {NAMESPACES}>{self.strings}</sst>"
            relations.append(("rStrings", "sharedStrings", "sharedStrings.xml"))
        files["xl/_rels/workbook.xml.rels"] = _relationships([*relations, *self.relations])
        files |= self.parts
        return _packed({(rename or {}).get(name, name): data for name, data in files.items()}, strict=self.strict)


def _relationships(listed: Sequence[tuple[str, str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="{identity}" Type="{RELATIONS}/{kind}" Target={quoteattr(target)}'
        + (' TargetMode="External"/>' if ":" in target else "/>")
        for identity, kind, target in listed
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{entries}</Relationships>'


def _packed(files: Mapping[str, str | bytes], *, strict: bool = False) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            if strict and isinstance(data, str):
                for transitional, new in _STRICT:
                    data = data.replace(transitional, new)
            archive.writestr(name, data)
    return stream.getvalue()


# The binary kind.


def record(kind: int, data: bytes = b"") -> bytes:
    return _variable(kind) + _variable(len(data)) + data


def text(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode("utf-16-le")


def place(column: int, style: int = 0) -> bytes:
    """The start of a cell's record; columns are counted from 0."""
    return struct.pack("<I", column) + style.to_bytes(3, "little") + b"\0"


def row_record(number: int, *, hidden: bool = False) -> bytes:
    return record(0, struct.pack("<IIHBB", number, 0, 300, 0, 0x10 if hidden else 0) + bytes(5))


def binary_book(
    sheets: Sequence[tuple[str, int, bytes]],
    *,
    codes: Sequence[str | int] = (),
    strings: Sequence[str] = (),
    from_1904: bool = False,
    parts: Mapping[str, str | bytes] | None = None,
    sheet_relations: Sequence[tuple[str, str, str]] = (),
) -> bytes:
    """A binary workbook.

    Args:
        sheets: name, state (0 visible, 1 hidden, 2 very hidden) and the records of each sheet.
        codes: number formats of the styles 1, 2, …
        sheet_relations: relationships of the first sheet.
    """
    listed = b"".join(
        record(156, struct.pack("<II", state, number) + text(f"rId{number}") + text(name))
        for number, (name, state, _) in enumerate(sheets, start=1)
    )
    formats = b"".join(
        record(44, struct.pack("<H", 164 + at) + text(code)) for at, code in enumerate(codes) if isinstance(code, str)
    )
    numbers = [0, *(code if isinstance(code, int) else 164 + at for at, code in enumerate(codes))]
    xfs = b"".join(record(47, struct.pack("<HHHH", 0, number, 0, 0) + bytes(8)) for number in numbers)
    relations = [(f"rId{n}", "worksheet", f"worksheets/sheet{n}.bin") for n in range(1, len(sheets) + 1)]
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": _relationships([("rId1", "officeDocument", "xl/workbook.bin")]),
        "xl/_rels/workbook.bin.rels": _relationships(
            [*relations, ("a", "styles", "styles.bin"), ("b", "sharedStrings", "sharedStrings.bin")]
        ),
        "xl/workbook.bin": record(153, struct.pack("<II", from_1904, 0) + text("")) + listed,
        "xl/styles.bin": formats + record(617) + xfs + record(618),
        "xl/sharedStrings.bin": b"".join(record(19, b"\0" + text(string)) for string in strings),
    }
    for number, (_, _, data) in enumerate(sheets, start=1):
        files[f"xl/worksheets/sheet{number}.bin"] = data
    if sheet_relations:
        files["xl/worksheets/_rels/sheet1.bin.rels"] = _relationships(sheet_relations)
    return _packed({**files, **(parts or {})})


def _variable(number: int) -> bytes:
    parts = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        parts.append(low | (0x80 if number else 0))
        if not number:
            return bytes(parts)
