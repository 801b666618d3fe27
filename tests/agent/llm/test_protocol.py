"""What longread expects of a chat model: one default for each capability, and models of Qwen-Agent without any."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.function_calling import BaseFnCallModel
from qwen_agent.llm.schema import ASSISTANT, Message

from longread import LongReader
from longread.agent.api import ApiLimits, ApiOptions, FileStore
from longread.agent.api.ingest import UploadParser
from longread.agent.api.reader_cache import Attachment, ReaderCache
from longread.agent.corpus import LoadOptions
from longread.agent.llm.cancellable import CancellableChat
from longread.agent.llm.embedded import EmbeddedChat
from longread.agent.llm.endpoint import EndpointChat
from longread.agent.llm.factory import chat_model, model_config
from longread.agent.llm.protocol import NAMES, capabilities
from longread.agent.prompt.instructions import BRIEF, SYSTEM
from longread.agent.prompt.tokenizer import qwen
from longread.agent.tool_selection import ToolChoice, select_tools
from longread.errors import ConfigError, InvalidAnswer
from tests.support.corpora import corpus, document
from tests.support.endpoints import Endpoint
from tests.support.scripted_server import Reply, ScriptedServer

BOOK = corpus(document("book", "It was written by Jane Doe.", "In the year 1888."))
DEFAULTS = {
    "window": None,
    "tokenizer": None,
    "calls_tools": True,
    "native_tools": False,
    "concurrent": False,
    "structured_output": False,
    "vision": False,
}


class Foreign(BaseFnCallModel):
    """A model of Qwen-Agent that knows nothing of longread."""

    def __init__(self, **attributes: Any):
        super().__init__({"model": "foreign"})
        self.sent: list[tuple[list[Message], dict[str, Any]]] = []
        vars(self).update(attributes)

    def _chat_stream(self, messages: list[Message], delta_stream: bool, generate_cfg: dict[str, Any]) -> Any:
        self.sent.append((messages, generate_cfg))
        yield [Message(ASSISTANT, "Jane Doe [book:1].")]

    def _chat_no_stream(self, messages: list[Message], generate_cfg: dict[str, Any]) -> list[Message]:
        raise NotImplementedError

    @property
    def system(self) -> str:
        return str(self.sent[-1][0][0].content)


def test_each_capability_has_one_default() -> None:
    found = capabilities(Foreign())
    assert {name: getattr(found, name) for name in NAMES} == DEFAULTS
    assert all(getattr(type(found), name).__doc__ for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_says_replaces_the_default_also_through_a_wrapper(name: str) -> None:
    model = Foreign(**{name: "said"})
    wrapped: Any = CancellableChat(model, threading.Event())
    for llm in (model, wrapped):
        found = capabilities(llm)
        assert getattr(found, name) == "said"
        assert {other: getattr(found, other) for other in NAMES if other != name} == {
            other: value for other, value in DEFAULTS.items() if other != name
        }


def test_a_capability_is_read_when_it_is_used(scripted_server: ScriptedServer, endpoint: Endpoint) -> None:
    """Reading the window and the tokenizer queries the server, and tools may move into the prompt at any time."""
    model = endpoint()
    found = capabilities(model)
    assert found.native_tools
    assert not scripted_server.requests
    model.write_tools_into_prompt()
    assert not found.native_tools


def test_vision_is_what_qwen_agent_calls_multimodal_input() -> None:
    class Seeing(Foreign):
        @property
        def support_multimodal_input(self) -> bool:
            return True

    assert capabilities(Seeing()).vision
    assert not capabilities(Seeing(vision=False)).vision


def test_our_models_say_everything_that_is_not_as_the_default(default_model: str, endpoint: Endpoint) -> None:
    server = capabilities(endpoint())
    assert (server.concurrent, server.structured_output, server.native_tools, server.calls_tools) == (True,) * 4
    small = EmbeddedChat({"model": default_model})
    found = capabilities(small)
    assert (found.window, found.tokenizer) == (8192, small.tokenizer)
    assert (found.concurrent, found.structured_output, found.native_tools, found.calls_tools) == (False,) * 4


@pytest.fixture
def readers(tmp_path: Path) -> Iterator[Any]:
    """Makes a reader as the API does, for a model."""
    stores: list[FileStore] = []

    async def make(llm: BaseChatModel) -> LongReader:
        stores.append(FileStore(tmp_path / str(len(stores)), ApiLimits()))
        options = ApiOptions(load=LoadOptions(cache=False), window=8192)
        parser = UploadParser(options.load, qwen(), at_once=1)
        cache = ReaderCache(llm, BOOK, stores[-1], parser, qwen(), options)
        none: list[Attachment] = []
        return await cache.reader(none)

    yield make
    for store in stores:
        store.close()


@pytest.mark.parametrize("said", [None, True, False])
def test_the_prompt_for_models_that_call_tools_comes_with_tools(said: bool | None, readers: Any) -> None:
    """In a script, behind the API and at the command line alike; a model of Qwen-Agent says nothing about it."""
    model = Foreign() if said is None else Foreign(calls_tools=said)
    calls_tools = said is not False
    assert capabilities(model).calls_tools == calls_tools
    served = asyncio.run(readers(model))
    chosen = select_tools(ToolChoice(), BOOK, calls_tools=capabilities(model).calls_tools)
    assert bool(served.functions) == bool(chosen) == calls_tools
    for reader in (served, LongReader(BOOK, model, function_list=chosen, window=8192)):
        reader.ask("Who wrote it?")
        assert (SYSTEM in model.system) == calls_tools
        assert (BRIEF in model.system) != calls_tools
        assert ("# Tools" in model.system) == calls_tools, "Qwen-Agent writes them into the prompt"


def test_a_foreign_model_gets_one_request_at_a_time_and_no_response_format() -> None:
    class Counting(Foreign):
        running = peak = 0

        def _chat_stream(self, *arguments: Any, **settings: Any) -> Any:
            self.running += 1
            self.peak = max(self.peak, self.running)
            yield from super()._chat_stream(*arguments, **settings)
            self.running -= 1

    model = Counting()
    large = corpus(document("book", *(f"Page {number}: {'words ' * 100}" for number in range(12))))
    reader = LongReader(large, model, window=700, max_tokens=50, overflow="map", parallel=4)
    assert reader.ask("Who wrote it?").text.startswith("Jane Doe")
    assert len(model.sent) > 4
    assert model.peak == 1
    with pytest.raises(InvalidAnswer):
        LongReader(BOOK, model, window=8192).ask("Who?", schema={"type": "object"})
    assert not [settings for _, settings in model.sent if "response_format" in settings]


def test_a_model_made_of_a_configuration_has_every_capability() -> None:
    model = chat_model({"model_type": "oai", "model": "m", "model_server": "http://127.0.0.1:1/v1"})
    assert not isinstance(model, EndpointChat)
    assert {name: getattr(model, name) for name in NAMES} == DEFAULTS
    assert chat_model(model) is model
    ours = Foreign(window=5)
    assert chat_model(ours) is ours
    assert not hasattr(ours, "calls_tools"), "a model that is passed stays as it is"


def test_making_a_model_does_not_query_its_server(scripted_server: ScriptedServer) -> None:
    model = chat_model({"model_type": "longread-endpoint", "server": scripted_server.url, "model": "m"})
    assert isinstance(model, EndpointChat)
    assert not scripted_server.requests


NOTHING = {"server": None, "model": None, "api_key": None}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"llm": {"model_type": "x"}}, {"model_type": "x"}),
        (
            {"server": "http://localhost:8000/v1"},
            {"model_type": "longread-endpoint", "server": "http://localhost:8000/v1", "model": "", "api_key": None},
        ),
        (
            {"server": "unix:/s", "model": "m", "api_key": "k"},
            {"model_type": "longread-endpoint", "server": "unix:/s", "model": "m", "api_key": "k"},
        ),
        ({"model": "smollm2-135m"}, {"model_type": "longread-embedded", "model": "smollm2-135m"}),
    ],
)
def test_arguments_that_name_a_model(given: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert model_config(**{"llm": None, **NOTHING, **given}) == expected


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"llm": {"model_type": "x"}, "server": "http://localhost:8000/v1"}, ("`llm`", "`server`")),
        ({"llm": Foreign(), "model": "m"}, ("`llm`", "`model`")),
        ({"llm": {}, "api_key": "k"}, ("`llm`", "`api_key`")),
        ({"api_key": "k"}, ("`api_key`", "`server`")),
        ({"api_key": "k", "model": "m"}, ("`api_key`", "`server`")),
    ],
)
def test_arguments_that_contradict_each_other(given: dict[str, Any], names: tuple[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        LongReader(BOOK, **given)
    assert all(name in str(caught.value) for name in names)


def test_a_reader_of_a_server(scripted_server: ScriptedServer) -> None:
    scripted_server.default = Reply.text("Jane Doe [book:1].")
    reader = LongReader(BOOK, server=scripted_server.url, model="scripted", api_key="a-key", window=8192)
    assert reader.ask("Who wrote it?").text == "Jane Doe [book:1]."
    (chat,) = scripted_server.chats
    assert chat.json["model"] == "scripted"
    assert chat.headers["authorization"] == "Bearer a-key"
    with pytest.raises(ConfigError, match="address of a server"):
        LongReader(BOOK, server="", model="m")


REGISTERED = """
import json, sys
{first}
heavy = [name for name in ("qwen_agent", "openai", "longread.agent.llm.endpoint") if name in sys.modules]
{second}
from qwen_agent.agents import Assistant
early = [name for name in ("longread.agent.llm.endpoint", "longread.agent.llm.embedded") if name in sys.modules]
agent = Assistant(llm={{"model_type": "longread-endpoint", "server": "http://127.0.0.1:1", "model": "m"}})
from qwen_agent.llm import get_chat_model
from qwen_agent.llm.base import LLM_REGISTRY
try:
    get_chat_model({{"model_type": "longread-embedded", "no_such_setting": 1}})
except Exception as error:
    wrong = f"{{type(error).__name__}}: {{error}}"
import inspect, qwen_agent.llm.base as base
print(json.dumps({{
    "heavy": heavy, "early": early, "model": type(agent.llm).__name__, "wrong": wrong,
    "classes": [LLM_REGISTRY[name].__name__ for name in ("longread-endpoint", "longread-embedded")],
    "source": "LLM_REGISTRY" in inspect.getsource(base),
}}))
"""


@pytest.mark.parametrize("first", ["import longread", "import qwen_agent.llm"])
def test_our_model_types_are_registered_with_qwen_agent_on_import(first: str) -> None:
    second = {"import longread": "import qwen_agent.llm", "import qwen_agent.llm": "import longread"}[first]
    code = REGISTERED.format(first=first, second=second)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["model"] == "EndpointChat"
    assert found["classes"] == ["EndpointChat", "EmbeddedChat"]
    assert found["wrong"].startswith("ConfigError: longread-embedded has no setting 'no_such_setting'")
    assert found["early"] == []
    assert found["source"], "tracebacks and debuggers find it"
    if first == "import longread":
        assert found["heavy"] == []
