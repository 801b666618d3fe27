"""Everything that keeps a server from answering, by the message that the user reads."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest
import trustme
from qwen_agent.llm.schema import USER, Message

from longread.agent.llm.endpoint import EndpointChat, list_models
from longread.agent.llm.refusals import too_long, translate
from longread.agent.llm.server import Server
from longread.agent.tokens import qwen
from longread.serving.errors import LongreadError, PromptTooLong, ServerError
from scripted_server import CUT, Reply, ScriptedServer, chunk

Endpoint = Callable[..., EndpointChat]
QUESTION = [Message(USER, "Capital of France?")]
PROSE = "It was the best of times, it was the worst of times, it was the age of wisdom.\n"


def failure(model: EndpointChat, messages=QUESTION) -> LongreadError:
    """The error of a question, checked to be one line."""
    with pytest.raises(LongreadError) as caught:
        list(model.chat(messages))
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?", ")."))
    return caught.value


def server_error(model: EndpointChat, messages=QUESTION) -> str:
    error = failure(model, messages)
    assert type(error) is ServerError
    return str(error)


# No connection


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def test_nothing_listens(closed_port: int):
    url = f"http://127.0.0.1:{closed_port}"
    model = EndpointChat({"server": url, "model": "m", "generate_cfg": {"max_retries": 0}})
    said = f"{url}/v1 cannot be reached: connection refused. Is it running, and is the port right?"
    assert server_error(model) == said
    with pytest.raises(ServerError) as caught:
        list_models(url)
    assert str(caught.value) == said


def test_no_such_host():
    url = "http://no-such-host.invalid:8000"
    model = EndpointChat({"server": url, "model": "m", "generate_cfg": {"max_retries": 0}})
    assert server_error(model).startswith(f"{url}/v1 cannot be reached: no host has this name. Check the address")


def test_no_such_socket(tmp_path):
    model = EndpointChat({"server": f"unix:{tmp_path}/none", "model": "m", "generate_cfg": {"max_retries": 0}})
    assert "none cannot be reached: [Errno 2] No such file or directory. Is it running" in server_error(model)


def test_encryption_where_there_is_none(scripted_server: ScriptedServer):
    url = scripted_server.url.replace("http:", "https:")
    model = EndpointChat({"server": url, "model": "m", "generate_cfg": {"max_retries": 0}})
    said = server_error(model)
    assert said.startswith(f"{url} cannot be reached: encryption failed (")
    assert said.endswith("Check https or http, and its certificate.")


def test_a_certificate_that_nobody_signed(tmp_path):
    pem = tmp_path / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    with ScriptedServer(tls=str(pem)) as server:
        model = EndpointChat({"server": server.url, "model": "m", "generate_cfg": {"max_retries": 0}})
        assert "encryption failed ([SSL: CERTIFICATE_VERIFY_FAILED]" in server_error(model)
        assert server.chats == []


@pytest.fixture
def raw_server() -> Iterator[Callable[[bytes], str]]:
    """A server that reads a little and answers with given bytes, or closes at once if there are none."""
    listener = socket.create_server(("127.0.0.1", 0))
    answer = [b""]

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(answer[0])

    thread = threading.Thread(target=serve)
    thread.start()

    def start(data: bytes) -> str:
        answer[0] = data
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-OpenSSH_9.6\r\n"], ids=["nothing", "ssh"])
def test_a_server_that_does_not_speak_http(raw_server, data: bytes):
    model = EndpointChat({"server": raw_server(data), "model": "m", "generate_cfg": {"max_retries": 0}})
    assert "/v1 closed the connection without an answer (" in server_error(model)


def test_no_answer_to_connect(monkeypatch):
    monkeypatch.setattr("longread.agent.llm.server._CONNECT_SECONDS", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # The queue of this socket takes one connection; the next attempts get no answer.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        model = EndpointChat(
            {"server": f"http://127.0.0.1:{address[1]}", "model": "m", "generate_cfg": {"max_retries": 0}}
        )
        said = server_error(model)
        for filler in fillers:
            filler.close()
    assert "cannot be reached: no answer to the attempt to connect. Is it running" in said


def test_an_attempt_at_several_addresses():
    # "localhost" may be ::1 and 127.0.0.1: the client then reports a group.
    error = openai.APIConnectionError(request=httpx.Request("POST", "http://localhost/v1"))  # type: ignore[arg-type]
    error.__cause__ = OSError("All connection attempts failed")
    error.__cause__.__cause__ = ExceptionGroup("several", [OSError(99, "no IPv6"), ConnectionRefusedError(111, "no")])
    said = str(translate(error, Server("http://localhost")))
    assert said == "http://localhost/v1 cannot be reached: connection refused. Is it running, and is the port right?"


# Refused


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_and_a_wrong_key(scripted_server: ScriptedServer, endpoint: Endpoint, status: int):
    scripted_server.default = Reply.error(status, "Incorrect API key provided.")
    url = scripted_server.url
    advice = f"({status}): Incorrect API key provided. Set the key that this server expects as api_key."
    assert server_error(endpoint()) == f"{url} wants an API key {advice}"
    assert server_error(endpoint(api_key="sk-wrong")) == f"{url} did not accept the API key {advice}"


def test_an_unknown_model_lists_those_that_are_served(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.models = [{"id": "qwen"}, {"id": "llama"}]
    scripted_server.default = Reply.error(404, "The model `gpt` does not exist.")
    said = server_error(endpoint(model="gpt"))
    assert said == f"{scripted_server.url} has no model 'gpt' (404): choose one of qwen, llama."


def test_a_wrong_path(scripted_server: ScriptedServer):
    model = EndpointChat({"server": f"{scripted_server.url}/chat", "model": "m", "generate_cfg": {"max_retries": 0}})
    assert (
        server_error(model)
        == f"{scripted_server.url}/chat has no such page (404): Not Found. Usually the address ends in /v1."
    )


def test_busy_after_retries(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = Reply(
        Reply.error(429, "Rate limit reached").parts,
        status=429,
        content_type="application/json",
        headers={"Retry-After-Ms": "10"},
    )
    said = server_error(endpoint({"max_retries": 2}))
    assert said == f"{scripted_server.url} is busy or the quota is used up (429): Rate limit reached. Try again later."
    assert len(scripted_server.chats) == 3


def test_a_failure_that_passes_is_not_noticed(scripted_server: ScriptedServer):
    failed = Reply(Reply.error(503, "loading").parts, status=503, headers={"Retry-After-Ms": "10"})
    scripted_server.script(failed, failed)
    model = EndpointChat({"server": scripted_server.url, "model": "m"})  # two retries unless set otherwise
    *_, (message,) = model.chat(QUESTION)
    assert message.content == "The scripted answer."
    assert len(scripted_server.chats) == 3


def test_a_failure_of_the_server(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = Reply.error(500, "CUDA out of memory.\nTried to allocate 2 GiB")
    said = server_error(endpoint())
    assert said == (
        f"{scripted_server.url} failed (500): CUDA out of memory. Tried to allocate 2 GiB. Its log should say why."
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply.error(400, "temperature must be non-negative."), "(400): temperature must be non-negative."),
        (Reply.json({"detail": "Unexpected fields: {'top_k'}"}, status=422), "(422): Unexpected fields: {'top_k'}."),
        (Reply.json({"error": "bad request"}, status=400), "(400): bad request."),
        (Reply.json({"message": "nope"}, status=400), "(400): nope."),
        (Reply(["plain text"], status=400, content_type="text/plain"), "(400): plain text."),
        (Reply(["x" * 1000], status=400, content_type="text/plain"), f"(400): {'x' * 300}…."),
        (Reply([], status=400), "(400): no reason given."),
        (Reply.page("Bad Gateway", status=400), "(400): a web page, 'Bad Gateway'."),
    ],
)
def test_a_refusal_gives_the_servers_reason(scripted_server: ScriptedServer, endpoint: Endpoint, reply, reason: str):
    scripted_server.script(reply)
    assert server_error(endpoint()) == f"{scripted_server.url} refused the request {reason}"


# Too long: as the servers put it, from their sources and from reports of their users.
TOO_LONG = {
    "vllm": (
        "This model's maximum context length is 8192 tokens. However, your prompt contains 9000 input tokens, which "
        "exceeds this limit even without any output tokens. Please reduce the length of the input prompt.",
        9000,
        8192,
    ),
    "vllm, with an answer": (
        "This model's maximum context length is 8192 tokens. However, you requested 100 output tokens and your prompt "
        "contains 8150 input tokens, for a total of 8250 tokens. Please reduce the length of the input prompt.",
        8150,
        8192,
    ),
    "vllm, that stopped counting": (
        "This model's maximum context length is 8192 tokens. However, your prompt contains at least 8193 input tokens.",
        None,
        8192,
    ),
    "vllm, by characters": (
        "This model's maximum context length is 8192 tokens. However, your prompt contains 2000000 characters (more "
        "than 344064 characters, which is the upper bound for 8192 input tokens).",
        None,
        8192,
    ),
    "vllm, older": (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 in the messages, "
        "100 in the completion). Please reduce the length of the messages or completion.",
        4900,
        4096,
    ),
    "vllm, its engine": (
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that "
        "`max_model_len` is no smaller than the number of text tokens.",
        9000,
        8192,
    ),
    "sglang": (
        "The input (691793 tokens) is longer than the model's context length (540000 tokens).",
        691_793,
        540_000,
    ),
    "sglang, with an answer": (
        "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of "
        "9000 tokens: 8900 tokens from the input messages and 100 tokens for the completion.",
        9000,
        8192,
    ),
    "llama.cpp": (
        "request (14429 tokens) exceeds the available context size (8192 tokens), try increasing it",
        14_429,
        8192,
    ),
    "llama-cpp-python": ("Requested tokens (2285) exceed context window of 2048", 2285, 2048),
    "lm studio": (
        "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough.",
        9000,
        4096,
    ),
    "openai": (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens. "
        "Please reduce the length of the messages.",
        150_000,
        128_000,
    ),
    "openai, newer": (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
        300_000,
        272_000,
    ),
    "dashscope": ("Range of input length should be [1, 983616]", None, 983_616),
    "xai": (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        537_812,
        131_072,
    ),
    "tgi": ("`inputs` must have less than 4096 tokens. Given: 5000 `inputs` tokens; must be <= 4096", 5000, 4096),
    "ollama": ("prompt too long; exceeded max context length", None, None),
}


@pytest.mark.parametrize(("text", "tokens", "window"), TOO_LONG.values(), ids=TOO_LONG)
def test_a_prompt_that_is_too_long_gives_both_numbers(
    scripted_server: ScriptedServer, endpoint: Endpoint, text: str, tokens: int | None, window: int | None
):
    scripted_server.script(Reply.error(400, text))
    error = failure(endpoint())
    assert type(error) is PromptTooLong
    assert error.tokens == (tokens or max(qwen().count(QUESTION[0].content), (window or 0) + 1))
    assert error.budget == (window or 0)
    count = f"{tokens:,}" if tokens else f"about {error.tokens:,}"
    assert str(error).startswith(f"The prompt is {count} tokens long, and scripted on {scripted_server.url} ")
    if window:
        assert f" takes {window:,}, answer included. Ask about fewer documents or pages" in str(error)
    else:
        assert f" refuses it ({text}), answer included" in str(error)


def test_llama_cpp_gives_the_numbers_in_fields(scripted_server: ScriptedServer, endpoint: Endpoint):
    fields = {"type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192}
    scripted_server.script(Reply.error(400, "the request exceeds the available context size", **fields))
    error = failure(endpoint())
    assert isinstance(error, PromptTooLong)
    assert (error.tokens, error.budget) == (14_429, 8192)


@pytest.mark.parametrize(
    "reply",
    [
        Reply([{"error": {"message": TOO_LONG["sglang"][0], "code": 400}}]),
        Reply.json({"error": {"message": TOO_LONG["sglang"][0], "code": 400}}),
    ],
    ids=["in the stream", "with status 200"],
)
def test_a_prompt_that_is_found_too_long_after_it_was_accepted(
    scripted_server: ScriptedServer, endpoint: Endpoint, reply: Reply
):
    scripted_server.script(reply)
    error = failure(endpoint())
    assert isinstance(error, PromptTooLong)
    assert (error.tokens, error.budget) == (691_793, 540_000)


def test_other_refusals_are_not_about_the_length():
    for text in (
        "max_tokens=9000 cannot be greater than max_model_len=8192. Please request fewer output tokens.",
        "temperature must be non-negative, got -3.0.",
        "The model `gpt` does not exist.",
    ):
        assert too_long(text) is None


def test_a_server_that_drops_most_of_the_prompt_is_found_out(scripted_server: ScriptedServer, endpoint: Endpoint):
    # What Ollama does by default: an answer, and a count that gives it away.
    counts = {"prompt_tokens": 2050, "completion_tokens": 5}
    long = [Message(USER, PROSE * 1000)]
    sent = qwen().count(long[0].content)
    assert sent > 15_000
    for model in ("llama3", "qwen2.5:7b"):
        scripted_server.script(Reply.text("No idea.", usage=counts))
        assert server_error(endpoint(model=model), long) == (
            f"{scripted_server.url} read 2,050 of about {sent:,} tokens of the prompt and dropped the rest without "
            "saying so. Start it with a longer window (Ollama: OLLAMA_CONTEXT_LENGTH)."
        )


@pytest.mark.parametrize(
    ("model", "share", "found"),
    [
        ("qwen2.5:7b", 0.5, True),
        ("qwen2.5:7b", 1.0, False),
        ("gemma4", 0.5, False),  # may be its vocabulary
    ],
)
def test_what_counts_as_dropped(scripted_server: ScriptedServer, endpoint: Endpoint, model, share, found):
    long = [Message(USER, PROSE * 1000)]
    counts = {"prompt_tokens": int(share * qwen().count(long[0].content)), "completion_tokens": 5}
    scripted_server.script(Reply.text("No idea.", usage=counts))
    if found:
        server_error(endpoint(model=model), long)
    else:
        *_, (message,) = endpoint(model=model).chat(long)
        assert message.content == "No idea."


# Broken off


def heard(model: EndpointChat) -> tuple[str, str]:
    """The text that arrived, and the error after it."""
    texts = [""]

    def listen() -> None:
        texts.extend(str(message.content) for message, *_ in model.chat(QUESTION))

    with pytest.raises(ServerError) as caught:
        listen()
    return texts[-1], str(caught.value)


BEGUN = [chunk({"content": "The capital "}), chunk({"content": "of"})]


def test_a_connection_that_breaks_in_the_middle(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([*BEGUN, 0.3, CUT]))
    text, said = heard(endpoint())
    assert text == "The capital of"
    assert said.startswith(f"The answer of {scripted_server.url} broke off after 14 characters: ")
    assert said.endswith(". Its log should say more.")


def test_a_stream_that_ends_without_an_end(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply(BEGUN))
    text, said = heard(endpoint())
    assert text == "The capital of"
    assert "broke off after 14 characters: the connection was closed before its end." in said


def test_a_connection_that_breaks_before_the_first_token(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([chunk({"role": "assistant"}), 0.1, CUT]))
    assert "closed the connection without an answer (" in server_error(endpoint())


def test_an_error_in_the_middle_of_the_stream(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([*BEGUN, {"error": {"message": "EngineDeadError", "code": 500}}]))
    text, said = heard(endpoint())
    assert text == "The capital of"
    assert "broke off after 14 characters: EngineDeadError. Its log" in said


def test_an_error_at_the_start_of_the_stream(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([{"error": "out of memory"}]), Reply([{"error": {"message": "worker died"}}]))
    assert server_error(endpoint()) == f"{scripted_server.url} refused the request: out of memory."
    assert server_error(endpoint()) == f"{scripted_server.url} refused the request: worker died."


@pytest.mark.parametrize("garbage", ["data: {not json\n\n", "data: 42\n\n", 'data: "text"\n\n', "data: [1]\n\n"])
def test_what_is_no_chunk(scripted_server: ScriptedServer, endpoint: Endpoint, garbage: str):
    scripted_server.script(Reply([*BEGUN, garbage]))
    text, said = heard(endpoint())
    assert text == "The capital of"
    assert "broke off after 14 characters: the server sent garbage (" in said


def test_a_web_page(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = Reply.page("My router")
    assert server_error(endpoint()) == (
        f"{scripted_server.url} answered with a web page, 'My router'. Is this the right port and path? "
        "Usually the address ends in /v1."
    )


def test_a_server_that_does_not_stream(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.json({"choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}]}))
    assert server_error(endpoint()) == (
        f"{scripted_server.url} answered in one piece: longread needs a server that streams."
    )


def test_an_empty_stream(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([]))
    assert "broke off after 0 characters: the connection was closed before its end" in server_error(endpoint())


# Silence


def test_no_first_token_in_time(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply(before=60))
    start = time.perf_counter()
    said = server_error(endpoint(timeout=0.4))
    assert time.perf_counter() - start < 3
    assert said == (
        f"{scripted_server.url} sent no token for 0.4 seconds. Long prompts take minutes to their first token: "
        "set a longer timeout if it is still at work."
    )
    assert scripted_server.chats[0].gone.wait(1.0)
    assert len(scripted_server.chats) == 1, "a prompt that takes long is not sent again"


def test_no_next_token_in_time(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([*BEGUN, 60]))
    text, said = heard(endpoint(timeout=0.4))
    assert text == "The capital of"
    assert said.startswith(f"{scripted_server.url} sent no more after 14 characters for 0.4 seconds.")
    assert scripted_server.chats[0].gone.wait(1.0)


def test_a_slow_first_token_is_waited_for(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply(Reply.text("Paris.").parts, before=1.0))
    *_, (message,) = endpoint(timeout=3).chat(QUESTION)
    assert message.content == "Paris."


def test_a_mistake_of_ours_is_not_dressed_up(scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch):
    monkeypatch.setattr("longread.agent.llm.streaming.Answer.add", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(endpoint().chat(QUESTION))
