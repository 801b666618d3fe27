"""The embedded engine as a Qwen-Agent chat model, with the real model."""

import gc
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from qwen_agent.agent import BasicAgent
from qwen_agent.agents import Assistant, FnCallAgent
from qwen_agent.llm import get_chat_model
from qwen_agent.llm.schema import FUNCTION, Message
from qwen_agent.tools.base import BaseTool

from longread.agent.llm import embedded
from longread.agent.llm.embedded import EmbeddedChat
from longread.errors import ConfigError, ModelNotFound, PromptTooLong
from longread.events import Delta, Finish, Prefill, Usage
from tests.support.engines import passage

QUESTION = [Message("user", "What is the capital of France? Answer in one sentence.")]
SHORT = {"max_tokens": 12}
USAGE = Usage(prompt_tokens=9, cached_tokens=0, output_tokens=3, ttft=0.1, seconds=0.2)


@pytest.fixture
def chat(default_model: str) -> EmbeddedChat:
    """What any Qwen-Agent program would make; the engine behind it is one for all tests that follow each other."""
    model = get_chat_model({"model_type": "longread-embedded", "model": default_model, "generate_cfg": SHORT})
    assert isinstance(model, EmbeddedChat)
    return model


@pytest.fixture(scope="module", autouse=True)
def _one_engine() -> Iterator[None]:
    """Keep the engine between the tests of this file."""
    kept: list[Any] = []
    load = embedded.Engine.load

    def loading(*args: Any, **kwargs: Any) -> Any:
        kept.append(load(*args, **kwargs))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded.Engine, "load", loading)
        yield
    for engine in kept:
        engine.close()


def scripted(monkeypatch: pytest.MonkeyPatch, chat: EmbeddedChat, *answers: str) -> list[list[dict[str, Any]]]:
    """Have the engine say `answers`, one a call. -> the messages it is asked, call by call."""
    asked: list[list[dict[str, Any]]] = []

    def stream(messages: list[dict[str, Any]], **_: Any) -> Iterator[Any]:
        asked.append(messages)
        answer = answers[len(asked) - 1]

        def events() -> Iterator[Any]:
            yield Prefill(done=9, total=9, cached=0)
            for start in range(0, len(answer), 4):
                yield Delta(text=answer[start : start + 4])
            yield Finish(usage=USAGE, reason="stop")

        return events()

    monkeypatch.setattr(chat.engine, "stream", stream)
    return asked


class TestStream:
    def test_is_cumulative_and_tells_prefill_and_usage(self, chat: EmbeddedChat) -> None:
        answers = [answer for (answer,) in chat.chat(QUESTION, stream=True)]
        assert {answer.role for answer in answers} == {"assistant"}
        texts = [answer.content for answer in answers]
        assert all(after.startswith(before) for before, after in pairwise(texts))
        assert "Paris" in texts[-1]
        assert texts[0] == ""
        prefills = [Prefill(**answer.extra["prefill"]) for answer in answers if "prefill" in (answer.extra or {})]
        assert prefills[-1].done == prefills[-1].total
        last = answers[-1].extra
        assert Usage(**last["usage"]).prompt_tokens == prefills[-1].total
        assert last["finish_reason"] in ("stop", "length")
        assert all("usage" not in (answer.extra or {}) for answer in answers[:-1])

    def test_at_once(self, chat: EmbeddedChat) -> None:
        (answer,) = chat.chat(QUESTION, stream=False)
        *_, (streamed,) = chat.chat(QUESTION, stream=True)
        assert answer.content == streamed.content
        assert answer.extra["finish_reason"] == streamed.extra["finish_reason"] == "stop"
        assert Usage(**answer.extra["usage"]).output_tokens == Usage(**streamed.extra["usage"]).output_tokens

    def test_dicts_in_dicts_out(self, chat: EmbeddedChat) -> None:
        *_, (answer,) = chat.chat([{"role": "user", "content": "Say hello."}], stream=True)
        assert answer["role"] == "assistant"
        assert answer["extra"]["usage"]["output_tokens"] > 0

    def test_deltas_are_refused(self, chat: EmbeddedChat) -> None:
        with pytest.raises(
            NotImplementedError, match="delta_stream=True is deprecated in Qwen-Agent: take the cumulative"
        ):
            list(chat.chat(QUESTION, stream=True, delta_stream=True))

    def test_closing_stops_the_model(self, chat: EmbeddedChat) -> None:
        stream = chat.chat(QUESTION, stream=True)
        next(answer for (answer,) in stream if answer.content)
        stream.close()
        (answer,) = chat.chat(QUESTION, stream=False)
        assert "Paris" in answer.content

    def test_reasoning_is_apart(self, chat: EmbeddedChat, monkeypatch: pytest.MonkeyPatch) -> None:
        events = [Delta(text="so ", reasoning=True), Delta(text="so", reasoning=True), Delta(text="Yes")]
        monkeypatch.setattr(
            chat.engine, "stream", lambda *_, **__: (event for event in [*events, Finish(usage=USAGE, reason="stop")])
        )
        *_, (answer,) = chat.chat(QUESTION, stream=True)
        assert (answer.reasoning_content, answer.content) == ("so so", "Yes")


