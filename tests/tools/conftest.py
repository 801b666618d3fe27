"""Tools on a corpus, as a model calls them."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from longread import Corpus
from longread.tools import ToolLimits, document_tools

Call = Callable[..., str]


@pytest.fixture
def calls() -> Callable[..., Call]:
    """`calls(corpus)("search", query="x")`: what the tool says."""

    def on(corpus: Corpus, **limits: Any) -> Call:
        names = ["search", "read_pages", "outline", "tables", "compare"]
        given = ToolLimits(**{"table_seconds": 300.0, **limits})  # however busy the machine is
        tools = {tool.name: tool for tool in document_tools(corpus, limits=given, names=names)}
        return lambda name, **arguments: tools[name].call(json.dumps(arguments))

    return on


@pytest.fixture
def calls_in() -> Callable[[Callable[[], object]], int]:
    """`calls_in(work)`: how many functions, those of C too, are called: a clock that no other job slows."""

    def count(work: Callable[[], object]) -> int:
        found = 0

        def seen(frame: object, event: str, argument: object) -> None:
            nonlocal found
            found += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(seen)
        try:
            work()
        finally:
            sys.setprofile(before)
        return found

    return count
