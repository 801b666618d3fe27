"""Files, folders, patterns and standard input; and that nothing is left out without a word."""

import errno
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from longread.agent.corpus import Corpus, FileFailed, LoadEvent, LoadOptions
from longread.errors import DocumentError, UnsupportedFormat

OPTIONS = LoadOptions(cache=False)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def sources(corpus: Corpus, root: Path | str) -> list[str]:
    return [os.path.relpath(document.source, root) for document in corpus]


def test_a_folder(tmp_path: Path) -> None:
    root = tree(
        tmp_path / "docs",
        {
            "b.md": "# B",
            "a.txt": "a",
            "sub/c.py": "c = 1",
            "sub/deeper/d.csv": "d,d",
            ".env": "SECRET",
            "sub/.hidden/x.txt": "x",
            ".git/config": "[core]",
            "sub/__init__.py": "",
        },
    )
    (root / "film.bin").write_bytes(bytes(range(32)) * 9)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "gone.txt").symlink_to(root / "nowhere.txt")
    corpus = Corpus.load([root], options=OPTIONS)
    assert sources(corpus, root) == ["a.txt", "b.md", "sub/c.py", "sub/deeper/d.csv"]
    assert [document.name for document in corpus] == ["a", "b", "c", "d"]
    (warning,) = corpus.warnings
    assert warning.startswith(f"{root}: skipped ")
    for part in (
        "2 hidden (.env, sub/.hidden)",
        "1 links to folders (loop)",
        "1 broken links or special files (gone.txt)",
        "1 empty (sub/__init__.py)",
        "1 of no supported format (film.bin)",
    ):
        assert part in warning, warning


def test_gitignore_at_every_level(tmp_path: Path) -> None:
    root = tree(
        tmp_path / "repo",
        {
            ".gitignore": "*.log\nbuild/\n/top.txt\n",
            "a.txt": "a",
            "a.log": "log",
            "top.txt": "top",
            "build/x.txt": "x",
            "sub/.gitignore": "!keep.log\nsecret.txt\n",
            "sub/keep.log": "keep",
            "sub/other.log": "other",
            "sub/secret.txt": "secret",
            "sub/top.txt": "another top",
            "sub/deep/secret.txt": "deeper secret",
            "sub/build/y.txt": "y",
        },
    )
    (root / ".git").mkdir()
    kept = ["a.txt", "sub/keep.log", "sub/top.txt"]
    corpus = Corpus.load([root], options=OPTIONS)
    assert sources(corpus, root) == kept
    # Of neither the user's settings nor a repository that a hook runs these tests for.
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    mine |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    git = ["git", "-c", f"core.excludesFile={os.devnull}"]
    if subprocess.run([*git, "init", "-q"], cwd=root, env=mine, capture_output=True).returncode == 0:
        command = [*git, "ls-files", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, env=mine, capture_output=True, text=True, check=True)
        agreed = sorted(name for name in listed.stdout.split() if ".gitignore" not in name)
        assert agreed == kept  # by git itself
    assert (
        "7 ignored by .gitignore (a.log, build, sub/build, sub/deep/secret.txt, sub/other.log and 2 more)"
        in (corpus.warnings[0])
    )
    # Rules from above count for a folder inside the repository, unless they would leave out that folder itself.
    assert sources(Corpus.load([root / "sub"], options=OPTIONS), root) == kept[1:]
    assert sources(Corpus.load([root / "build"], options=OPTIONS), root) == ["build/x.txt"]
    # A file that is named is wanted.
    assert sources(Corpus.load([root / "a.log"], options=OPTIONS), root) == ["a.log"]


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(
        tmp_path,
        {
            ".gitignore": "generated/\n",
            "a.md": "a",
            "b.txt": "b",
            "docs/c.md": "c",
            "docs/deep/d.md": "d",
            "generated/e.md": "e",
        },
    )
    monkeypatch.chdir(root)
    (root / ".git").mkdir()
    corpus = Corpus.load(["**/*.md"], options=OPTIONS)
    assert [document.source for document in corpus] == ["a.md", "docs/c.md", "docs/deep/d.md"]
    assert corpus.warnings == ("**/*.md: skipped 1 ignored by .gitignore (generated/e.md).",)
    assert sources(Corpus.load([f"{root}/do*"], options=OPTIONS), root) == ["docs/c.md", "docs/deep/d.md"]
    assert sources(Corpus.load([f"{root}/?.md"], options=OPTIONS), root) == ["a.md"]
    odd = tree(root, {"notes/x.txt": "x"}).joinpath("notes/[1].txt")
    odd.write_text("a name that looks like a pattern")
    assert sources(Corpus.load([odd], options=OPTIONS), root) == ["notes/[1].txt"]
    with pytest.raises(DocumentError, match=r"\*\.tex: no file matches this pattern"):
        Corpus.load(["*.tex"], options=OPTIONS)


