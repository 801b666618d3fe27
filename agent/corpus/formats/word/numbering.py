"""The numbers of paragraphs as Word shows them (ECMA-376 part 1, 17.9).

What the standard leaves open follows what the authors of docx4j measured Word to do: a level that was skipped counts as
used once, so that "1.1" can come first; text boxes, headers, notes and the body count separately.
"""

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from .number_formats import written
from .styles import ParagraphStyle, Styles
from .symbols import bullet
from .xml import MC, VAL, W, has, integer, is_on, number, value

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

LEVELS = 9
_PLACE = re.compile("%([1-9])")


class Number(NamedTuple):
    """The number or bullet of a paragraph."""

    text: str
    level: int
    """From 0."""
    separator: str = " "


@dataclass(frozen=True)
class Level:
    """How a level of a list is numbered."""

    start: int = 1
    format: str = "decimal"
    custom: str = ""
    text: str = ""
    restart: int | None = None
    """The level, from 1, after which this one starts again; None for every one above; 0 for never."""
    legal: bool = False
    separator: str = " "
    style: str = ""
    """The identifier of the paragraph style that has this level."""
    font: str = ""
    hidden: bool = False


@dataclass
class _List:
    """An abstract numbering definition."""

    identity: str
    levels: dict[int, Level]
    link: str = ""
    """The numbering style that stands for this definition."""


@dataclass
class _Instance:
    """A numbering definition instance: a list with changes of its own."""

    counted_as: str
    """The list whose counters this shares."""
    levels: dict[int, Level]
    starts: dict[int, int]
    """Levels that start anew where this instance is first used."""


@dataclass
class _Counters:
    """Where the lists of one story (the body, the footnotes) stand."""

    counts: dict[str, dict[int, int]] = field(default_factory=dict)
    used: set[tuple[str, int]] = field(default_factory=set)
    """Lists with the levels that were used."""
    started: set[tuple[str, int]] = field(default_factory=set)
    """Instances with the levels whose own start was used up."""


