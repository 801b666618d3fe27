"""What an Excel sheet stores around its rows: hidden columns, merged cells, links, tables, headers of the print."""

import re
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import markup
from ..office.package import Package, R, local, parse
from .row_source import without_rows
from .sheet import MAX_COLUMN, Area, Sheet, area_of

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_TRUE = ("1", "true")
_SCALES = ("colorScale", "dataBar")
_HEADER = re.compile(r'&(?:"[^"]*"|\d+|K(?:[0-9A-Fa-f]{6}|\d\d[+-]\d{3})|.)', re.DOTALL)
_FIELDS = {"P": "[page]", "N": "[pages]", "D": "[date]", "T": "[time]", "F": "[file]", "Z": "", "&": "&"}
_WORD = re.compile(r"[^\W\d_]+")
_FIELD = re.compile(r"\[\w+\]")


@dataclass
class Surroundings:
    """What concerns the cells, besides what is stored in `Sheet`."""

    links: list[tuple[Area, str]] = field(default_factory=list)
    coloured: list[Area] = field(default_factory=list)
    """Areas whose colours are not those of the cells' styles."""


def read_surroundings(
    package: Package, archive: zipfile.ZipFile, part: str, sheet: Sheet, filling: Collection[int]
) -> Surroundings:
    """Fill in what `sheet` has besides rows, comments and drawings; the rest is returned.

    Args:
        filling: the formats of conditions that colour what is behind the text (`Styles.filling`).
    """
    found = Surroundings()
    root, fault = parse(without_rows(archive, part))
    if fault:
        package.damaged[part] = fault
    if root is None:
        return found
    relationships = package.relationships(part)
    for element in root:
        match local(element):
            case "sheetViews":
                for pane in element.iter("{*}pane"):
                    if pane.get("state", "").startswith("frozen") and (rows := _number(pane.get("ySplit"))) > 0:
                        sheet.frozen = rows
            case "cols":
                for column in element.iterchildren("{*}col"):
                    if column.get("hidden") in _TRUE or column.get("width") in ("0", "0.0"):
                        first, last = _number(column.get("min")), _number(column.get("max"))
                        sheet.hidden_columns.append((max(first, 1), min(max(first, last), MAX_COLUMN)))
            case "mergeCells":
                merged = (area_of(cell.get("ref", "")) for cell in element.iterchildren("{*}mergeCell"))
                sheet.merged += [area for area in merged if area]
            case "autoFilter":
                if area := area_of(element.get("ref", "")):
                    sheet.head = sheet.head or area.top
                sheet.filtered = len(element) > 0
            case "hyperlinks":
                for link in element.iterchildren("{*}hyperlink"):
                    related = relationships.get(link.get(f"{R}id", ""))
                    area = area_of(link.get("ref", ""))
                    if related is not None and area:
                        found.links.append((area, related.target))
            case "conditionalFormatting" if any(_fills(rule, filling) for rule in element.iterchildren("{*}cfRule")):
                areas = (area_of(reference) for reference in element.get("sqref", "").split())
                found.coloured += [area for area in areas if area]
            case "headerFooter":
                sheet.beside += _headers(element, sheet.name)
            case "oleObjects":
                programs = {o.get("shapeId"): o.get("progId") or "" for o in element.iter("{*}oleObject")}
                sheet.beside += [markup.named("embedded object", program) for program in programs.values()]
            case _:
                pass
    for related in package.related(part, "table"):
        table = package.xml(related.target)
        area = area_of(table.get("ref", "")) if table is not None else None
        if area and table is not None:
            style = table.find("{*}tableStyleInfo")
            if style is not None and style.get("name"):  # its heads and sums may stand on a dark ground
                found.coloured += [area._replace(bottom=area.top), area._replace(top=area.bottom)]
            if table.get("headerRowCount", "1") != "0":
                sheet.tables.append(area)
    return found


def _fills(rule: "_Element", filling: Collection[int]) -> bool:
    """Whether a rule of a conditional format may colour what is behind the text."""
    condition = rule.get("dxfId", "")
    return rule.get("type") in _SCALES or (condition.isdigit() and int(condition) in filling)


def _headers(element: "_Element", name: str) -> list[str]:
    """The headers and footers of the print, each different text once; not those with page numbers or names only."""
    lines: dict[str, None] = {}
    for child in element:
        kind = "Header" if local(child).endswith("Header") else "Footer"
        text = " ".join(_HEADER.sub(lambda code: _field(code[0], name), child.text or "").split())
        words = _WORD.findall(_FIELD.sub("", text.replace(name, "")))
        if words and not (len(words) <= 2 and _FIELD.search(text)):
            lines[f"{kind}: {text}"] = None
    return list(lines)


def _field(code: str, name: str) -> str:
    letter = code[1:].upper()
    return name if letter == "A" else _FIELDS.get(letter, " " if letter in ("L", "C", "R") else "")


def _number(text: str | None) -> int:
    try:
        return int(float(text or "0"))
    except (ValueError, OverflowError):
        return 0
