"""Run Qwen-Agent's own examples with `LongReader` in place of their agents. docs/qwen-agent.md has the results.

    git clone https://github.com/QwenLM/Qwen-Agent
    pip install 'qwen-agent[rag]'    # for Router, which searches files before it calls an agent
    python docs/run_qwen_agent_examples.py Qwen-Agent                              # a scripted server calls the tools
    python docs/run_qwen_agent_examples.py Qwen-Agent --server http://localhost:8000/v1    # your own model

The examples are not changed. In their modules, agent classes are replaced by `LongReader`, and models by the server's.
Web addresses of files are replaced by local files of the clone, `uvx` by an MCP server of longread's tests, and tools
that need an account or Docker by stand-ins with the same names.
"""

import argparse
import importlib.util
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from qwen_agent.agents import group_chat
from qwen_agent.tools.base import TOOL_REGISTRY, BaseTool

from longread import LongReader, chat_model
from longread.errors import LongreadError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.support.scripted_server import Reply, ScriptedServer  # noqa: E402

AGENTS = ("Assistant", "BasicDocQA", "ParallelDocQA", "VirtualMemoryAgent", "DialogueRetrievalAgent", "ReActChat")
WEATHER = {"name": "get_current_weather", "arguments": {"location": "Paris"}}


def stand_in(name: str, result: str, **parameters: str) -> type[BaseTool]:
    """A tool with a fixed result."""

    class StandIn(BaseTool):
        description = f"Stands for {name}."

        def call(self, params: str | dict[str, Any], **kwargs: Any) -> str:
            self._verify_json_format_args(params)
            return result

    StandIn.name = name
    StandIn.parameters = [
        {"name": key, "type": "string", "description": text, "required": True} for key, text in parameters.items()
    ]
    return StandIn


STAND_INS = (
    stand_in("code_interpreter", "1024", code="Python code"),
    stand_in("image_gen", "https://example.org/picture.png", prompt="what to draw"),
    stand_in("amap_weather", "Clear, 21 degrees.", location="a place"),
)


@dataclass(frozen=True)
class Example:
    """How to run an example, and what to check."""

    name: str
    run: Callable[[ModuleType, Path], Any]
    replies: tuple[Reply, ...]
    """The scripted server's replies."""
    tools: tuple[str, ...] = ()
    """Tools that must have been called."""
    sent: tuple[str, ...] = ()
    """Text that must have been in the prompts."""


def calls(*named: tuple[str, dict[str, str]]) -> Reply:
    return Reply.calls(*named)


def said(text: str) -> Reply:
    return Reply.text(text)


def ask(text: str, file: Path) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": text}, {"file": str(file)}]}]


def mentioned(module: ModuleType, resources: Path) -> None:
    """What the web page of this example does with `@name`: prompt the agent of that name."""
    tool, reader, helper = module.init_agent_service()
    for bot, messages in (
        (tool, [{"role": "user", "content": "2 ^ 10 = ?"}]),
        (reader, ask("Which poet is quoted?", resources / "poem.pdf")),
        (helper, [{"role": "user", "content": "Hello"}]),
    ):
        list(bot.run(messages))


def own_file(question: str, method: str) -> Callable[[ModuleType, Path], Any]:
    """Run `test()`, which asks about a file at a web address, with a local file instead."""

    def run(module: ModuleType, resources: Path) -> None:
        class Local(getattr(module, method)):
            def run(self, messages: list[dict[str, Any]], **kwargs: Any) -> Any:
                return super().run(ask(question, resources / "doc.pdf"), **kwargs)

        setattr(module, method, Local)
        module.test()

    return run


def virtual_memory(module: ModuleType, resources: Path) -> None:
    list(module.init_agent_service().run(ask("List what this article brings.", resources / "doc.pdf")))


EXAMPLES = (
    Example(
        "assistant_add_custom_tool",
        lambda module, _: module.test("draw a dog"),
        (calls(("my_image_gen", {"prompt": "a dog"})), calls(("code_interpreter", {"code": "1"})), said("Drawn.")),
        ("my_image_gen", "code_interpreter"),
        ("[doc:1]",),
    ),
    Example("assistant_rag", own_file("Introduce figure 1.", "Assistant"), (said("A figure."),), (), ("[doc:1]",)),
    Example(
        "assistant_weather_bot",
        lambda module, _: module.test(),
        (calls(("amap_weather", {"location": "海淀区"}), ("image_gen", {"prompt": "Beijing"})), said("晴。")),
        ("amap_weather", "image_gen"),
        ("[poem:1]",),
    ),
    Example(
        "assistant_mcp_sqlite_bot",
        lambda module, _: module.test(),
        (calls(("sqlite-echo", {"text": "tables"})), said("One.")),
        ("sqlite-echo",),
        ("[poem:1]",),
    ),
    *(
        Example(
            f"assistant_{model}",
            lambda module, _: module.test(),
            (calls((tool, {"text": "now"})), said("Noon.")),
            (tool,),
        )
        for model, tool in (("qwen3", "time-echo"), ("qwen3_coder", "time-echo"), ("qwen3.5", "filesystem-echo"))
    ),
    Example(
        "assistant_qwq",
        lambda module, _: module.test(),
        (calls(*[("image_gen", {"prompt": name}) for name in ("cat", "dog", "both")]), said("三张图")),
        ("image_gen",) * 3,
    ),
    Example(
        "function_calling",
        lambda module, _: module.test(),
        (calls((WEATHER["name"], WEATHER["arguments"])), said("22 degrees.")),
    ),
    Example(
        "function_calling_in_parallel",
        lambda module, _: module.test(),
        (calls(*[(WEATHER["name"], WEATHER["arguments"])] * 3), said("22 degrees.")),
    ),
    Example(
        "react_data_analysis",
        lambda module, _: module.test(),
        (calls(("code_interpreter", {"code": "1"})), said("A line.")),
        ("code_interpreter",),
        ("[stock-prices:1]",),
    ),
    Example("parallel_doc_qa", own_file("介绍实验方法", "ParallelDocQA"), (said("方法。"),), (), ("[doc:1]",)),
    Example("virtual_memory_qa", virtual_memory, (said("Much."),), (), ("[doc:1]",)),
    Example("long_dialogue", lambda module, _: module.test(), (said("大头"),), (), ("小明的爸爸叫大头",)),
    Example(
        "gpt_mentions",
        mentioned,
        (calls(("code_interpreter", {"code": "2**10"})), said("1024."), said("李白"), said("Hello.")),
        ("code_interpreter",),
        ("[poem:1]",),
    ),
    Example(
        "multi_agent_router",
        lambda module, _: module.test(image=None),
        (
            said('{"keywords_en": []}'),
            said("Call: 工具助手\nReply:"),
            calls(("code_interpreter", {"code": "1"})),
            said("Done."),
        ),
        ("code_interpreter",),
        ("[poem:1]",),
    ),
    Example(
        "group_chat_chess",
        lambda module, _: module.test(),
        (
            *(said("棋盘"), calls(("code_interpreter", {"code": "1"})), said("0 0 0")),
            *(said("小明"), said("<2,2>"), said("小塘")),
        ),
        ("code_interpreter",),
    ),
    Example(
        "llm_riddles",
        lambda module, _: module.test(),
        (said('["1+1=3"]'), said("1+1=3")),
    ),
)  # fmt: skip


