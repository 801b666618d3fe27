"""Everything that keeps a server from answering, by the message that the user reads."""

import errno
import os
import select
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import openai
import pytest
import trustme

from longread.agent.llm.endpoint import EndpointChat, list_models
from longread.agent.llm.openai_server import Server
from longread.agent.llm.server_errors import translate
from longread.errors import ServerError
from tests.support.endpoints import QUESTION, Clock, Endpoint, server_error
from tests.support.messages import says
from tests.support.scripted_server import CUT, Reply, Request, ScriptedServer, chunk
from tests.support.waiting import PATIENCE

# No connection


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """A machine that is busy may take long to connect: that is no error here."""
    monkeypatch.setattr("longread.agent.llm.openai_server._CONNECT_SECONDS", PATIENCE)


def test_nothing_listens(refusing: str):
    url = f"http://{refusing}"
    model = EndpointChat({"server": url, "model": "m", "generate_cfg": {"max_retries": 0}})
    said = f"{url}/v1 cannot be reached: connection refused. Is it running, and is the port right?"
    assert server_error(model) == said
    with pytest.raises(ServerError) as caught:
        list_models(url)
    assert str(caught.value) == said


def test_no_such_host(monkeypatch):
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    url = "http://no-such-host.invalid:8000"
    model = EndpointChat({"server": url, "model": "m", "generate_cfg": {"max_retries": 0}})
    assert server_error(model).startswith(f"{url}/v1 cannot be reached: no host has this name. Check the address")


def test_no_such_socket(monkeypatch):
    # The wait would be used to ask for metrics, and httpx leaves open a socket that cannot connect.
    monkeypatch.setattr("longread.agent.llm.endpoint._TICK_SECONDS", PATIENCE)
    with tempfile.TemporaryDirectory() as folder:  # of a short name: that of a socket has a limit
        model = EndpointChat({"server": f"unix:{folder}/none", "model": "m", "generate_cfg": {"max_retries": 0}})
        said = server_error(model)
    reason = f"[Errno {errno.ENOENT}] {os.strerror(errno.ENOENT)}"
    assert f"none cannot be reached: {reason}. Is it running" in said


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
        said = server_error(model)
        assert " cannot be reached: encryption failed (" in said
        assert "CERTIFICATE_VERIFY_FAILED" in said
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
            with connection, suppress(OSError):
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
    monkeypatch.setattr("longread.agent.llm.openai_server._CONNECT_SECONDS", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # The queue of this socket takes one connection; the next attempts get no answer.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        assert select.select([], fillers, [], PATIENCE)[1], "it is full once one of them is connected"
        model = EndpointChat(
            {"server": f"http://127.0.0.1:{address[1]}", "model": "m", "generate_cfg": {"max_retries": 0}}
        )
        said = server_error(model)
        for filler in fillers:
            filler.close()
    assert says(said, "reached", "attempt", "connect")


def test_an_attempt_at_several_addresses():
    # "localhost" may be ::1 and 127.0.0.1: the client then reports a group.
    error = openai.APIConnectionError(request=httpx.Request("POST", "http://localhost/v1"))  # type: ignore[arg-type]
    error.__cause__ = OSError("All connection attempts failed")
    error.__cause__.__cause__ = ExceptionGroup("several", [OSError(99, "no IPv6"), ConnectionRefusedError(111, "no")])
    said = str(translate(error, Server("http://localhost")))
    assert says(said, "http://localhost/v1", "reached", "connection")


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
    assert says(said, str(scripted_server.url), "model", "'gpt'", "404", "choose")


def test_a_wrong_path(scripted_server: ScriptedServer):
    model = EndpointChat({"server": f"{scripted_server.url}/chat", "model": "m", "generate_cfg": {"max_retries": 0}})
    assert says(server_error(model), str(scripted_server.url), "/chat", "404", "Usually", "address", "/v1")


def test_busy_after_retries(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = Reply(
        Reply.error(429, "Rate limit reached").parts,
        status=429,
        content_type="application/json",
        headers={"Retry-After-Ms": "10"},
    )
    said = server_error(endpoint({"max_retries": 2}))
    assert says(said, str(scripted_server.url), "quota", "429", "reached")
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
    assert says(said, str(scripted_server.url), "failed", "500", "CUDA", "allocate", "2")


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


def test_a_server_of_ours_that_loses_its_engine(scripted_server: ScriptedServer, endpoint: Endpoint):
    """Before anything of the answer; vLLM's log has the trace that its words point to."""
    died = "EngineCore encountered an issue. See stack trace (above) for the root cause."
    scripted_server.script(Reply([f'data: {{"error": {{"message": "{died}", "code": 500}}}}\n\n']))
    wanted = f"{scripted_server.url} lost its engine. agent serve --status tells why, if it ran here."
    assert server_error(endpoint()) == wanted


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
    scripted_server.script(Reply([*BEGUN, CUT]))
    text, said = heard(endpoint())
    assert text == "The capital of"
    assert said.startswith(f"The answer of {scripted_server.url} broke off after 14 characters: ")
    assert said.endswith(". Its log should say more.")


def test_a_stream_that_ends_without_an_end(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply(BEGUN))
    text, said = heard(endpoint())
    assert text == "The capital of"
    assert says(said, "14", "characters", "connection")


def test_a_connection_that_breaks_before_the_first_token(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([chunk({"role": "assistant"}), CUT]))
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
    assert says(said, "14", "characters", "garbage")


@pytest.mark.parametrize(
    "part",
    [
        {"choices": {"a": 1}},
        {"choices": ["x"]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"reasoning_content": 7}}]},
        {"choices": [{"delta": {"tool_calls": 5}}]},
    ],
)
def test_a_chunk_of_the_wrong_types(scripted_server: ScriptedServer, endpoint: Endpoint, part: dict):
    scripted_server.script(Reply([*BEGUN, part]))
    assert "the server sent garbage (" in heard(endpoint())[1]


