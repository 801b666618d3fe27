"""LongReader where Qwen-Agent's examples have their assistants: the same moves, with a scripted model."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from qwen_agent.agents import GroupChat, Router
from qwen_agent.agents.user_agent import PENDING_USER_INPUT, UserAgent
from qwen_agent.llm.schema import Message
from qwen_agent.tools.base import TOOL_REGISTRY, BaseTool, register_tool

from longread import LongReader
from longread.errors import ConfigError, PromptTooLong
from longread.tools import document_tools
from tests.support.corpora import corpus, document
from tests.support.endpoints import Endpoint
from tests.support.scripted_server import Reply, ScriptedServer

pytestmark = pytest.mark.usefixtures("elsewhere")

BOOK = corpus(document("book", "One token of the 7B model takes 57,344 bytes of K/V cache.", "Prefill reads."))
EVERYTHING = Path(__file__).parents[1] / "support" / "mcp_everything.py"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Tools known to Qwen-Agent by name: one of somebody's own, and one in the place of its code interpreter, which
    needs Docker. -> what they were given."""
    given: dict[str, Any] = {}
    for name in ("my_image_gen", "code_interpreter"):
        monkeypatch.delitem(TOOL_REGISTRY, name, raising=False)

    class MyImageGen(BaseTool):
        description = "Draws."
        parameters = [{"name": "prompt", "type": "string", "description": "what", "required": True}]  # noqa: RUF012

        def call(self, params: str | dict, **kwargs: Any) -> Any:
            given["prompt"] = self._verify_json_format_args(params)["prompt"]
            return {"image_url": "https://example.org/dog.png"}

    class CodeInterpreter(BaseTool):
        description = "Runs Python."
        parameters = [{"name": "code", "type": "string", "description": "code", "required": True}]  # noqa: RUF012

        @property
        def file_access(self) -> bool:
            return True

        def call(self, params: str | dict, *, files: list[str] | None = None, **kwargs: Any) -> Any:
            given.update(files=files, timeout=self.cfg.get("timeout"), messages=kwargs["messages"])
            return "1024"

    try:
        register_tool("my_image_gen")(MyImageGen)
        register_tool("code_interpreter")(CodeInterpreter)
        yield given
    finally:
        TOOL_REGISTRY.pop("my_image_gen", None)
        TOOL_REGISTRY.pop("code_interpreter", None)


@pytest.fixture
def poem(tmp_path: Path) -> str:
    (tmp_path / "poem.txt").write_text("床前明月光，疑是地上霜。")
    return str(tmp_path / "poem.txt")


def test_an_assistant_with_registered_tools_files_and_a_system_message(
    scripted_server: ScriptedServer, endpoint: Endpoint, registered: dict[str, Any], poem: str
):
    scripted_server.script(
        Reply.calls(("my_image_gen", {"prompt": "a dog"})),
        Reply.calls(("code_interpreter", {"code": "2**10"})),
        Reply.text('"疑是地上霜" [poem:1].'),
        Reply.text("As I said."),
    )
    bot = LongReader(
        llm=endpoint(),
        name="AI painting",
        description="AI painting service",
        system_message="First draw a picture.",
        function_list=["my_image_gen", {"name": "code_interpreter", "timeout": 10}],
        files=[poem],
    )
    messages: list[dict[str, Any]] = [{"role": "user", "content": "draw a dog"}]
    *_, response = bot.run(messages)
    assert [message["role"] for message in response] == ["assistant", "function", "assistant", "function", "assistant"]
    assert {message["name"] for message in response if message["role"] == "assistant"} == {"AI painting"}
    assert "https://example.org/dog.png" in response[1]["content"]
    assert registered["prompt"] == "a dog"
    assert registered["timeout"] == 10
    assert registered["files"] == [poem], "a tool with access to files is told which there are"
    assert registered["messages"][0].role == "user"
    assert response[-1]["content"].endswith("Pages with these words (found by lookup): [poem:1]")
    assert [quote["status"] for quote in response[-1]["extra"]["quotes"]] == ["verified"]
    sent = scripted_server.chats[0].json["messages"]
    assert sent[0]["content"].endswith("First draw a picture.")

    messages += [*response, {"role": "user", "content": "Sure?"}]
    assert bot.run_nonstream(messages)[-1]["content"].startswith("As I said.")
    before, after = (scripted_server.chats[i].json["messages"] for i in (2, 3))
    assert after[: len(before)] == before, "what the server has read is sent as it was"
    assert after[len(before)]["content"] == '"疑是地上霜" [poem:1].', "the line of pages under an answer is ours"


def test_question_answering_about_a_file_in_a_message(scripted_server: ScriptedServer, endpoint: Endpoint, poem: str):
    scripted_server.default = Reply.text("月光 [poem:1]")
    bot = LongReader(llm=endpoint())
    question = {"role": "user", "content": [{"text": "介绍图一"}, {"file": poem}, {"image": "https://e.org/a.png"}]}
    *_, last = bot.run([question])
    assert last[-1]["extra"]["citations"][0]["document"] == "poem"
    asked = scripted_server.chats[0].json["messages"][-1]["content"]
    assert "[poem:1]\n床前明月光" in asked
    assert asked.endswith("介绍图一\n(image https://e.org/a.png: cannot be shown)"), (
        "a picture is not left out silently"
    )
    picture = {"role": "user", "content": [{"text": "And this?"}, {"image": "data:image/png;base64,AAAA"}]}
    bot.run_nonstream([picture])
    assert scripted_server.chats[1].json["messages"][-1]["content"] == "And this?\n(image: cannot be shown)"


