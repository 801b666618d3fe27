"""Prefix K/V on disk: what one process has prefilled, a later one reads.

A prompt is cut into blocks of tokens. A block's key is a hash of the model, the block before it and its own tokens, so
equal keys mean equal K/V, and prompts that begin alike share their blocks. What is left over at the end of a prompt, a
document's last page and the question mostly, is kept with its tokens under the block before it, the latest only: of
that a later prompt takes as much as it begins with.

Each block is a safetensors file in a `Store`: checksummed, written atomically, evicted least recently used first.
Within a prompt the last block counts as the least recently used, because a block is of no use without those before it.
"""

import hashlib
import json
import logging
import struct
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from .store import Store, cache_dir

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_TOKENS = 512
DEFAULT_BYTES = 8 * 2**30
_FORMAT = b"2"  # of the blocks; another one never meets these keys
_REST = b"rest"
_SAMPLE = 4096

_log = logging.getLogger(__name__)


class PrefixStore:
    """K/V of prompt prefixes, in blocks of `BLOCK_TOKENS`.

    Args:
        root: a folder; by default `prefix` in longread's cache folder.
        max_bytes: what all blocks together may take on disk.
        min_tokens: shorter prompts are not kept: prefilling them again costs less than the disk space.
    """

    def __init__(self, root: Path | None = None, *, max_bytes: int = DEFAULT_BYTES, min_tokens: int = 2 * BLOCK_TOKENS):
        self.store = Store(root or cache_dir() / "prefix", max_bytes=max_bytes, suffix=".safetensors")
        self.min_tokens = min_tokens
        self._worker: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def keys(self, fingerprint: str, tokens: Sequence[int]) -> list[str]:
        """The keys of the whole blocks of a prompt, in order; none if the prompt is too short to be kept."""
        if len(tokens) < self.min_tokens:
            return []
        keys, parent = [], fingerprint
        for start in range(0, len(tokens) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
            parent = _key(parent, array("q", tokens[start : start + BLOCK_TOKENS]).tobytes())
            keys.append(parent)
        return keys

    def read(self, key: str) -> "Tensor | None":
        """The K/V of one block, or None when it is not there (any more)."""
        kept = self._load(key)
        return kept["kv"] if kept else None

    def read_rest(self, parent: str, tokens: Sequence[int]) -> "Tensor | None":
        """K/V of the longest beginning of `tokens` that was left over after block `parent`, or None."""
        kept = self._load(_key(parent, _REST))
        if not kept or "tokens" not in kept:
            return None
        alike = common(kept["tokens"].tolist(), tokens)
        return kept["kv"][:, :, :, :alike] if alike else None

    def _load(self, key: str) -> "dict[str, Tensor] | None":
        from safetensors import SafetensorError
        from safetensors.torch import load

        data = self.store.get(key)
        try:
            kept = load(data) if data is not None else None
        except SafetensorError:  # whole, and written by something else
            return None
        return kept if kept and "kv" in kept else None

    def write(self, keys: Sequence[str], rest: Sequence[int], block: Callable[[int], "Tensor"]) -> None:
        """Write in the background what of a prompt is not there yet.

        Waits for an earlier write to end. The process does not end before this one has.

        Args:
            keys: of its whole blocks; at least one.
            rest: the tokens after them.
            block: `block(i)` is the K/V under `keys[i]`, and after the last of them that of `rest`.
        """
        self.wait()
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="prefix")
        self._writing = self._worker.submit(self._write, list(keys), list(rest), block)

    def wait(self) -> None:
        """Until the background write has ended."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def close(self) -> None:
        self.wait()
        if self._worker is not None:
            self._worker.shutdown()
            self._worker = None

    def _write(self, keys: list[str], rest: list[int], block: Callable[[int], "Tensor"]) -> None:
        import torch
        from safetensors.torch import save

        used = [*keys, _key(keys[-1], _REST)]
        self.store.touch(reversed(used))  # or else the first new block may push out an old one of this prompt
        try:
            for index, key in enumerate(keys):
                if key in self.store:
                    continue
                data = save({"kv": block(index)})
                if (index + 1) * len(data) > self.store.max_bytes:  # it would push out the first
                    used = keys[:index]
                    break
                self.store.put(key, data)
            else:
                if rest:
                    data = save({"kv": block(len(keys)), "tokens": torch.tensor(rest)})
                    if len(data) * (1 + len(keys) * BLOCK_TOKENS / len(rest)) <= self.store.max_bytes:
                        self.store.put(used[-1], data)
        except OSError as error:
            _log.warning("The prompt's K/V were not kept for later runs in %s: %s", self.store.root, error)
        self.store.touch(reversed(used))


def common(held: Sequence[int], tokens: Sequence[int]) -> int:
    """How many tokens the two begin with alike."""
    shorter = min(len(held), len(tokens))
    if held[:shorter] == tokens[:shorter]:
        return shorter
    return next(i for i in range(shorter) if held[i] != tokens[i])


def _key(parent: str, own: bytes) -> str:
    return hashlib.blake2b(_FORMAT + parent.encode() + own, digest_size=20).hexdigest()


def fingerprint(folder: Path, dtype: str) -> str:
    """Identifies the function that a checkpoint computes, without reading all of it.

    A hash of config.json and, for each safetensors file, of its header (names, shapes, types) and of the beginning,
    middle and end of every tensor. Training, merging or quantizing changes those.
    """
    digest = hashlib.blake2b(dtype.encode(), digest_size=20)
    digest.update((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = file.read(length)
            digest.update(header)
            for name, tensor in sorted(json.loads(header).items()):
                if name == "__metadata__":
                    continue
                start, end = tensor["data_offsets"]
                for at in (start, (start + end) // 2, max(start, end - _SAMPLE)):
                    file.seek(8 + length + at)
                    digest.update(file.read(min(_SAMPLE, end - at)))
    return digest.hexdigest()
