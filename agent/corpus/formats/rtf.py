"""Rich Text Format 1.9, as Word and WordPad show it: Unicode, tables, notes, hidden text and tracked changes.

Written here, because the library at hand (striprtf) keeps hidden and deleted text without a mark, writes 10⁶ as 106,
and loses which cell is in which column.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from . import markup
from .base import Format, OpenFile, ParseOptions, RawPage, Sections, WrongFormat
from .markdown import sections
from .rtf_vocabulary import CHARACTERS, CHARSETS, INFO, MARGINS, READ_STARRED, SKIPPED, SYMBOL
from .table import Cell, markdown, spread

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\", re.DOTALL
)
_SILENT = ("skip", "fonttbl", "stylesheet", "info")
_LINK = re.compile(r'HYPERLINK\s+"?((?:https?|mailto):[^"\s]+)')
_PARAGRAPH = frozenset(["pard", "s", "outlinelevel", "intbl", "trowd", "clvmrg", "cellx", "cell", "row"])
_REPEATED = re.compile(r"(\[(deleted|inserted|hidden): [^\[\]]*)\](\s?)\[\2: ")
_MAX_DEPTH = 10_000


@dataclass(frozen=True)
class _State:
    """What a group inherits from the one around it."""

    to: str = "body"
    """The destination of text: "body", "skip", "note" or the name of a special one."""
    skip: int = 1
    """Characters after a \\u that stand for it in old programs."""
    encoding: str = "cp1252"
    symbol: bool = False
    hidden: bool = False
    script: str = ""
    change: str = ""


class Rtf(Format):
    name = "RTF"
    extensions = (".rtf",)
    media_type = "application/rtf"
    library = None
    magic = b"{\\rtf"
    options = ("changes", "hidden")

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        if not data.lstrip().startswith(b"{\\rtf"):
            raise WrongFormat("not an RTF file")
        reader = _Reader(options)
        text = markup.finished(reader.read(data))
        pages, outline = sections(text)
        notes = tuple(reader.notes())
        shown = [page._replace(notes=notes) if not index else page for index, page in enumerate(pages)]
        if reader.margins:
            shown.append(RawPage("headers and footers", "\n".join(dict.fromkeys(reader.margins))))
        title = reader.info.pop("title", "")
        warnings = reader.warnings()
        return Sections(
            len(shown), sections=shown, outline=outline, title=title, metadata=reader.info, warnings=warnings
        )


def text_of(data: bytes) -> str:
    """The text of RTF that is a part of another file."""
    return markup.finished(_Reader(ParseOptions()).read(data))


@dataclass
class _Row:
    edges: list[int] = field(default_factory=list)
    """The right edges of the cells, in twips."""
    continued: list[bool] = field(default_factory=list)
    """Whether a cell is the lower part of the one above it."""
    texts: list[str] = field(default_factory=list)


class _Reader:
    def __init__(self, options: ParseOptions):
        self._options = options
        self._fonts: dict[int, int] = {}
        self._levels: dict[int, int] = {}
        """Number of a style to the level of the heading that it makes."""
        self._blocks: list[str] = []
        """The paragraphs and tables that are complete."""
        self._outputs: list[list[str]] = [[]]
        """What is being written: a paragraph or cell, and within it notes and comments."""
        self._rows: list[_Row] = []
        self._row = _Row()
        self._hidden_words = 0
        self._changes = {"inserted": 0, "deleted": 0}
        self._change = ""
        self._pictures = 0
        self._in_table = False
        self._level = 0
        self._author = self._link = ""
        self.margins: list[str] = []
        self.info: dict[str, str] = {}

    def notes(self) -> Iterator[str]:
        if self._hidden_words:
            yield markup.hidden_note(self._hidden_words, "hidden", kept=self._options.hidden == "keep")
        if self._pictures:
            yield "a picture was not read" if self._pictures == 1 else f"{self._pictures} pictures were not read"

    def warnings(self) -> list[str]:
        counts = [f"{count} {kind}" for kind, count in self._changes.items() if count]
        how = {"marked": "marked in the text", "final": "accepted", "original": "rejected"}[self._options.changes]
        return [f"Tracked changes ({' and '.join(counts)} passages) are {how}."] if counts else []

    def read(self, data: bytes) -> str:
        state = _State()
        stack: list[tuple[_State, int]] = []
        ignore = 0  # characters that stand for a \u before them
        starred = starts = False
        held = bytearray()
        font = style = 0
        at = 0
        while match := _TOKEN.match(data, at):
            at = match.end()
            word, number, code, symbol, brace, plain = match.groups()
            if code or plain:
                piece = bytes((int(code, 16),)) if code else plain
                drop = min(ignore, len(piece))
                ignore -= drop
                held += piece[drop:]
                starts = starts and piece.isspace()
                if state.to == "stylesheet" and plain:
                    self._style(style, plain)
                    held.clear()
                continue
            if held:
                self._write(bytes(held), state)
                held.clear()
            if brace == b"{":
                if len(stack) < _MAX_DEPTH:
                    stack.append((state, len(self._outputs)))
                starts, starred = True, False
                ignore = 0
            elif brace:
                if stack:
                    before, outputs = stack.pop()
                    while len(self._outputs) > outputs:
                        self._close(state)
                    state = before
                starts, ignore = False, 0
            elif symbol is not None:
                if symbol == b"*":
                    starred = True
                    continue
                if ignore and symbol not in b"\r\n":
                    ignore -= 1
                elif text := {b"~": "\xa0", b"_": "\u2011", b"\r": "\n", b"\n": "\n"}.get(symbol, ""):
                    self._character(text, state)
                elif symbol in (b"\\", b"{", b"}"):
                    held += symbol
                starts = False
            elif word:
                name, value = word.decode("ascii"), int(number) if number else None
                if name == "bin":
                    at += max(value or 0, 0)
                elif name == "u" and value is not None:
                    self._character(chr(value % 65536), state)
                    ignore = state.skip
                elif ignore:
                    ignore -= 1
                elif starts and self._is_destination(name, starred):
                    state = self._open(name, state, starred)
                elif name == "f" and value is not None:
                    font = value
                    state = self._font(state, font)
                elif name in ("fcharset", "cpg") and state.to == "fonttbl" and value is not None:
                    self._fonts[font] = value if name == "fcharset" else self._fonts.get(font, 0)
                elif name == "s" and value is not None and state.to == "stylesheet":
                    style = value
                else:
                    state = self._control(name, value, state)
                starts, starred = False, False
        if held:
            self._write(bytes(held), state)
        while len(self._outputs) > 1:
            self._close(state)
        self._end_paragraph()
        self._end_table()
        text, joined = "".join(self._blocks), -1
        while joined:  # the runs of one change
            text, joined = _REPEATED.subn(r"\1\3", text)
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # joins pairs

    def _is_destination(self, name: str, starred: bool) -> bool:
        return starred or name in SKIPPED or name in MARGINS or name in INFO or name in ("footnote", "info", "fldrslt")

    def _open(self, name: str, state: _State, starred: bool) -> _State:
        """Start a destination."""
        if name == "pict":
            self._pictures += state.to not in ("skip", "fonttbl")
        if state.to == "skip":
            return state
        if name in ("fonttbl", "stylesheet", "info"):
            return replace(state, to=name)
        if name in ("footnote", "annotation", "atnauthor", "fldinst", "fldrslt", *INFO) or name in MARGINS:
            self._outputs.append([f"\0{name}"])
            return replace(state, to="note", script="")
        if name in SKIPPED or (starred and name not in READ_STARRED):
            return replace(state, to="skip")
        return state

    def _close(self, state: _State) -> None:
        """End the destination that was opened last."""
        kind, *parts = self._outputs.pop()
        name, text = kind.removeprefix("\0"), "".join(parts).strip()
        out = self._outputs[-1]
        if name == "footnote":
            out.append(markup.named("footnote", text) if text else "")
        elif name == "annotation":
            out.append(markup.comment(text, self._author) if text else "")
            self._author = ""
        elif name == "atnauthor":
            self._author = text
        elif name == "fldinst":
            link = _LINK.search(text)
            self._link = link[1] if link else ""
        elif name == "fldrslt":
            out.append(f"[{text}]({self._link})" if self._link and text and self._link != text else "".join(parts))
            self._link = ""
        elif name in INFO and text:
            self.info[INFO[name]] = " ".join(text.split())
        elif name in MARGINS and text:
            self.margins.append(text)

    def _style(self, style: int, text: bytes) -> None:
        found = re.search(rb"(?i)\bheading (\d)", text)
        if found:
            self._levels[style] = int(found[1])

    def _font(self, state: _State, font: int) -> _State:
        charset = self._fonts.get(font)
        if charset is None or state.to == "fonttbl":
            return state
        return replace(state, symbol=charset == SYMBOL, encoding=CHARSETS.get(charset, state.encoding))

    def _control(self, name: str, value: int | None, state: _State) -> _State:
        on = value != 0
        if name == "ansicpg" and value:
            return replace(state, encoding=f"cp{value}" if value != 65001 else "utf-8")
        if name == "mac":
            return replace(state, encoding="mac_roman")
        if name == "uc" and value is not None:
            return replace(state, skip=max(value, 0))
        if name == "plain":
            return replace(state, hidden=False, script="", change="")
        if name == "v":
            return replace(state, hidden=on)
        if name in ("super", "sub"):
            return replace(state, script=name if on else "")
        if name in ("nosupersub", "up", "dn"):
            return replace(state, script="super" if name == "up" and value else "sub" if name == "dn" and value else "")
        if name in ("deleted", "revised"):
            return replace(state, change=("deleted" if name == "deleted" else "inserted") if on else "")
        if state.to not in ("body", "note"):
            return state
        if name in _PARAGRAPH:
            self._paragraph(name, value)
        elif name == "par" and len(self._outputs) == 1 and not self._in_table:
            self._end_paragraph()
        elif text := CHARACTERS.get(name):
            self._character(text, state)
        return state

    def _paragraph(self, name: str, value: int | None) -> None:
        row = self._row
        if name == "pard":
            self._in_table, self._level = False, 0
        elif name == "s":
            self._level = self._levels.get(value or 0, 0)
        elif name == "outlinelevel":
            self._level = (value or 0) + 1 if (value or 0) < 6 else 0
        elif name == "intbl":
            self._in_table = True
        elif name == "trowd":
            row.edges, row.continued = [], []
        elif name == "clvmrg":
            row.continued += [False] * (len(row.edges) - len(row.continued)) + [True]
        elif name == "cellx":
            row.edges.append(value or 0)
        elif name == "cell":
            row.texts.append("".join(self._outputs[0]))
            self._outputs[0].clear()
        elif name == "row" and row.texts:
            self._rows.append(row)
            self._row = _Row(list(row.edges), list(row.continued))

    def _end_paragraph(self) -> None:
        text = "".join(self._outputs[0])
        self._outputs[0].clear()
        if text.strip():
            self._end_table()
        if self._level and text.strip():
            text = f"\n{'#' * min(self._level, 6)} {' '.join(text.split())}\n"
        self._blocks.append(f"{text}\n")

    def _end_table(self) -> None:
        """Write the rows that have been read as a table."""
        if self._row.texts:
            self._rows.append(self._row)
        if self._rows:
            self._blocks.append(f"\n{markdown(spread(_cells(self._rows)))}\n\n")
        self._rows, self._row = [], _Row()

    def _write(self, data: bytes, state: _State) -> None:
        if state.to in _SILENT:
            return
        if state.symbol:
            text = "".join("•" if byte == 0xB7 else chr(byte) for byte in data)
        else:
            text = (
                data.decode(state.encoding, "replace")
                if _is_known(state.encoding)
                else data.decode("cp1252", "replace")
            )
        self._character(text, state)

    def _character(self, text: str, state: _State) -> None:
        if state.to in _SILENT:
            return
        text = text.replace("\uf0b7", "•")
        if state.hidden and not text.isspace():
            self._hidden_words += len(text.split())
            text = markup.hidden(text) if self._options.hidden == "keep" else ""
        elif state.change and not text.isspace():
            self._changes[state.change] += self._change != state.change
            drop = {"final": "deleted", "original": "inserted"}.get(self._options.changes)
            mark = markup.deleted if state.change == "deleted" else markup.inserted
            text = "" if state.change == drop else mark(text) if self._options.changes == "marked" else text
        if not text.isspace():
            self._change = state.change
        if state.script:
            text = (markup.superscript if state.script == "super" else markup.subscript)(text)
        if text:
            self._outputs[-1].append(text)


def _is_known(encoding: str) -> bool:
    try:
        b"".decode(encoding)
    except LookupError:
        return False
    return True


def _cells(rows: list[_Row]) -> list[list[Cell]]:
    """The cells of a table with the rows and columns that they cover, by their edges."""
    edges = sorted({edge for row in rows for edge in row.edges})
    table: list[list[Cell]] = []
    above: dict[int, tuple[int, int]] = {}
    """Left column to the row and index of the cell that covers it."""
    for at, row in enumerate(rows):
        cells: list[Cell] = []
        left = 0
        for index, text in enumerate(row.texts):
            right = edges.index(row.edges[index]) + 1 if index < len(row.edges) else left + 1
            continued = index < len(row.continued) and row.continued[index]
            if continued and left in above:
                top, place = above[left]
                table[top][place] = replace(table[top][place], rows=at - top + 1)
            else:
                above[left] = at, len(cells)
                cells.append(Cell(" ".join(text.split()), columns=max(right - left, 1)))
            left = max(right, left + 1)
        table.append(cells)
    return table
