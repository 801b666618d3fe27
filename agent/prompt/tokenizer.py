"""Exact token counts, with Qwen's vocabulary or that of the served model.

Counts must add up: the count of a prompt is the sum of the counts of its segments. That holds if a text is cut after a
newline that precedes a character other than white space, because Qwen's pre-tokenizer never joins the two sides.
`longread.agent.prompt.build` cuts nowhere else.
"""

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from longread.errors import ConfigError

if TYPE_CHECKING:
    import tiktoken

# From Qwen's tokenizer (tokenization_qwen.py in qwen-agent; the same in the Hugging Face tokenizers of Qwen 1 to 3).
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SEGMENT = 65_536


class Tokenizer(Protocol):
    """Counts tokens as a model does. Control tokens in a text count as plain text."""

    @property
    def name(self) -> str:
        """Identifies the vocabulary. Cached counts depend on it."""
        ...

    def counts(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        ...


class QwenTokenizer:
    """Qwen's byte-pair encoding, from the vocabulary in qwen-agent's wheel: exact, offline, as fast as tiktoken."""

    name = "qwen"

    def __init__(self) -> None:
        self._encoding = _qwen_encoding()
        self._threads = os.cpu_count() or 1

    def count(self, text: str) -> int:
        text = unicodedata.normalize("NFC", text)
        return sum(len(self._encoding.encode_ordinary(segment)) for segment in _segments(text))

    def counts(self, texts: Sequence[str]) -> list[int]:
        # tiktoken releases the GIL. One thread per core; batches of texts keep the overhead low for short pages.
        if len(texts) < 2 * self._threads:
            return [self.count(text) for text in texts]
        run = -(-len(texts) // (4 * self._threads))
        runs = [texts[i : i + run] for i in range(0, len(texts), run)]
        with ThreadPoolExecutor(self._threads) as pool:
            return [n for counted in pool.map(lambda part: [self.count(t) for t in part], runs) for n in counted]


def _segments(text: str) -> Iterator[str]:
    """Segments of at most `_SEGMENT` characters whose counts add up.

    The pattern backtracks over white space, and tiktoken aborts at about 500,000 characters of it in one call. Only a
    segment without a newline before a character is cut elsewhere, and may count one token too many.
    """
    start = 0
    while len(text) - start > _SEGMENT:
        end = start + _SEGMENT
        cut = text.rfind("\n", start, end)
        while cut >= start and text[cut + 1].isspace():
            cut = text.rfind("\n", start, cut)
        end = cut + 1 if cut >= start else end
        yield text[start:end]
        start = end
    yield text[start:]


@cache
def qwen() -> QwenTokenizer:
    """The one `QwenTokenizer` of this process."""
    return QwenTokenizer()


def _qwen_encoding() -> "tiktoken.Encoding":
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe

    package = find_spec("qwen_agent")  # only located: importing it takes seconds
    if package is None or not package.submodule_search_locations:
        raise ConfigError("Qwen's vocabulary comes with qwen-agent, which is not installed: pip install qwen-agent")
    loaded = getattr(sys.modules.get("qwen_agent.utils.tokenization_qwen"), "tokenizer", None)
    if loaded is not None:  # Qwen-Agent loads the vocabulary on import, which takes a third of a second
        return loaded.tokenizer
    path = Path(package.submodule_search_locations[0]) / "utils" / "qwen.tiktoken"
    if not path.is_file():
        raise ConfigError(
            f"{path} is missing: reinstall qwen-agent (pip install --force-reinstall --no-deps qwen-agent)"
        )
    return tiktoken.Encoding("qwen", pat_str=_PATTERN, mergeable_ranks=load_tiktoken_bpe(str(path)), special_tokens={})
