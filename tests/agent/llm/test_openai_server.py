"""A server's address, its models, and how it counts tokens."""

import json
import socket
import tempfile
import threading

import pytest
from qwen_agent.llm.schema import USER, Message

from longread.agent.llm.endpoint import EndpointChat, list_models, server_tokenizer
from longread.agent.llm.openai_server import Server
from longread.agent.llm.server_tokenizer import is_qwen
from longread.agent.prompt.tokenizer import qwen
from longread.errors import ConfigError, ServerError
from tests.support.messages import says
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.waiting import PATIENCE


@pytest.mark.parametrize(
    ("written", "api", "root"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1", "http://localhost:8000"),
        ("http://localhost:8000/", "http://localhost:8000/v1", "http://localhost:8000"),
        (" http://localhost:8000/v1// ", "http://localhost:8000/v1", "http://localhost:8000"),
        ("http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1", "http://localhost:8000"),
        ("http://localhost:8000/v1/models", "http://localhost:8000/v1", "http://localhost:8000"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1", "https://api.openai.com"),
        (
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            "https://dashscope.aliyuncs.com/compatible-mode",
        ),
        ("https://host/openai", "https://host/openai", "https://host/openai"),
        ("http://[::1]:8000", "http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_addresses(written: str, api: str, root: str):
    server = Server(written)
    assert (server.api, server.root, server.shown) == (api, root, api)


def test_a_password_in_the_address_is_sent_and_not_shown():
    server = Server("https://ann:secret@host:8443")
    assert server.api == "https://ann:secret@host:8443/v1"
    assert server.shown == "https://host:8443/v1"


@pytest.mark.parametrize(
    "written",
    ["localhost:8000", "host", "ftp://host", "http://", "http://host:port", "http://host?v=1", "unix:", "unix:x"],
)
def test_what_is_no_address(written: str):
    with pytest.raises(ConfigError) as caught:
        Server(written)
    assert says(caught.value, repr(written), "http://HOST:PORT/v1", "https://", "unix:/PATH")


@pytest.mark.parametrize("prefix", ["unix:", "unix://"])
def test_a_unix_domain_socket(prefix: str):
    # In a folder of a short name: that of a socket has a limit.
    with tempfile.TemporaryDirectory() as folder, ScriptedServer(unix=f"{folder}/server.sock") as server:
        address = f"{prefix}{folder}/server.sock"
        assert [model.id for model in list_models(address)] == ["scripted"]
        *_, (answer,) = EndpointChat({"server": address}).chat([Message(USER, "Hi")])
        assert answer.content == "The scripted answer."
        assert len(server.chats) == 1


def test_openai_keeps_its_account_and_others_do_not_see_it(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    for url, organization in (("https://api.openai.com/v1", "org-1"), ("https://evilopenai.com/v1", None)):
        with Server(url, "sk").client() as client:
            assert client.organization == organization


@pytest.mark.parametrize(
    ("entry", "window"),
    [
        ({"max_model_len": 1_010_000}, 1_010_000),  # vLLM, SGLang
        ({"context_length": 131_072}, 131_072),  # OpenRouter
        ({"context_window": 32_768}, 32_768),  # Groq
        ({"meta": {"n_ctx": 8192, "n_ctx_train": 131_072}}, 8192),  # llama.cpp
        ({"meta": {"n_ctx_train": 131_072}}, None),  # what it was trained for is not what is served
        ({"max_model_len": None, "meta": None}, None),
        ({}, None),
    ],
)
def test_the_window_as_servers_give_it(scripted_server: ScriptedServer, entry: dict, window: int | None):
    scripted_server.models = [{"id": "m", **entry}]
    (model,) = list_models(scripted_server.url, "sk-1")
    assert (model.id, model.window) == ("m", window)
    assert scripted_server.requests[0].headers["authorization"] == "Bearer sk-1"


@pytest.mark.parametrize("reply", [{"data": "m"}, {"models": []}, [], {"data": [{"name": "m"}]}])
def test_what_is_no_list_of_models(scripted_server: ScriptedServer, monkeypatch, reply):
    monkeypatch.setattr(scripted_server, "reply_to", lambda _: Reply.json(reply))
    with pytest.raises(ServerError, match=r"/v1/models.*answer.*models.*'"):
        list_models(scripted_server.url)


def test_a_web_page_instead_of_models(scripted_server: ScriptedServer, monkeypatch):
    monkeypatch.setattr(scripted_server, "reply_to", lambda _: Reply.page("Router"))
    with pytest.raises(ServerError, match=r"answer.*'<!doctype html>.*Usually.*address"):
        list_models(scripted_server.url)


# Tokens


def words(text: str) -> list[int]:
    return [len(word) for word in text.split()]


def vllm(request: dict) -> Reply:
    assert request["add_special_tokens"] is False
    tokens = words(request["prompt"])
    return Reply.json({"count": len(tokens), "max_model_len": 100, "tokens": tokens, "token_strs": None})


def llama_cpp(request: dict) -> Reply:
    if "content" not in request:
        return Reply.json({"tokens": []})
    assert (request["add_special"], request["parse_special"]) == (False, False)
    return Reply.json({"tokens": words(request["content"])})


@pytest.mark.parametrize("dialect", [vllm, llama_cpp])
def test_the_servers_own_counts(scripted_server: ScriptedServer, dialect):
    scripted_server.tokenize = dialect
    tokenizer = server_tokenizer(scripted_server.url, None, "llama")
    assert tokenizer is not None
    assert tokenizer.counts(["one two three", "", "one"]) == [3, 0, 1]


def test_the_name_is_that_of_the_vocabulary(scripted_server: ScriptedServer):
    scripted_server.tokenize = vllm
    first = server_tokenizer(scripted_server.url, None, "llama")
    with ScriptedServer() as elsewhere:
        elsewhere.tokenize = llama_cpp
        second = server_tokenizer(elsewhere.url, None, "llama")
        elsewhere.tokenize = lambda _: Reply.json({"tokens": [1, 2, 3]})
        changed = server_tokenizer(elsewhere.url, None, "llama")
    assert first is not None
    assert second is not None
    assert changed is not None
    assert first.name == second.name
    assert first.name.startswith("llama#")
    assert changed.name != first.name


def test_a_books_pages_are_counted_several_at_a_time(scripted_server: ScriptedServer):
    at_once, most, lock, several = 0, 0, threading.Lock(), threading.Event()

    def slow(request: dict) -> Reply:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
            if at_once > 1:
                several.set()
        assert several.wait(PATIENCE)
        with lock:
            at_once -= 1
        return vllm(request)

    scripted_server.tokenize = vllm
    tokenizer = server_tokenizer(scripted_server.url, None, "llama")
    assert tokenizer is not None
    scripted_server.tokenize = slow
    pages = [f"page {number} " * number for number in range(60)]
    assert tokenizer.counts(pages) == [2 * number for number in range(60)]
    assert 2 <= most <= 8


def test_a_qwen_model_is_counted_here(scripted_server: ScriptedServer):
    assert server_tokenizer(scripted_server.url, None, "Qwen/Qwen2.5-7B-Instruct-1M") is qwen()

    def same(request: dict) -> Reply:
        return Reply.json({"tokens": [0] * qwen().count(request["prompt"])})

    scripted_server.tokenize = same
    assert server_tokenizer(scripted_server.url, None, "qwen3:8b") is qwen()


def test_a_model_called_qwen_with_another_vocabulary_is_counted_there(scripted_server: ScriptedServer):
    scripted_server.tokenize = vllm
    tokenizer = server_tokenizer(scripted_server.url, None, "my-qwen2.5")
    assert tokenizer is not None
    assert tokenizer.counts(["one two"]) == [2]


def test_no_way_to_count(scripted_server: ScriptedServer):
    assert server_tokenizer(scripted_server.url, None, "llama") is None
    for useless in (Reply.page("Router"), Reply.json(["tokens"]), Reply.json({"tokens": []})):
        scripted_server.tokenize = lambda _, reply=useless: reply
        assert server_tokenizer(scripted_server.url, None, "llama") is None


def test_no_server_to_count(refusing: str):
    with pytest.raises(ServerError, match="cannot be reached: connection refused"):
        server_tokenizer(f"http://{refusing}", None, "llama")


def test_a_server_that_stops_counting(scripted_server: ScriptedServer):
    scripted_server.tokenize = vllm
    tokenizer = server_tokenizer(scripted_server.url, None, "llama")
    assert tokenizer is not None
    scripted_server.tokenize = lambda _: Reply.json({"count": 3})
    with pytest.raises(ServerError, match=r"/tokenize.*answer.*tokens.*\{\"count\": 3\}"):
        tokenizer.counts(["one two three"])
    scripted_server.tokenize = lambda _: Reply.error(500, "boom")
    with pytest.raises(ServerError, match=r"failed \(500\): boom"):
        tokenizer.counts(["one two three"])


@pytest.mark.parametrize(
    ("name", "qwen_s"),
    [
        ("Qwen/Qwen2.5-7B-Instruct-1M", True),
        ("Qwen/Qwen2-0.5B", True),
        ("Qwen3-30B-A3B", True),
        ("qwen3:8b", True),
        ("qwen_3-next", True),
        ("Qwen/Qwen3.5-27B", False),
        ("Qwen1.5-7B", False),
        ("qwen25", False),
        ("qwen-plus", False),
        ("DeepSeek-R1-Distill-Qwen-7B", False),
        ("llama-3", False),
    ],
)
def test_which_names_are_qwens(name: str, qwen_s: bool):
    assert is_qwen(name) is qwen_s


def test_the_model_offers_its_tokenizer(scripted_server: ScriptedServer):
    scripted_server.tokenize = vllm
    tokenizer = EndpointChat({"server": scripted_server.url}).tokenizer
    assert tokenizer is not None
    assert tokenizer.counts(["one two"]) == [2]
    asked = [json.loads(request.body) for request in scripted_server.requests if request.path == "/tokenize"]
    assert {request["model"] for request in asked} == {"scripted"}


def test_a_key_that_no_header_can_carry_is_refused() -> None:
    for key in ("schlüssel", "sk\nfoo", "sk foo"):
        with pytest.raises(ConfigError, match=r"API key .* only ASCII, without spaces") as caught:
            Server("http://localhost", key)
        assert key not in str(caught.value)


def test_names_are_looked_up_with_ipv6_though_qwen_agent_has_turned_it_off(monkeypatch: pytest.MonkeyPatch):
    from qwen_agent.tools import image_search

    monkeypatch.setattr(socket, "getaddrinfo", image_search._new_getaddrinfo)
    with pytest.raises(IndexError):
        socket.getaddrinfo("::1", 80)[0]
    Server("http://[::1]:80").client().close()
    assert socket.getaddrinfo("::1", 80)[0][4][0] == "::1"
