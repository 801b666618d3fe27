"""Prefill of long prompts by the default model, chunk by chunk, and questions about a pass key in them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from longread.kernels import Budgets, DCASpec, patch
from longread.kernels.transformers_patch import Observation, attentions, with_cache
from longread.serving import device
from longread.serving.embedded.kv_cache import KVBuffer
from longread.serving.embedded.tokenizer import ChatTokenizer
from longread.serving.models.catalog import DEFAULT_MODEL, obtain

WINDOW = 8192
"""The length that the default model was trained on."""
LOCAL = 1024
CHUNK = 4096
"""Tokens read at a time, as in the embedded engine with sparse prefill on a CPU."""

INTRODUCTION = "A pass key is hidden in the following text. Find it and memorize it: you will be asked for it.\n\n"
QUESTION = "\n\nWhat is the pass key that was hidden in the text? The pass key is"

Positions = Literal["rope", "dca"]


def load(model: str = DEFAULT_MODEL) -> tuple[Any, Callable[[str], list[int]]]:
    """(the model in float32, a function that encodes text), for all cores."""
    from transformers import AutoModelForCausalLM

    device.use_physical_cores()
    folder = obtain(model)
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    backend = ChatTokenizer(folder).backend
    return loaded.eval(), lambda text: backend.encode(text, add_special_tokens=False).ids


def spec_of(model: Any, positions: Positions) -> DCASpec:
    """The model's own RoPE, or DCA with chunks of its training length. No temperature: it was not trained with one."""
    rope = DCASpec.from_config(model.config, temperature="none")
    return rope if positions == "rope" else replace(rope, chunk_size=WINDOW, local_size=LOCAL)


def uniform(model: Any, vertical: int, slash: int) -> Budgets:
    """The same budget for all heads, used beyond the training length."""
    config = model.config
    return Budgets.uniform(
        config.num_hidden_layers, config.num_attention_heads, vertical=vertical, slash=slash, threshold=WINDOW
    )


@dataclass(frozen=True)
class PassKey:
    """Five digits, and a sentence with them."""

    digits: str

    @classmethod
    def of(cls, seed: int) -> "PassKey":
        return cls(str(random.Random(seed).randrange(10_000, 100_000)))

    @property
    def needle(self) -> str:
        return f"\n\nThe pass key is {self.digits}. Remember it. {self.digits} is the pass key.\n\n"


class Reader:
    """One sequence of tokens, read into its own K/V buffer. Several readers may share a model, alternately."""

    def __init__(self, model: Any, spec: DCASpec, budgets: Budgets | None, *, capacity: int):
        self.model = model
        self.spec = spec
        self.budgets = budgets
        self.kv = KVBuffer.of(model, capacity)
        self.kv.reserve(capacity, keep=0)
        self.length = 0

    @torch.inference_mode()
    def read(self, tokens: list[int], *, watch: Callable[[Observation], None] | None = None) -> Tensor:
        """Read one chunk. -> its last hidden states [T, hidden]

        Args:
            watch: called by each layer with the recall of its budgets; attention is dense then.
        """
        patch(self.model, self.spec, self.budgets)
        for attention in attentions(self.model):
            attention.observe = watch
        ids = torch.tensor([tokens])
        hidden = self.model.base_model(input_ids=ids, **with_cache(self.model.base_model, self.kv)).last_hidden_state
        self.length += len(tokens)
        return hidden[0]

    def observe(self, budgets: Budgets, tokens: list[int]) -> list[Observation]:
        """Read the last tokens again, densely. -> the recall of `budgets`, by layer"""
        self.back_to(self.length - len(tokens))
        seen: list[Observation] = []
        self.budgets = budgets
        self.read(tokens, watch=seen.append)
        self.budgets = None
        return seen

    def read_all(self, tokens: list[int]) -> None:
        """Read in chunks."""
        for at in range(0, len(tokens), CHUNK):
            self.read(tokens[at : at + CHUNK])

    @torch.inference_mode()
    def losses(self, hidden: Tensor, following: list[int]) -> Tensor:
        """-log p [T] of the tokens that follow those whose hidden states these are."""
        return torch.cat(
            [
                cross_entropy(self.model.lm_head(states), wanted, reduction="none")
                for states, wanted in zip(hidden.split(512), torch.tensor(following).split(512), strict=True)
            ]
        )

    def back_to(self, length: int) -> None:
        self.kv.truncate(length)
        self.length = length

    def take(self, other: "Reader", length: int) -> None:
        """Start with the first tokens that another reader has read."""
        self.kv.write(0, other.kv.read(0, length))
        self.back_to(length)

    def knows(self, question: list[int], answer: list[int]) -> tuple[bool, float]:
        """Whether greedy decoding would give this answer, and its log-probability. The buffer is left unchanged.

        That takes one pass over the answer: greedy decoding gives these tokens if each of them is the likeliest after
        those before it.
        """
        right, likely = self.score(question, answer)
        return bool(right.all()), float(likely.sum())

    @torch.inference_mode()
    def score(self, question: list[int], answer: list[int]) -> tuple[Tensor, Tensor]:
        """For each token of the answer: whether it is the likeliest after those before it [T], and its log-probability
        [T]. The buffer is left unchanged."""
        length = self.length
        hidden = self.read([*question, *answer])
        self.back_to(length)
        log_probabilities = self.model.lm_head(hidden[-len(answer) - 1 : -1]).log_softmax(-1)
        wanted = torch.tensor(answer)
        return log_probabilities.argmax(-1) == wanted, log_probabilities.gather(1, wanted[:, None])[:, 0]