class Numbering:
    """The lists of a document, which counts as its paragraphs are numbered in order.

    Args:
        root: w:numbering; None for a document without this part.
    """

    def __init__(self, root: "_Element | None", styles: Styles):
        self._styles = styles
        self._lists: dict[str, _List] = {}
        self._nodes: dict[str, _Element] = {}
        self._instances: dict[str, _Instance | None] = {}
        self._stories: dict[str, _Counters] = {}
        for element in root if root is not None else ():
            if element.tag == f"{W}abstractNum":
                identity = element.get(f"{W}abstractNumId", "")
                levels = {at: _level(one) for one in element.iterchildren(f"{W}lvl") for at in _at(one)}
                self._lists[identity] = _List(identity, levels, value(element, "numStyleLink"))
            elif element.tag == f"{W}num":
                self._nodes.setdefault(element.get(f"{W}numId", ""), element)

    def place(self, properties: "_Element | None", style: ParagraphStyle) -> tuple[str, int] | None:
        """The list instance and level of a paragraph; None if it is not in a list.

        Args:
            properties: the paragraph's w:numPr, if it has one.
        """
        if properties is None and style.list is None:
            return None
        own = value(properties, "numId")
        level = number(properties, "ilvl")
        identity = own or style.list or ""
        instance = self._instance(identity)
        if instance is None:
            return None
        if level is None:
            if own and own != style.list:
                level = self._style_level(instance, style) or 0
            else:
                level = self._style_level(instance, style)
                level = style.list_level or 0 if level is None else level
        return identity, min(max(level, 0), LEVELS - 1)

    def count(self, identity: str, level: int, story: str = "") -> Number | None:
        """Count a paragraph, and return its number; None if its level has none."""
        instance = self._instance(identity)
        if instance is None or level not in instance.levels:
            return None
        counters = self._stories.setdefault(story, _Counters())
        key = instance.counted_as
        counts = counters.counts.setdefault(key, {})
        if (key, level) not in counters.used:
            for above in range(level - 1, -1, -1):
                if (key, above) in counters.used or above not in instance.levels:
                    break
                counters.used.add((key, above))
                counts[above] = self._start(instance, above)
        if level in instance.starts and (identity, level) not in counters.started:
            counters.started.add((identity, level))
            counts[level] = instance.starts[level]
        else:
            counts[level] = counts[level] + 1 if level in counts else self._start(instance, level)
        counters.used.add((key, level))
        for below in range(level + 1, LEVELS):
            found = instance.levels.get(below)
            restart = below if found is None or found.restart is None else found.restart
            if level < restart:
                counts.pop(below, None)
        return self._number(instance, level, counts)

    def _number(self, instance: _Instance, level: int, counts: dict[int, int]) -> Number:
        found = instance.levels[level]
        if found.hidden:
            return Number("", level, "")
        if found.format == "bullet":
            return Number(bullet(found.font, found.text) if found.text.strip() else "", level)
        if any(int(place) > level + 1 for place in _PLACE.findall(found.text)):
            return Number("", level)  # so does Word ([MS-OI29500] 2.1.283)

        def shown(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            other = instance.levels.get(at, Level())
            kind = other.format
            if found.legal and not (at == level and kind == "decimalZero"):
                kind = "decimal"
            count = counts.get(at, self._start(instance, at))
            return written(count, kind, custom=other.custom, language=self._styles.language)

        return Number(_PLACE.sub(shown, found.text).strip(), level, found.separator)

    def _start(self, instance: _Instance, level: int) -> int:
        return instance.starts.get(level, instance.levels.get(level, Level()).start)

    def _style_level(self, instance: _Instance, style: ParagraphStyle) -> int | None:
        """The level that names the paragraph's style, or else a style that it is based on."""
        named = {level.style: at for at, level in instance.levels.items() if level.style}
        return next((named[identity] for identity in style.chain if identity in named), None)

    def _instance(self, identity: str) -> _Instance | None:
        if identity not in self._instances:
            self._instances[identity] = self._read(identity)
        return self._instances[identity]

    def _read(self, identity: str) -> _Instance | None:
        node = self._nodes.get(identity)
        if node is None or identity == "0":
            return None
        found = self._lists.get(value(node, "abstractNumId"))
        followed: set[str] = set()
        while found is not None and not found.levels and found.link and found.link not in followed:
            followed.add(found.link)
            other = self._nodes.get(self._styles.numbering_list(found.link))
            found = self._lists.get(value(other, "abstractNumId"))
        if found is None:
            return None
        levels, starts = dict(found.levels), dict[int, int]()
        for override in node.iterchildren(f"{W}lvlOverride"):
            for at in _at(override):
                own = override.find(f"{W}lvl")
                if own is not None:
                    levels[at] = _level(own)
                start = number(override, "startOverride")
                if start is not None:
                    starts[at] = start
                    levels[at] = replace(levels.get(at, Level()), start=start)
        return _Instance(found.identity, levels, starts)


def _at(element: "_Element") -> tuple[int, ...]:
    level = integer(element.get(f"{W}ilvl"))
    return (level,) if level is not None and 0 <= level < LEVELS else ()


def _level(element: "_Element") -> Level:
    kind, custom = value(element, "numFmt", "decimal"), ""
    # A format of one's own is in the alternative for programs that know it.
    for own in element.iterfind(f"{MC}AlternateContent/{MC}Choice/{W}numFmt"):
        kind, custom = own.get(VAL, kind), own.get(f"{W}format", "")
    own = element.find(f"{W}numFmt")
    if own is not None:
        custom = own.get(f"{W}format", "") or custom
    run = element.find(f"{W}rPr")
    fonts = run.find(f"{W}rFonts") if run is not None else None
    start = number(element, "start")
    return Level(
        start=start or 0,  # as the standard has it, and Word
        format=kind,
        custom=custom,
        text=value(element, "lvlText"),
        restart=number(element, "lvlRestart"),
        legal=is_on(element.find(f"{W}isLgl")),
        separator="" if value(element, "suff", "tab") == "nothing" else " ",
        style=value(element, "pStyle"),
        font=(fonts.get(f"{W}ascii") or fonts.get(f"{W}hAnsi") or "") if fonts is not None else "",
        hidden=has(run, "vanish"),
    )
