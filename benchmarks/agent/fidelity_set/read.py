"""Read files with one reader, and print a line of JSON for each: run by `readers.py`, one process a reader.

    python read.py READER SECONDS FILE...

It imports nothing but the reader, whose environment has no longread. A file that takes longer than SECONDS kills the
process: the caller goes on with the next file.
"""

import contextlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable

MEMORY = 8 << 30
"""Bytes of address space."""

Read = Callable[[str], tuple[str, str]]
"""A path -> the text and the warnings."""


def longread() -> Read:
    from longread.agent.corpus import Corpus, LoadOptions

    def read(path: str) -> tuple[str, str]:
        corpus = Corpus.load([path], options=LoadOptions(cache=False, jobs=1), on_error="collect")
        pages = [part for document in corpus for page in document.pages for part in (f"[page {page.label}]", page.text)]
        said = [
            *corpus.warnings,
            *map(str, corpus.failures),
            *(text for document in corpus for text in document.warnings),
        ]
        said += [f"{document.name}: {note}" for document in corpus for page in document.pages for note in page.notes]
        names = [document.source for document in corpus]
        return "\n".join([*(names if len(names) > 1 else ()), *pages]), "\n".join(said)

    return read


def markitdown() -> Read:
    from markitdown import MarkItDown  # pyright: ignore[reportMissingImports]

    converter = MarkItDown()
    return lambda path: (converter.convert(path).text_content, "")


def docling() -> Read:
    from docling.datamodel.base_models import InputFormat  # pyright: ignore[reportMissingImports]
    from docling.document_converter import DocumentConverter, NativePdfFormatOption  # pyright: ignore[reportMissingImports]

    # Its other pipeline of PDFs downloads models from a hub, and reads a page a second.
    converter = DocumentConverter(format_options={InputFormat.PDF: NativePdfFormatOption()})

    def read(path: str) -> tuple[str, str]:
        result = converter.convert(path)
        return result.document.export_to_markdown(), "\n".join(error.error_message for error in result.errors)

    return read


def pymupdf4llm() -> Read:
    import pymupdf4llm as library

    return lambda path: (str(library.to_markdown(path)), "")


def pandoc() -> Read:
    import pypandoc  # pyright: ignore[reportMissingImports]

    names = {"xhtml": "html", "htm": "html", "md": "gfm", "tex": "latex"}

    def read(path: str) -> tuple[str, str]:
        extension = path.rpartition(".")[2]
        return pypandoc.convert_file(
            path, "gfm", format=names.get(extension, extension), extra_args=["--wrap=none"]
        ), ""

    return read


def qwen_agent() -> Read:
    workspace = tempfile.mkdtemp(prefix="longread-fidelity-")
    os.environ["QWEN_AGENT_DEFAULT_WORKSPACE"] = workspace
    from qwen_agent.tools.simple_doc_parser import SimpleDocParser

    parser = SimpleDocParser({"path": workspace})
    return lambda path: (str(parser.call({"url": path})), "")


READERS: dict[str, Callable[[], Read]] = {
    "longread": longread,
    "markitdown": markitdown,
    "docling": docling,
    "pymupdf4llm": pymupdf4llm,
    "pandoc": pandoc,
    "Qwen-Agent": qwen_agent,
}


def main() -> None:
    reader, limit, *paths = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    read = READERS[reader]()
    for path in paths:
        signal.alarm(int(limit))
        result = {"path": path, "text": "", "warnings": "", "error": ""}
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                result["text"], result["warnings"] = read(path)
            except Exception as error:  # any fault of a reader is its answer for this file
                result["error"] = f"{type(error).__name__}: {error}"
        signal.alarm(0)
        print(json.dumps(result), file=out, flush=True)


if __name__ == "__main__":
    main()
