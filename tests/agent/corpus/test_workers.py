"""Parsers that crash, hang or want too much memory: named by file and page, while the rest goes on."""

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from longread.agent.corpus import Corpus, LoadEvent, LoadOptions, PagesRead
from longread.agent.corpus.parsing.protocol import Decoder, receive, send
from longread.errors import DocumentError, LongreadError, PasswordRequired
from tests.agent.corpus.loading import load
from tests.support.waiting import PATIENCE, wait_until

DAMAGED = "if the file is damaged, saving it anew in its own program may help"
TWO = LoadOptions(cache=False, jobs=2, timeout=PATIENCE)
IMPATIENT = LoadOptions(cache=False, jobs=1, timeout=0.5)
NO_PROGRESS = "no progress in 0.5 s; allow more with timeout=… in LoadOptions"

pytestmark = pytest.mark.usefixtures("faulty")


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def collect(*paths: Path, options: LoadOptions = TWO) -> Corpus:
    return Corpus.load(paths, options=options, on_error="collect")


class Clock:
    """In place of the pool's: it stands still but for a few seconds, which begin once a parser hangs for certain."""

    def __init__(self, patch: pytest.MonkeyPatch, hangs: Callable[[], bool]):
        self._hangs = hangs
        self._began: float | None = None
        patch.setattr("longread.agent.corpus.parsing.pool.time", SimpleNamespace(monotonic=self.now))

    def now(self) -> float:
        if self._began is None and self._hangs():
            self._began = time.monotonic()
        return 0.0 if self._began is None else min(time.monotonic() - self._began, 5.0)


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A line of a file: the parser hangs there, and only from then on the pool's clock runs."""
    mark = tmp_path / "hanging"
    Clock(monkeypatch, mark.exists)
    return f"hang {mark}"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("crash", "the parser crashed (SIGSEGV)"),
        ("abort", "the parser crashed (SIGABRT)"),
        ("exit", "the parser crashed (exit status 3)"),
        ("memory", "takes more memory than the limit of 2 GiB; allow more with memory=… in LoadOptions"),
        ("error", "the parser failed: ZeroDivisionError: integer division or modulo by zero; " + DAMAGED),
        ("parse the font is missing", "the font is missing"),
    ],
)
def test_a_page(tmp_path: Path, fault: str, why: str) -> None:
    lose_a_page(tmp_path, fault, why, TWO)


def test_a_page_that_hangs(tmp_path: Path, hanging: str) -> None:
    lose_a_page(tmp_path, hanging, NO_PROGRESS, IMPATIENT)


def lose_a_page(tmp_path: Path, fault: str, why: str, options: LoadOptions) -> None:
    bad = write(
        tmp_path / "bad.faulty", *(f"page {i}" for i in range(1, 41)), fault, *(f"page {i}" for i in range(42, 81))
    )
    good = write(tmp_path / "good.faulty", "fine")
    corpus = collect(bad, good, options=options)
    assert [document.name for document in corpus] == ["bad", "good"]
    assert [str(failure) for failure in corpus.failures] == [f"{bad}, page 41: {why}"]
    assert (corpus.failures[0].source, corpus.failures[0].page) == (str(bad), 41)
    pages = corpus["bad"].pages
    assert [page.text for page in pages] == [f"page {i}" if i != 41 else "" for i in range(1, 81)]
    assert corpus["bad"].warnings == (f"Page 41: not read: {why}.",)
    assert corpus["good"].warnings == ()


@pytest.mark.parametrize("extension", ["faulty", "faultywhole"])
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("open: abort", "the parser crashed (SIGABRT) while it opened the file"),
        ("open: memory", "takes more memory than the limit of 2 GiB; allow more with memory=… in LoadOptions"),
        ("open: error", "the parser failed: ZeroDivisionError: integer division or modulo by zero; " + DAMAGED),
    ],
)
def test_a_file(tmp_path: Path, extension: str, fault: str, why: str) -> None:
    bad, good = write(tmp_path / f"bad.{extension}", fault), write(tmp_path / f"good.{extension}", "fine")
    corpus = collect(bad, good)
    assert [document.name for document in corpus] == ["good"]
    assert [str(failure) for failure in corpus.failures] == [f"{bad}: {why}"]


