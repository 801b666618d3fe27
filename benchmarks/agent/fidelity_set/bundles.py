# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""Files with files in them: mails, web archives, notebooks, ZIP archives."""

import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile

from . import pictures
from .archive import packed
from .excel_parts import several
from .facts import Contains, Flagged, Hidden, Order, cells
from .samples import sample
from .word_tables import price_list


def _notebook(*notebook_cells: dict[str, object]) -> bytes:
    return json.dumps(
        {
            "cells": notebook_cells,
            "metadata": {"language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        indent=1,
    ).encode()


def _code(source: str, *outputs: dict[str, object]) -> dict[str, object]:
    return {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "source": source.splitlines(keepends=True),
        "outputs": list(outputs),
    }


def _said(text: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


@sample(
    "analysis.ipynb",
    Contains("Rainfall in Bergen"),
    Contains("total = sum(rain)"),
    Contains("2250 mm"),
    Order("total = sum(rain)", "2250 mm"),
    Hidden("iVBORw0KGgo"),
    Flagged("the picture", named=r"picture|image|figure|plot|!\["),
)
def analysis() -> bytes:
    picture = base64.b64encode(pictures.text("RAIN 2024")).decode()
    shown = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": picture, "text/plain": ["<Figure size 640x480>"]},
    }
    return _notebook(
        _said("# Rainfall in Bergen\n"),
        _code("total = sum(rain)\nprint(total)", {"output_type": "stream", "name": "stdout", "text": ["2250 mm\n"]}),
        _code("rain.plot()", shown),
    )


@sample(
    "frames.ipynb",
    cells(("city", "pop"), ("Turku", "195301"), flat=True),
    Contains("ZeroDivisionError: division by zero"),
    Contains("x^2", wrong=("x2",)),
    Hidden("\x1b[0;31m"),
)
def frames() -> bytes:
    table = "<table><thead><tr><th></th><th>city</th><th>pop</th></tr></thead><tbody><tr><th>0</th><td>Turku</td><td>195301</td></tr></tbody></table>"
    shown = {
        "output_type": "execute_result",
        "execution_count": 2,
        "metadata": {},
        "data": {"text/html": [table], "text/plain": ["   city    pop\n", "0  Turku  195301"]},
    }
    failed = {
        "output_type": "error",
        "ename": "ZeroDivisionError",
        "evalue": "division by zero",
        "traceback": ["\x1b[0;31mZeroDivisionError\x1b[0m: division by zero"],
    }
    return _notebook(_said("We use $x^2$ here."), _code("frame", shown), _code("1 / 0", failed))


@sample(
    "folder.zip",
    Contains("Readme of the folder: see both files"),
    Contains("Hinge 40"),
    Contains("3.20"),
    Contains("Voss KG"),
    Contains("prices.docx"),
)
def folder() -> bytes:
    return packed(
        {
            "readme.txt": "Readme of the folder: see both files\n",
            "office/prices.docx": price_list(),
            "office/stock.xlsx": several(),
        }
    )


@sample(
    "mixed.zip",
    Contains("Text beside a program"),
    Contains("Straße der Einheit"),
    Flagged("the program that is no document", named=r"run\.exe|skip|not read|left out|no supported"),
)
def mixed() -> bytes:
    return packed(
        {
            "notes/text.txt": "Text beside a program\n",
            "page.html": "<html><body><p>Stra&szlig;e der Einheit</p></body></html>",
            "run.exe": b"MZ\x90\0" + bytes(range(256)) * 4,
        }
    )


def _tar(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (("letters/first.txt", b"Letter of 3 June\n"), ("prices.docx", price_list())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1_709_294_400
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0) if mode == "gz" else out.getvalue()


_TAR = (Contains("Letter of 3 June"), Contains("Hinge 60"), Contains("prices.docx"))


@sample("backup.tar", _TAR)
def backup() -> bytes:
    return _tar("")


@sample("backup.tgz", _TAR)
def backup_compressed() -> bytes:
    return _tar("gz")


_LOG = "10:00 valve opened\n10:05 valve closed – all well\n".encode() * 30

for _extension, _compressed in (
    ("gz", gzip.compress(_LOG, mtime=0)),
    ("bz2", bz2.compress(_LOG)),
    ("xz", lzma.compress(_LOG)),
):
    sample(
        f"valves.log.{_extension}", Contains("10:05 valve closed – all well"), Order("valve opened", "valve closed")
    )(lambda data=_compressed: data)
