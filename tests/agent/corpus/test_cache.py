"""The cache of documents: right after a kill at any moment, with another process at it, and after damage."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from longread.agent.corpus import Corpus, FileLoaded, LoadEvent, LoadOptions, cache
from longread.agent.corpus.formats import ParseOptions
from longread.agent.corpus.formats.html import Html
from longread.agent.corpus.formats.markdown import Markdown
from longread.agent.corpus.formats.pdf import Pdf
from longread.agent.corpus.formats.plain import Text
from longread.cache import Store
from longread.documents import Document
from longread.errors import PasswordRequired
from tests.agent.corpus.loading import load
from tests.support.waiting import PATIENCE


def load_once(path: Path, **options: object) -> tuple[Document, bool]:
    """The document, and whether it came from the cache."""
    events: list[LoadEvent] = []
    corpus = Corpus.load([path], options=LoadOptions.model_validate(options), on_event=events.append)
    (cached,) = [event.cached for event in events if isinstance(event, FileLoaded)]
    return corpus.documents[0], cached


def folder() -> Path:
    return Path(os.environ["LONGREAD_CACHE_DIR"]) / "documents"


def entries() -> list[Path]:
    return [path for path in folder().glob("*/*") if not path.name.startswith(".tmp-")]


def test_the_second_time_is_from_the_cache_and_equal(paperqa: Callable[[str], Path], tmp_path: Path) -> None:
    path = paperqa("pasa.pdf")
    first, cached = load_once(path)
    assert not cached
    second, cached = load_once(path)
    assert cached
    assert second == first == load(path)
    # The content is what counts: not the name, not the folder, not the time.
    copy = tmp_path / "renamed.pdf"
    copy.write_bytes(path.read_bytes())
    os.utime(copy, (1, 1))
    moved, cached = load_once(copy)
    assert cached
    assert (moved.name, moved.title, moved.source) == ("renamed", "renamed", str(copy))
    assert moved.pages == first.pages
    assert "pasa" not in entries()[0].read_text()[:200]


def test_an_edit_that_keeps_name_size_and_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    status = path.stat()
    assert load_once(path)[0].pages[0].text == "before"
    path.write_text("after!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    document, cached = load_once(path)
    assert (document.pages[0].text, cached) == ("after!", False)


def test_what_changes_the_pages_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    sha = "0" * 64
    plain = cache.key_of(sha, Pdf(), ParseOptions(), "qwen")
    others = [
        cache.key_of("1" * 64, Pdf(), ParseOptions(), "qwen"),
        cache.key_of(sha, Text(), ParseOptions(), "qwen"),
        cache.key_of(sha, Pdf(), ParseOptions(layout=True), "qwen"),
        cache.key_of(sha, Pdf(), ParseOptions(ocr=True), "qwen"),
        cache.key_of(sha, Pdf(), ParseOptions(ocr=True, ocr_language="deu"), "qwen"),
        cache.key_of(sha, Pdf(), ParseOptions(), "letters"),
    ]
    # The same bytes as Markdown are cut otherwise than as HTML, by the same library or not.
    others += [cache.key_of(sha, found, ParseOptions(), "qwen") for found in (Markdown(), Html())]
    with monkeypatch.context() as patch:
        patch.setattr(Pdf, "revision", 99)
        others.append(cache.key_of(sha, Pdf(), ParseOptions(), "qwen"))
    with monkeypatch.context() as patch:
        patch.setattr(cache, "version", lambda name: "99.0")
        others.append(cache.key_of(sha, Pdf(), ParseOptions(), "qwen"))
    assert len({plain, *others}) == 1 + len(others)
    # What does not, does not.
    assert cache.key_of(sha, Pdf(), ParseOptions(tessdata="/x", password="y"), "qwen") == plain
    assert cache.key_of(sha, Text(), ParseOptions(layout=True), "qwen") == cache.key_of(
        sha, Text(), ParseOptions(), "qwen"
    )


def test_text_behind_a_password_is_not_left_on_disk(pypdf: Callable[[str], Path]) -> None:
    path = pypdf("encryption/r6-user-password.pdf")
    for _ in range(2):
        assert load_once(path, password="asdfzxcv")[1] is False
    assert entries() == []
    with pytest.raises(PasswordRequired):
        Corpus.load([path])


def test_without_a_cache(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert load_once(tmp_path / "a.txt", cache=False)[1] is False
    assert not folder().exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: bytes(len(data)),
        lambda data: data.replace(b"words", b"swords", 1),
        lambda data: data + b"\n",
    ],
)
def test_a_damaged_entry_is_not_believed(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("some words")
    document, _ = load_once(path)
    (entry,) = entries()
    entry.write_bytes(damage(entry.read_bytes()))
    assert load_once(path) == (document, False)
    assert load_once(path) == (document, True)
    assert len(entries()) == 1


def test_an_entry_of_another_shape_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("some words")
    document, _ = load_once(path)
    (entry,) = entries()
    key = entry.name.split(".")[0]
    entry.unlink()
    Store(folder(), max_bytes=1 << 20, suffix=".json").put(key, json.dumps({"pages": "none"}).encode())
    assert load_once(path) == (document, False)
    assert load_once(path) == (document, True)


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("some words")
    folder().parent.mkdir(parents=True, exist_ok=True)
    folder().write_text("a file where the folder should be")
    corpus = Corpus.load([path])
    assert corpus["a"].pages[0].text == "some words"
    (warning,) = corpus.warnings
    assert warning.startswith("The cache could not be written: ")
    assert f"[Errno {errno.ENOTDIR}]" in warning or f"[Errno {errno.EEXIST}]" in warning


def test_the_oldest_go_when_the_cache_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{name}.txt" for name in "abcd"]
    for path in paths:
        path.write_text(path.stem * 2000)
    for age, path in enumerate(paths[:3]):
        known = entries()
        load_once(path)
        (entry,) = set(entries()) - set(known)
        os.utime(entry, (1000 + age, 1000 + age))
    monkeypatch.setattr(cache, "_MAX_BYTES", 3 * entries()[0].stat().st_size + 1000)
    assert load_once(paths[0])[1]  # used again: now the youngest
    assert not load_once(paths[3])[1]
    assert len(entries()) == 3
    assert [load_once(path)[1] for path in (paths[0], paths[2], paths[3])] == [True, True, True]
    assert not load_once(paths[1])[1]


LOAD = """
import sys
from longread.agent.corpus import Corpus, LoadOptions
corpus = Corpus.load(
    sys.argv[1:], options=LoadOptions(jobs=1), on_event=lambda event: print(type(event).__name__, flush=True)
)
print(corpus.tokens)
"""


def start(*paths: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, *map(str, paths)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_at_once(paperqa: Callable[[str], Path]) -> None:
    paths = [paperqa(name) for name in ("pasa.pdf", "duplicate_media.pdf", "bates.txt")]
    both = [start(*paths), start(*reversed(paths))]
    said = [process.communicate(timeout=PATIENCE) for process in both]
    assert [err for _, err in said] == ["", ""]
    tokens = Corpus.load(paths, options=LoadOptions(cache=False)).tokens
    assert [out.splitlines()[-1] for out, _ in said] == [str(tokens)] * 2
    assert len(entries()) == 3
    assert [load_once(path)[1] for path in paths] == [True] * 3


def test_a_kill_at_any_moment_of_a_load(paperqa: Callable[[str], Path]) -> None:
    paths = [paperqa(name) for name in ("duplicate_media.pdf", "bates.txt", "pasa.pdf")]
    right = Corpus.load(paths, options=LoadOptions(cache=False))
    chance = random.Random(1)
    for _ in range(8):
        process = start(*paths)
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 10)):  # three events a file at least
            process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        for entry in entries():  # whole, or not there
            cache.Parsed.model_validate_json(entry.read_bytes())
    assert Corpus.load(paths) == right


WRITE = """
import sys
from pathlib import Path
from longread.cache import Store
store = Store(Path(sys.argv[1]), max_bytes=1 << 26)
n = 0
while True:
    n += 1
    print(n, flush=True)
    store.put(f"key-{n % 5}", bytes([n % 251]) * (1 << 20))
