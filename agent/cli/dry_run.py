"""`agent ask --dry-run` and `/tokens`: what a prompt takes of the model's context window. The model is not run."""

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from longread.page_ranges import format_ranges

from ..corpus import Corpus
from ..corpus.picture_selection import with_pictures
from ..llm.vision import picture_tokens
from ..prompt.build import DocumentBlock, measure
from ..prompt.instructions import instructions
from ..prompt.messages import ChatMessage
from ..tool_selection import ToolChoice, select_tools
from . import console, tables
from .config import Config
from .setup import inspect_model, load_corpus, note_pictures, with_running_server

if TYPE_CHECKING:
    from ..reader import LongReader

_RANGES = 10  # page ranges of a document in the table, at most


def print_prompt_budget(
    config: Config, files: Sequence[str], question: str, *, as_json: bool, tools: ToolChoice, **sources: Any
) -> bool:
    """Print the token counts of the prompt for a question, and return whether it fits the window.

    Args:
        sources: pages, password and skip_unreadable, as `load_corpus` takes them.
    """
    tools.check()
    settings = with_running_server(config).settings
    model = inspect_model(settings)
    loaded = load_corpus(settings, files, tokenizer=model.tokenizer, **sources)
    corpus = with_pictures(
        loaded,
        vision=settings.vision,
        reads_pictures=model.reads_pictures,
        tokens=partial(picture_tokens, settings.model or ""),
        password=sources.get("password"),
    )
    note_pictures(loaded, corpus)
    prompt = measure(
        DocumentBlock.of(corpus, model.tokenizer),
        [ChatMessage(role="user", content=question)],
        window=model.window,
        reserve=settings.max_tokens,
        system=instructions(calls_tools=model.calls_tools),
        functions=[tool.function for tool in select_tools(tools, corpus, calls_tools=model.calls_tools)],
    )
    if as_json:
        counts = {**prompt.model_dump(exclude={"messages"}), "window": model.window, "fits": prompt.fits}
        print(json.dumps(counts, indent=2))
    else:
        console.out.print(tables.budget_table(prompt, page_ranges(corpus), model.window))
    return prompt.fits


def print_conversation_budget(reader: "LongReader", conversation: Sequence[ChatMessage]) -> None:
    """Print the token counts of the documents and of the conversation so far."""
    prompt = reader.measure([*conversation, ChatMessage(role="user", content="?")])
    console.out.print(tables.budget_table(prompt, page_ranges(reader.corpus), reader.window))


def page_ranges(corpus: Corpus) -> dict[str, list[tuple[str, int]]]:
    """Split each document of more than ten pages into up to ten ranges; the (pages, tokens) of each, by name."""
    table: dict[str, list[tuple[str, int]]] = {}
    for document in corpus.documents:
        step = -(-len(document.pages) // _RANGES)
        if step < 2:
            continue
        ranges = [document.pages[i : i + step] for i in range(0, len(document.pages), step)]
        table[document.name] = [
            (format_ranges([page.number for page in pages]), sum(page.tokens for page in pages)) for pages in ranges
        ]
    return table
