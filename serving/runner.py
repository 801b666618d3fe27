"""Token ids in, logits out: the model, its K/V buffer, and what of a prompt need not be read again."""

import time
from typing import TYPE_CHECKING

import torch

from .checkpoint import Checkpoint
from .kv import KVBuffer
from .prefix import BLOCK_TOKENS, PrefixStore
from .progress import PrefillClock

if TYPE_CHECKING:
    from torch import Tensor


class Runner:
    """Reads one sequence of tokens at a time into one buffer. Not thread-safe: `Engine` sees to turns.

    Args:
        chunk: tokens read at a time.
        disk: where K/V of long prompts are kept between processes, if anywhere.
    """

    def __init__(self, checkpoint: Checkpoint, *, chunk: int, disk: PrefixStore | None):
        self.model = checkpoint.model
        self._identity = checkpoint.identity
        self._chunk = chunk
        self._disk = disk
        self._kv = KVBuffer.of(self.model, checkpoint.window)
        self._clock = PrefillClock(self.model)
        self._held: list[int] = []  # the tokens whose K/V are in the buffer, from position 0
        self._being_written = 0  # how many of them the disk may be reading just now

    @property
    def done(self) -> int:
        """Tokens in the buffer."""
        return len(self._held)

    def seconds_left(self, total: int) -> float | None:
        """For the tokens up to `total`."""
        return self._clock.left(self.done, total)

    def enter(self, tokens: list[int], room: int) -> None:
        """Keep of the buffer what `tokens` begin with, add to it what the disk has, and make room for `room` tokens.

        The last token is always left to `read`, for its logits.
        """
        keep = min(_common(self._held, tokens), len(tokens) - 1)
        if self._disk is not None and keep < self._being_written:
            self._disk.wait()
        self._held = self._held[:keep]
        self._kv.reserve(room, keep=keep)
        if self._disk is None:
            return
        keys = self._disk.keys(self._identity, tokens[:-1])
        for index in range(keep // BLOCK_TOKENS, len(keys)):
            block = self._disk.read(keys[index])
            if block is None:
                break
            self._kv.write(index * BLOCK_TOKENS, block)
            self._held = tokens[: (index + 1) * BLOCK_TOKENS]

    def read(self, tokens: list[int]) -> "Tensor | None":
        """Read the next chunk of `tokens`. -> the logits [V] that follow the last one, or None when more is to be read.

        `enter` has come first, with tokens that begin the same.
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

    def keep(self, prompt: list[int]) -> None:
        """Write the K/V of `prompt`, which has just been read, to disk in the background."""
        if self._disk is not None and (keys := self._disk.keys(self._identity, prompt)):
            self._being_written = len(keys) * BLOCK_TOKENS
            self._disk.write(keys, lambda index: self._kv.read(index * BLOCK_TOKENS, (index + 1) * BLOCK_TOKENS))

    def close(self) -> None:
        """Finish what is being written to disk."""
        if self._disk is not None:
            self._disk.close()

    @torch.inference_mode()
    def _forward(self, chunk: list[int], *, last: bool) -> "Tensor | None":
        self._kv.truncate(self.done)  # an interrupted step may have left some layers further than others
        ids = torch.tensor([chunk], device=self.model.device)
        if not last:  # nobody needs the logits of a prompt's inside
            self.model.base_model(input_ids=ids, past_key_values=self._kv, use_cache=True)
            return None
        return self.model(input_ids=ids, past_key_values=self._kv, use_cache=True, logits_to_keep=1).logits[0, -1]


def _common(held: list[int], tokens: list[int]) -> int:
    """How many tokens the two begin with alike."""
    shorter = min(len(held), len(tokens))
    if held[:shorter] == tokens[:shorter]:
        return shorter
    return next(i for i in range(shorter) if held[i] != tokens[i])
