"""The pages of a corpus as text, JSON and HTML, with what was skipped or altered at its place."""

import base64
import html
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from longread.control_tokens import encodable
from longread.errors import DocumentError

from ..corpus.page_pictures import has_pictures, page_pictures
from ..prompt.build import segments
from . import console

if TYPE_CHECKING:
    from longread.documents import Document

    from ..corpus import Corpus

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; color: #1c1c1c; background: #fff; }}
section {{ display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.5rem; align-items: start;
  border-top: 1px solid #ccc; padding: 1rem 0; }}
section > h3 {{ grid-column: 1 / -1; margin: 0; font-size: 1rem; }}
img {{ width: 100%; border: 1px solid #ccc; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; margin: 0; }}
.note {{ color: #8a4b00; margin: 0 0 .5rem; }}
.only {{ grid-column: 1 / -1; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #ddd; background: #181818; }} .note {{ color: #e8a64c; }} }}
</style>
"""


def print_text(corpus: "Corpus") -> None:
    """Print the documents as they are in the prompt, and the notes of each page on standard error."""
    for document in corpus.documents:
        # The header, a segment for each page, and the footer.
        header, *pages, footer = segments(document)
        _write(header)
        for page, segment in zip(document.pages, pages, strict=True):
            _write(segment)
            for note in page.notes:
                _note(f"page {page.number}: {note}")
        _write(footer)
        for warning in _general_warnings(document):
            _note(f"{document.name}: {warning}")


def print_json(corpus: "Corpus") -> None:
    """Print the documents as a JSON object. The text of a page is as in the prompt, without the page mark."""
    documents: list[dict[str, Any]] = []
    for document in corpus.documents:
        _, *pages, _ = segments(document)
        shown = document.model_dump(mode="json", exclude={"pages"})
        shown["tokens"] = document.tokens
        shown["pages"] = [
            {**page.model_dump(mode="json"), "text": segment.partition("\n")[2].removesuffix("\n")}
            for page, segment in zip(document.pages, pages, strict=True)
        ]
        documents.append(shown)
    failures = list(map(str, corpus.failures))
    _write(json.dumps({"documents": documents, "failures": failures, "warnings": corpus.warnings}, indent=2) + "\n")


def print_html(corpus: "Corpus", *, password: str | None) -> None:
    """Print a web page that needs no other file: the picture of each page, where there is one, beside its text."""
    _write(_HEAD.format(title=html.escape(", ".join(document.name for document in corpus.documents))))
    for document in corpus.documents:
        _write(f"<h2>{_escaped(document.name)}: {_escaped(document.title)}</h2>\n")
        for warning in _general_warnings(document):
            _write(f'<p class="note">{_escaped(warning)}</p>\n')
        _, *pages, _ = segments(document)
        pictures = _pictures(document, password)
        for page, segment in zip(document.pages, pages, strict=True):
            picture = next(pictures, None)
            label = "" if page.label == str(page.number) else f" ({page.label})"
            _write(f"<section><h3>{_escaped(f'Page {page.number}{label}')}, {page.tokens:,} tokens</h3>\n")
            if picture:
                _write(f'<img alt="" src="data:image/jpeg;base64,{picture}">\n')
            _write(f'<div class="{"" if picture else "only"}">')
            for note in page.notes:
                _write(f'<p class="note">{_escaped(note)}</p>\n')
            _write(f"<pre>{_escaped(segment)}</pre></div></section>\n")


def _pictures(document: "Document", password: str | None) -> Iterator[str]:
    """The pictures of the pages in base64; they end at the first page that cannot be rendered, with a note."""
    if not has_pictures(document):
        return
    try:
        for picture in page_pictures(document, password=password):
            yield base64.b64encode(picture.jpeg).decode()
    except DocumentError as error:
        console.note(f"pictures end here: {error}")


def _general_warnings(document: "Document") -> list[str]:
    """The warnings that are not about single pages: those are shown with their pages."""
    return [warning for warning in document.warnings if not warning.startswith(("Page ", "Pages "))]


def _escaped(text: str) -> str:
    return html.escape(encodable(text))


def _write(text: str) -> None:
    sys.stdout.write(encodable(text))


def _note(text: str) -> None:
    sys.stdout.flush()  # both may be the same terminal
    console.note(text)
