"""Plain text: prose, source code, CSV, JSON. Every character is kept."""

import csv
import io
import json
import sys
from collections.abc import Sequence

from ..text import split_lines, split_sections
from .base import Format, OpenFile, ParseOptions, RawPage, Sections, line_label
from .text_encoding import decode


class Text(Format):
    """Also the format of any text file whose extension is unknown."""

    name = "text and source code"
    extensions = (
        *(".txt", ".text", ".rst", ".adoc", ".org", ".tex", ".bib", ".log", ".srt", ".vtt", ".eml"),
        *(".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".cs", ".java", ".kt", ".scala", ".go", ".rs"),
        *(".js", ".jsx", ".mjs", ".ts", ".tsx", ".vue", ".css", ".scss", ".php", ".rb", ".pl", ".lua", ".swift"),
        *(".r", ".jl", ".m", ".f90", ".hs", ".ml", ".ex", ".erl", ".clj", ".lisp", ".el", ".sql", ".sh", ".bash"),
        *(".ps1", ".bat", ".proto", ".graphql", ".tf", ".cmake", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".conf"),
        *(".xml", ".xsd", ".svg", ".diff", ".patch"),
    )
    media_type = "text/plain"
    library = "charset-normalizer"
    textual = True

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decode(data)
        return self._cut(text, warnings)

    def _cut(self, text: str, warnings: list[str], starts: Sequence[int] = ()) -> OpenFile:
        pages = [
            RawPage(line_label(part), "".join(line.text for line in part))
            for part in split_sections(split_lines(text), starts)
        ]
        return Sections(len(pages), sections=pages, warnings=warnings)


class Csv(Text):
    """Split between records, which may span lines."""

    name = "CSV"
    extensions = (".csv", ".tsv")
    media_type = "text/csv"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decode(data)
        csv.field_size_limit(sys.maxsize)
        starts = [1]
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in text[:1000] else ",")
            starts += [reader.line_num + 1 for _ in reader]
        except csv.Error as error:
            warnings.append(f"Not well-formed CSV from line {starts[-1]} on ({error}); read as plain text.")
        return self._cut(text, warnings, starts)


class Json(Text):
    """Kept as written: reformatting would change numbers and lose duplicate keys."""

    name = "JSON"
    extensions = (".json", ".jsonl", ".ndjson", ".geojson", ".ipynb")
    media_type = "application/json"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decode(data)
        try:
            json.loads(text)
        except ValueError as error:
            if not _is_json_lines(text):
                warnings.append(f"Not well-formed JSON ({error}); read as plain text.")
        return self._cut(text, warnings)


def _is_json_lines(text: str) -> bool:
    try:
        for line in text.split("\n"):
            if line.strip():
                json.loads(line)
    except ValueError:
        return False
    return True
