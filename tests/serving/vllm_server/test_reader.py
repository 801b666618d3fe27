"""`LongReader` and a real model behind a real server: tools called for real, and documents larger than the window.

The model is too small for its answers to be judged: what it is made to do, and what it is given, can be.
"""

import json
import shutil
from pathlib import Path

import pytest

from longread import Answer, Corpus, LongReader, LoopLimits
from longread.agent.corpus.page_selection import select_pages
from longread.agent.events import ToolEnd, ToolStart
from longread.agent.overflow import MapPlanned, WindowDone
from longread.events import ServeEvent
from longread.serving.vllm_server.registry import RunningServer
from longread.tools import document_tools

HANDBOOK = Path(__file__).parents[3] / "examples" / "handbook.pdf"


@pytest.fixture(scope="module")
def llm(server: tuple[RunningServer, list[ServeEvent]]) -> dict[str, object]:
    return {"model_type": "longread-endpoint", "server": server[0].url, "generate_cfg": {"temperature": 0}}


@pytest.fixture(scope="module")
def book() -> Corpus:
    return select_pages(Corpus.load([HANDBOOK]), ["1-4"])


def test_a_tool_is_called_and_its_result_is_read(llm: dict[str, object], book: Corpus) -> None:
    page = select_pages(book, ["1"])
    tools = document_tools(page)
    reader = LongReader(page, llm, function_list=tools, max_tokens=96, limits=LoopLimits(steps=2))
    events = list(reader.stream("How often does the word window stand there?", function_choice="search"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    started = next(event for event in events if isinstance(event, ToolStart))
    ended = next(event for event in events if isinstance(event, ToolEnd))
    assert (started.name, ended.name, ended.id) == ("search", "search", started.id)
    assert "query" in json.loads(started.arguments), "the server lets it write nothing but the tool's arguments"
    assert answer.tool_calls == (ended,)
    assert [turn["role"] for turn in answer.history[:3]] == ["user", "assistant", "function"]
    assert answer.history[2]["content"] == ended.result
    assert answer.usage
    assert answer.usage.cached_tokens
    assert answer.usage.cached_tokens > page.tokens // 2, "the second request found the documents in the prefix cache"


def test_pages_are_chosen(llm: dict[str, object], book: Corpus) -> None:
    reader = LongReader(book, llm, window=1_100, max_tokens=24, overflow="retrieve")
    answer = reader.ask("What is a scanned page?")
    assert answer.pages_seen
    assert set(answer.pages_seen["handbook"]) < {1, 2, 3, 4}
    assert answer.usage
    assert answer.usage.prompt_tokens <= 1_100 - 24, "the server counts as we do"


def test_parts_are_read_and_read_again_from_the_cache(llm: dict[str, object], tmp_path: Path) -> None:
    # Under a name that no other test has put into the server's cache: it begins every prompt.
    mine = select_pages(Corpus.load([shutil.copy(HANDBOOK, tmp_path / "parts.pdf")]), ["1-4"])
    reader = LongReader(mine, llm, window=1_400, max_tokens=24, overflow="map")
    shares = []
    for question in ("What is a page?", "What is a window?"):
        events = list(reader.stream(question))
        answer = events[-1]
        assert isinstance(answer, Answer)
        planned = next(event for event in events if isinstance(event, MapPlanned))
        done = [event for event in events if isinstance(event, WindowDone)]
        assert [planned.windows, planned.cached] == [len(done), 0]
        assert len(done) > 1
        assert sum(event.tokens for event in done) == planned.prompt_tokens
        assert answer.usage
        assert answer.usage.cached_tokens is not None
        shares.append(answer.usage.cached_tokens / answer.usage.prompt_tokens)
    assert shares[1] > shares[0] + 0.4, "another question finds the same parts in the server's prefix cache"
