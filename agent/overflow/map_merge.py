"""Prompts that merge partial answers.

Where all of them do not fit one prompt, neighbouring answers are merged first, and then the results.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from longread.control_tokens import encodable, neutralise
from longread.errors import PromptTooLong

from ..prompt.build import ChatMessage, DocumentBlock, DocumentShare, Prompt, build
from ..prompt.tokenizer import Tokenizer
from .split import Item, split

_MARK_LINE = re.compile(r"^\[(?=[^\[\]\n]+:\d{1,9}\][^\S\n]*$)", re.MULTILINE)
_FRAME = re.compile(r"<(?=\s*/?\s*answer)", re.IGNORECASE)

SLACK = 4
"""Tokens by which an answer inside its frame may exceed its length as it was written."""


@dataclass(frozen=True)
class PartialAnswer:
    """The answer of one part, or the merged answer of several."""

    first: int
    """Number of the first part, from 1."""
    last: int
    text: str

    @property
    def name(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def block(self) -> str:
        """The answer as it appears in a prompt: sanitized, but with its citation markers."""
        text = encodable(neutralise(self.text)[0]).strip()
        # `neutralise` replaces character by character, so markers that are alone on a line can be restored.
        original = self.text.strip()
        for mark in _MARK_LINE.finditer(original):
            text = f"{text[: mark.start()]}[{text[mark.start() + 1 :]}"
        return frame(self.name).format(_FRAME.sub("‹", text))


def frame(name: str) -> str:
    """The frame of a partial answer, with {} for its text."""
    return f'<answer part="{name}">\n{{}}\n</answer>\n'


def merge_prompt(
    partials: Sequence[PartialAnswer],
    conversation: Sequence[ChatMessage],
    tokenizer: Tokenizer,
    *,
    window: int,
    reserve: int,
    system: str,
) -> Prompt:
    """The prompt that merges partial answers into one answer to the last question of the conversation."""
    texts = [partial.block for partial in partials]
    shares = tuple(
        DocumentShare(name=f"part {partial.name}", pages=0, tokens=tokens)
        for partial, tokens in zip(partials, tokenizer.counts(texts), strict=True)
    )
    documents = DocumentBlock(text="".join(texts), shares=shares, tokenizer=tokenizer)
    return build(documents, conversation, window=window, reserve=reserve, system=system)


def merge_groups(sizes: Sequence[int], room: int) -> list[range]:
    """The groups of neighbouring answers to merge next, as few as possible. A single group is the final merge.

    Args:
        sizes: tokens of each answer in a prompt.
        room: tokens available for answers in a prompt.

    Raises:
        PromptTooLong: not even two neighbours fit one prompt, so that merging would never end.
    """
    largest = max(sizes)
    found = [] if largest > room else split([Item(size) for size in sizes], room)
    if not found or (len(found) == len(sizes) > 1):
        raise PromptTooLong(
            f"Partial answers of up to {largest:,} tokens cannot be merged in a window that has room for {room:,} "
            "tokens of them: set a lower --max-tokens.",
            tokens=max(largest, min(map(sum, pairwise(sizes)), default=0)),
            budget=room,
        )
    return found


@dataclass(frozen=True)
class MergeCost:
    """An upper bound of what merging costs."""

    requests: int
    prompt_tokens: int


def max_merge_cost(answers: int, *, tokens: int, room: int, overhead: int) -> MergeCost:
    """The cost of merging if every part gives an answer of maximum length.

    Fewer or shorter answers never need more groups at any level, so they never cost more.

    Args:
        tokens: maximum size of an answer in its frame.
        room: tokens available for answers in a prompt.
        overhead: tokens of a prompt without answers.

    Raises:
        PromptTooLong: see `merge_groups`.
    """
    requests = prompt_tokens = 0
    while answers > 1:
        count = len(merge_groups([tokens] * answers, room))
        requests += count
        prompt_tokens += answers * tokens + count * overhead
        answers = count
    return MergeCost(requests, prompt_tokens)
