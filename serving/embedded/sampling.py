"""Decoding of logits to text: sampling, incremental detokenization, reasoning tags and stop strings."""

from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from torch import Tensor


class Sampler:
    """Samples the next token like `generate` of transformers: repetition penalty, temperature, top-p.

    Args:
        prompt: its tokens count as seen for the repetition penalty.
        temperature: 0 is greedy.
        top_p: tokens are sampled from the smallest set with this much probability.
        repetition_penalty: above 1 makes seen tokens less likely.
        seed: equal seeds give equal answers; None uses a random one.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        *,
        temperature: float = 0.0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
    ):
        if temperature < 0:
            raise ValueError(f"temperature is {temperature}; it is 0 (greedy) or more")
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p is {top_p}; it is more than 0 and at most 1")
        if repetition_penalty <= 0:
            raise ValueError(f"repetition_penalty is {repetition_penalty}; it is more than 0, and 1 changes nothing")
        self._temperature = temperature
        self._top_p = top_p
        self._penalty = repetition_penalty
        self._seen = torch.tensor(sorted(set(prompt)))
        self._random = torch.Generator()
        if seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(seed)

    def __call__(self, logits: Tensor) -> int:
        """The next token, given its logits [V]."""
        logits = logits.float().cpu()
        if self._penalty != 1:
            seen = logits[self._seen]
            seen = torch.where(seen < 0, seen * self._penalty, seen / self._penalty)
            logits = logits.index_put((self._seen,), seen)
        token = self._pick(logits)
        if self._penalty != 1 and token not in self._seen:
            self._seen = torch.cat((self._seen, torch.tensor([token])))
        return token

    def _pick(self, logits: Tensor) -> int:
        if self._temperature == 0:
            return int(logits.argmax())
        probabilities, order = torch.softmax(logits / self._temperature, 0).sort(descending=True)
        before = probabilities.cumsum(0) - probabilities
        probabilities[before >= self._top_p] = 0
        return int(order[torch.multinomial(probabilities, 1, generator=self._random)])


class TextStream:
    """Decodes tokens to pieces of text, each marked as reasoning or answer, up to the first stop string.

    A character whose bytes span several tokens is returned whole. Text that may be the beginning of a stop string is
    held back until that is decided. Reasoning is the text between `<think>` and `</think>` if the vocabulary has both
    as tokens; stop strings apply to the answer only.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int], stop: str | Iterable[str] = ()):
        self._tokenizer = tokenizer
        self._stop = (stop,) if isinstance(stop, str) else tuple(stop)
        if "" in self._stop:
            raise ValueError("an empty stop string would stop every answer before it starts")
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._open, self._close = tokenizer.token_to_id("<think>"), tokenizer.token_to_id("</think>")
        self._reasoning = _last(prompt, self._open) > _last(prompt, self._close)
        self._fresh = self._reasoning
        self._held = ""
        self.stopped = False
        """Whether a stop string has occurred. No text is returned after it."""

    def push(self, token: int) -> tuple[str, bool] | None:
        """The text that `token` completes, and whether it is reasoning."""
        if token in (self._open, self._close):
            self._reasoning, self._fresh = token == self._open, True
            self._decoder = DecodeStream(skip_special_tokens=True)
            return None
        text = self._decoder.step(self._tokenizer, token) or ""
        if self._fresh:  # chat templates put line breaks around the tags
            text = text.lstrip("\n")
            self._fresh = not text
        if self._reasoning:
            return (text, True) if text else None
        text = self._up_to_stop(text)
        return (text, False) if text else None

    def finish(self) -> tuple[str, bool] | None:
        """The text that was held back, after the last token."""
        held, self._held = self._held, ""
        return (held, False) if held else None

    def _up_to_stop(self, text: str) -> str:
        text = self._held + text
        found = [at for at in map(text.find, self._stop) if at >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """The length of the longest suffix of `text` that is a prefix of `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


def _last(tokens: Sequence[int], token: int | None) -> int:
    """The last index of `token` in the final 64 tokens, or -1. A chat template opens the reasoning at the very end."""
    tail = list(tokens[-64:])
    return len(tail) - 1 - tail[::-1].index(token) if token in tail else -1
