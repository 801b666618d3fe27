"""The strategy for documents that exceed the context window: which one a question gets, and its prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from longread.errors import ConfigError

from .indexed_corpus import IndexedCorpus
from .overflow.auto import MAX_WINDOWS, Overflow, choose
from .overflow.map_plan import MapPlan, plan_map
from .overflow.reply_cache import ReplyCache
from .prompt.build import Prompt
from .prompt.instructions import MERGE_SYSTEM, RETRIEVE_SYSTEM, WINDOW_SYSTEM, joined
from .prompt.messages import ChatMessage


@dataclass(frozen=True)
class RetrievedPages:
    """The model receives selected pages."""

    indexed: IndexedCorpus
    """The selected pages."""
    instructions: str
    seen: dict[str, tuple[int, ...]]
    """Document name to the numbers of the selected pages."""
    notes: tuple[str, ...]
    """What was selected and why, for the user."""


@dataclass(frozen=True)
class MapParts:
    """The model receives all pages, in parts."""

    plan: MapPlan
    notes: tuple[str, ...]
    """Why this strategy was chosen, for the user."""


class OverflowStrategy:
    """Decides for one question.

    Args:
        indexed: the documents.
        overflow: what the user has chosen.
        window: tokens of prompt and answer together; None: unknown.
        reserve: tokens reserved for the answer.
        max_windows: number of windows that 'auto' may read.
    """

    def __init__(
        self,
        indexed: IndexedCorpus,
        *,
        overflow: Overflow,
        window: int | None,
        reserve: int,
        max_windows: int = MAX_WINDOWS,
    ):
        self._indexed = indexed
        self._overflow = overflow
        self._window = window
        self._reserve = reserve
        self._max_windows = max_windows

    def decide(
        self, whole: Prompt, conversation: Sequence[ChatMessage], *, more: str, tools: int, model: str
    ) -> RetrievedPages | MapParts | None:
        """Choose what the model receives. None: the whole documents, also where that is an error.

        Args:
            whole: the prompt with all documents.
            more: the user's own instructions.
            tools: tokens of the tool descriptions.
            model: its name.

        Raises:
            LongreadError: no strategy is possible.
        """
        if self._overflow == "error" or (whole.fits and self._window is not None):
            return None
        if self._window is None:
            raise ConfigError(
                f"--overflow {self._overflow} needs the context window of the model, which is not known: set --window."
            )
        question = conversation[-1]["content"]
        strategy, notes = self._overflow, ()
        plan = self._plan(conversation, more, model) if strategy in ("auto", "map") else None
        if plan is not None and strategy == "auto":
            choice = choose(
                question,
                fits=False,
                matches=self._indexed.retriever.matches(question),
                windows=len(plan.windows),
                max_windows=self._max_windows,
            )
            strategy, notes = choice.strategy, (choice.reason,)
        if plan is not None and strategy == "map":
            return MapParts(plan, notes)
        instructions = joined(RETRIEVE_SYSTEM, more)
        selection = self._indexed.retriever.choose(
            conversation, window=self._window - tools, reserve=self._reserve, system=instructions
        )
        return RetrievedPages(
            indexed=IndexedCorpus(selection.corpus, self._indexed.documents.tokenizer, selection.documents()),
            instructions=instructions,
            seen={name: tuple(numbers) for name, numbers in selection.seen.items()},
            notes=(*notes, selection.describe()),
        )

    def _plan(self, conversation: Sequence[ChatMessage], more: str, model: str) -> MapPlan:
        assert self._window is not None
        return plan_map(
            self._indexed.corpus,
            conversation,
            tokenizer=self._indexed.documents.tokenizer,
            window=self._window,
            reserve=self._reserve,
            model=model,
            system=joined(WINDOW_SYSTEM, more),
            merge_system=joined(MERGE_SYSTEM, more),
            store=ReplyCache(),
            sizes=self._indexed.retriever.sizes,
        )