def test_what_a_folder_can_hold_besides_files(tmp_path: Path) -> None:
    root = tree(tmp_path, {"a.txt": "a", "sub/b.txt": "b", ".gitignore": "!\n\\\nsub/\n"})
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe.txt")
    found = Corpus.load([root], options=OPTIONS)
    assert sources(found, root) == ["a.txt"]
    assert "2 broken links or special files (loop, pipe.txt)" in found.warnings[0]
    by_pattern = Corpus.load([f"{root}/*.txt"], options=OPTIONS)
    assert sources(by_pattern, root) == ["a.txt"]
    assert "1 broken links or special files" in by_pattern.warnings[0]


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    path.write_text("words")
    (document,) = Corpus.load([path], options=OPTIONS)
    assert document.title == "caf\ufffd"


@pytest.mark.parametrize(
    ("source", "message"), [("", "A file name is empty"), ("~no-such-user/x", "~no-such-user/x: .")]
)
def test_what_is_no_name(source: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        Corpus.load([source], options=OPTIONS)


def test_a_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DocumentError, match="Standard input is closed"):
        Corpus.load(["-"], options=OPTIONS)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    return lambda data: monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


def test_standard_input(
    stdin: Callable[[bytes], None], pypdf: Callable[[str], Path], paperqa: Callable[[str], Path]
) -> None:
    for data, media_type, begins in (
        (pypdf("crazyones.pdf").read_bytes(), "application/pdf", "The Crazy Ones"),
        (paperqa("dummy.xlsx").read_bytes(), "spreadsheetml.sheet", "日付"),
        (b"<!DOCTYPE html><title>T</title><h1>Heading</h1>", "text/html", "# Heading"),
        (b"just text", "text/plain", "just text"),
    ):
        stdin(data)
        (document,) = Corpus.load(["-", "-"], options=OPTIONS)
        assert (document.source, document.name) == ("-", "stdin")
        assert document.media_type.endswith(media_type)
        assert document.pages[0].text.startswith(begins)
    assert document.title == "standard input"
    stdin(b"")
    with pytest.raises(DocumentError, match=r"^-: the file is empty$"):
        Corpus.load(["-"], options=OPTIONS)


def test_a_pipe_with_a_name(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f"echo through the pipe > {pipe}"])
    try:
        assert Corpus.load([pipe], options=OPTIONS).documents[0].pages[0].text == "through the pipe"
        assert writer.wait(300) == 0
    finally:
        writer.kill()
        writer.wait()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.pdf", "missing.pdf: no such file or folder"),
        ("file.txt/inside.pdf", "file.txt/inside.pdf: no such file or folder"),
        ("ftp://example.org/a.pdf", "ftp://example.org/a.pdf: only https"),
        ("empty.txt", "empty.txt: the file is empty"),
        ("empty", "empty: the folder is empty"),
        ("socket", "socket: not a file, folder or pipe"),
        ("nul\0.txt", "nul\0.txt: "),
        ("x" * 300, f"{'x' * 300}: {os.strerror(errno.ENAMETOOLONG)}"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str) -> None:
    import socket

    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "empty").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        events: list[LoadEvent] = []
        with pytest.raises(DocumentError) as raised:
            Corpus.load([source], options=OPTIONS, on_event=events.append)
    assert str(raised.value).startswith(message)
    assert raised.value.source == source
    assert events == [FileFailed(source=source, error=str(raised.value))]


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that everybody gets to, unlike pytest's, which every other run of pytest may close again."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_no_permission(open_to_all: Path) -> None:
    secret, inside = open_to_all / "secret.txt", open_to_all / "folder" / "a.txt"
    secret.write_text("secret")
    inside.parent.mkdir()
    inside.write_text("a")
    user = os.geteuid()
    secret.chmod(0)
    inside.parent.chmod(0)
    if user == 0:  # root may read anything: be someone else for the moment
        os.seteuid(65534)
    try:
        with pytest.raises(DocumentError, match=r"secret\.txt: no permission to read it; try chmod \+r"):
            Corpus.load([secret], options=OPTIONS)
        with pytest.raises(DocumentError, match=r"There is nothing to read: .*folder: skipped 1 unreadable"):
            Corpus.load([inside.parent], options=OPTIONS)
    finally:
        os.seteuid(user)
        inside.parent.chmod(0o755)


def test_a_folder_without_anything_to_read(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(32)) * 9)
    with pytest.raises(
        DocumentError, match=r"There is nothing to read: .*skipped 1 of no supported format \(a\.bin\)\."
    ):
        Corpus.load([tmp_path], options=OPTIONS)
    with pytest.raises(UnsupportedFormat, match=r"a\.bin: neither text nor"):  # named, it is an error
        Corpus.load([tmp_path / "a.bin"], options=OPTIONS)
    with pytest.raises(DocumentError, match="There is nothing to read: no files were given"):
        Corpus.load([], options=OPTIONS)


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    tree(tmp_path, {"a.txt": "same", "sub/b.txt": "same", "c.txt": "other"})
    corpus = Corpus.load([tmp_path / "a.txt", tmp_path, tmp_path / "a.txt"], options=OPTIONS)
    assert [document.name for document in corpus] == ["a", "c"]
    assert corpus["a"].warnings == (f"The same bytes were given as {tmp_path / 'sub/b.txt'}, too; they are kept once.",)
