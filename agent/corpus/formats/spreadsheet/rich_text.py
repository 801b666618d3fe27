"""Texts of cells and comments in Excel's XML: runs, escapes, superscripts; without phonetic guides."""

import re
from typing import TYPE_CHECKING

from .. import markup

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")


def unescaped(text: str) -> str:
    """`_x000D_` and the like as the characters that they stand for (ECMA-376 part 1, 22.9.2.19)."""
    if "_x" not in text:
        return text
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).replace("\r\n", "\n").replace("\r", "\n")


def rich_text(element: "_Element") -> str:
    """The text of an `si`, `is` or `text` element."""
    if len(element) == 1 and str(element[0].tag).endswith("}t"):
        return unescaped(element[0].text or "")
    parts: list[str] = []
    for child in element:
        match str(child.tag).rpartition("}")[2]:
            case "t":
                parts.append(unescaped(child.text or ""))
            case "r":
                text = unescaped("".join(t.text or "" for t in child.iterchildren("{*}t")))
                align = child.find("{*}rPr/{*}vertAlign")
                kind = align.get("val", "") if align is not None else ""
                if kind == "superscript":
                    text = markup.superscript(text)
                elif kind == "subscript":
                    text = markup.subscript(text)
                parts.append(text)
            case _:  # phonetic guides, rPh
                pass
    return markup.finished("".join(parts))


def has_colours(element: "_Element") -> bool:
    """Whether runs of the text have colours of their own, in place of the cell's."""
    return element.find("{*}r/{*}rPr/{*}color") is not None


def linked(text: str, target: str) -> str:
    """A cell's text with the address that it leads to, unless it is the address itself. Places in the file are not."""
    target = target.strip()
    if not target or target.startswith("#") or text.strip() in (target, target.removeprefix("mailto:")):
        return text
    if target.rstrip("/") == text.strip().rstrip("/"):
        return text
    return f"[{text}]({target})"
