"""`tables`: of what was loaded, and of PDFs looked at again in another process, those that changed or crash too."""

import csv
from collections.abc import Callable
from pathlib import Path

import openpyxl
import psutil
import pymupdf
import pytest
import xlsxwriter

from longread import Corpus
from longread.tools import ToolLimits
from longread.tools.tables import markdown_tables, page_tables
from tests.support.corpora import corpus, document
from tests.support.messages import says
from tests.support.waiting import PATIENCE

Calls = Callable[..., Callable[..., str]]
ROWS = [["City", "People"], ["Köln", "1,084,831"], ["Bonn, am Rhein", "336,465"]]


def ruled(path: Path, rows: list[list[str]], *, page: int = 0, pages: int = 1) -> Path:
    """A PDF with a table of ruled lines."""
    file = pymupdf.open()
    for _ in range(pages):
        file.new_page()
    sheet = file[page]
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            box = pymupdf.Rect(72 + 150 * c, 72 + 24 * r, 222 + 150 * c, 96 + 24 * r)
            sheet.draw_rect(box)
            sheet.insert_text((box.x0 + 6, box.y1 - 8), cell)
    file.save(path)
    return path


def test_a_table_of_a_pdf(calls: Calls, tmp_path: Path):
    call = calls(Corpus.load([ruled(tmp_path / "cities.pdf", ROWS, page=1, pages=2)]))
    answer = call("tables", page=2)
    head, *lines = answer.split("\n")
    assert says(head, "[cities:2]", "Table", "1", "1", "3", "2", "columns")
    assert list(csv.reader(lines)) == ROWS
    assert says(call("tables", page=1), "No table", "[cities:1]", "read_pages")
    assert says(call("tables", page=3), "tables", "cities", "3", "1-2")
    assert call("tables", page=2, table=2) == "tables: table is 2, and [cities:2] has 1."


def test_a_pdf_that_changed_or_went(calls: Calls, tmp_path: Path):
    path = ruled(tmp_path / "cities.pdf", ROWS)
    call = calls(Corpus.load([path]))
    ruled(path, [["other", "rows"]] * 3)
    assert says(call("tables", page=1), "tables", "[cities:1]", "changed")
    path.unlink()
    assert says(call("tables", page=1), "tables", "cities", path.name, "not exist")