def test_what_is_not_taken(endpoint: Endpoint):
    with pytest.raises(ConfigError, match="takes no `knowledge`"):
        LongReader(BOOK, endpoint()).run_nonstream([{"role": "user", "content": "?"}], knowledge="The moon is cheese.")
    with pytest.raises(PromptTooLong, match="3,008 of them are instructions, question and conversation"):
        LongReader(llm=endpoint(), window=1000).run_nonstream([{"role": "user", "content": "这是干扰内容" * 1000}])
    with pytest.raises(TypeError, match="rag_cfg"):
        LongReader(BOOK, endpoint(), rag_cfg={"max_ref_token": 4000})  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="amap is not registered"):
        LongReader(BOOK, endpoint(), function_list=["amap"])


def test_mcp_servers_in_a_function_list(scripted_server: ScriptedServer, endpoint: Endpoint):
    """Qwen-Agent's own client needs mcp below 2."""
    scripted_server.script(Reply.calls(("time-echo", {"text": "noon"})), Reply.text("Noon."))
    server = {"command": sys.executable, "args": [str(EVERYTHING)]}
    bot = LongReader(llm=endpoint(), function_list=[{"mcpServers": {"time": server}}])
    last = bot.run_nonstream([{"role": "user", "content": "What time is it?"}])
    assert [message["role"] for message in last] == ["assistant", "function", "assistant"]
    assert "noon" in last[1]["content"]
    tool = bot.function_map["time-echo"]
    del bot
    assert "was closed" in tool.call({"text": "late"}), "the server ends with its reader"
    with pytest.raises(ConfigError, match="did not start"):
        LongReader(llm=endpoint(), function_list=[{"mcpServers": {"gone": {"command": "/no/such/program"}}}])


def test_a_group_chat_with_a_host_and_a_human(
    scripted_server: ScriptedServer, endpoint: Endpoint, registered: dict[str, Any]
):
    board = LongReader(BOOK, endpoint(), function_list=["code_interpreter"], name="board", description="Reads the book")
    group = GroupChat(agents=[board, UserAgent(name="Ann", description="a person")], llm=endpoint())
    scripted_server.script(
        Reply.text("board"),  # whom the host calls
        Reply.calls(("code_interpreter", {"code": "1"})),
        Reply.text("57,344 bytes [book:1]."),
        Reply.text("Ann"),
    )
    *_, last = group.run([Message("user", "How many bytes?", name="Ann")])
    assert [message.role for message in last] == ["assistant", "function", "assistant", "user"]
    assert last[2].name == "board"
    assert last[2].content.startswith("57,344 bytes [book:1].")
    assert last[3].content == PENDING_USER_INPUT
    scripted_server.script(Reply.text("Yes."))
    *_, again = group.run([*last[:3], Message("user", "@board sure?", name="Ann")], max_round=1)
    assert again[-1].name == "board"
    sent = scripted_server.chats[-1].json["messages"]  # the question before it is not among what `last` has
    assert [turn["role"] for turn in sent] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert "[book:1]\nOne token" in sent[1]["content"], "the documents stand first, whoever spoke first"


def test_a_router_sends_the_question_to_a_reader(
    scripted_server: ScriptedServer, endpoint: Endpoint, registered: dict[str, Any]
):
    reader = LongReader(BOOK, endpoint(), function_list=["code_interpreter"], name="工具助手", description="读书")
    other = LongReader(llm=endpoint(), name="other", description="Knows nothing")
    scripted_server.script(
        Reply.text("Call: 工具助手\nReply:"),
        Reply.calls(("code_interpreter", {"code": "1"})),
        Reply.text("57,344 bytes [book:1]."),
        Reply.text("Hello."),
    )
    router = Router(llm=endpoint(), agents=[other, reader])
    *_, last = router.run([{"role": "user", "content": "hello, how many bytes?"}])
    assert last[-1]["name"] == "工具助手"
    assert last[-1]["content"].startswith("57,344 bytes [book:1].")
    *_, last = router.run([{"role": "user", "content": "hello"}])
    assert last[-1]["content"] == "Hello.", "what it can answer itself, it does"


def test_a_model_of_qwen_agents(scripted_server: ScriptedServer):
    """Its own `oai`: tools are written into the prompt, in its format, and nothing is cut."""
    written = '<tool_call>\n{"name": "search", "arguments": {"query": "prefill"}}\n</tool_call>'
    scripted_server.script(Reply.text(written, usage=None), Reply.text('"Prefill reads" [book:2].', usage=None))
    llm = {"model_type": "oai", "model": "scripted", "model_server": scripted_server.url, "api_key": "none"}
    long = corpus(document("book", BOOK.documents[0].pages[0].text, "Prefill reads.", *["word " * 4000] * 20))
    bot = LongReader(long, llm, function_list=document_tools(long))
    answer = bot.ask("What reads?")
    [call] = answer.tool_calls
    assert call.name == "search"
    assert call.result.startswith("1 match of the phrase 'prefill'")
    assert [quote.status for quote in answer.quotes] == ["verified"]
    assert answer.usage is None
    first, second = (request.json for request in scripted_server.chats)
    assert "tools" not in first
    assert '"name": "search"' in first["messages"][0]["content"]
    assert json.dumps(first["messages"]).count("word ") >= 80_000, "more than Qwen-Agent's 58,000 tokens"
    assert "1 match of the phrase" in second["messages"][-1]["content"]
