"""LaTeX sources as they are written, with their sections as the outline."""

import re

from ..text import split_lines, split_sections
from .base import Format, OpenFile, ParseOptions, RawPage, Sections, line_label
from .plain import decoded

_LEVELS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
_HEADING = re.compile(rf"\\({'|'.join(_LEVELS)})\*?\s*(?:\[[^\]\n]*\])?\s*\{{")
_VERBATIM = re.compile(r"\\(begin|end)\{(verbatim|lstlisting|minted|comment)\*?\}")
_TITLE = re.compile(r"\\title\s*(?:\[[^\]\n]*\])?\s*\{")
_INCLUDED = re.compile(r"\\(?:input|include|subfile)\s*\{([^}\n]+)\}")
_COMMAND = re.compile(r"\\(?:label|footnote|thanks|index)\s*\{[^{}]*\}|\\[a-zA-Z]+\*?\s?|[{}~]")
_MAX_TITLE = 1000
"""Characters in which the brace of a title must be closed."""


class Latex(Format):
    name = "LaTeX"
    extensions = (".tex", ".latex", ".ltx")
    media_type = "application/x-tex"
    library = None
    textual = True
    options = ("encoding",)

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decoded(data, options)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        headings: dict[int, tuple[int, str]] = {}
        included: list[str] = []
        title, quoted, offset = "", "", 0
        for number, line in enumerate(text.split("\n"), start=1):
            code = _without_comment(line)
            if environment := _VERBATIM.search(code):
                quoted = environment[2] if environment[1] == "begin" else ""
            elif not quoted:
                if found := _HEADING.search(code):
                    level = _LEVELS.index(found[1]) + 1
                    if name := _argument(text, offset + found.end()):
                        headings[number] = level, name
                if (found := _TITLE.search(code)) and not title:
                    title = _argument(text, offset + found.end())
                included += _INCLUDED.findall(code)
            offset += len(line) + 1
        pages: list[RawPage] = []
        outline: list[tuple[int, str, int]] = []
        top = min((level for level, _ in headings.values()), default=1)
        for part in split_sections(split_lines(text), headings.keys()):
            inside = dict.fromkeys(line.number for line in part if line.number in headings)
            pages.append(RawPage(line_label(part), "".join(line.text for line in part)))
            outline += [(headings[n][0] - top + 1, headings[n][1], len(pages)) for n in inside if headings[n]]
        if included:
            warnings.append(f"Files that it includes are not part of it: {', '.join(dict.fromkeys(included))}.")
        return Sections(len(pages), sections=pages, outline=outline, title=title, warnings=warnings)


def _without_comment(line: str) -> str:
    at = -1
    while (at := line.find("%", at + 1)) >= 0:
        if line[at - 1 : at] != "\\":
            return line[:at]
    return line


def _argument(text: str, start: int) -> str:
    """The text of an argument without commands, from after its opening brace."""
    depth = 1
    for at in range(start, min(len(text), start + _MAX_TITLE)):
        if text[at] in "{}" and text[at - 1] != "\\":
            depth += 1 if text[at] == "{" else -1
        if not depth:
            return " ".join(_COMMAND.sub(" ", text[start:at].replace("\\\\", " ")).split())
    return ""
