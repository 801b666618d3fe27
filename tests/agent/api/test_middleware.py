"""Who may use the API, from where, and how much of it; what is kept; what is logged; how it is started."""

import asyncio
import errno
import os
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import typer
from typer.testing import CliRunner

from longread.agent.api import ApiLimits, ApiOptions, FileStore
from longread.agent.api.ingest import UploadParser, sha256_of
from longread.agent.api.reader_cache import Attachment, ReaderCache
from longread.agent.cli.api import api as command
from longread.agent.prompt.tokenizer import qwen
from tests.support.api_server import LOAD, api
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.waiting import PATIENCE

KEY = "the key of clients"
HELLO: Any = [{"role": "user", "content": "Hello?"}]


def test_a_key_is_needed(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data", key=KEY) as server:
        assert server.request("GET", "/health").status_code == 200
        for headers in ({}, {"Authorization": KEY}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {KEY}"}):
            for method, path in (("GET", "/v1/models"), ("POST", "/v1/files"), ("GET", "/nowhere")):
                answer = server.request(method, path, headers=headers)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["error"]["code"] == "missing_api_key"
        for wrong in (f"{KEY}x", KEY[:-1], "ü"):
            answer = server.request("GET", "/v1/models", headers=[(b"Authorization", b"Bearer " + wrong.encode())])
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError, match="not the one that this server expects"):
            server.client(api_key="wrong").chat.completions.create(model="scripted", messages=HELLO)
        assert server.client().chat.completions.create(model="scripted", messages=HELLO).choices
    assert len(scripted_server.chats) == 1
    assert KEY not in scripted_server.chats[0].headers["authorization"]


def test_without_a_key_no_web_page_gets_in(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data", cors=("https://good.example",)) as server:
        models = "/v1/models"
        assert server.request("GET", models, headers={"Host": "evil.example"}).status_code == 403
        assert server.request("GET", models, headers={"Host": "localhost:99"}).status_code == 200
        assert server.request("GET", models, headers={"Host": "[::1]:99"}).status_code == 200
        assert server.request("GET", models, headers={"Host": "127.0.0.1.evil.example"}).status_code == 403
        assert server.request("GET", models, headers={"Origin": "https://evil.example"}).status_code == 403
        good = server.request("GET", models, headers={"Origin": "https://good.example"})
        assert (good.status_code, good.headers["access-control-allow-origin"]) == (200, "https://good.example")


def test_browsers_are_let_in_only_where_that_is_asked_for(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    question = {"Origin": "https://good.example", "Access-Control-Request-Method": "POST"}
    with api(scripted_server, tmp_path / "one", key=KEY) as server:
        assert server.request("OPTIONS", "/v1/files", headers=question).status_code == 401
    with api(scripted_server, tmp_path / "two", key=KEY, cors=("https://good.example",)) as server:
        allowed = server.request("OPTIONS", "/v1/files", headers=question)
        assert allowed.headers["access-control-allow-origin"] == "https://good.example"
        bad = server.request("OPTIONS", "/v1/files", headers={**question, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in bad.headers
        assert server.request("GET", "/v1/models", headers=question).status_code == 401


def test_a_body_has_a_limit(scripted_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longread.agent.api.middleware._DRAIN", PATIENCE)
    with api(scripted_server, tmp_path / "data", limits=ApiLimits(body_bytes=2000)) as server:
        chat = "/v1/chat/completions"
        with pytest.raises(openai.APIStatusError, match="larger than the 2,000 bytes") as caught:
            server.client().chat.completions.create(
                model="scripted", messages=[{"role": "user", "content": "x" * 5_000_000}]
            )
        assert caught.value.status_code == 413
        chunks = iter([b"x" * 1000] * 5000)  # no content-length
        answer = server.request("POST", chat, content=chunks)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        patient = server.request("POST", chat, content=b"x" * 3000, headers={"Expect": "100-continue"})
        assert patient.status_code == 413
        assert server.client().chat.completions.create(model="scripted", messages=HELLO).choices


def test_requests_at_once_have_a_limit(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data", limits=ApiLimits(requests=1)) as server:
        go_on = threading.Event()
        scripted_server.script(Reply.text("A slow answer.", hold=go_on))
        with server.client().chat.completions.create(model="scripted", messages=HELLO, stream=True) as stream:
            assert next(part for part in stream if part.choices[0].delta.content)
            busy = server.request("GET", "/v1/models")
            assert (busy.status_code, busy.json()["error"]["code"]) == (429, "too_many_requests")
            go_on.set()
            assert list(stream)
        assert server.request("GET", "/v1/models").status_code == 200


def test_pages_that_there_are_not(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data") as server:
        for path in ("/docs", "/redoc", "/openapi.json", "/v1/nowhere"):
            answer = server.request("GET", path)
            assert answer.status_code == 404
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert server.request("GET", "/v1/chat/completions").status_code == 405
        for call in (
            lambda client: client.models.retrieve("gpt-4/x"),
            lambda client: client.chat.completions.create(model="gpt-4", messages=HELLO),
        ):
            with pytest.raises(openai.NotFoundError, match="This server answers with 'scripted'") as caught:
                call(server.client())
            assert caught.value.code == "model_not_found"


def test_the_log_has_a_line_a_request_and_nothing_of_its_contents(
    capfd: pytest.CaptureFixture[str], scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    with api(scripted_server, tmp_path / "data", key=KEY) as server:
        client = server.client()
        client.files.create(file=("private name.md", b"private content"), purpose="user_data")
        scripted_server.script(Reply.text("private answer", usage={"prompt_tokens": 11, "completion_tokens": 3}))
        client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "private question"}])
        server.request("GET", f"/v1/a%0d%0ab%1b?key={KEY}")
    log = capfd.readouterr().err
    assert "private" not in log
    assert KEY not in log
    lines = [line.split(" 127.0.0.1 ")[1] for line in log.splitlines()]
    assert [line.rsplit(" ", 1)[0] for line in lines[:1]] == ["POST /v1/files 200"]
    assert lines[1].startswith("POST /v1/chat/completions 200 ")
    assert lines[1].endswith(" prompt=11 cached=None output=3")
    assert lines[2].startswith("GET /v1/a%0D%0Ab%1B 401 ")


# What is kept between requests


def test_readers_are_shared_and_those_used_last_are_kept(tmp_path: Path, endpoint: Any) -> None:
    def attachment(name: str) -> Attachment:
        data = f"# {name}\n\nSome words about {name}.".encode()
        return Attachment(filename=f"{name}.md", sha256=sha256_of(data), data=data)

    async def run() -> None:
        options = ApiOptions(load=LOAD, limits=ApiLimits(kept_tokens=20))
        store = FileStore(tmp_path / "data")
        corpora = ReaderCache(endpoint(), None, store, UploadParser(LOAD, qwen(), at_once=2), qwen(), options)
        a, b, c = map(attachment, ("Alpha", "Beta", "Gamma"))
        # Each has nine or ten tokens: two are kept.
        first, same = await asyncio.gather(corpora.reader([a]), corpora.reader([a]))
        assert first is same
        assert [document.name for document in first.corpus] == ["alpha"]
        second = await corpora.reader([b])
        assert await corpora.reader([a]) is first
        await corpora.reader([c])  # more than is kept: the one that was used least recently goes
        assert await corpora.reader([a]) is first
        assert await corpora.reader([b]) is not second
        corpora.forget(a.sha256)
        assert await corpora.reader([a]) is not first
        both = await corpora.reader([b, a])
        assert [document.name for document in both.corpus] == ["beta", "alpha"]
        store.close()

    asyncio.run(run())


# How it is started


def start(*arguments: str, **environment: str) -> Any:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments), env=environment)


def test_what_keeps_a_server_from_starting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o755)
        port = str(taken.getsockname()[1])
        for arguments, message in (
            (("--host", "0.0.0.0"), "A server on 0.0.0.0 can be reached from other machines: give clients a key"),
            (("--key", ""), "--key is empty"),
            (("--port", port), f"127.0.0.1, port {port}: {os.strerror(errno.EADDRINUSE)}"),
            (("--tool", "dance"), "--tool dance: there is no such tool"),
            (("--port", "0", "--data", str(tmp_path / "open")), "can be read by others"),
            (("--file", str(tmp_path / "no.pdf")), "no.pdf"),
        ):
            result = start(*arguments)
            assert result.exit_code in (1, 2)
            assert message in result.stderr
            assert "Traceback" not in result.output


def test_it_starts_and_ends(scripted_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    from longread.agent.cli import api

    (tmp_path / "book.md").write_text("# The book\n\nOne token takes 57,344 bytes.")
    asked: list[Any] = []

    class Once(uvicorn.Server):
        async def main_loop(self) -> None:
            async with httpx.AsyncClient(timeout=PATIENCE) as client:
                url = f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}/v1/chat/completions"
                headers = {"Authorization": "Bearer of-clients"}
                asked.append(await client.post(url, json={"model": "scripted", "messages": HELLO}, headers=headers))

    monkeypatch.setattr(uvicorn, "Server", Once)
    result = start(
        *("--file", str(tmp_path / "book.md"), "--port", "0", "--data", str(tmp_path / "data")),
        *("--server", scripted_server.url, "--api-key", "of-the-model", "--max-tokens", "33"),
        LONGREAD_CLIENT_KEY="of-clients",
    )
    assert result.exit_code == 0, result.output
    assert "scripted answers at http://127.0.0.1:" in result.stderr
    assert asked[0].status_code == 200
    chat = scripted_server.chats[0]
    assert chat.headers["authorization"] == "Bearer of-the-model"
    assert chat.json["max_tokens"] == 33
    assert "57,344 bytes" in chat.json["messages"][1]["content"]
    assert api.check(ApiOptions(key="x"), "0.0.0.0") is None
