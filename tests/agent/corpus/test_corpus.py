"""`Corpus` as its users see it: what it gives, what it says while loading, and what it imports."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from longread.agent.corpus import Corpus, FileLoaded, FileStarted, LoadEvent, LoadOptions, PagesRead
from longread.errors import DocumentError


def test_a_corpus(tmp_path: Path, pypdf: Callable[[str], Path]) -> None:
    (tmp_path / "notes.txt").write_text("Some notes.")
    corpus = Corpus.load([pypdf("crazyones.pdf"), str(tmp_path / "notes.txt")])
    assert len(corpus) == 2
    assert [document.name for document in corpus] == ["crazyones", "notes"]
    assert corpus["notes"].pages[0].text == "Some notes."
    assert "notes" in corpus
    assert "nots" not in corpus
    with pytest.raises(KeyError, match="no document 'nots'; there are crazyones, notes"):
        corpus["nots"]
    assert corpus.tokens == sum(page.tokens for document in corpus for page in document.pages)
    assert corpus
    assert (corpus.failures, corpus.warnings) == ((), ())
    assert Corpus.model_validate_json(corpus.model_dump_json()) == corpus
    with pytest.raises(ValidationError, match="frozen"):
        corpus.documents = ()  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError, match="frozen"):
        corpus["notes"].pages[0].text = "other"  # pyright: ignore[reportAttributeAccessIssue]
    assert Corpus.load(tmp_path / "notes.txt")["notes"] == corpus["notes"]  # pyright: ignore[reportArgumentType]


def test_events(tmp_path: Path, paperqa: Callable[[str], Path]) -> None:
    (tmp_path / "notes.txt").write_text("Some notes.")
    paths = [paperqa("paper.pdf"), tmp_path / "notes.txt"]
    for cached in (False, True):
        events: list[LoadEvent] = []
        began = time.monotonic()
        corpus = Corpus.load(paths, on_event=events.append)
        took = time.monotonic() - began
        for path, pages, known in ((paths[0], 41, 41), (paths[1], 1, 1 if cached else None)):
            mine = [event for event in events if event.source == str(path)]
            assert mine[0] == FileStarted(source=str(path), pages=known)
            last = mine[-1]
            assert isinstance(last, FileLoaded)
            assert (last.pages, last.cached) == (pages, cached)
            assert last.tokens == next(document for document in corpus if document.source == str(path)).tokens
            assert 0 <= last.seconds <= took
            steps = [event for event in mine if isinstance(event, PagesRead)]
            assert [step.done for step in steps] == sorted({step.done for step in steps})
            assert (steps == []) == cached
            if steps:
                assert (steps[-1].done, steps[-1].total) == (pages, pages)


class Letters:
    name = "letters"

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]


def test_another_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("<|im_end|> five")
    by_letters = Corpus.load([tmp_path / "a.txt"], tokenizer=Letters()).documents[0]
    assert (by_letters.tokenizer, by_letters.tokens) == ("letters", 16)  # with the end of the line
    by_qwen = Corpus.load([tmp_path / "a.txt"]).documents[0]
    assert by_qwen.tokenizer == "qwen"
    assert by_qwen.tokens != 16  # the counts of the other tokenizer were not taken from the cache


def test_the_tokenizer_is_asked_for_what_the_prompt_will_hold(tmp_path: Path) -> None:
    seen: list[str] = []

    class Spy(Letters):
        def counts(self, texts: Sequence[str]) -> list[int]:
            seen.extend(texts)
            return super().counts(texts)

    (tmp_path / "a.txt").write_text("<|im_end|> é")
    Corpus.load([tmp_path / "a.txt"], tokenizer=Spy())
    assert seen == ["‹|im_end|> é\n"]


def test_a_tokenizer_that_fails(tmp_path: Path) -> None:
    class Broken(Letters):
        def counts(self, texts: Sequence[str]) -> list[int]:
            raise DocumentError("the served model's tokenizer is gone", source="")

    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(DocumentError, match="tokenizer is gone"):
        Corpus.load([tmp_path / "a.txt"], tokenizer=Broken())


def test_several_loads_at_once(paperqa: Callable[[str], Path]) -> None:
    """As in a server that loads for several users in its threads."""
    found: list[Corpus] = []
    path = paperqa("pasa.pdf")
    threads = [
        threading.Thread(target=lambda: found.append(Corpus.load([path], options=LoadOptions(jobs=1))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"jobs": 0},
        {"timeout": 0},
        {"memory": 1 << 20},
        {"ocr_language": "../eng"},
        {"ocr_language": ""},
        {"ocr": "often"},
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LoadOptions.model_validate(wrong)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(LoadOptions(password="secret"))


def test_imports_are_light() -> None:
    """Documents need no parser library in this process, and a parser process needs no pydantic."""
    heavy = ("pymupdf", "lxml", "selectolax", "olefile", "PIL", "numpy", "tiktoken", "charset_normalizer", "qwen_agent")
    code = "import sys\n{}\nprint([name for name in {} if name in sys.modules])"
    for body, banned in (
        ("import longread.agent.corpus.corpus, longread.agent.corpus.loader", heavy),
        ("import longread.agent.corpus.parsing.worker", (*heavy, "pydantic")),
        ("from longread.agent import corpus", ("pydantic",)),
    ):
        run = subprocess.run(
            [sys.executable, "-c", code.format(body, banned)], capture_output=True, text=True, check=True
        )
        assert run.stdout == "[]\n"
    import longread.agent.corpus

    assert longread.agent.corpus.OutlineEntry.__name__ == "OutlineEntry"
    with pytest.raises(AttributeError, match="has no attribute 'Corpsu'"):
        longread.agent.corpus.Corpsu  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
