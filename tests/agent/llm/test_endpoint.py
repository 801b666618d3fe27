"""The endpoint model against a scripted server: what is sent, what comes back, and how it is given up."""

import queue
import signal
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import pytest
from qwen_agent.agent import BasicAgent
from qwen_agent.llm import get_chat_model
from qwen_agent.llm.schema import ASSISTANT, USER, Message
from qwen_agent.utils import tokenization_qwen

from longread.agent.llm import streaming
from longread.agent.llm.endpoint import EndpointChat
from longread.agent.prompt.tokenizer import qwen
from longread.errors import ConfigError
from longread.events import Usage
from tests.support.endpoints import QUESTION, Clock, Endpoint, last
from tests.support.scripted_server import Reply, Request, ScriptedServer, chunk
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_an_answer_streams_cumulatively_and_ends_with_its_usage(scripted_server: ScriptedServer, endpoint: Endpoint):
    counts = {"prompt_tokens": 1000, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 960}}
    pieces = ["The capital", " of France", " is", " Paris."]
    heard = {"".join(pieces[: number + 1]): threading.Event() for number in range(len(pieces))}
    parts: list = [chunk({"role": "assistant", "content": ""}), 0.1]
    for piece, event in zip(pieces, heard.values(), strict=True):
        parts += [chunk({"content": piece}), event]  # the next one is not sent before this one has come out
    scripted_server.script(Reply([*parts, *Reply.text("", usage=counts).parts]))
    answers = []
    for (message,) in endpoint().chat(QUESTION):
        answers.append(message)
        if message.content in heard and not heard[message.content].is_set():
            time.sleep(0.1)
            heard[message.content].set()

    texts = [message.content for message in answers]
    assert all(text.startswith(before) for before, text in pairwise(texts))
    assert set(texts) - {""} == set(heard)
    assert texts[-1] == "The capital of France is Paris."
    extra = answers[-1].extra
    assert extra["finish_reason"] == "stop"
    usage = Usage(**extra["usage"])
    assert (usage.prompt_tokens, usage.cached_tokens, usage.output_tokens) == (1000, 960, 9)
    assert usage.ttft >= 0.1, "the role is no token"
    assert usage.seconds >= usage.ttft + 0.4
    assert not usage.estimated