@pytest.mark.parametrize("extension", ["faulty", "faultywhole"])
def test_a_file_that_hangs(tmp_path: Path, extension: str, hanging: str) -> None:
    bad, good = write(tmp_path / f"bad.{extension}", f"open: {hanging}"), write(tmp_path / f"good.{extension}", "fine")
    corpus = collect(bad, good, options=IMPATIENT)
    assert [document.name for document in corpus] == ["good"]
    assert [str(failure) for failure in corpus.failures] == [f"{bad}: {NO_PROGRESS} while it opened the file"]


def test_everything_else_is_loaded_and_cached_before_the_error(tmp_path: Path) -> None:
    crash = write(tmp_path / "crash.faulty", "fine", "abort", "fine", "abort", "abort")
    locked = write(tmp_path / "locked.faulty", "open: secret")
    good = [write(tmp_path / f"good{i}.faulty", f"good {i}") for i in range(5)]
    options = TWO.model_copy(update={"cache": True})
    with pytest.raises(DocumentError) as raised:
        Corpus.load([crash, *good, locked, tmp_path / "missing.pdf"], options=options)
    assert str(raised.value).split("\n") == [
        "3 errors while reading:",
        f"  {tmp_path / 'missing.pdf'}: no such file or folder",
        *sorted(
            [
                f"  {locked}: encrypted",
                f"  {crash}, pages 2, 4-5: the parser crashed (SIGABRT)",
            ],
            key=str(raised.value).index,
        ),
    ]
    events: list[LoadEvent] = []
    assert len(Corpus.load(good, on_event=events.append)) == 5
    assert [event.cached for event in events if hasattr(event, "cached")] == [True] * 5
    with pytest.raises(PasswordRequired):
        Corpus.load([good[0], locked], options=options)


def test_an_incomplete_document_is_not_cached(tmp_path: Path) -> None:
    path = write(tmp_path / "a.faulty", "one", "error", "three")
    for _ in range(2):
        events: list[LoadEvent] = []
        Corpus.load([path], on_event=events.append, on_error="collect")
        assert [event.cached for event in events if hasattr(event, "cached")] == [False]


def test_a_crash_that_does_not_come_back_costs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.faulty", *["fine"] * 5, f"once {tmp_path / 'page'}", *["fine"] * 70)
    opening = write(tmp_path / "b.faulty", f"open: once {tmp_path / 'open'}")
    corpus = Corpus.load([path, opening], options=TWO)
    assert [len(document.pages) for document in corpus] == [76, 1]
    assert all(page.text for page in corpus["a"].pages)
    assert corpus["a"].warnings == ()


def test_a_file_that_crashes_everywhere_is_given_up(tmp_path: Path) -> None:
    path = write(tmp_path / "a.faulty", *["abort"] * 60)
    good = write(tmp_path / "b.faulty", "fine")
    corpus = collect(path, good)
    assert [str(failure) for failure in corpus.failures] == [
        f"{path}: given up after 8 lost pages; at the last, the parser crashed (SIGABRT)"
    ]
    assert [document.name for document in corpus] == ["b"]