def test_a_redirect_is_not_followed(scripted_server: ScriptedServer, endpoint: Endpoint):
    elsewhere = "http://127.0.0.1:9/v1/chat/completions"
    scripted_server.default = Reply([], status=307, headers={"Location": elsewhere})
    assert server_error(endpoint()) == (
        f"{scripted_server.url} sends on to {elsewhere}: if you trust it, give that address."
    )


def test_a_key_that_comes_back_is_not_shown(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = Reply.error(401, "Incorrect API key provided: sk-secret.")
    said = server_error(endpoint(api_key="sk-secret"))
    assert "Incorrect API key provided: ***." in said


def test_a_web_page(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = Reply.page("My router")
    assert says(server_error(endpoint()), str(scripted_server.url), "answered", "'My router'", "Usually", "/v1")


def test_a_server_that_does_not_stream(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.json({"choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}]}))
    assert says(server_error(endpoint()), str(scripted_server.url), "answered", "longread", "streams")


def test_an_empty_stream(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply([]))
    assert says(server_error(endpoint()), "0", "characters", "connection")


# Silence

NEVER = threading.Event()


def test_no_first_token_in_time(scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch):
    clock = Clock(monkeypatch)

    def silent(_: Request) -> Reply:
        clock.now += 0.5
        return Reply(before=NEVER)

    scripted_server.script(silent)
    said = server_error(endpoint(timeout=0.4))
    assert says(said, str(scripted_server.url), "0.4", "seconds", "prompts")
    assert scripted_server.chats[0].gone.wait(PATIENCE)
    assert len(scripted_server.chats) == 1, "a prompt that takes long is not sent again"


def test_no_next_token_in_time(scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch):
    clock = Clock(monkeypatch)
    scripted_server.script(Reply([*BEGUN, NEVER]))
    texts = []

    def listen() -> None:
        for (message,) in endpoint(timeout=0.4).chat(QUESTION):
            texts.append(message.content)
            if message.content == "The capital of":
                clock.now += 0.5

    with pytest.raises(ServerError) as caught:
        listen()
    assert texts[-1] == "The capital of"
    assert str(caught.value).startswith(f"{scripted_server.url} sent no more after 14 characters for 0.4 seconds.")
    assert scripted_server.chats[0].gone.wait(PATIENCE)


def test_a_slow_first_token_is_waited_for(scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch):
    clock, waited = Clock(monkeypatch), threading.Event()
    scripted_server.script(Reply(Reply.text("Paris.").parts, before=waited))
    for (message,) in endpoint(timeout=3).chat(QUESTION):
        if message.extra and message.extra.get("waiting", 0.0) > 2.0:
            waited.set()
        elif not message.content:
            clock.now += 2.9
    assert message.content == "Paris."


def test_a_mistake_of_ours_is_not_dressed_up(scripted_server: ScriptedServer, endpoint: Endpoint, monkeypatch):
    monkeypatch.setattr("longread.agent.llm.streaming.StreamedReply.add", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(endpoint().chat(QUESTION))
