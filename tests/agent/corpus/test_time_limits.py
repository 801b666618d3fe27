"""The time limit of a parser counts its own work, and what was read before it is kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from longread.agent.corpus import Corpus, LoadOptions
from longread.agent.corpus.parsing import pool
from longread.agent.corpus.parsing.cpu_time import Effort, effort
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("faulty")


class Silent:
    """A process that has said nothing since 0.0, and did nothing until then."""

    class process:
        pid = 0

    ready = True
    heard = 0.0
    due = 0.0
    effort = Effort(5.0, at_work=False)
    looked: tuple[float, Effort] | None = None


@pytest.mark.parametrize(
    ("now", "done", "hangs"),
    [
        (60.0, Effort(65.0, at_work=True), True),  # it computed for its whole limit
        (60.0, Effort(15.0, at_work=True), False),  # the machine gave it ten seconds of sixty
        (600.0, Effort(15.0, at_work=True), False),
        (1201.0, Effort(15.0, at_work=True), True),  # not for ever
        (60.0, Effort(5.0, at_work=False), True),  # it waits for nothing
        (60.0, Effort(5.0, at_work=True), False),  # for the disk, or its first turn
        (60.0, Effort(35.0, at_work=False), False),  # caught between two steps
        (60.0, Effort(0.0, at_work=False), True),  # it is gone
    ],
)
def test_what_counts_as_hanging(now: float, done: Effort, hangs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "effort", lambda pid: done)
    silent = Silent()
    with pool.Pool(1, memory=1 << 30, timeout=60.0) as processes:
        assert processes._hangs(silent, now) is hangs  # pyright: ignore[reportArgumentType]
        if not hangs:
            assert now < processes._due(silent) <= now + 60.0  # pyright: ignore[reportArgumentType]


def test_what_worked_first_and_waits_since_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a parser that imports its library, and then waits for something that does not come."""
    silent = Silent()
    with pool.Pool(1, memory=1 << 30, timeout=60.0) as processes:
        monkeypatch.setattr(pool, "effort", lambda pid: Effort(15.0, at_work=False))
        assert processes._hangs(silent, 60.0) is False  # pyright: ignore[reportArgumentType]
        assert processes._hangs(silent, processes._due(silent)) is True  # pyright: ignore[reportArgumentType]


def test_the_effort_of_a_process_and_of_the_programs_it_runs() -> None:
    work = "while True: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        wait_until(lambda: effort(process.pid).seconds > 0.5)
        assert effort(process.pid).at_work
    finally:
        import os
        import signal

        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
    assert effort(process.pid) == Effort(0.0, at_work=False)


def test_what_was_read_before_a_file_is_given_up_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.faulty"
    path.write_text("\n".join([*(f"page {n}" for n in range(1, 41)), *["abort"] * 40]) + "\n")
    options = LoadOptions(cache=False, jobs=1, timeout=PATIENCE)
    corpus = Corpus.load([path], options=options, on_error="collect")
    (document,) = corpus
    assert [page.text for page in document.pages] == [*(f"page {n}" for n in range(1, 41)), *[""] * 40]
    assert any("given up" in warning and "50-80" in warning for warning in document.warnings)
    assert all("SIGABRT" in str(failure) for failure in corpus.failures)
    assert sum(str(failure).count("given up") for failure in corpus.failures) == 1
