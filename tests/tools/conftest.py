"""Tools on a corpus, as a model calls them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from longread.agent import Corpus
from longread.agent.control import neutralise
from longread.tools import Limits, document_tools

Call = Callable[..., str]


def clean(text: str) -> str:
    return neutralise(text)[0]


@pytest.fixture
def calls() -> Callable[..., Call]:
    """`calls(corpus)("search", query="x")`: what the tool says."""

    def on(corpus: Corpus, **limits: Any) -> Call:
        names = ["search", "read_pages", "outline", "tables", "compare"]
        tools = {tool.name: tool for tool in document_tools(corpus, clean=clean, limits=Limits(**limits), names=names)}
        return lambda name, **arguments: tools[name].call(json.dumps(arguments))

    return on
