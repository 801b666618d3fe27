"""`/v1/files`: what clients upload, as the official client sees it, and as it lies on disk."""

import logging
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longread.agent.api import ApiLimits, FileStore
from longread.agent.api.file_store import safe_name
from longread.agent.api.ingest import UploadParser
from longread.agent.corpus import Corpus
from longread.errors import ConfigError
from tests.support.api_server import Running, api
from tests.support.scripted_server import ScriptedServer
from tests.support.waiting import PATIENCE

BOOK = b"# The book\n\nOne token takes 57,344 bytes of K/V cache."


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """A server for tests that leave nothing behind, and its folder."""
    folder = tmp_path_factory.mktemp("api") / "data"
    with ScriptedServer() as scripted, api(scripted, folder) as server:
        yield server, folder


def encrypted() -> bytes:
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), "Secret")
    return document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="x", owner_pw="y")


def test_a_file_is_uploaded_listed_read_and_deleted(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data") as server:
        client = server.client()
        file = client.files.create(file=("book.md", BOOK), purpose="user_data")
        assert (file.object, file.filename, file.bytes, file.purpose) == ("file", "book.md", len(BOOK), "user_data")
        assert file.status == "processed"
        assert file.model_extra
        assert file.model_extra["pages"] == 1
        assert file.model_extra["tokens"] > 10
        assert client.files.retrieve(file.id) == file
        assert [listed.id for listed in client.files.list()] == [file.id]
        assert client.files.content(file.id).read() == BOOK
        assert client.files.delete(file.id).deleted
        assert list(client.files.list()) == []
        for call in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError, match="There is no file") as caught:
                call(file.id)
            assert caught.value.code == "file_not_found"
    assert list((tmp_path / "data" / "files").iterdir()) == []
    assert list((tmp_path / "data" / "tmp").iterdir()) == []


