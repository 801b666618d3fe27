"""The embedded engine: a model of transformers in this process, one K/V buffer, and prefill in chunks.

    with Engine.load("smollm2-135m") as engine:
        for event in engine.stream([{"role": "user", "content": "Hello"}], max_tokens=64):
            ...

The buffer keeps the last prompt and answer, so a prompt with the same beginning is read from where it differs. The K/V
of long prompts are stored on disk, for the next process.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from longread.errors import PromptTooLong
from longread.events import Delta, Finish, ModelEvent, ObtainEvent, Prefill, Usage

from ..prefix_cache import PrefixStore
from .fair_lock import FairLock
from .loader import Checkpoint, load_checkpoint

if TYPE_CHECKING:
    from .sampling import Sampler, TextStream

CHUNK = {"cpu": 512, "cuda": 8192}
"""Prompt tokens read at a time. After each chunk progress is reported, and the caller can stop."""

SPARSE_CHUNK = {"cpu": 4096, "cuda": 32768}
"""The same for sparse prefill, which selects keys once for each chunk."""


class Engine:
    """One model, which answers one prompt at a time. Safe to share between threads.

    `load` creates an engine; `stream` answers a prompt.
    """

    def __init__(self, checkpoint: Checkpoint, *, chunk: int, prefix_store: PrefixStore | None):
        from .runner import Runner

        self.model_name = checkpoint.name
        self.window = checkpoint.window
        self.sampling = checkpoint.sampling
        self.tokenizer = checkpoint.tokenizer
        self._stop_ids = checkpoint.stop_ids
        self._runner: Runner | None = Runner(checkpoint, chunk=chunk, disk=prefix_store)
        self._lock = FairLock()

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        device: str | None = None,
        dtype: str | None = None,
        window: int | None = None,
        chunk: int | None = None,
        prefix_store: PrefixStore | Literal["default"] | None = "default",
        on_event: Callable[[ObtainEvent], None] | None = None,
    ) -> Self:
        """Load a model from the catalogue, a folder, a GGUF file or the hub.

        Args:
            model: see `longread.serving.models.catalog.obtain`.
            device: "cpu", "cuda" or "cuda:1"; by default a GPU if there is one.
            dtype: "float32", "bfloat16" or "float16"; by default the narrowest one that the device is fast with.
            window: tokens of prompt and answer together; by default the checkpoint's own window. A model without Dual
                Chunk Attention is extended with it, up to four times its window.
            chunk: prompt tokens read at a time.
            prefix_store: stores the K/V of long prompts on disk; None stores none.
            on_event: called for downloads and conversion.

        Raises:
            ModelNotFound, ModelUnusable: with a remedy.
        """
        checkpoint = load_checkpoint(model, device=device, dtype=dtype, window=window, on_event=on_event)
        return cls(
            checkpoint,
            chunk=chunk or (SPARSE_CHUNK if checkpoint.budgets else CHUNK)[checkpoint.model.device.type],
            prefix_store=PrefixStore() if prefix_store == "default" else prefix_store,
        )

    @property
    def closed(self) -> bool:
        """Whether `close` was called, after which the engine answers no prompt."""
        return self._runner is None

    def render(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None
    ) -> list[int]:
        """The token ids of the prompt that `stream` would read."""
        return self.tokenizer.render(messages, tools)

    def stream(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        max_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        stop: str | Sequence[str] = (),
        seed: int | None = None,
    ) -> Iterator[ModelEvent]:
        """Answer `messages` (in OpenAI's format). Closing the iterator stops at once; the engine stays usable.

        Yields:
            `Prefill` at the start and after every chunk, `Delta` for each piece of text, and `Finish` at the end, with
            reason "stop" (the model or a stop string ended the answer) or "length" (`max_tokens` was reached).

        Raises:
            PromptTooLong: prompt and answer exceed the window. Raised by the call itself, before anything is read.
            ModelUnusable: the chat template does not accept these messages, or there is not enough memory.
        """
        from .sampling import Sampler, TextStream

        started = time.perf_counter()
        if self._runner is None:
            raise RuntimeError(f"this engine ({self.model_name}) is closed")
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}; an answer has at least 1")
        prompt = self.render(messages, tools)
        if len(prompt) + max_tokens > self.window:
            raise PromptTooLong(
                f"The prompt has {len(prompt):,} tokens and {max_tokens:,} are kept for the answer; together that is "
                f"more than the {self.window:,} of {self.model_name}'s window. Shorten the prompt, or use a model with "
                "a longer window.",
                tokens=len(prompt),
                budget=self.window - max_tokens,
            )
        sampler = Sampler(
            prompt, temperature=temperature, top_p=top_p, repetition_penalty=repetition_penalty, seed=seed
        )
        text = TextStream(self.tokenizer.backend, prompt, stop)
        return self._answer(prompt, max_tokens, sampler, text, started)

    def close(self) -> None:
        """Wait for the current answer and for writes to disk, and free the memory."""
        with self._lock.step(self):
            if self._runner is not None:
                self._runner.close()
                self._runner = None
        self._lock.leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(
        self, prompt: list[int], max_tokens: int, sampler: "Sampler", text: "TextStream", started: float
    ) -> Iterator[ModelEvent]:
        me, runner = object(), self._runner
        assert runner is not None
        tokens, total, most = list(prompt), len(prompt), len(prompt) + max_tokens
        first = 0.0
        try:
            with self._lock.step(me):
                runner.enter(tokens, most)
                cached = runner.done
                left = runner.seconds_left(total)
            yield Prefill(done=cached, total=total, cached=cached, seconds_left=left)
            while True:
                with self._lock.step(me) as displaced:
                    if displaced:
                        runner.enter(tokens, most)
                    logits = runner.read(tokens)
                    token = None if logits is None else sampler(logits)
                    done, left = runner.done, runner.seconds_left(total)
                    if token is not None and not first:
                        first = time.perf_counter()
                        runner.store(prompt)
                if not first or len(tokens) == total:
                    yield Prefill(done=done, total=total, cached=cached, seconds_left=left)
                if token is None:
                    continue
                if token in self._stop_ids:
                    break
                tokens.append(token)
                if piece := text.push(token):
                    yield Delta(text=piece[0], reasoning=piece[1])
                if text.stopped or len(tokens) == most:
                    break
            if piece := text.finish():
                yield Delta(text=piece[0], reasoning=piece[1])
            usage = Usage(
                prompt_tokens=total,
                cached_tokens=cached,
                output_tokens=len(tokens) - total,
                ttft=first - started,
                seconds=time.perf_counter() - started,
            )
            ended = token in self._stop_ids or text.stopped
            yield Finish(usage=usage, reason="stop" if ended else "length")
        finally:
            self._lock.leave(me)