def test_slow_is_not_hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on a page, not on the file."""
    now = 0.0

    def two_seconds_a_page(event: LoadEvent) -> None:
        nonlocal now
        if isinstance(event, PagesRead):
            now += 2.0
            (tmp_path / f"go-{event.done}").touch()

    monkeypatch.setattr("longread.agent.corpus.parsing.pool.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr("longread.agent.corpus.parsing.parser._TICK", -1.0)  # every page is told
    path = write(tmp_path / "a.faulty", "first", *(f"wait {tmp_path}/go-{page}" for page in range(1, 8)))
    options = LoadOptions(cache=False, jobs=1, timeout=3.0)
    corpus = Corpus.load([path], options=options, on_event=two_seconds_a_page)
    assert len(corpus.documents[0].pages) == 8
    assert now == 16.0


def test_what_a_library_prints_stays_out_of_the_pages(tmp_path: Path) -> None:
    assert [page.text for page in load(write(tmp_path / "a.faulty", "print noise")).pages] == ["print noise"]


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from longread.agent.corpus.parsing.parser import Parser

    path = write(tmp_path / "a.faulty", "before")
    run = Parser.run

    def change_first(self: Parser, *arguments: object) -> None:
        path.write_text("after")
        run(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Parser, "run", change_first)
    with pytest.raises(DocumentError, match=r"a\.faulty: changed while it was being read; try again"):
        load(path)


def test_a_process_killed_from_outside(paperqa: Callable[[str], Path]) -> None:
    killed: list[int] = []

    def kill_one(event: LoadEvent) -> None:
        if isinstance(event, PagesRead) and not killed:
            killed.append(children()[0])
            os.kill(killed[0], signal.SIGKILL)

    path = paperqa("paper.pdf")
    options = LoadOptions(cache=False, jobs=1, timeout=PATIENCE)
    corpus = Corpus.load([path], options=options, on_event=kill_one)
    assert killed
    assert corpus.documents == (load(path),)
    assert children() == []


def hostile_pdf(path: Path, pages: list[bytes], forms: list[bytes] = []) -> Path:  # noqa: B006
    """A PDF with these content streams, and with form XObjects /F0, /F1, … that any of them may draw."""
    objects: list[bytes] = []

    def add(data: bytes) -> int:
        objects.append(data)
        return len(objects)

    def stream(data: bytes, entries: bytes = b"") -> bytes:
        packed = zlib.compress(data)
        return b"<</Filter/FlateDecode/Length %d%s>>stream\n%s\nendstream" % (len(packed), entries, packed)

    font = add(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    first = len(objects) + 1
    names = b"".join(b"/F%d %d 0 R" % (i, first + i) for i in range(len(forms)))
    resources = b"/Resources<</Font<</H %d 0 R>>/XObject<<%s>>>>" % (font, names)
    for data in forms:
        add(stream(data, b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]" + resources))
    tree = len(objects) + 2 * len(pages) + 1
    kids = []
    for data in pages:
        content = add(stream(data))
        kids.append(
            add(b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 600 800]/Contents %d 0 R%s>>" % (tree, content, resources))
        )
    add(b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids)))
    catalog = add(b"<</Type/Catalog/Pages %d 0 R>>" % tree)
    body, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, data in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, data)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        *(len(objects) + 1, table, len(objects) + 1, catalog, len(body)),
    )
    path.write_bytes(body)
    return path


def say(text: str) -> bytes:
    return b"BT /H 12 Tf 72 700 Td (%s) Tj ET" % text.encode()


def test_a_pdf_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten forms, each of which draws the next ten times: ten thousand million drawings, all of them in C."""
    forms = [b"/F%d Do " % (i + 1) * 10 for i in range(10)] + [say("x")]
    path = hostile_pdf(tmp_path / "a.pdf", [say("before"), b"/F0 Do", say("after")], forms)
    read: list[LoadEvent] = []

    def note(event: LoadEvent) -> None:
        read.extend([event] if isinstance(event, PagesRead) else [])

    Clock(monkeypatch, lambda: bool(read))  # the first page, upon which the endless one is begun
    corpus = Corpus.load([path], options=IMPATIENT, on_error="collect", on_event=note)
    assert [page.text for page in corpus["a"].pages] == ["before", "", "after"]
    assert [str(failure) for failure in corpus.failures] == [f"{path}, page 2: {NO_PROGRESS}"]


def test_a_pdf_that_wants_all_memory(tmp_path: Path) -> None:
    """Forty million characters on one page, from a file of a hundred kilobytes."""
    line = b"BT /H 1 Tf 1 700 Td " + b"(" + b"a" * 4000 + b") Tj" + b" ET\n"
    path = hostile_pdf(tmp_path / "a.pdf", [say("before"), line * 10_000, say("after")])
    assert path.stat().st_size < 1 << 20
    corpus = collect(path, options=LoadOptions(cache=False, jobs=1, memory=400 << 20, timeout=PATIENCE))
    assert [page.text for page in corpus["a"].pages] == ["before", "", "after"]
    (failure,) = corpus.failures
    assert str(failure) == (
        f"{path}, page 2: takes more memory than the limit of 0.390625 GiB; allow more with memory=… in LoadOptions"
    )