def test_nothing_is_sent_that_was_not_set(scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "private")
    last(endpoint().chat(QUESTION, extra_generate_cfg={"lang": "en"}))
    (request,) = scripted_server.chats
    assert request.json == {
        "model": "scripted",
        "messages": [{"role": "user", "content": "Capital of France?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert request.headers["authorization"] == "Bearer EMPTY"
    assert "private" not in str(request.headers)


def test_what_was_set_is_sent_as_it_is(scripted_server: ScriptedServer, endpoint: Endpoint):
    sampling = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05, "seed": 7, "stop": ["###"]}
    body = {"chat_template_kwargs": {"enable_thinking": False}}
    model = endpoint({**sampling, "max_tokens": 500, "extra_body": body}, api_key=" sk-1 ")
    last(model.chat(QUESTION, extra_generate_cfg={"max_tokens": 64}))
    (request,) = scripted_server.chats
    sent = request.json
    assert {name: sent[name] for name in sampling} == sampling
    assert sent["max_tokens"] == 64
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert "extra_body" not in sent
    assert request.headers["authorization"] == "Bearer sk-1"


def test_a_long_prompt_arrives_whole(scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch):
    # Qwen-Agent's default would cut it to 58,000 tokens.
    text = "\n".join(f"Line {number} of the book." for number in range(200_000))
    counted: list[str] = []  # no tokenizer goes over a prompt that the server has counted: that takes seconds
    monkeypatch.setattr("longread.agent.llm.usage.estimate", lambda texts: counted.extend(texts))
    monkeypatch.setattr(tokenization_qwen.QWenTokenizer, "tokenize", lambda _, text, **__: counted.append(text))
    last(endpoint().chat([Message(USER, text)]))
    assert counted == []
    assert scripted_server.chats[0].json["messages"] == [{"role": "user", "content": text}]


def test_the_same_without_streaming_and_with_dicts(scripted_server: ScriptedServer, endpoint: Endpoint):
    (answer,) = endpoint().chat([{"role": "user", "content": "Hi"}], stream=False)
    assert answer["content"] == "The scripted answer."
    assert Usage(**answer["extra"]["usage"]).prompt_tokens > 0


def test_delta_streaming_is_refused(endpoint: Endpoint):
    with pytest.raises(NotImplementedError, match="take the cumulative messages"):
        last(endpoint().chat(QUESTION, delta_stream=True))


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_apart_from_the_answer(scripted_server: ScriptedServer, endpoint: Endpoint, name: str):
    scripted_server.script(Reply.text("Paris.", reasoning="France. Its capital.", reasoning_field=name))
    (message,) = last(endpoint().chat(QUESTION))
    assert (message.content, message.reasoning_content) == ("Paris.", "France. Its capital.")
    assert "usage" in message.extra


def test_a_refusal_of_the_model_is_its_answer(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([chunk({"refusal": "I cannot."}), chunk({}, finish_reason="stop")]))
    assert last(endpoint().chat(QUESTION))[0].content == "I cannot."


def test_while_the_prompt_is_read_the_caller_hears_how_long(scripted_server: ScriptedServer, endpoint: Endpoint):
    heard = threading.Event()
    scripted_server.script(Reply(Reply.text("Paris.").parts, before=heard))
    answers, waiting = [], []
    for (message,) in endpoint().chat(QUESTION):
        answers.append(message)
        if message.extra and "waiting" in message.extra:
            waiting.append(message.extra["waiting"])
        if len(waiting) == 3:
            heard.set()
    assert len(waiting) >= 3
    assert waiting == sorted(waiting)
    assert all(m.content == "" for m in answers[: len(waiting)])
    assert answers[-1].extra["usage"]["ttft"] >= waiting[2]


def test_without_counts_from_the_server_usage_is_an_estimate(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.text("The capital is Paris.", usage=None))
    usage = Usage(**last(endpoint().chat(QUESTION))[0].extra["usage"])
    assert usage.estimated
    assert usage.prompt_tokens == qwen().count("Capital of France?")
    assert usage.output_tokens == qwen().count("The capital is Paris.")
    assert usage.cached_tokens is None


def refusing(name: str) -> Callable[[Request], Reply]:
    def reply(request: Request) -> Reply:
        if name in request.json:
            return Reply.error(400, f"Unsupported parameter: '{name}'. Use 'max_completion_tokens' instead.")
        return Reply.text("Paris.", usage=None)

    return reply


def test_a_server_that_does_not_know_stream_options_is_asked_without(
    scripted_server: ScriptedServer, endpoint: Endpoint
):
    scripted_server.default = refusing("stream_options")
    (message,) = last(endpoint().chat(QUESTION))
    assert message.content == "Paris."
    assert message.extra["usage"]["estimated"]
    assert ["stream_options" in request.json for request in scripted_server.chats] == [True, False]


def test_a_server_that_wants_max_completion_tokens_gets_it(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = refusing("max_tokens")
    assert last(endpoint({"max_tokens": 32}).chat(QUESTION))[0].content == "Paris."
    assert scripted_server.chats[-1].json["max_completion_tokens"] == 32


# Giving up. The server goes on only when an event is set that nobody sets: what returns has not waited for it.

NEVER = threading.Event()


def gone(server: ScriptedServer) -> bool:
    """Whether the client closed the connection of the first question."""
    return server.chats[0].gone.wait(PATIENCE)


def test_closing_in_the_middle_of_an_answer_closes_the_connection(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.text("a long story " * 100, pieces=100, hold=NEVER))
    answers = endpoint().chat(QUESTION)
    assert next(messages for messages in answers if messages[0].content)[0].content == "a long story "
    answers.close()
    assert gone(scripted_server), "the server was left talking to nobody"
    assert len(scripted_server.chats) == 1


def test_closing_while_the_prompt_is_read_closes_the_connection(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply(before=NEVER))
    answers = endpoint().chat(QUESTION)
    assert any("waiting" in message.extra and scripted_server.chats for (message,) in answers)
    answers.close()
    assert gone(scripted_server)


def test_dropping_an_agents_iterator_closes_the_connection(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.text("a long story " * 100, pieces=100, hold=NEVER))
    agent = BasicAgent(llm=endpoint())
    for messages in agent.run(QUESTION):
        if messages[0].content:
            break
    del messages
    assert gone(scripted_server)


def test_ctrl_c_while_the_prompt_is_read_closes_the_connection(
    scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch
):
    class Inbox:
        """Ctrl-C is pressed while the caller waits for the server, which has the question."""

        def __init__(self) -> None:
            self.inner: queue.SimpleQueue = queue.SimpleQueue()
            self.put, self.get_nowait = self.inner.put, self.inner.get_nowait

        def get(self, timeout: float):
            if scripted_server.chats:
                signal.raise_signal(signal.SIGINT)
            return self.inner.get(timeout=timeout)

    monkeypatch.setattr(streaming, "queue", SimpleNamespace(SimpleQueue=Inbox, Empty=queue.Empty))
    scripted_server.script(Reply(before=NEVER))
    with pytest.raises(KeyboardInterrupt):
        list(endpoint().chat(QUESTION))
    assert gone(scripted_server)


def test_closing_leaves_no_thread(scripted_server: ScriptedServer, endpoint: Endpoint):
    before = receiving()
    scripted_server.script(Reply(before=NEVER), Reply.text("Paris."))
    model = endpoint()
    answers = model.chat(QUESTION)
    next(messages for messages in answers if scripted_server.chats)
    assert scripted_server.chats[0].held.wait(PATIENCE)
    assert receiving() > before
    answers.close()
    assert receiving() == before
    last(model.chat(QUESTION))
    assert receiving() == before


def receiving() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "longread-endpoint"}


def test_a_slow_reader_gets_everything(scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch):
    clock, before = Clock(monkeypatch), receiving()
    scripted_server.script(Reply.text("word " * 200, pieces=200))
    answers = endpoint(timeout=0.4).chat(QUESTION)
    next(answers)
    for thread in receiving() - before:
        thread.join()  # the answer is over
    clock.now += 1.5  # longer than the timeout
    rest = list(answers)
    assert rest[-1][0].content == "word " * 200
    assert rest[-1][0].extra["usage"]["seconds"] == 0
    assert len(rest) <= 3, "what came together is handed on together"


# Configuration


def test_made_by_qwen_agent_from_a_configuration(scripted_server: ScriptedServer):
    model = get_chat_model({"model_type": "longread-endpoint", "server": scripted_server.url, "model": "m"})
    assert isinstance(model, EndpointChat)
    assert scripted_server.requests == [], "nothing is asked before there is a question"
    assert last(model.chat(QUESTION))[0].role == ASSISTANT


def test_no_model_named_and_one_served(scripted_server: ScriptedServer):
    scripted_server.models = [{"id": "qwen", "max_model_len": 32_768}]
    model = EndpointChat({"server": scripted_server.url, "model": None})
    assert model.model == "qwen"
    assert model.window == 32_768


def test_no_model_named_and_several_served(scripted_server: ScriptedServer):
    scripted_server.models = [{"id": "a"}, {"id": "b"}]
    with pytest.raises(ConfigError, match=r"^http://127.0.0.1:\d+/v1 serves 2 models.*b\.$"):
        EndpointChat({"server": scripted_server.url})


def test_no_model_named_and_none_served(scripted_server: ScriptedServer):
    scripted_server.models = []
    with pytest.raises(ConfigError, match=r"lists.*models"):
        EndpointChat({"server": scripted_server.url})


def test_no_server():
    with pytest.raises(ConfigError, match="needs the address of a server"):
        EndpointChat({"model": "m"})


def test_the_window_of_a_model_that_is_not_listed_is_not_known(scripted_server: ScriptedServer, endpoint: Endpoint):
    assert endpoint(model="other").window is None
    scripted_server.vanish()
    assert endpoint(model="other").window is None
