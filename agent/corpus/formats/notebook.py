"""Jupyter notebooks: cells and their outputs as Markdown, without the pictures' bytes."""

import base64
import binascii
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..text import Line, split_sections
from . import markup
from .base import Format, OpenFile, ParseOptions, RawPage, Sections, WrongFormat, line_label
from .html import to_markdown
from .plain import cut, unescaped
from .terminal import displayed
from .text_encoding import decode

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t#]*$")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_EMBEDDED = re.compile(r"!\[([^\]\n]*)\]\((?:data:|attachment:)[^)\s]*(?:\s[^)\n]*)?\)")
_EMBEDDED_HTML = re.compile(r"<img\b[^>]*?\bsrc\s*=\s*[\"']?(?:data:|attachment:)[^>]*>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=\s*[\"']([^\"']*)", re.IGNORECASE)
_DATA = re.compile(r"data:[\w.+/-]+;base64,[A-Za-z0-9+/=]{64,}")
_TABLE = re.compile(r"<t[dh]\b", re.IGNORECASE)
_OLD_NAMES = {
    "text": "text/plain", "html": "text/html", "latex": "text/latex", "svg": "image/svg+xml", "png": "image/png",
    "jpeg": "image/jpeg", "json": "application/json", "javascript": "application/javascript", "pdf": "application/pdf",
}  # fmt: skip
"""Keys of an output in version 3 of the format."""
_CHARTS = ("plotly", "vega", "bokeh", "holoviews")


class Notebook(Format):
    name = "Jupyter notebook"
    extensions = (".ipynb",)
    media_type = "application/x-ipynb+json"
    library = None
    textual = True
    options = ("encoding", "hidden")

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decode(data, options.encoding)
        try:
            notebook = json.loads(text)
        except RecursionError:
            raise WrongFormat("nested too deeply for a notebook") from None
        except ValueError as error:
            return cut(unescaped(text), [*warnings, f"Not a notebook ({error}); read as plain text."])
        if not isinstance(notebook, dict) or not ("cells" in notebook or "worksheets" in notebook):
            return cut(unescaped(text), [*warnings, "Not a notebook: it has no cells; read as plain text."])
        return _Reader(notebook, options).file(warnings)


