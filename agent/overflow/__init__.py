"""Documents that are larger than the window: choose pages (`retrieve`), or read everything in parts (`map`).

Nothing is left out without saying so. Each way gives prompts with exact counts, which the caller sends:

    retriever = Retriever(corpus, tokenizer=tokenizer)
    selection = retriever.choose(conversation, window=32_768, reserve=512)
    prompt = build(selection.documents(), conversation, window=32_768, reserve=512, system=RETRIEVE_SYSTEM)

    plan = plan_map(
        corpus, conversation, tokenizer=tokenizer, window=32_768, reserve=512, model=name, store=KeptReplies()
    )
    print(plan.cost().describe())
    for event in run_map(plan, send):
        ...
"""

from .choose import MOST_WINDOWS, Choice, Overflow, choose
from .errors import NothingMatches, WindowFailed
from .events import (
    MapEvent,
    MapPlanned,
    MapResult,
    Merging,
    Model,
    Reply,
    Retrying,
    Warned,
    WindowDone,
    WindowStarted,
)
from .kept import KeptReplies
from .map import run_map
from .merge import MERGE_SYSTEM
from .parts import Measured, Part
from .plan import NOTHING, WINDOW_SYSTEM, MapPlan, plan_map
from .retrieve import RETRIEVE_SYSTEM, Ranking, Retriever, Selection, retrieve

__all__ = [
    "MERGE_SYSTEM",
    "MOST_WINDOWS",
    "NOTHING",
    "RETRIEVE_SYSTEM",
    "WINDOW_SYSTEM",
    "Choice",
    "KeptReplies",
    "MapEvent",
    "MapPlan",
    "MapPlanned",
    "MapResult",
    "Measured",
    "Merging",
    "Model",
    "NothingMatches",
    "Overflow",
    "Part",
    "Ranking",
    "Reply",
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