def test_lists_come_in_pages(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data") as server:
        client = server.client()
        purposes = ("user_data", "assistants", "user_data")
        ids = [client.files.create(file=(f"{i}.md", BOOK), purpose=p).id for i, p in enumerate(purposes)]  # type: ignore[arg-type]
        assert [file.id for file in client.files.list(limit=2)] == ids[::-1]  # the client asks for the next page
        assert [file.id for file in client.files.list(order="asc", limit=1)] == ids
        assert [file.id for file in client.files.list(purpose="assistants")] == [ids[1]]
        assert not client.files.list(after=ids[0]).data
        with pytest.raises(openai.BadRequestError, match=r"limit: "):
            client.files.list(limit=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("broken.pdf", b"%PDF-1.7\nnothing more", r"^broken\.pdf: "),
        ("empty.txt", b"", r"^empty\.txt: the file is empty"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(50), r"^picture\.png[:,] "),
        ("secret.pdf", encrypted(), r"^secret\.pdf: it is encrypted"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, content: bytes, message: str, shared: tuple[Running, Path]) -> None:
    server, folder = shared
    with pytest.raises(openai.BadRequestError) as caught:
        server.client().files.create(file=(name, content), purpose="user_data")
    assert caught.value.code == "invalid_file"
    assert isinstance(caught.value.body, dict)
    said = caught.value.body["message"]
    assert re.match(message, said)
    assert "\n" not in said
    assert str(folder) not in said
    assert list(server.client().files.list()) == []
    assert list((folder / "tmp").iterdir()) == []


def test_files_outlive_the_server(
    scripted_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    with api(scripted_server, folder) as server:
        file = server.client().files.create(file=("book.md", BOOK), purpose="user_data")
    (folder / "tmp" / "left-by-a-kill").write_text("half")

    def never(*_: Any) -> None:
        raise AssertionError("it was read before")

    monkeypatch.setattr(UploadParser, "read", never)
    with api(scripted_server, folder) as server:
        client = server.client()
        assert client.files.retrieve(file.id) == file
        assert client.files.content(file.id).read() == BOOK
        part: Any = {"type": "file", "file": {"file_id": file.id}}
        question: Any = [part, {"type": "text", "text": "How many?"}]
        client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": question}])
        assert "57,344 bytes" in scripted_server.chats[0].json["messages"][1]["content"]
    assert list((folder / "tmp").iterdir()) == []


def test_a_file_of_another_version_is_read_again(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data") as server:
        client = server.client()
        file = client.files.create(file=("book.md", BOOK), purpose="user_data")
        (tmp_path / "data" / "files" / file.id / "document.json").write_text('{"id": "of another version"}')
        part: Any = {"type": "file", "file": {"file_id": file.id}}
        question: Any = [part, {"type": "text", "text": "How many?"}]
        client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": question}])
        assert "57,344 bytes" in scripted_server.chats[0].json["messages"][1]["content"]


def test_equal_bytes_are_kept_once(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data") as server:
        client = server.client()
        one, two = (client.files.create(file=(name, BOOK), purpose="user_data") for name in ("one.md", "two.md"))
        files = [tmp_path / "data" / "files" / f.id / "original" / f.filename for f in (one, two)]
        assert files[0].samefile(files[1])
        client.files.delete(one.id)
        assert client.files.content(two.id).read() == BOOK


def test_the_folder_is_the_users_alone_and_of_one_server(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    with pytest.raises(ConfigError, match="is used by another agent api"):
        FileStore(tmp_path / "data")
    store.close()
    FileStore(tmp_path / "data").close()
    (tmp_path / "data").chmod(0o755)
    with pytest.raises(ConfigError, match="can be read by others: chmod 700 it"):
        FileStore(tmp_path / "data")


def test_a_damaged_description_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("longread.api"), "propagate", True)  # which a server turns off
    FileStore(tmp_path / "data").close()
    (tmp_path / "data" / "files" / "file-1").mkdir()
    (tmp_path / "data" / "files" / "file-1" / "meta.json").write_text("{")
    with caplog.at_level("WARNING", "longread.api"):
        store = FileStore(tmp_path / "data")
    assert len(store) == 0
    assert "file-1" in caplog.text
    store.close()


def test_limits_of_files(scripted_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longread.agent.api.middleware._DRAIN", PATIENCE)
    limits = ApiLimits(files=2, file_bytes=1000, storage_bytes=1500)
    with api(scripted_server, tmp_path / "data", limits=limits) as server:
        client = server.client()
        with pytest.raises(openai.APIStatusError, match=r"file.*1,001 bytes.*file.*1,000") as caught:
            client.files.create(file=("large.txt", b"x" * 1001), purpose="user_data")
        assert caught.value.status_code == 413
        with pytest.raises(openai.APIStatusError, match="larger than the 66,536 bytes") as caught:
            client.files.create(file=("huge.txt", b"x" * 20_000_000), purpose="user_data")
        assert caught.value.status_code == 413
        first = client.files.create(file=("1.txt", b"x" * 900), purpose="user_data")
        with pytest.raises(openai.BadRequestError, match=r"take 900 bytes.*1,500.*700") as full:
            client.files.create(file=("2.txt", b"y" * 700), purpose="user_data")
        assert full.value.code == "storage_limit_exceeded"
        client.files.create(file=("2.txt", b"y" * 100), purpose="user_data")
        with pytest.raises(openai.BadRequestError, match=r"2 files.*kept"):
            client.files.create(file=("3.txt", b"z"), purpose="user_data")
        client.files.delete(first.id)
        client.files.create(file=("3.txt", b"zzz"), purpose="user_data")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"data": {"purpose": "user_data"}}, "No file: send a form"),
        ({"files": {"file": ("a.md", BOOK)}}, "purpose is None: files here are for user_data or assistants"),
        ({"files": {"file": ("a.md", BOOK)}, "data": {"purpose": "batch"}}, "purpose is 'batch'"),
        (
            {"files": {"file": ("a.md", BOOK)}, "data": {"purpose": "user_data", "expires_after[seconds]": "9"}},
            "Unrecognized parameter: expires_after[seconds]",
        ),
        ({"files": [("file", ("a.md", BOOK)), ("file", ("b.md", BOOK))]}, "files"),
        ({"content": b"no form", "headers": {"content-type": "multipart/form-data"}}, "boundary"),
        ({"json": {"file": "a.md"}}, "No file: send a form"),
    ],
)
def test_a_wrong_form_is_refused(form: dict[str, Any], message: str, shared: tuple[Running, Path]) -> None:
    answer = shared[0].request("POST", "/v1/files", **form)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.md", "passwd.md"),
        ("C:\\secret\\book.md", "book.md"),
        ("[a-z]*.md", "[a-z]*.md"),
        ("-.md", "-.md"),
        ("~root.md", "~root.md"),
        ("book\u202e\x1b[31m.md", "book[31m.md"),
        ("長" * 300 + ".md", "長" * 65 + ".md"),
    ],
)
def test_hostile_names(given: str, kept: str, shared: tuple[Running, Path]) -> None:
    server, folder = shared
    client = server.client()
    file = client.files.create(file=(given, BOOK), purpose="user_data")
    assert file.filename == kept
    assert client.files.content(file.id).read() == BOOK
    inside = [path for path in folder.parent.rglob("*.md") if path.is_file()]
    assert inside == [folder / "files" / file.id / "original" / kept]
    client.files.delete(file.id)


@given(st.text() | st.text("./\\-ab\x00\n ", max_size=300))
def test_a_safe_name_is_one_file_of_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert Path("folder", safe).parent == Path("folder")
    assert safe not in ("", ".", "..")
    assert len(safe.encode()) <= 200
    assert safe.isprintable()


@pytest.mark.parametrize("file_id", ["../../etc", "file-", "file-" + "0" * 32, "%2e%2e%2fdata", "file-\u0660" * 3])
def test_ids_lead_nowhere_else(file_id: str, shared: tuple[Running, Path]) -> None:
    for path in (f"/v1/files/{file_id}", f"/v1/files/{file_id}/content"):
        answer = shared[0].request("GET", path)
        assert answer.status_code == 404
        assert answer.json()["error"]["message"]


def test_the_server_answers_while_a_file_is_read(
    scripted_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    load = Corpus.load

    def slow(*arguments: Any, **settings: Any) -> Corpus:
        begun.set()
        assert go_on.wait(PATIENCE)
        return load(*arguments, **settings)

    monkeypatch.setattr(Corpus, "load", slow)
    with api(scripted_server, tmp_path / "data") as server:
        files: list[Any] = []
        thread = threading.Thread(
            target=lambda: files.append(server.client().files.create(file=("book.md", BOOK), purpose="user_data"))
        )
        thread.start()
        try:
            assert begun.wait(PATIENCE)
            assert server.request("GET", "/health").json() == {"status": "ok"}
        finally:
            go_on.set()
            thread.join()
        assert files[0].filename == "book.md"