@dataclass
class _Reader:
    notebook: dict[str, Any]
    options: ParseOptions
    notes: dict[int, list[str]] = field(default_factory=dict)
    """Number of a cell to the notes on it."""
    number: int = 0
    """That of the cell that is being read."""

    def file(self, warnings: list[str]) -> OpenFile:
        metadata = _dict(self.notebook.get("metadata"))
        kernel = _dict(metadata.get("kernelspec")).get("language")
        language = str(_dict(metadata.get("language_info")).get("name") or kernel or "")
        cells = [self.cell(_dict(cell), number, language) for number, cell in enumerate(self.cells(), start=1)]
        lines = [Line(n, f"{line}\n") for n, text in enumerate(cells, start=1) for line in f"{text}\n".split("\n")]
        lines = [part for line in lines for part in _cut(line)]
        pages: list[RawPage] = []
        page_of: dict[int, int] = {}
        for part in split_sections(lines, range(1, len(cells) + 1)):
            notes = [note for n in dict.fromkeys(line.number for line in part) for note in self.notes.pop(n, ())]
            label = line_label(part).replace("line", "cell")
            pages.append(RawPage(label, "".join(line.text for line in part), tuple(dict.fromkeys(notes))))
            for line in part:
                page_of.setdefault(line.number, len(pages))
        outline = [
            (level, title, page_of[number])
            for number, text in enumerate(cells, start=1)
            if number in page_of
            for level, title in (_headings(text) if self.is_markdown(number) else ())
        ]
        first = next((title for level, title, _ in outline if level == 1), "")
        title = str(metadata.get("title") or first)
        return Sections(len(pages), sections=pages, outline=outline, title=title, warnings=warnings)

    def cells(self) -> list[Any]:
        if "cells" in self.notebook:
            return list(self.notebook["cells"] or ())
        return [cell for sheet in self.notebook["worksheets"] or () for cell in _dict(sheet).get("cells") or ()]

    def is_markdown(self, number: int) -> bool:
        return _dict(self.cells()[number - 1]).get("cell_type") in ("markdown", "heading")

    def cell(self, cell: dict[str, Any], number: int, language: str) -> str:
        """The text of a cell with its outputs."""
        self.number = number
        kind, source = cell.get("cell_type"), _joined(cell.get("source", cell.get("input", "")))
        if kind == "heading":
            return f"{'#' * min(int(cell.get('level', 1)), 6)} {' '.join(source.split())}\n"
        if kind != "code":
            return self.without_pictures(source) + "\n"
        language = str(cell.get("language") or language)
        count = cell.get("execution_count", cell.get("prompt_number"))
        parts = [f"In [{count if count is not None else ' '}]:", _fenced(_DATA.sub(_short, source), language)]
        for output in cell.get("outputs") or ():
            if text := self.output(_dict(output)).strip("\n"):
                parts.append(text)
        return "\n".join(parts) + "\n"

    def output(self, output: dict[str, Any]) -> str:
        kind = output.get("output_type")
        if kind == "stream":
            return _labelled(displayed(_joined(output.get("text", ""))))
        if kind in ("error", "pyerr"):
            trace = displayed("\n".join(map(str, output.get("traceback") or ())))
            return _labelled(trace or f"{output.get('ename', 'Error')}: {output.get('evalue', '')}", "Error")
        data = output.get("data")
        if not isinstance(data, dict):
            data = {_OLD_NAMES[name]: value for name, value in output.items() if name in _OLD_NAMES}
        return self.rich(data)

    def rich(self, data: dict[str, Any]) -> str:
        """The richest form of an output that can be written as text."""
        plain = displayed(_joined(data.get("text/plain", "")))
        if "text/markdown" in data:
            return f"Output:\n{self.without_pictures(_joined(data['text/markdown']))}"
        picture = next((name for name in data if name.startswith("image/")), None)
        html = _joined(data.get("text/html", ""))
        if html and (_TABLE.search(html) or not (picture or plain)):
            page = to_markdown(html.encode("utf-8", "replace"), encoding="utf-8", hidden=self.options.hidden)
            self.note(*page.notes, *(warning.rstrip(".") for warning in page.warnings))
            if page.text.strip():
                return f"Output:\n{page.text}"
        if picture:
            self.note(_picture_note(picture, data[picture]))
            return f"Output:\n{markup.named('picture', plain)}"
        chart = next((kind for kind in _CHARTS for name in data if kind in name), None)
        if chart:
            self.note(f"a chart ({chart}) was not read")
            return f"Output:\n{markup.named('chart', plain)}"
        if "text/latex" in data:
            return f"Output:\n{_joined(data['text/latex'])}"
        if plain:
            return _labelled(plain)
        if "application/json" in data:
            return _labelled(json.dumps(data["application/json"], ensure_ascii=False))
        if data:
            self.note(f"an output was not read ({', '.join(sorted(map(str, data)))})")
            return f"Output:\n{markup.named('output')}"
        return ""

    def without_pictures(self, text: str) -> str:
        """Markdown without the pictures whose bytes are in the notebook."""

        def named(match: re.Match[str]) -> str:
            alt = match.group(1) if match.re is _EMBEDDED else next(iter(_ALT.findall(match[0])), "")
            self.note("a picture was not read")
            return markup.named("picture", alt)

        return _DATA.sub(_short, _EMBEDDED_HTML.sub(named, _EMBEDDED.sub(named, text)))

    def note(self, *notes: str) -> None:
        self.notes.setdefault(self.number, []).extend(notes)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _joined(value: object) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _short(match: re.Match[str]) -> str:
    return match[0].partition(",")[0] + ",…"


def _fenced(text: str, language: str = "") -> str:
    """A code block with a fence that does not appear in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    end = "" if text.endswith("\n") or not text else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"


def _labelled(text: str, label: str = "Output") -> str:
    return f"{label}:\n{_fenced(_DATA.sub(_short, text))}" if text.strip() else ""


def _cut(line: Line) -> Iterator[Line]:
    from ..text import split_lines

    if len(line.text) < 3000:
        yield line
        return
    for part in split_lines(line.text.removesuffix("\n")):
        yield Line(line.number, part.text)


def _headings(text: str) -> Iterator[tuple[int, str]]:
    fence = ""
    for line in text.split("\n"):
        if mark := _FENCE.match(line):
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
        elif not fence and (heading := _HEADING.match(line)) and heading[2]:
            yield len(heading[1]), heading[2].replace("*", "").replace("`", "")


def _picture_note(kind: str, value: object) -> str:
    """The note on a picture; its size is in the first bytes of a PNG."""
    if kind == "image/png":
        try:
            head = base64.b64decode("".join(_joined(value)[:80].split())[:32])
            width, height = struct.unpack(">II", head[16:24])
        except (binascii.Error, struct.error):
            return "a picture was not read"
        if head.startswith(b"\x89PNG"):
            return markup.picture_note(width, height, "px")
    return "a picture was not read"
