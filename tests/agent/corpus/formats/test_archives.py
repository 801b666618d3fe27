"""Archives as folders: bounded, harmless, and their files documents like any other."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from longread.agent.corpus import Corpus, FileLoaded, LoadEvent, LoadOptions, attachments
from longread.agent.corpus.attachments import Room, names_inside
from longread.agent.corpus.formats import ParseOptions, archives, detect
from longread.agent.corpus.formats.archives import Zip
from longread.errors import DocumentError

OPTIONS = LoadOptions(cache=False, timeout=300.0)


def zipped(**files: bytes | str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def sources(corpus: Corpus, path: Path) -> list[str]:
    return [document.source.removeprefix(f"{path}/") for document in corpus]


def test_a_zip_is_a_folder(tmp_path: Path) -> None:
    files = {
        "a/b.txt": "text of b",
        "a/": b"",
        "table.csv": "x,y\n1,2\n",
        "twin.txt": "text of b",
        "empty.txt": "",
        "blank.txt": " \n",
        "x.bin": bytes(200),
        ".hidden": "h",
        "__MACOSX/._b.txt": "m",
    }
    path = write(tmp_path / "letters.zip", zipped(**files))
    corpus = Corpus.load([path], options=OPTIONS)
    assert sources(corpus, path) == ["a/b.txt", "table.csv"]
    assert [document.name for document in corpus] == ["b", "table"]
    assert "twin.txt" in corpus["b"].warnings[0]
    (warning,) = corpus.warnings
    assert warning.startswith(f"{path}: skipped ")
    for part in ("1 empty (empty.txt)", "1 without text", "(x.bin)", "1 hidden (.hidden)", "._b.txt"):
        assert part in warning


def test_names_that_lead_elsewhere_are_harmless(tmp_path: Path) -> None:
    names = [
        "../../up.txt",
        "/etc/root.txt",
        "C:\\letters\\win.txt",
        "a//b/./c.txt",
        "..",
        "tab\there.txt",
        "a//b/c.txt",
    ]
    assert names_inside(names) == [
        *("up.txt", "etc/root.txt", "letters/win.txt", "a/b/c.txt", "unnamed", "tabhere.txt", "a/b/c (2).txt")
    ]
    folder = tmp_path / "in"
    folder.mkdir()
    path = write(folder / "a.zip", zipped(**{"../../up.txt": "up", "/etc/root.txt": "root"}))
    assert sources(Corpus.load([path], options=OPTIONS), path) == ["up.txt", "etc/root.txt"]
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["a.zip", "in"]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.tar", lambda data: data),
        ("a.tar.gz", gzip.compress),
        ("a.tgz", gzip.compress),
        ("a.tar.bz2", bz2.compress),
        ("a.tar.xz", lzma.compress),
    ],
)
def test_tar(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for inside, text in (("d/a.txt", b"text a"), ("../b.txt", b"text b")):
            member = tarfile.TarInfo(inside)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    path = write(tmp_path / name, pack(out.getvalue()))
    corpus = Corpus.load([path], options=OPTIONS)
    assert sources(corpus, path) == ["d/a.txt", "b.txt"]
    assert "link" in corpus.warnings[0]


@pytest.mark.parametrize(("extension", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_compressed_file(tmp_path: Path, extension: str, pack: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / f"server.log.{extension}", pack(b"line one\nline two\n"))
    (document,) = Corpus.load([path], options=OPTIONS)
    assert document.source == f"{path}/server.log"
    assert document.pages[0].text == "line one\nline two"


def test_archives_in_archives_to_a_depth(tmp_path: Path) -> None:
    data = b"innermost"
    for depth in range(6, 0, -1):
        data = zipped(**{f"{depth}.zip" if depth < 6 else "deep.txt": data, f"note{depth}.txt": f"note {depth}"})
    path = write(tmp_path / "a.zip", data)
    corpus = Corpus.load([path], options=OPTIONS)
    assert sorted(document.name for document in corpus) == ["note1", "note2", "note3"]
    assert any("4.zip" in warning or "note4" in warning for warning in corpus.warnings)


def test_an_archive_that_contains_itself_ends(tmp_path: Path) -> None:
    inner = zipped(**{"note.txt": "note"})
    path = write(tmp_path / "a.zip", zipped(**{"one.zip": inner, "other.zip": inner, "note.txt": "note"}))
    (document,) = Corpus.load([path], options=OPTIONS)
    assert document.pages[0].text == "note"
    assert document.warnings


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.zip", zipped(**{"zeros.txt": bytes(archives._PLAUSIBLE + 1), "fine.txt": "fine"}))
    assert path.stat().st_size < 100_000
    corpus = Corpus.load([path], options=OPTIONS)
    assert [document.name for document in corpus] == ["fine"]
    assert "bomb" in corpus.warnings[0]
    monkeypatch.setattr(attachments.Room, "__init__", lambda self, files=5, size=1000: _limited(self, files, size))
    many = write(tmp_path / "many.zip", zipped(**{f"{n}.txt": f"text {n}" for n in range(20)}))
    corpus = Corpus.load([many], options=OPTIONS)
    assert len(corpus) == 5
    assert "15 beyond the limit of 5 files" in corpus.warnings[0]
    large = write(tmp_path / "large.zip", zipped(**{f"{n}.txt": f"{n}" * 400 for n in range(4)}))
    corpus = Corpus.load([large], options=OPTIONS)
    assert len(corpus) == 2
    assert "2 beyond the limit" in corpus.warnings[0]


def _limited(room: Room, files: int, size: int) -> None:
    object.__setattr__(room, "files", files)
    object.__setattr__(room, "size", size)


def test_room_is_shared() -> None:
    assert Room(10, 1000).shared([100, 200], among=2) == Room(4, 350)
    assert Room(1, 10).shared([100], among=1) == Room(0, 0)


def encrypted(data: bytes) -> bytes:
    """A zip whose first file says that it is encrypted."""
    changed = bytearray(data)
    changed[6] |= 1
    changed[changed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def test_encrypted_files_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", encrypted(zipped(**{"secret.txt": "secret", "open.txt": "open"})))
    corpus = Corpus.load([path], options=OPTIONS)
    assert [document.name for document in corpus] == ["open"]
    assert "1 encrypted; give the password with --password (secret.txt)" in corpus.warnings[0]
    wrong = Corpus.load([path], options=OPTIONS.model_copy(update={"password": "wrong"}))
    assert "password is wrong" in wrong.warnings[0]


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_names_in_utf_8_without_the_flag(encoding: str) -> None:
    data = zipped(**{"XXXXXXX.txt": "text"}).replace(b"XXXXXXX", "Größe".encode(encoding).ljust(7, b"_"))
    (file,) = Zip().open(data, ParseOptions()).attached_files()
    assert file.name.startswith("Größe")


def test_a_damaged_member_does_not_lose_the_others() -> None:
    data = bytearray(zipped(**{"bad.txt": "words " * 100, "good.txt": "good"}))
    data[45] ^= 0xFF
    bad, good = Zip().open(bytes(data), ParseOptions()).attached_files()
    assert (bad.problem, good.data) == ("damaged", b"good")


def test_what_is_no_archive(tmp_path: Path) -> None:
    for name, data in (
        ("a.zip", b"PK\x03\x04 and nothing"),
        ("b.zip", b"just text"),
        ("a.tar.gz", gzip.compress(b"x" * 1000)[:20]),
    ):
        with pytest.raises(DocumentError, match=name.replace(".", r"\.")):
            Corpus.load([write(tmp_path / name, data)], options=OPTIONS)
    with pytest.raises(DocumentError, match="nothing to read"):
        Corpus.load([write(tmp_path / "c.zip", zipped(**{"x.bin": bytes(100)}))], options=OPTIONS)


def test_an_unknown_office_file_is_no_folder(tmp_path: Path) -> None:
    data = zipped(**{"[Content_Types].xml": "<Types/>", "visio/document.xml": "<x/>"})
    with pytest.raises(DocumentError, match=r"a\.vsdx: a ZIP archive, but not a document"):
        Corpus.load([write(tmp_path / "a.vsdx", data)], options=OPTIONS)
    assert detect("a.zip", write(tmp_path / "a.zip", zipped(a="x"))).name == "ZIP archive"


def test_the_cache_knows_what_is_inside(tmp_path: Path) -> None:
    inner = zipped(**{"deep.txt": "deep"})
    path = write(
        tmp_path / "a.zip", zipped(**{"a.txt": "text a", "inner.zip": inner, "twin.txt": "text a", "x.bin": bytes(9)})
    )
    options = LoadOptions(timeout=300.0)
    first = Corpus.load([path], options=options)
    events: list[LoadEvent] = []
    second = Corpus.load([path], options=options, on_event=events.append)
    assert second.documents == first.documents
    assert second.warnings == first.warnings
    assert all(event.cached for event in events if isinstance(event, FileLoaded))
    # With one of its files given before, that one has the name under which it was given.
    alone = tmp_path / "alone.txt"
    alone.write_text("text a")
    both = Corpus.load([alone, path], options=options)
    assert [document.name for document in both] == ["alone", "deep"]
    assert f"{path}/a.txt" in both["alone"].warnings[0]


def test_one_bad_file_in_an_archive_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", zipped(**{"bad.pdf": b"%PDF-1.7 nothing", "good.txt": "good"}))
    with pytest.raises(DocumentError, match=r"a\.zip/bad\.pdf: "):
        Corpus.load([path], options=OPTIONS)
    corpus = Corpus.load([path], options=OPTIONS, on_error="collect")
    assert [document.name for document in corpus] == ["good"]
    assert corpus.failures[0].source == f"{path}/bad.pdf"
