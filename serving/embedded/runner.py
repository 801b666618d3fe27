"""Prefill and decoding: the model, its K/V buffer, and the reuse of K/V from memory and disk."""

import time
from typing import TYPE_CHECKING

import torch

from longread.kernels.transformers_patch import with_cache

from ..prefix_cache import BLOCK_TOKENS, PrefixStore, common
from .kv_cache import KVBuffer
from .loader import Checkpoint
from .prefill_clock import PrefillClock

if TYPE_CHECKING:
    from torch import Tensor


class Runner:
    """Reads one sequence of tokens at a time into one buffer. Not thread-safe: `Engine` has the lock.

    Args:
        chunk: tokens read at a time.
        disk: stores the K/V of long prompts between processes, if not None.
    """

    def __init__(self, checkpoint: Checkpoint, *, chunk: int, disk: PrefixStore | None):
        self.model = checkpoint.model
        self._identity = checkpoint.identity
        self._chunk = chunk
        self._disk = disk
        self._kv = KVBuffer.of(self.model, checkpoint.window)
        self._whole = with_cache(self.model, self._kv)
        self._inside = with_cache(self.model.base_model, self._kv)
        self._clock = PrefillClock(self.model)
        self._held: list[int] = []  # the tokens whose K/V are in the buffer, from position 0
        self._being_written = 0  # how many of them are being written to disk

    @property
    def done(self) -> int:
        """Tokens in the buffer."""
        return len(self._held)

    def seconds_left(self, total: int) -> float | None:
        """The estimated time for the tokens up to `total`."""
        return self._clock.left(self.done, total)

    def enter(self, tokens: list[int], most: int) -> None:
        """Prepare the buffer for `tokens`: keep their common prefix, add K/V from disk, and reserve `most` tokens.

        The last token is always left to `read`, for its logits.
        """
        keep = min(common(self._held, tokens), len(tokens) - 1)
        if self._disk is not None and keep < self._being_written:
            self._disk.wait()
        self._held = self._held[:keep]
        self._kv.reserve(most, keep=keep)
        if self._disk is not None:
            self._enter_from_disk(self._disk, tokens)

    def read(self, tokens: list[int]) -> "Tensor | None":
        """Read the next chunk of `tokens`. -> the logits [V] after the last token, or None if there are more to read.

        `enter` must have been called with the same tokens, or a prefix of them.
        """
        done = self.done
        chunk = tokens[done : done + self._chunk]
        started = time.perf_counter()
        logits = self._forward(chunk, last=done + len(chunk) == len(tokens))
        if len(chunk) > 1:
            if self.model.device.type == "cuda":
                torch.cuda.synchronize(self.model.device)
            self._clock.add(done, len(chunk), time.perf_counter() - started)
        self._held += chunk
        return logits

    def store(self, prompt: list[int]) -> None:
        """Write the K/V of `prompt`, which has just been read, to disk in the background."""
        if self._disk is not None and (keys := self._disk.keys(self._identity, prompt)):
            self._being_written = len(prompt)
            self._disk.write(
                keys,
                prompt[len(keys) * BLOCK_TOKENS :],
                lambda index: self._kv.read(index * BLOCK_TOKENS, min((index + 1) * BLOCK_TOKENS, len(prompt))),
            )

    def close(self) -> None:
        """Finish writing to disk."""
        if self._disk is not None:
            self._disk.close()

    def _enter_from_disk(self, disk: PrefixStore, tokens: list[int]) -> None:
        """Add the next blocks to the buffer as far as they are on disk, and then the remainder of a prompt."""
        keys = disk.keys(self._identity, tokens[:-1])
        if self.done >= len(keys) * BLOCK_TOKENS:
            return
        start = self.done // BLOCK_TOKENS * BLOCK_TOKENS
        for key in keys[start // BLOCK_TOKENS :]:
            block = disk.read(key)
            if block is None or not self._kv.fits(block):
                break
            start = self._add(start, block, tokens)
        if (
            start
            and (rest := disk.read_rest(keys[start // BLOCK_TOKENS - 1], tokens[start:-1])) is not None
            and self._kv.fits(rest)
        ):
            self._add(start, rest, tokens)

    def _add(self, start: int, block: "Tensor", tokens: list[int]) -> int:
        """Write K/V of the tokens from `start` on to the buffer. -> where they end"""
        self._kv.write(start, block)
        end = start + block.shape[3]
        if end > self.done:
            self._held = tokens[:end]
        return end

    @torch.inference_mode()
    def _forward(self, chunk: list[int], *, last: bool) -> "Tensor | None":
        self._kv.truncate(self.done)  # after an interrupted step some layers may have more tokens than others
        ids = torch.tensor([chunk], device=self.model.device)
        if not last:  # the logits inside a prompt are not needed
            self.model.base_model(input_ids=ids, **self._inside)
            return None
        return self.model(input_ids=ids, logits_to_keep=1, **self._whole).logits[0, -1]
