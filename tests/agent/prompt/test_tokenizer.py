"""Counts are Qwen's own, add up across the cuts that a prompt makes, and are made by encoding each text once."""

import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qwen_agent.utils.tokenization_qwen import QWenTokenizer

from longread.agent.prompt import tokenizer
from longread.agent.prompt.tokenizer import QwenTokenizer, qwen


def _vocabulary() -> Path:
    package = find_spec("qwen_agent")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "utils" / "qwen.tiktoken"


THEIRS = QWenTokenizer(str(_vocabulary()))
TEXT = st.text(st.sampled_from("abc XYZ 0129 \n\n\t.,;:!?'’-–é中文字한글‹<|>[]（）ﬁ́😀"), max_size=200)


@given(TEXT)
@settings(max_examples=300)
def test_counts_are_those_of_qwens_own_tokenizer(text: str) -> None:
    ours = qwen().count(text)
    assert ours == len(THEIRS.tokenizer.encode_ordinary(unicodedata.normalize("NFC", text)))


@given(TEXT, TEXT.filter(lambda text: text[:1].strip() != ""))
@settings(max_examples=300)
def test_counts_add_up_when_cut_after_a_newline_before_a_character(head: str, tail: str) -> None:
    assert qwen().count(head + "\n") + qwen().count(tail) == qwen().count(head + "\n" + tail)


def test_control_tokens_in_a_text_count_as_plain_text() -> None:
    assert qwen().count("<|im_start|>") > 1


def test_many_texts_are_counted_like_each() -> None:
    texts = [f"page {i} of the text\n" * (i % 7) for i in range(100)]
    assert qwen().counts(texts) == [qwen().count(text) for text in texts]


def test_a_long_text_is_counted_exactly() -> None:
    text = "\n\n".join(f"  line {i}\n中文 {i}\n\n\tx" for i in range(20_000))
    assert qwen().count(text) == len(tokenizer._qwen_encoding().encode_ordinary(text))


@pytest.mark.parametrize("text", [" " * 1_000_000 + "x", "\n" * 1_000_000, "a" * 300_000, "x" + " " * 500_000])
def test_monotonous_text_is_counted(text: str) -> None:
    assert 0 < qwen().count(text) <= len(text)


class Encoding:
    """Of a token a character; remembers what is encoded, and in which thread, and begins with as many as are given."""

    def __init__(self, threads: int):
        self.encoded: list[tuple[str, int]] = []
        self._together = threading.Barrier(threads, timeout=300)
        self._waiting = list(range(threads))

    def encode_ordinary(self, text: str) -> list[int]:
        self.encoded.append((text, threading.get_ident()))
        if self._waiting:
            self._waiting.pop()
            self._together.wait()
        return [0] * len(text)


def test_every_text_is_encoded_once_by_a_thread_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    encoding = Encoding(3)
    monkeypatch.setattr(tokenizer, "_qwen_encoding", lambda: encoding)
    monkeypatch.setattr(tokenizer.os, "cpu_count", lambda: 3)
    handed_over: list[object] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **options: Any) -> Any:
            handed_over.append(arguments)
            return super().submit(*arguments, **options)

    monkeypatch.setattr(tokenizer, "ThreadPoolExecutor", Pool)
    texts = [f"page {number}" for number in range(1000)]
    assert QwenTokenizer().counts(texts) == [len(text) for text in texts]
    assert sorted(text for text, _ in encoding.encoded) == sorted(texts)
    assert len({thread for _, thread in encoding.encoded}) == 3
    assert len(handed_over) <= 4 * 3, "short pages are handed over many at a time"


def test_a_missing_vocabulary_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "find_spec", lambda _: None)
    with pytest.raises(tokenizer.ConfigError, match="pip install qwen-agent"):
        tokenizer._qwen_encoding()
