"""Documents that exceed the context window: select pages (`retrieve`), or process everything in parts (`map`).

Nothing is left out without a note to the user. Both strategies build prompts with exact token counts, which the caller
sends:

    retriever = Retriever(corpus, tokenizer=tokenizer)
    selection = retriever.choose(conversation, window=32_768, reserve=512)
    prompt = build(selection.documents(), conversation, window=32_768, reserve=512, system=RETRIEVE_SYSTEM)

    plan = plan_map(
        corpus, conversation, tokenizer=tokenizer, window=32_768, reserve=512, model=name, store=ReplyCache()
    )
    print(plan.cost().describe())
    for event in run_map(plan, send):
        ...
"""

from longread.errors import NothingMatches, WindowFailed

from .auto import MAX_WINDOWS, Choice, Overflow, choose
from .events import MapEvent, MapPlanned, MapResult, Merging, Model, Reply, Retrying, Warned, WindowDone, WindowStarted
from .map_plan import MapPlan, plan_map
from .map_run import run_map
from .page_subset import PageSizes, PageSubset
from .reply_cache import ReplyCache
from .retrieve import Ranking, Retriever, Selection, retrieve

__all__ = [
    "MAX_WINDOWS",
    "Choice",
    "MapEvent",
    "MapPlan",
    "MapPlanned",
    "MapResult",
    "Merging",
    "Model",
    "NothingMatches",
    "Overflow",
    "PageSizes",
    "PageSubset",
    "Ranking",
    "Reply",
    "ReplyCache",
    "Retriever",
    "Retrying",
    "Selection",
    "Warned",
    "WindowDone",
    "WindowFailed",
    "WindowStarted",
    "choose",
    "plan_map",
    "retrieve",
    "run_map",
]