@dataclass
class Seen:
    """Tool calls, prompts and answers of an example."""

    tools: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


def reader_for(llm: dict[str, Any], seen: Seen) -> type[LongReader]:
    """`LongReader` with a given model, recording its tool calls and answers."""

    class Reader(LongReader):
        def __init__(self, **kwargs: Any):
            kwargs["llm"] = llm
            kwargs["function_list"] = _without_uvx(kwargs.get("function_list") or ())
            super().__init__(**kwargs)

        def _run(self, messages: list[Any], lang: str = "en", **kwargs: Any) -> Iterable[list[Any]]:
            last: list[Any] = []
            for last in super()._run(messages, lang, **kwargs):
                yield last
            seen.tools += [message.name for message in last if message.role == "function"]
            seen.answers += [message.content for message in last[-1:]]

    return Reader


def _without_uvx(tools: Iterable[Any]) -> list[Any]:
    ours = {"command": sys.executable, "args": [str(ROOT / "tests" / "support" / "mcp_everything.py")]}
    return [
        {"mcpServers": dict.fromkeys(list(tool["mcpServers"])[:1], ours)} if isinstance(tool, dict) else tool
        for tool in tools
    ]


@contextmanager
def loaded(clone: Path, example: Example, llm: dict[str, Any], seen: Seen) -> Any:
    """The module of an example, with longread's agent and model in it."""
    reader = reader_for(llm, seen)
    gui = ModuleType("qwen_agent.gui")
    gui.WebUI = None  # type: ignore[attr-defined]  # pages are not opened
    with mock.patch.dict(sys.modules, {"qwen_agent.gui": gui}), mock.patch.dict(TOOL_REGISTRY):
        path = clone / "examples" / f"{example.name}.py"
        spec = importlib.util.spec_from_file_location(example.name, path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name in AGENTS:
            if hasattr(module, name):
                setattr(module, name, reader)
        if hasattr(module, "get_chat_model"):
            module.get_chat_model = lambda _: chat_model(llm)
        for name in ("GroupChat", "Router", "LLMRiddles"):
            if hasattr(module, name):
                own = getattr(module, name)
                setattr(module, name, lambda own=own, **given: own(**{**given, "llm": chat_model(llm)}))
        TOOL_REGISTRY.update({tool.name: tool for tool in STAND_INS})
        with mock.patch.object(group_chat, "Assistant", reader):
            yield module


def main() -> int:
    """Run all examples. The exit code is 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--server")
    parser.add_argument("--only", help="name of the one example to run")
    options = parser.parse_args()
    clone, failed = options.clone.resolve(), 0
    with tempfile.TemporaryDirectory() as folder, ScriptedServer() as server:
        os.chdir(folder)  # Qwen-Agent's agents make a folder `workspace` where they are
        llm = {"model_type": "longread-endpoint", "server": options.server or server.url}
        for example in EXAMPLES:
            if options.only not in (None, example.name):
                continue
            seen = Seen()
            server.requests.clear()
            server.script(*example.replies)
            try:
                with mock.patch("sys.stdout", io.StringIO()), loaded(clone, example, llm, seen) as module:
                    example.run(module, clone / "examples" / "resource")
                outcome = "ran" if options.server else _checked(example, seen, server)
            except LongreadError as error:
                outcome = f"{type(error).__name__}: {error}"
            failed += not outcome.startswith("ran")
            answer = " ".join(str(seen.answers[-1]).split())[:60] if seen.answers else ""
            print(f"{example.name:30} {outcome:10} tools: {', '.join(seen.tools) or '-'}; answer: {answer}", flush=True)
    return min(1, failed)


def _checked(example: Example, seen: Seen, server: ScriptedServer) -> str:
    sent = json.dumps([request.json["messages"] for request in server.chats], ensure_ascii=False)
    missing = [text for text in example.sent if text not in sent]
    missing += [tool for tool in example.tools if tool not in seen.tools]
    left = len(example.replies) - len(server.chats)
    if missing or left:
        return f"FAILED: missing {missing}, {left} replies left"
    return "ran"


if __name__ == "__main__":
    sys.exit(main())
