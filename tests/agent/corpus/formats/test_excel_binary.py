"""Excel's binary workbooks, written record by record."""

import struct
from pathlib import Path

from longread.agent.corpus.formats import ParseOptions, detect
from longread.agent.corpus.formats.base import OpenFile
from longread.agent.corpus.formats.spreadsheet import Xlsb
from tests.support.workbooks import binary_book, place, record, row_record, text


def read(data: bytes) -> OpenFile:
    return Xlsb().open(data, ParseOptions())


def texts(file: OpenFile) -> list[str]:
    return [file.page(index).text.rstrip("\n") for index in range(file.pages)]


def real(column: int, value: float, style: int = 0) -> bytes:
    return record(5, place(column, style) + struct.pack("<d", value))


def rk(column: int, bits: int, style: int = 0) -> bytes:
    return record(2, place(column, style) + struct.pack("<I", bits & 0xFFFFFFFF))


def test_kinds_of_cells() -> None:
    (high,) = struct.unpack("<I", struct.pack("<d", 2.5)[4:])
    sheet = (
        row_record(0)
        + record(7, place(0) + struct.pack("<I", 0))
        + record(6, place(1) + text("own, text"))
        + record(62, place(2) + b"\1" + text("rich") + struct.pack("<IHH", 1, 0, 1))
        + record(4, place(3) + b"\1")
        + record(3, place(4) + b"\x2a")
        + record(7, place(5) + struct.pack("<I", 9))
        + record(1, place(6))
        + row_record(4)
        + rk(0, -42 << 2 | 2)
        + rk(1, 1234 << 2 | 3)
        + rk(2, high)
        + real(3, 0.1 + 0.2)
        + record(9, place(4) + struct.pack("<d", 7.5) + bytes(10))
        + record(8, place(5) + text("made") + bytes(10))
        + record(10, place(6) + b"\0" + bytes(10))
        + record(11, place(7) + b"\7" + bytes(10))
    )
    file = read(binary_book([("S", 0, sheet)], strings=["shared"]))
    assert texts(file) == [
        'shared,"own, text",rich,TRUE,#N/A,[missing text: 9]\n-42,12.34,2.5,0.3,7.5,made,FALSE,#DIV/0!'
    ]


def test_formats_and_systems_of_dates() -> None:
    sheet = row_record(0) + real(0, 0.0525, 1) + real(1, 1.253472222222222, 2) + real(2, 43890, 3)
    book = binary_book([("S", 0, sheet)], codes=[10, "[h]:mm", "yyyy-mm-dd"], from_1904=True)
    assert texts(read(book)) == ["5.25%,30:05,2024-03-01"]


def test_what_is_hidden_merged_linked_and_said() -> None:
    sheet = (
        record(60, struct.pack("<IIIIH", 1, 1, 2000, 0, 1))
        + row_record(0)
        + b"".join(record(6, place(at) + text(word)) for at, word in enumerate(("a", "b", "c")))
        + row_record(1, hidden=True)
        + real(0, 1)
        + row_record(2)
        + real(2, 3)
        + record(176, struct.pack("<IIII", 1, 2, 0, 1))
        + record(494, struct.pack("<IIII", 0, 0, 2, 2) + text("link") + text("") + text("") + text(""))
    )
    comments = (
        record(632, text("Ann"))
        + record(635, struct.pack("<IIIII", 0, 2, 2, 2, 2) + bytes(16))
        + record(637, b"\0" + text("Ann:\nchecked"))
    )
    book = binary_book(
        [("Open", 0, sheet), ("Shut", 1, row_record(0) + real(0, 1)), ("Sealed", 2, row_record(0) + real(0, 2))],
        sheet_relations=[("link", "hyperlink", "https://example.org/"), ("c", "comments", "../comments1.bin")],
        parts={"xl/comments1.bin": comments},
    )
    file = read(book)
    assert texts(file) == [
        "a,[hidden column] b,[c](https://example.org/)\n[hidden row] 1,1\n1,1,3 [comment by Ann: checked]",
        "1",
        "2",
    ]
    assert [file.page(index).label for index in range(3)] == ["Open", "Shut (hidden)", "Sealed (very hidden)"]
    assert len(file.warnings) == 2


def test_cells_in_any_order() -> None:
    assert texts(read(binary_book([("S", 0, row_record(0) + real(3, 4) + real(0, 1) + real(3, 5))]))) == ["1,,,5"]


def test_a_sheet_that_is_cut_off() -> None:
    sheet = row_record(0) + real(0, 1) + row_record(1) + real(0, 2)
    assert texts(read(binary_book([("S", 0, sheet[:-5])]))) == ["1"]


def test_detection(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsb"
    path.write_bytes(binary_book([("S", 0, row_record(0) + real(0, 1))]))
    assert isinstance(detect(path.name, path), Xlsb)
