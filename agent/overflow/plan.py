"""Too much for the window: what reading everything in parts would take, before anything is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...serving.errors import PromptTooLong
from ..errors import DocumentError
from ..prompt import CITING, ChatMessage, Prompt, build, overhead
from ..tokens import Tokenizer
from .events import MapPlanned, Reply
from .kept import KeptReplies, key_of
from .merge import MERGE_SYSTEM, SLACK, MergeCost, frame, most
from .parts import Measured, Part, bare, conversation_share, documents_budget
from .windows import Item, split

if TYPE_CHECKING:
    from ..corpus import Corpus

NOTHING = "NOTHING FOUND"
"""What the model is to write for a window that has nothing about the question."""

WINDOW_SYSTEM = (
    "You answer questions about documents that are longer than you can read at once. The user gives you one part of "
    "them. Other parts are read separately, and the answers are put together afterwards: say all that this part says, "
    f"and use only that. {CITING}"
    f"If this part has nothing that helps to answer, write only: {NOTHING}"
)


@dataclass(frozen=True)
class MapPlan:
    """Windows that have every page of a corpus once, and what asking them all takes. Made by `plan_map`."""

    windows: tuple[Part, ...]
    conversation: tuple[ChatMessage, ...]
    tokenizer: Tokenizer
    window: int
    reserve: int
    system: str
    merge_system: str
    overhead: int
    """Tokens of each window's prompt that are not documents."""
    merging: MergeCost
    """What merging takes at most, if the model counts as `tokenizer` does."""
    merge_room: int
    """Tokens that a merge has for partial answers."""
    model: str
    settings: Mapping[str, Any]
    store: KeptReplies | None = field(default=None, compare=False)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Of what the windows say, in the store."""
        return tuple(self.key(self.prompt(index)) for index in range(len(self.windows)))

    def kept(self) -> list[Reply | None]:
        """What each window said in an earlier run, and None for those that are to be read."""
        if self.store is None:
            return [None] * len(self.windows)
        return [self.store.get(key) for key in self.keys]

    def cost(self, kept: Sequence[Reply | None] | None = None) -> MapPlanned:
        """What running this takes now.

        Args:
            kept: `self.kept()`, if it is there already.
        """
        kept = self.kept() if kept is None else kept
        unread = [index for index, reply in enumerate(kept) if reply is None]
        return MapPlanned(
            windows=len(self.windows),
            kept=len(self.windows) - len(unread),
            prompt_tokens=sum(map(self.tokens, unread)),
            merge_requests=self.merging.requests,
            merge_prompt_tokens=self.merging.prompt_tokens,
            output_tokens=(len(unread) + self.merging.requests) * self.reserve,
        )

    def tokens(self, index: int) -> int:
        """Of a window's prompt."""
        return self.overhead + self.windows[index].tokens

    def prompt(self, index: int) -> Prompt:
        """A window's prompt. The documents stand first and the question last, and the documents of a window are the
        same whatever the question is. Made anew each time: it is large."""
        return build(
            self.windows[index].documents(),
            self.conversation,
            window=self.window,
            reserve=self.reserve,
            system=self.system,
        )

    def key(self, prompt: Prompt) -> str:
        """Of what the model answers to this, in the store."""
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
    store: KeptReplies | None = None,
    measured: Measured | None = None,
) -> MapPlan:
    """Split the corpus into windows of whole pages, in order, as few and as equal as they can be.

    The split depends on the corpus, the window, the reserve and `system`, not on the conversation: a fixed share of
    the window is kept for that.

    Args:
        conversation: user and assistant messages without the documents; the last one is the question.
        window: what the model can hold, in tokens, its answer included.
        reserve: tokens of an answer, at most.
        model: its name; answers of one model are not kept for another.
        settings: of generation, such as the temperature; what JSON has a form for.
        store: where the windows' answers are kept. None: nowhere, and nothing is resumed.
        measured: of `corpus` by `tokenizer`, if there is one already.

    Raises:
        DocumentError: there are no pages.
        PromptTooLong: a page does not fit a window; the conversation is longer than its share; or the longest answers
            are too long to be merged.
        ConfigError: the window has no room for documents.
    """
    budget = documents_budget(tokenizer, window=window, reserve=reserve, system=system)
    measured = measured or Measured(corpus, tokenizer)
    if not measured.pages:
        raise DocumentError("There are no pages to ask about.", source="")
    _check_pages(measured, budget)
    spoken = overhead(tokenizer, conversation, system=system)
    _check_conversation(spoken - bare(tokenizer, system), conversation_share(window))
    items = [
        Item(page.tokens, group=page.document.name, frame=measured.frames[page.document.name])
        for page in measured.pages
    ]
    windows = tuple(measured.part(stretch) for stretch in split(items, budget))
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
        merging=most(len(windows), tokens=longest, room=room, overhead=merge_overhead),
        merge_room=room,
        model=model,
        settings=dict(settings or {}),
        store=store,
    )


def _check_pages(measured: Measured, budget: int) -> None:
    too_long = [at for at in range(len(measured.pages)) if measured.alone(at) > budget]
    if not too_long:
        return
    longest = max(too_long, key=measured.alone)
    document, page, _ = measured.pages[longest]
    many = f"{len(too_long):,} pages do" if len(too_long) > 1 else "A page does"
    raise PromptTooLong(
        f"{many} not fit a window even alone: [{document.name}:{page.number}] takes {measured.alone(longest):,} "
        f"tokens, and a window has room for {budget:,}. Nothing was cut. Leave such pages out (--pages), set a lower "
        "--max-tokens, or use a model with a larger window.",
        tokens=measured.alone(longest),
        budget=budget,
    )


def _check_conversation(tokens: int, share: int) -> None:
    if tokens > share:
        raise PromptTooLong(
            f"The question and the conversation before it have {tokens:,} tokens, and {share:,} of each window are "
            "kept for them: ask a shorter question, or begin a new conversation.",
            tokens=tokens,
            budget=share,
        )
