"""The plan for processing documents in parts: windows, prompts and cost, before anything is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from longread.errors import DocumentError, PromptTooLong

from ..prompt.build import ChatMessage, Prompt, build, overhead
from ..prompt.instructions import MERGE_SYSTEM, WINDOW_SYSTEM
from ..prompt.tokenizer import Tokenizer
from .events import MapPlanned, Reply
from .map_merge import SLACK, MergeCost, frame, max_merge_cost
from .page_subset import PageSizes, PageSubset, base_tokens, conversation_share, documents_budget
from .reply_cache import ReplyCache, key_of
from .split import Item, split

if TYPE_CHECKING:
    from ..corpus import Corpus


@dataclass(frozen=True)
class MapPlan:
    """Windows that contain every page of a corpus once, and the cost of reading them all. Made by `plan_map`."""

    windows: tuple[PageSubset, ...]
    conversation: tuple[ChatMessage, ...]
    tokenizer: Tokenizer
    window: int
    reserve: int
    system: str
    merge_system: str
    overhead: int
    """Tokens of each window's prompt that are not documents."""
    merging: MergeCost
    """Upper bound of the cost of merging, if the model counts as `tokenizer` does."""
    merge_room: int
    """Tokens available for partial answers in a merge."""
    model: str
    settings: Mapping[str, Any]
    store: ReplyCache | None = field(default=None, compare=False)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The cache keys of the windows' answers."""
        return tuple(self.key(self.prompt(index)) for index in range(len(self.windows)))

    def cached(self) -> list[Reply | None]:
        """The answers of windows from an earlier run; None for windows that must be read."""
        if self.store is None:
            return [None] * len(self.windows)
        return [self.store.get(key) for key in self.keys]

    def cost(self, cached: Sequence[Reply | None] | None = None) -> MapPlanned:
        """What running the plan costs now.

        Args:
            cached: `self.cached()`, if it is known already.
        """
        cached = self.cached() if cached is None else cached
        unread = [index for index, reply in enumerate(cached) if reply is None]
        return MapPlanned(
            windows=len(self.windows),
            cached=len(self.windows) - len(unread),
            prompt_tokens=sum(map(self.tokens, unread)),
            merge_requests=self.merging.requests,
            merge_prompt_tokens=self.merging.prompt_tokens,
            output_tokens=(len(unread) + self.merging.requests) * self.reserve,
        )

    def tokens(self, index: int) -> int:
        """Tokens of a window's prompt."""
        return self.overhead + self.windows[index].tokens

    def prompt(self, index: int) -> Prompt:
        """A window's prompt. The documents come first and the question last, and the documents of a window do not
        depend on the question. Built at each call, because it is large."""
        return build(
            self.windows[index].documents(),
            self.conversation,
            window=self.window,
            reserve=self.reserve,
            system=self.system,
        )

    def key(self, prompt: Prompt) -> str:
        """The cache key of the model's reply to a prompt."""
        return key_of(prompt.messages, model=self.model, settings={**self.settings, "max_tokens": self.reserve})


def plan_map(
    corpus: "Corpus",
    conversation: Sequence[ChatMessage],
    *,
    tokenizer: Tokenizer,
    window: int,
    reserve: int,
    model: str,
    settings: Mapping[str, Any] | None = None,
    system: str = WINDOW_SYSTEM,
    merge_system: str = MERGE_SYSTEM,
    store: ReplyCache | None = None,
    sizes: PageSizes | None = None,
) -> MapPlan:
    """Split the corpus into windows of whole pages, in order: as few as possible, and of equal size.

    The split depends on the corpus, the window, the reserve and `system`, not on the conversation: a fixed share of
    the window is reserved for that.

    Args:
        conversation: user and assistant messages without the documents; the last one is the question.
        window: the context window in tokens, including the answer.
        reserve: maximum length of an answer in tokens.
        model: its name; answers of one model are not used for another.
        settings: sampling settings, such as the temperature, which must be JSON.
        store: the cache of the windows' answers. None: nothing is stored, and nothing is resumed.
        sizes: of the pages of `corpus`, if they are known already.

    Raises:
        DocumentError: there are no pages.
        PromptTooLong: a page does not fit a window; the conversation is longer than its share; or the longest answers
            are too long to be merged.
        ConfigError: the window has no room for documents.
    """
    budget = documents_budget(tokenizer, window=window, reserve=reserve, system=system)
    sizes = sizes or PageSizes(corpus, tokenizer)
    if not sizes.pages:
        raise DocumentError("There are no pages to ask about.", source="")
    _check_pages(sizes, budget)
    spoken = overhead(tokenizer, conversation, system=system)
    _check_conversation(spoken - base_tokens(tokenizer, system), conversation_share(window))
    items = [
        Item(page.tokens, group=page.document.name, frame=sizes.frames[page.document.name]) for page in sizes.pages
    ]
    windows = tuple(sizes.subset(part) for part in split(items, budget))
    merge_overhead = overhead(tokenizer, conversation, system=merge_system)
    room = window - reserve - merge_overhead
    longest = tokenizer.counts([frame(f"{len(windows)}-{len(windows)}")])[0] + reserve + SLACK
    return MapPlan(
        windows=windows,
        conversation=tuple(conversation),
        tokenizer=tokenizer,
        window=window,
        reserve=reserve,
        system=system,
        merge_system=merge_system,
        overhead=spoken,
        merging=max_merge_cost(len(windows), tokens=longest, room=room, overhead=merge_overhead),
        merge_room=room,
        model=model,
        settings=dict(settings or {}),
        store=store,
    )


def _check_pages(sizes: PageSizes, budget: int) -> None:
    too_long = [at for at in range(len(sizes.pages)) if sizes.alone(at) > budget]
    if not too_long:
        return
    longest = max(too_long, key=sizes.alone)
    document, page, _ = sizes.pages[longest]
    many = f"{len(too_long):,} pages do" if len(too_long) > 1 else "A page does"
    raise PromptTooLong(
        f"{many} not fit a window even alone: [{document.name}:{page.number}] takes {sizes.alone(longest):,} "
        f"tokens, and a window has room for {budget:,}. Nothing was cut. Leave such pages out (--pages), set a lower "
        "--max-tokens, or use a model with a larger window.",
        tokens=sizes.alone(longest),
        budget=budget,
    )


def _check_conversation(tokens: int, share: int) -> None:
    if tokens > share:
        raise PromptTooLong(
            f"The question and the conversation before it have {tokens:,} tokens, and {share:,} of each window are "
            "kept for them: shorten the question, or start a new conversation.",
            tokens=tokens,
            budget=share,
        )