class TestSettings:
    def test_stop_and_seed(self, chat: EmbeddedChat) -> None:
        (answer,) = chat.chat(QUESTION, stream=False, extra_generate_cfg={"stop": ["capital"]})
        assert answer.content
        assert "capital" not in answer.content
        assert answer.extra["finish_reason"] == "stop"
        sampled = {"temperature": 2.0, "seed": 5}
        first, second = (chat.chat(QUESTION, stream=False, extra_generate_cfg=sampled)[0].content for _ in range(2))
        assert first == second

    def test_half_a_stop_word_is_not_taken_off(self, chat: EmbeddedChat, monkeypatch: pytest.MonkeyPatch) -> None:
        scripted(monkeypatch, chat, "It ends with Observation")
        (answer,) = chat.chat(QUESTION, stream=False, extra_generate_cfg={"stop": ["Observation:"]})
        assert answer.content == "It ends with Observation"

    def test_the_whole_prompt_arrives_or_none(self, chat: EmbeddedChat, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qwen_agent.llm.base.DEFAULT_MAX_INPUT_TOKENS", 50)
        asked = scripted(monkeypatch, chat, "ok", "ok")
        text = passage(300)
        chat.chat([Message("user", text)], stream=False)
        assert asked[0][-1]["content"] == text
        chat.chat([Message("user", text)], stream=False, extra_generate_cfg={"max_input_tokens": 60})
        assert len(asked[1][-1]["content"]) < len(text), "who asks for Qwen-Agent's truncation gets it"

    def test_too_long(self, chat: EmbeddedChat) -> None:
        with pytest.raises(PromptTooLong, match=r"12.*kept.*answer; together.*8,192"):
            list(chat.chat([Message("user", "word " * 9000)], stream=True))

    def test_unknown_settings(self, chat: EmbeddedChat) -> None:
        with pytest.raises(ConfigError, match=r"generate_cfg.*'top_k'.*embedded engine.*do"):
            chat.chat(QUESTION, stream=False, extra_generate_cfg={"top_k": 20})
        with pytest.raises(ConfigError, match=r"longread-embedded.*setting 'modell'.*model, model_type"):
            EmbeddedChat({"modell": "x"})

    def test_no_such_model(self) -> None:
        with pytest.raises(ModelNotFound, match="There is no model 'nonsense'"):
            EmbeddedChat({"model": "nonsense"})

    def test_window_and_tokenizer_for_the_prompt(self, chat: EmbeddedChat) -> None:
        assert chat.window == 8192
        assert chat.tokenizer is chat.engine.tokenizer
        assert chat.tokenizer.counts(["Hello world", ""]) == [2, 0]

    def test_equal_settings_share_an_engine(self, chat: EmbeddedChat, monkeypatch: pytest.MonkeyPatch) -> None:
        assert EmbeddedChat({}).engine is chat.engine
        loaded: list[dict[str, Any]] = []

        class Loaded:
            window, tokenizer, closed = 100, SimpleNamespace(knows_tools=True), False

        def load(_: str, **kwargs: Any) -> Loaded:
            loaded.append(kwargs)
            return Loaded()

        monkeypatch.setattr(embedded.Engine, "load", load)
        events: list[Any] = []
        other = EmbeddedChat({"window": 100, "device": "cpu", "prefix_cache_bytes": 0, "on_event": events.append})
        assert other.engine is not chat.engine
        assert (loaded[0]["window"], loaded[0]["prefix_store"], loaded[0]["on_event"]) == (100, None, events.append)
        assert EmbeddedChat({"window": 100, "device": "cpu", "prefix_cache_bytes": 0}).engine is other.engine
        del other
        gc.collect()
        EmbeddedChat({"window": 100, "device": "cpu", "prefix_cache_bytes": 0})
        assert len(loaded) == 2, "an engine that nobody uses is let go"


class Adder(BaseTool):
    name = "adder"
    description = "Adds two numbers."
    parameters = {  # noqa: RUF012  as Qwen-Agent declares it
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    }

    def call(self, params: str | dict[str, Any], **_: Any) -> str:
        given = self._verify_json_format_args(params)
        return str(given["a"] + given["b"])


CALL = '<tool_call>\n{"name": "adder", "arguments": {"a": 2, "b": 3}}\n</tool_call>'


@pytest.mark.usefixtures("elsewhere")
class TestAgents:
    def test_tools_by_qwen_agent_s_prompt(self, chat: EmbeddedChat, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = scripted(monkeypatch, chat, f"Adding.\n{CALL}", "The sum is 5.")
        agent = FnCallAgent(function_list=[Adder()], llm=chat)
        steps = list(agent.run([Message("user", "2 + 3?")]))
        last = steps[-1]
        assert [message.role for message in last] == ["assistant", "assistant", FUNCTION, "assistant"]
        assert last[1].function_call.name == "adder"
        assert (last[2].content, last[3].content) == ("5", "The sum is 5.")
        assert last[3].extra["usage"] == USAGE.model_dump()
        assert steps[0][0].extra["prefill"]["total"] == 9, "prefill is told with tools too"
        assert {message["role"] for message in asked[1]} == {"system", "user", "assistant"}
        rendered = chat.engine.tokenizer.backend.decode(chat.engine.render(asked[1]), skip_special_tokens=False)
        assert '"name": "adder"' in rendered
        assert "<|im_start|>user\n<tool_response>\n5\n</tool_response><|im_end|>" in rendered

    def test_results_without_tools_are_told_as_text(self, chat: EmbeddedChat, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = scripted(monkeypatch, chat, "5")
        history = [
            Message("user", "2 + 3?"),
            Message("assistant", "", function_call={"name": "adder", "arguments": "{}"}),  # type: ignore[arg-type]
            Message(FUNCTION, "5", name="adder"),
            Message("user", "So?"),
        ]
        chat.chat(history, stream=False)
        assert {message["role"] for message in asked[0]} <= {"user", "assistant", "system"}
        assert chat.engine.render(asked[0])

    def test_the_real_model_with_tools(self, chat: EmbeddedChat) -> None:
        *_, last = FnCallAgent(function_list=[Adder()], llm=chat).run([Message("user", "Hello")])
        assert last[-1].content
        assert last[-1].extra["usage"]["prompt_tokens"] > 100

    @pytest.mark.parametrize("kind", [BasicAgent, Assistant])
    def test_agents_of_qwen_agent(self, chat: EmbeddedChat, kind: Any, default_model: str) -> None:
        agent = kind(llm={"model_type": "longread-embedded", "model": default_model, "generate_cfg": SHORT})
        assert agent.llm.engine is chat.engine
        *_, last = agent.run(QUESTION)
        assert "Paris" in last[-1].content
