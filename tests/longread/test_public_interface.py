"""The names that `from longread import …` gives: complete, documented, light to import, and typed."""

import ast
import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import BaseModel

import longread
from longread import Answer, CheckedQuote, Citation, Corpus, LongReader
from longread.agent.prompt.tokenizer import qwen
from tests.support.corpora import corpus, document
from tests.support.public_script import SCRIPT

NAMES = [
    "Answer",
    "CheckedQuote",
    "Citation",
    "CitationChecked",
    "Corpus",
    "CorpusReport",
    "Delta",
    "Document",
    "FileFailed",
    "FileLoaded",
    "FileStarted",
    "LoadOptions",
    "LongReader",
    "LoopLimits",
    "MapPlanned",
    "Note",
    "Page",
    "PagesRead",
    "Prefill",
    "Sessions",
    "ToolEnd",
    "ToolStart",
    "Usage",
    "Waiting",
    "WindowDone",
    "__version__",
    "chat_model",
    "check_quotes",
    "document_tools",
    "highlight",
    "select_pages",
]

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "longread" / "__init__.py"


def run(code: str, folder: Path) -> str:
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_list_of_names() -> None:
    assert sorted(NAMES) == longread.__all__ == dir(longread)
    assert longread.__version__ == version("longread")
    with pytest.raises(AttributeError, match="has no attribute 'Corpsu'"):
        longread.Corpsu  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_each_name_can_be_imported_and_is_documented(name: str) -> None:
    found = getattr(longread, name)
    assert found.__name__ == name
    assert found.__doc__
    assert found.__doc__ != BaseModel.__doc__
    if inspect.isclass(found):
        methods = [value for name, value in vars(found).items() if not name.startswith("_") and callable(value)]
        assert not [method.__qualname__ for method in methods if not method.__doc__]


def test_type_checkers_and_the_interpreter_find_the_same_objects() -> None:
    tree = ast.parse(SOURCE.read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == longread._MODULES


def test_the_import_is_light(tmp_path: Path) -> None:
    heavy = ("pydantic", "qwen_agent", "torch", "openai", "httpx", "numpy", "longread.agent.reader")
    shown = f"print([name for name in {heavy} if name in sys.modules])"
    assert run(f"import longread, sys; {shown}", tmp_path) == "[]\n"
    documents = run(f"from longread import Corpus, Page, select_pages; import sys; {shown}", tmp_path)
    assert documents == "['pydantic']\n"


def test_pyright_finds_no_fault_in_a_script_outside_the_repository(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(script)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.stdout.splitlines()[-1].startswith("0 errors"), result.stdout + result.stderr
    script.write_text(SCRIPT.replace("model.tokenizer", "model.tokeniser"))
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert '"tokeniser"' in result.stdout, "it reads the types"


@pytest.mark.parametrize("example", sorted((REPOSITORY / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_use_public_names_only(example: Path) -> None:
    public = {"longread": set(NAMES)}
    for node in ast.walk(ast.parse(example.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "longread":
            assert node.module in ("longread", "longread.errors", "longread.serving", "longread.kernels")
            assert {alias.name for alias in node.names} <= public.get(node.module, {alias.name for alias in node.names})
        elif isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.startswith("longread")]


BOOK = corpus(document("book", "It was written by Jane Doe.", "In the year 1888."), document("notes", "Nothing."))


def test_a_corpus_and_its_documents_are_shown_in_a_line() -> None:
    large = corpus(document("book", *["words " * 1000] * 50))
    assert repr(large) == str(large) == f"Corpus(1 document, 50 pages, {large.tokens:,} tokens)"
    assert repr(BOOK) == f"Corpus(2 documents, 3 pages, {BOOK.tokens} tokens)"
    assert repr(Corpus(documents=())) == "Corpus(0 documents, 0 pages, 0 tokens)"
    shown = repr(large["book"])
    assert shown.startswith("Document(name='book'")
    assert "pages=50" in shown
    assert max(len(shown), len(repr(large["book"].pages[0]))) < 200


def quote(text: str, **found: object) -> CheckedQuote:
    values = {
        "start": 0, "end": 1, "status": "verified", "cited_document": "book", "cited_page": 1, "document": "book",
        "page_found": 1, "label": "1", "actual": text, "similarity": 1.0,
    }  # fmt: skip
    return CheckedQuote.model_validate({"text": text, **values, **found})


def test_an_answer_is_shown_in_a_line_and_as_markdown_in_a_notebook() -> None:
    answer = Answer(
        question="Who wrote it?",
        text='It was "written by Jane Doe" [book:1],\nsays the book, in "the year 1887" [book:2] [moon:3]. '
        + "So. " * 50,
        citations=(
            Citation(document="book", page=1, label="1", found_by="model"),
            Citation(document="book", page=2, label="2", found_by="lookup"),
        ),
        unknown_citations=("[moon:3]",),
        quotes=(
            quote("written by Jane Doe"),
            quote("the year 1887", status="corrected", page_found=2, actual="the year\n1888", similarity=0.9),
        ),
        usage=None,
        finish_reason="stop",
        history=(),
    )
    shown = repr(answer)
    assert shown == str(answer)
    assert shown.startswith('Answer(\'It was "written by Jane Doe" [book:1], says')
    assert shown.endswith("…', [book:1], quotes: 1 verified, 1 corrected)")
    assert "\n" not in shown
    assert len(shown) < 150
    text, quotes, unknown, pages = answer._repr_markdown_().rsplit("\n\n", 3)
    first, second = quotes.split("\n")
    assert text == answer.text
    assert first.startswith("- ✓ “written by Jane Doe”")
    assert second.startswith("- ≠ “the year 1887”")
    assert "the year 1888" in second
    assert "[moon:3]" in unknown
    assert pages.endswith("[book:2]")


def test_a_reader_is_shown_by_its_corpus_and_model() -> None:
    reader = LongReader(BOOK, server="http://127.0.0.1:1/v1", model="scripted", window=1000, tokenizer=qwen())
    assert repr(reader) == f"LongReader({BOOK!r}, model='scripted')"