"""


def test_a_kill_at_any_moment_of_a_write(tmp_path: Path) -> None:
    store = Store(tmp_path, max_bytes=1 << 26)
    chance = random.Random(2)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", WRITE, tmp_path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 8)):
            process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.01))
        process.kill()
        process.communicate(timeout=PATIENCE)
        for n in range(5):
            data = store.get(f"key-{n}")
            assert data is None or (len(data) == 1 << 20 and len(set(data)) == 1)
    leftovers = list(tmp_path.glob("*/.tmp-*"))
    for path in leftovers:
        os.utime(path, (1, 1))
    store.put("key-9", b"x")
    assert list(tmp_path.glob("*/.tmp-*")) == []
    assert store.get("key-9") == b"x"


def test_a_key_means_what_was_put_last(tmp_path: Path) -> None:
    store = Store(tmp_path, max_bytes=1 << 20)
    for value in (b"one", b"two", b"three", b"one"):
        store.put("key", value)
        assert store.get("key") == value
        assert "key" in store
    assert store.size() == len(b"one")
    assert store.get("other") is None
    assert "other" not in store


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, max_bytes=1 << 20)
    store.put("key", b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        store.put("key", b"new")
    assert store.get("key") == b"old"
    assert [path.name.startswith("key.") for path in tmp_path.glob("*/*")] == [True]
