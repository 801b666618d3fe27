"""Dotted leaders, as between an entry of a table of contents and its page number."""

import re

_DOTS = ".\u00b7\u2024\u2025\u2026\u22c5\u2027\u2219"
_RUN = re.compile(rf"[{_DOTS}](?:[ \u00a0\t]{{0,3}}[{_DOTS}]){{4,}}")
_PAGE = re.compile(
    # "5", "xii", "A-3", "3.14", "12-1", "p. 5", "S. 5"
    r"[ \u00a0\t]*((?:(?:pp?\.|S\.)\s?)?(?:[A-Z]{1,3}[-.\u2013]?)?"
    r"(?:\d{1,5}(?:[-.\u2013]\d{1,4}){0,2}|[ivxlcdm]{1,8}|[IVXLCDM]{1,8})[ \t]*(?:\n|\Z))"
)
_END = re.compile(r"[ \u00a0\t]*(?:\n|\Z)")
_LONG, _VERY_LONG = 10, 15
"""Dots that are a leader although no page number follows: at the end of a line, and in front of something else."""
_BLANKS = " \u00a0\t"


def collapsed(text: str) -> str:
    """Leaders as "Introduction … 5", and dotted blanks of forms as "Name: … Date: …".

    Fewer than five dots stay, and dots that neither lead to a number nor end the line nor are very many: they may be an
    ellipsis, or data.
    """
    if not any(mark in text for mark in _MARKS):  # much faster than the expression
        return text
    parts: list[str] = []
    done = 0
    for run in _RUN.finditer(text):
        start, end = run.span()
        dots = sum(character in _DOTS for character in run[0])
        while start > done and text[start - 1] in _BLANKS:
            start -= 1
        if start == done or text[start - 1] == "\n":
            continue  # dots at the beginning of a line lead from nothing
        if _PAGE.match(text, end):
            pass
        elif not (_END.match(text, end) and dots >= _LONG) and not (dots >= _VERY_LONG and text[end] not in _DOTS):
            continue
        parts.append(text[done:start])
        while end < len(text) and text[end] in _BLANKS:
            end += 1
        parts.append(" …" if end == len(text) or text[end] == "\n" else " … ")
        done = end
    return "".join([*parts, text[done:]])


_MARKS = (
    "....",
    ". . .",
    ".  .",
    "\u00b7\u00b7",
    "\u00b7 \u00b7",
    "\u2026\u2026",
    "\u2024\u2024",
    "\u22c5",
    "\u2219",
    "\u2025\u2025",
    "\u2026 \u2026",
)
