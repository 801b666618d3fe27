"""K/V of prompt prefixes on disk: a later process reads what an earlier one has prefilled.

A prompt is divided into blocks of tokens. The key of a block is a hash of the model, the block before it and its own
tokens, so equal keys mean equal K/V, and prompts with a common prefix share their blocks. The remainder after the last
whole block, usually a document's last page and the question, is stored with its tokens under the block before it, the
latest one only: a later prompt takes the common prefix of it.

Each block is a safetensors file in a `Store`: checksummed, written atomically, evicted least recently used first.
Within a prompt the last block counts as the least recently used, because a block is useless without those before it.
"""

import hashlib
import logging
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from longread.cache import Store, cache_dir

if TYPE_CHECKING:
    from torch import Tensor


BLOCK_TOKENS = 512
DEFAULT_BYTES = 8 * 2**30
_FORMAT = b"2"  # the version of the blocks' format, part of every key
_REST = b"rest"
_log = logging.getLogger(__name__)


class PrefixStore:
    """K/V of prompt prefixes, in blocks of `BLOCK_TOKENS`.

    Args:
        root: a folder; by default `prefix` in longread's cache folder.
        max_bytes: the limit for all blocks together on disk.
        min_tokens: shorter prompts are not stored: prefilling them again costs less than the disk space.
    """

    def __init__(self, root: Path | None = None, *, max_bytes: int = DEFAULT_BYTES, min_tokens: int = 2 * BLOCK_TOKENS):
        self.store = Store(root or cache_dir() / "prefix", max_bytes=max_bytes, suffix=".safetensors")
        self.min_tokens = min_tokens
        self._worker: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def keys(self, fingerprint: str, tokens: Sequence[int]) -> list[str]:
        """The keys of the whole blocks of a prompt, in order; none if the prompt is too short to be stored."""
        if len(tokens) < self.min_tokens:
            return []
        keys, parent = [], fingerprint
        for start in range(0, len(tokens) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
            parent = _key(parent, array("q", tokens[start : start + BLOCK_TOKENS]).tobytes())
            keys.append(parent)
        return keys

    def read(self, key: str) -> "Tensor | None":
        """The K/V of one block, or None if it is not stored (any more)."""
        found = self._load(key)
        return found["kv"] if found else None

    def read_rest(self, parent: str, tokens: Sequence[int]) -> "Tensor | None":
        """The K/V of the prefix that `tokens` share with the remainder after block `parent`, or None."""
        found = self._load(_key(parent, _REST))
        if not found or "tokens" not in found:
            return None
        alike = common(found["tokens"].tolist(), tokens)
        return found["kv"][:, :, :, :alike] if alike else None

    def _load(self, key: str) -> "dict[str, Tensor] | None":
        from safetensors import SafetensorError
        from safetensors.torch import load

        data = self.store.get(key)
        try:
            found = load(data) if data is not None else None
        except SafetensorError:  # complete, but not written by longread
            return None
        return found if found and "kv" in found else None

    def write(self, keys: Sequence[str], rest: Sequence[int], block: Callable[[int], "Tensor"]) -> None:
        """Write the blocks of a prompt that are not stored yet, in the background.

        Waits for an earlier write. The process does not exit before this one has finished.

        Args:
            keys: the keys of its whole blocks, at least one.
            rest: the tokens after them.
            block: `block(i)` gives the K/V for `keys[i]`, and `block(len(keys))` those for `rest`.
        """
        self.wait()
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="prefix")
        self._writing = self._worker.submit(self._write, list(keys), list(rest), block)

    def wait(self) -> None:
        """Wait for the background write to finish."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def close(self) -> None:
        """Wait for the background write, and end its thread."""
        self.wait()
        if self._worker is not None:
            self._worker.shutdown()
            self._worker = None

    def _write(self, keys: list[str], rest: list[int], block: Callable[[int], "Tensor"]) -> None:
        import torch
        from safetensors.torch import save

        used = [*keys, _key(keys[-1], _REST)]
        self.store.touch(reversed(used))  # otherwise the first new block could evict an old one of this prompt
        try:
            for index, key in enumerate(keys):
                if key in self.store:
                    continue
                data = save({"kv": block(index)})
                if (index + 1) * len(data) > self.store.max_bytes:  # it would evict the first one
                    used = keys[:index]
                    break
                self.store.put(key, data)
            else:
                if rest:
                    data = save({"kv": block(len(keys)), "tokens": torch.tensor(rest)})
                    if len(data) * (1 + len(keys) * BLOCK_TOKENS / len(rest)) <= self.store.max_bytes:
                        self.store.put(used[-1], data)
        except OSError as error:
            _log.warning("The K/V of the prompt were not stored in %s: %s", self.store.root, error)
        self.store.touch(reversed(used))


def common(held: Sequence[int], tokens: Sequence[int]) -> int:
    """The length of the common prefix."""
    shorter = min(len(held), len(tokens))
    if held[:shorter] == tokens[:shorter]:
        return shorter
    return next(i for i in range(shorter) if held[i] != tokens[i])


def _key(parent: str, own: bytes) -> str:
    return hashlib.blake2b(_FORMAT + parent.encode() + own, digest_size=20).hexdigest()
