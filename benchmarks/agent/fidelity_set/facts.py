"""Facts about a document, and what became of each in a reader's text.

A fact states what the program of the format shows to a person; it does not know how any reader works. Outcomes:

- kept: it is there.
- warned: it is missing or wrong, and a warning or a mark in the text names what is missing.
- lost: it is missing without a word.
- falsified: something else is there in its place, or hidden text is there as if it were visible, without a word.
- failed: the reader could not read the file, and said so; nothing of it was kept.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from .normal import normal, tag_letters, without_markup
from .tables import Table, tables

Outcome = Literal["kept", "warned", "lost", "falsified", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("kept", "warned", "lost", "falsified", "failed")

_NUMBER = r"[(\[]?(?:\d+(?:\.\d+)*|[a-zA-Z]{1,2}|[ivxlIVXL]{1,5})[.)\]]?(?:\(\w{1,4}\))*"
_TICKED = r"\[[xX]\]|[☒☑✓✔🗹🗷]|\([xX•]\)|\b(?:checked|selected|true|yes|on)\b"
_EMPTY = r"\[ ?\]|[☐□▢]|\( \)|\b(?:unchecked|unselected|not checked|false|no|off)\b"
_CHANGE = r"delet|insert|remov|added|~~|<del|<ins|\{[-+]{2}"


@dataclass(frozen=True)
class Reading:
    """What a reader gave for a document."""

    text: str = ""
    warnings: str = ""
    error: str = ""

    @cached_property
    def normal(self) -> str:
        return normal(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in without_markup(self.text).splitlines() if line.strip()]

    @cached_property
    def tables(self) -> list[Table]:
        return tables(self.text)


@dataclass(frozen=True)
class Fact(ABC):
    named: str = field(default="", kw_only=True)
    """A regular expression: a warning, or a mark in the text, with such words names what is missing."""

    def judge(self, reading: Reading) -> Outcome:
        if reading.error:
            return "warned" if self._says(reading.error) else "failed"
        found = self._judge(reading)
        if found in ("lost", "falsified") and self._says(f"{reading.warnings}\n{reading.text}"):
            return "warned"
        return found

    @abstractmethod
    def _judge(self, reading: Reading) -> Outcome:
        """The outcome without regard to warnings."""

    def _says(self, words: str) -> bool:
        return bool(self.named and re.search(self.named, words, re.IGNORECASE))


@dataclass(frozen=True)
class Contains(Fact):
    """A string is there, in one of several equally good forms."""

    text: str
    forms: tuple[str, ...] = ()
    wrong: tuple[str, ...] = field(default=(), kw_only=True)
    """Strings that say something else: "106 km" for 10⁶ km."""

    def _judge(self, reading: Reading) -> Outcome:
        rest = reading.normal
        kept = False
        for form in (self.text, *self.forms):
            rest, count = re.subn(_bounded(form), "\0", rest)
            kept = kept or bool(count)
        if any(re.search(_bounded(wrong), rest) for wrong in self.wrong):
            return "falsified"
        return "kept" if kept else "lost"


@dataclass(frozen=True)
class Hidden(Fact):
    """Text that a person does not see is not there as if it were visible: marked, said in a warning, or left out."""

    text: str

    def _judge(self, reading: Reading) -> Outcome:
        wanted = normal(self.text)
        inside = wanted in normal(tag_letters(reading.text)) if reading.text else False
        at = reading.normal.find(wanted)
        if at < 0 and not inside:
            return "kept"
        if re.search(
            r"(?:\[(?:hidden|comment|deleted)[^\]]{0,60}|<!-{2,}\s*)\Z",
            reading.normal[max(at - 80, 0) : max(at, 0)],
            re.IGNORECASE,
        ):
            return "kept"
        return "falsified"


@dataclass(frozen=True)
class Flagged(Fact):
    """Something that cannot be in the text is said in a warning, or by a mark in the text, in the words of `named`."""

    what: str

    def _judge(self, reading: Reading) -> Outcome:
        return "lost"


@dataclass(frozen=True)
class Cell(Fact):
    """A value stands under its head, in the row with the key."""

    value: str
    head: str
    key: str
    line: tuple[str, ...] = ()
    """All cells of the row, for readers of formats without tables, such as PDF: one after the other is a row too."""
    heads: tuple[str, ...] = ()
    spanned: bool = field(default=False, kw_only=True)
    """The cell spans several columns: under one of the others it is in its place too, though this one lacks it."""

    def _judge(self, reading: Reading) -> Outcome:
        value, head, key = (re.compile(_bounded(part)) for part in (self.value, self.head, self.key))
        moved = False
        for table in reading.tables:
            columns = {i for row in table for i, cell in enumerate(row) if head.search(cell)}
            if not columns:
                continue
            for row in table:
                if any(key.search(cell) for cell in row):
                    places = {i for i, cell in enumerate(row) if value.search(cell)}
                    if places & columns:
                        return "kept"
                    moved = moved or bool(places)
        if any(head.search(line) and value.search(line) and self._pair().search(line) for line in reading.lines):
            return "kept"
        if self.line and all(re.search(_row(cells), reading.normal) for cells in (self.heads, self.line)):
            return "kept"
        return "falsified" if moved and not self.spanned else "lost"

    def _pair(self) -> re.Pattern[str]:
        return re.compile(rf"{_bounded(self.head)}\s*[:=]\s*{_bounded(self.value)}")


@dataclass(frozen=True)
class Numbered(Fact):
    """A clause has its number: as it is, or without the brackets and points around it."""

    number: str
    text: str

    def _judge(self, reading: Reading) -> Outcome:
        text = re.escape(normal(self.text))
        bare = self.number.strip("().[] ")
        core = f"0*{bare.lstrip('0')}" if bare.isdigit() else re.escape(bare)
        last = re.escape(self.number.replace("(", " ").split()[-1].strip("().[] "))
        mark = r"[\s.:)\]|#–—-]{0,6}"
        if re.search(rf"(?<![\w.]){core}{mark}{text}", reading.normal):
            return "kept"
        if last != re.escape(bare) and re.search(rf"(?<![\w.])\(?{last}\){mark}{text}", reading.normal):
            return "kept"
        if re.search(rf"(?:(?<=\s)|\A){_NUMBER}(?<=[\d.)\]]){mark}{text}", reading.normal):
            return "falsified"
        return "lost"


@dataclass(frozen=True)
class Order(Fact):
    """Both strings are there, the first one before the second."""

    first: str
    second: str

    def _judge(self, reading: Reading) -> Outcome:
        first, second = (re.search(_bounded(part), reading.normal) for part in (self.first, self.second))
        if not first or not second:
            return "lost"
        return "kept" if first.start() < second.start() else "falsified"


@dataclass(frozen=True)
class Ticked(Fact):
    """The box on the line of a label is ticked, or empty."""

    label: str
    ticked: bool

    def _judge(self, reading: Reading) -> Outcome:
        right, other = (_TICKED, _EMPTY) if self.ticked else (_EMPTY, _TICKED)
        seen = "lost"
        for line in reading.lines:
            rest, count = re.subn(re.escape(normal(self.label)), " ", line)
            if not count:
                continue
            if re.search(right, rest, re.IGNORECASE) and not re.search(other, rest, re.IGNORECASE):
                return "kept"
            if re.search(other, rest, re.IGNORECASE) and not re.search(right, rest, re.IGNORECASE):
                seen = "falsified"
        return seen


@dataclass(frozen=True)
class Changed(Fact):
    """A tracked change: the new text, and that the old one was there, told apart."""

    old: str
    new: str

    def _judge(self, reading: Reading) -> Outcome:
        old, new = (re.search(_bounded(part), reading.normal) for part in (self.old, self.new))
        if not new:
            return "falsified" if old else "lost"
        if not old:
            return "lost"
        around = reading.text[
            max(0, reading.text.find(self.old) - 40) : reading.text.find(self.old) + len(self.old) + 40
        ]
        return "kept" if re.search(_CHANGE, around, re.IGNORECASE) else "falsified"


def described(fact: Fact) -> str:
    """The fact in one line."""
    values = (value for name, value in vars(fact).items() if name != "named" and value not in ((), ""))
    return f"{type(fact).__name__}({', '.join(map(repr, values)) or repr(fact.named)})"


def cells(heads: tuple[str, ...], *rows: tuple[str, ...], flat: bool = False, named: str = "") -> tuple[Cell, ...]:
    """The facts of a simple table: each cell but the key, which is the first of its row.

    Args:
        heads: the column heads.
        rows: the cells of each row, under the heads.
        flat: accept a row of which the cells follow one another without a table, as in the text of a PDF.
        named: as for every fact.
    """
    return tuple(
        Cell(value, head, row[0], row if flat else (), heads if flat else (), named=named)
        for row in rows
        for head, value in zip(heads[1:], row[1:], strict=True)
        if value
    )


def _bounded(text: str) -> str:
    """A pattern for the text that does not match inside of a longer number. 120 may be written as 120.0."""
    wanted = normal(text)
    before = r"(?<!\d)(?<!\d[.,])" if wanted[:1].isdigit() else ""
    whole = r"(?:\.0+)?" if re.search(r"(?<![\d.,])\d+\Z", wanted) else ""
    after = rf"{whole}(?!\d)(?![.,]\d)" if wanted[-1:].isdigit() else ""
    return before + re.escape(wanted) + after


def _row(cells: tuple[str, ...]) -> str:
    return r"[\s|;:&\\]*".join(re.escape(normal(cell)) for cell in cells)