def children(of: int | None = None) -> list[int]:
    """The parser processes that a process has: this one if None. It may have other children, of other tests."""
    pid = of or os.getpid()
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_bytes().rpartition(b")")[2].split()
            command = (entry.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != b"Z" and b"longread.agent.corpus.parsing.worker" in command:
            found.append(int(entry.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


# No `if __name__ == "__main__"`, and loading from a thread: `multiprocessing` would start the script again.
SCRIPT = """
import sys, threading
from tests.agent.corpus import faulty_format
from longread.agent.corpus import Corpus, LoadOptions
from longread.agent.corpus.formats import register
register(faulty_format.Faulty())
print("started", flush=True)
def work():
    corpus = Corpus.load(sys.argv[1:], options=LoadOptions(cache=False, jobs=2))
    print(corpus.tokens, flush=True)
if {thread}:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
else:
    work()
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*paths: Path, thread: bool = False) -> subprocess.Popen[str]:
        file = tmp_path / "script.py"
        file.write_text(SCRIPT.format(thread=thread))
        process = subprocess.Popen(
            [sys.executable, file, *paths],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("thread", [False, True])
def test_from_a_plain_script(tmp_path: Path, script: Callable[..., subprocess.Popen[str]], thread: bool) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the user has a json.py')") if not thread else None
    folder = tmp_path / "docs"
    folder.mkdir()
    path = write(folder / "a.faulty", "one", "two")
    (tmp_path / "json.py").unlink(missing_ok=True)
    process = script(path, thread=thread)
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, err) == ("started\n4\n", "")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("fault", ["hang", "slow 0.1"])
def test_no_process_is_left_behind(
    tmp_path: Path, script: Callable[..., subprocess.Popen[str]], how: signal.Signals, fault: str
) -> None:
    """Not even one that hangs in a C function, which can neither read nor be interrupted."""
    marks = [tmp_path / "a", tmp_path / "b"]
    marking = "hang" if fault == "hang" else "touch"
    a, b = ([f"{marking} {mark}", *[fault] * 3000] for mark in marks)
    process = script(write(tmp_path / "a.faulty", "fine", *a), write(tmp_path / "b.faulty", *b))
    wait_until(lambda: all(mark.exists() for mark in marks))
    workers = children(process.pid)
    assert len(workers) == 2
    os.kill(process.pid, how)
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    wait_until(lambda: not any(map(is_alive, workers)))


def test_ctrl_c_in_a_terminal_reaches_only_the_parent(
    tmp_path: Path, script: Callable[..., subprocess.Popen[str]]
) -> None:
    process = script(write(tmp_path / "a.faulty", f"touch {tmp_path / 'begun'}", *["slow 0.1"] * 3000))
    wait_until((tmp_path / "begun").exists)
    worker = children(process.pid)[0]
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, err = process.communicate(timeout=PATIENCE)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert err.count("Traceback") == 1
    wait_until(lambda: not is_alive(worker))


def test_a_parser_that_cannot_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from multiprocessing import spawn

    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: libmupdf.so: no such file' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(spawn, "get_executable", lambda: str(broken))
    expected = "The parser process could not be started: ImportError: libmupdf.so: no such file"
    with pytest.raises(LongreadError, match=expected):
        load(write(tmp_path / "a.faulty", "fine"))


def test_an_error_in_on_event_ends_the_load(tmp_path: Path) -> None:
    def fail(event: LoadEvent) -> None:
        raise RuntimeError("the display is gone")

    with pytest.raises(RuntimeError, match="the display is gone"):
        Corpus.load([write(tmp_path / "a.faulty", *["slow 0.1"] * 50)], options=TWO, on_event=fail)
    assert children() == []


def test_messages_survive_any_pieces() -> None:
    messages = [{"text": "ü" * n, "page": n} for n in (0, 1, 70_000)]
    read_end, write_end = os.pipe()
    sent = bytearray()
    for message in messages[:2]:
        send(write_end, message)
        assert receive(read_end) == message
    os.close(write_end)
    assert receive(read_end) is None
    os.close(read_end)
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader:
        for message in messages[:2]:
            send(write_end, message)
        os.close(write_end)
        sent += reader.read()
    decoder = Decoder()
    assert [m for i in range(len(sent)) for m in decoder.feed(sent[i : i + 1])] == messages[:2]
