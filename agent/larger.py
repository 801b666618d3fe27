"""A question about documents that are larger than the window: which way it goes, and what the model is given."""

from collections.abc import Sequence
from dataclasses import dataclass

from .conversation import ChatMessage
from .errors import ConfigError
from .overflow import (
    MERGE_SYSTEM,
    MOST_WINDOWS,
    RETRIEVE_SYSTEM,
    WINDOW_SYSTEM,
    KeptReplies,
    MapPlan,
    Overflow,
    choose,
    plan_map,
)
from .prompt import Prompt, joined
from .shelf import Shelf


@dataclass(frozen=True)
class Pages:
    """Some pages stand for the documents."""

    shelf: Shelf
    instructions: str
    seen: dict[str, tuple[int, ...]]
    """Document name to the pages that the model sees."""
    notes: tuple[str, ...]
    """What the user is to be told."""


@dataclass(frozen=True)
class Parts:
    """All pages, in parts that are read one by one."""

    plan: MapPlan
    notes: tuple[str, ...]


class Larger:
    """Decides for one question.

    Args:
        window: tokens of prompt and answer; None: not known.
        reserve: tokens kept for the answer.
        most_windows: that 'auto' may read.
    """

    def __init__(
        self, shelf: Shelf, *, overflow: Overflow, window: int | None, reserve: int, most_windows: int = MOST_WINDOWS
    ):
        self.shelf = shelf
        self._overflow = overflow
        self._window = window
        self._reserve = reserve
        self._most = most_windows

    def way(
        self, whole: Prompt, conversation: Sequence[ChatMessage], *, more: str, tools: int, model: str
    ) -> Pages | Parts | None:
        """How to answer; None: the documents are read whole, or it is an error that they are too long.

        Args:
            whole: the prompt with all documents.
            more: the user's own instructions.
            tools: tokens that the description of tools takes.
            model: its name.

        Raises:
            LongreadError: neither way is possible.
        """
        if self._overflow == "error" or (whole.fits and self._window is not None):
            return None
        if self._window is None:
            raise ConfigError(
                f"--overflow {self._overflow} needs to know how much the model can hold, and it does not say: "
                "set --window."
            )
        question = conversation[-1]["content"]
        way, notes = self._overflow, ()
        plan = self._plan(conversation, more, model) if way in ("auto", "map") else None
        if plan is not None and way == "auto":
            choice = choose(
                question,
                fits=False,
                matches=self.shelf.retriever.matches(question),
                windows=len(plan.windows),
                most_windows=self._most,
            )
            way, notes = choice.way, (choice.reason,)
        if plan is not None and way == "map":
            return Parts(plan, notes)
        instructions = joined(RETRIEVE_SYSTEM, more)
        selection = self.shelf.retriever.choose(
            conversation, window=self._window - tools, reserve=self._reserve, system=instructions
        )
        return Pages(
            shelf=Shelf(selection.corpus, self.shelf.documents.tokenizer, selection.documents()),
            instructions=instructions,
            seen={name: tuple(numbers) for name, numbers in selection.seen.items()},
            notes=(*notes, selection.describe()),
        )

    def _plan(self, conversation: Sequence[ChatMessage], more: str, model: str) -> MapPlan:
        assert self._window is not None
        return plan_map(
            self.shelf.corpus,
            conversation,
            tokenizer=self.shelf.documents.tokenizer,
            window=self._window,
            reserve=self._reserve,
            model=model,
            system=joined(WINDOW_SYSTEM, more),
            merge_system=joined(MERGE_SYSTEM, more),
            store=KeptReplies(),
            measured=self.shelf.retriever.measured,
        )
