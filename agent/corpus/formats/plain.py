"""Plain text: prose, source code, CSV, JSON. Every character is kept."""

import csv
import io
import json
import re
import sys
from collections.abc import Sequence

from ..text import split_lines, split_sections
from .base import Format, OpenFile, ParseOptions, RawPage, Sections, line_label
from .terminal import without_escapes
from .text_encoding import decode

_DECLARED = re.compile(
    rb"""<\?xml[^>]{,200}?\bencoding\s*=\s*["']([-\w.:]+)|@charset\s*"([-\w.:]+)"|\bcoding[:=]\s*([-\w.]+)"""
    rb"""|\bfileencoding=([-\w.]+)|\\usepackage\[([-\w]+)\]\{inputenc\}|Content-Type:\s*text/[^"]*charset=([-\w.:]+)"""
)
"""How text files name their encoding: XML, CSS, Python and Emacs, Vim, LaTeX, gettext."""
_DECLARED_WITHIN = 2048
"""Bytes from the start of a file in which it does so."""
_ESCAPE = re.compile(
    r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\.", re.DOTALL
)
_DELIMITERS = ",;\t|"


class Text(Format):
    """Also the format of any text file whose extension is unknown."""

    name = "text and source code"
    extensions = (
        *(".txt", ".text", ".rst", ".adoc", ".org", ".bib", ".log", ".po", ".pot"),
        *(".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".cs", ".java", ".kt", ".scala", ".go", ".rs"),
        *(".js", ".jsx", ".mjs", ".ts", ".tsx", ".vue", ".css", ".scss", ".php", ".rb", ".pl", ".lua", ".swift"),
        *(".r", ".jl", ".m", ".f90", ".hs", ".ml", ".ex", ".erl", ".clj", ".lisp", ".el", ".sql", ".sh", ".bash"),
        *(".ps1", ".bat", ".proto", ".graphql", ".tf", ".cmake", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".conf"),
        *(".xml", ".xsd", ".xsl", ".diff", ".patch"),
    )
    media_type = "text/plain"
    library = None
    revision = 2
    textual = True
    options = ("encoding",)

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decoded(data, options)
        return cut(without_escapes(text), warnings)


class Csv(Text):
    """Split between records, which may span lines."""

    name = "CSV"
    extensions = (".csv", ".tsv")
    media_type = "text/csv"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decoded(data, options)
        csv.field_size_limit(sys.maxsize)
        starts = [1]
        head = text[:1000].partition("\n")[0]
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=head.count))
            starts += [reader.line_num + 1 for _ in reader]
        except csv.Error as error:
            warnings.append(f"Not well-formed CSV from line {starts[-1]} on ({error}); read as plain text.")
        return cut(text, warnings, starts)


class Json(Text):
    """Kept as written, but for escaped characters: reformatting would change numbers and lose duplicate keys."""

    name = "JSON"
    extensions = (".json", ".geojson")
    media_type = "application/json"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decoded(data, options)
        try:
            json.loads(text)
        except RecursionError:
            pass  # well-formed so far, and never built here
        except ValueError as error:
            if first_bad_record(text):
                warnings.append(f"Not well-formed JSON ({error}); read as plain text.")
        return cut(unescaped(text), warnings)


class JsonLines(Text):
    """Split between records, each of which is a line."""

    name = "JSON Lines"
    extensions = (".jsonl", ".ndjson", ".jsonlines")
    media_type = "application/jsonl"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decoded(data, options)
        if bad := first_bad_record(text):
            warnings.append(f"Line {bad:,} is not well-formed JSON; read as plain text.")
        return cut(unescaped(text), warnings, range(1, text.count("\n") + 2))


def decoded(data: bytes, options: ParseOptions) -> tuple[str, list[str]]:
    """The text of a file, by the encoding that the user or the file names; with warnings."""
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    name = next(filter(None, found.groups())).decode("ascii") if found else ""
    return decode(data, options.encoding, name)


def cut(text: str, warnings: list[str], starts: Sequence[int] = ()) -> Sections:
    """Split a text into pages, labelled by the numbers of their lines."""
    pages = [
        RawPage(line_label(part), "".join(line.text for line in part))
        for part in split_sections(split_lines(text), starts)
    ]
    return Sections(len(pages), sections=pages, warnings=warnings)


def unescaped(text: str) -> str:
    """JSON with its `\\uXXXX` as characters, except those that must be escaped: it stays JSON of the same meaning."""
    return _ESCAPE.sub(_character, text) if "\\u" in text else text


def _character(match: re.Match[str]) -> str:
    high, low, one = match.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    char = chr(int(one, 16)) if one else '"'
    return match[0] if char in '"\\' or not (char.isprintable() or char.isspace()) or char < " " else char


def first_bad_record(text: str) -> int:
    """The number of the first line that is not JSON; 0 if every line is, or is blank."""
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            if line.strip():
                json.loads(line)
        except RecursionError:
            continue
        except ValueError:
            return number
    return 0