def test_a_pdf_that_takes_too_long_or_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    loaded = Corpus.load([ruled(tmp_path / "cities.pdf", ROWS)])
    (book,) = loaded.documents
    from longread.tools import ToolError

    with pytest.raises(ToolError, match=r"\[cities:1\] (failed|could not be read)"):
        page_tables(book, book.pages[0], ToolLimits(table_memory=64 << 20, table_seconds=PATIENCE))
    (tmp_path / "pymupdf.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with pytest.raises(ToolError, match=r"took more than 0\.05 s and was stopped"):
        page_tables(book, book.pages[0], ToolLimits(table_seconds=0.05))
    assert not [child for child in psutil.Process().children() if "longread.tools.tables_worker" in child.cmdline()]


def test_a_parser_that_crashes_is_no_crash_of_ours(calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "pymupdf.py").write_text("print('{}')\nimport os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    call = calls(Corpus.load([ruled(tmp_path / "cities.pdf", ROWS)]))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    assert says(call("tables", page=1), "tables", "finding", "[cities:1]", "SIGSEGV", "read_pages")


def test_an_encrypted_pdf(calls: Calls, tmp_path: Path):
    path = tmp_path / "locked.pdf"
    pymupdf.open(ruled(tmp_path / "cities.pdf", ROWS)).save(
        path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="secret", owner_pw="owner"
    )
    from longread import LoadOptions

    call = calls(Corpus.load([path], options=LoadOptions(password="secret")))
    assert says(call("tables", page=1), "file", "encrypted", "password")


def test_markdown_tables():
    text = "# A\n\n| a | b |\n|---|---|\n| 1 \\| 2 | |\n| **x** | y |\n\nNo | table.\n\n| c |\n|---|\n| d |\n"
    assert markdown_tables(text) == [[["a", "b"], ["1 | 2", ""], ["**x**", "y"]], [["c"], ["d"]]]
    assert markdown_tables("a | b\nc | d") == []


def test_tables_of_html_and_markdown(calls: Calls, tmp_path: Path):
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in ROWS[1:])
    head = "".join(f"<th>{cell}</th>" for cell in ROWS[0])
    (tmp_path / "page.html").write_text(f"<p>x</p><table><tr>{head}</tr>{body}</table>", encoding="utf-8")
    call = calls(Corpus.load([tmp_path / "page.html", "examples/handbook.md"]))
    assert list(csv.reader(call("tables", document="page", page=1).split("\n")[1:])) == ROWS
    answer = call("tables", document="handbook", page=2)
    assert says(answer, "[handbook:2]", "1", "1", "4", "3", "columns", "Length", "7B", "14B")
    assert call("tables", document="handbook", page=7) == "No table was found on [handbook:7]."


def test_sheets(calls: Calls, tmp_path: Path):
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Long, one"
    for n in range(1000):
        sheet.append(["number", "name, or so"] if n == 0 else [n, f"name {n}"])
    second = book.create_sheet("Short")
    second.append(["only"])
    book.save(tmp_path / "sheets.xlsx")
    (tmp_path / "tabs.tsv").write_text("a\tb\n1\t2,3\n")
    loaded = Corpus.load([tmp_path / "sheets.xlsx", tmp_path / "tabs.tsv"])
    call = calls(loaded)
    rows: list[list[str]] = []
    sheets, tabs = loaded.documents
    for page in sheets.pages[:-1]:
        answer = call("tables", document="sheets", page=page.number).split("\n")
        if page.number > 1:
            assert says(answer.pop(), "earlier", "[sheets:1]", "number", '"name, or so"')
        rows += csv.reader(answer[1:])
    assert rows == [["number", "name, or so"], *([str(n), f"name {n}"] for n in range(1, 1000))]
    last = len(sheets.pages)
    assert says(call("tables", document="sheets", page=last), f"[sheets:{last}] Table 1 of 1", "1 rows", "\nonly")
    assert page_tables(tabs, tabs.pages[0]) == [[["a", "b"], ["1", "2,3"]]]


def test_what_lies_beside_the_cells_of_a_sheet(calls: Calls, tmp_path: Path):
    with xlsxwriter.Workbook(tmp_path / "chart.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_column(0, 0, [41, 42])
        chart = book.add_chart({"type": "column"})
        assert chart is not None
        chart.add_series({"values": "=Sheet1!$A$1:$A$2", "name": "growth"})
        sheet.insert_chart("C1", chart)
    call = calls(Corpus.load([tmp_path / "chart.xlsx"]))
    assert list(csv.reader(call("tables", page=2).split("\n")[1:])) == [["", "growth"], ["1", "41"], ["2", "42"]]


def test_long_tables_come_in_parts(calls: Calls):
    table = "| n | text |\n|---|---|\n" + "\n".join(f"| {n} | {'x' * 50} |" for n in range(100))
    call = calls(corpus(document("a", f"{table}\n\n{table}\n\n{table}")), characters=1500)
    answer = call("tables", page=1)
    assert len(answer) <= 1500
    shown = answer.count("\n") - 2
    assert f"Rows 1-{shown} of 101 shown; ask with table=1 and offset={shown} for more." in answer
    assert answer.endswith("Not shown: tables 2-3; ask for each with table=…")
    more = call("tables", page=1, table=1, offset=shown)
    assert more.split("\n")[1].startswith(f"{shown - 1},x")
    assert says(call("tables", page=1, table=3, offset=101), "tables", "offset", "101", "3", "[a:1]", "101")
