"""`agent chat` against the server that `agent serve` started, as a user has them."""

import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from longread.events import ServeEvent
from longread.serving.vllm_server.registry import RunningServer

ROOT = Path(__file__).parents[3]
BOOK = ROOT / "examples" / "handbook.md"
QUESTIONS = "What is the command of longread called?\nWhich parser does it use for PDF?\n"


def at_a_terminal(arguments: list[str], stdin: str, home: Path) -> tuple[str, str]:
    """Run `agent` with standard error at a terminal, where progress is shown. -> (standard output, standard error)."""
    master, slave = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        while True:
            try:
                shown.append(os.read(master, 65_536))
            except OSError:  # how the other end's closing shows on Linux
                return

    process = subprocess.Popen(
        [Path(sys.executable).with_name("agent"), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=slave, text=True, env={**os.environ, "LONGREAD_CACHE_DIR": str(home), "COLUMNS": "120", "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        stdout, _ = process.communicate(stdin)
    finally:
        process.kill()
        reader.join()
        os.close(master)
    errors = b"".join(shown).decode()
    assert process.returncode == 0, errors
    return stdout, errors


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_second_question_comes_soon_and_the_first_shows_how_far_it_is(
    server: tuple[RunningServer, list[ServeEvent]], home: Path, tmp_path: Path
) -> None:
    book = shutil.copy(BOOK, tmp_path / "guide.md")  # other tests read it under its own name, which begins the prompt
    arguments = ["chat", "--file", str(book), "--max-tokens", "24", "--temperature", "0"]
    stdout, errors = at_a_terminal(arguments, QUESTIONS, home)

    assert f"the model is at {server[0].url} (started with agent serve smollm2-135m)" in errors
    costs = re.findall(r"prompt (\S+) tokens \((\S+) cached\), answer \S+ tokens, first token ([\d,]+)", stdout)
    (tokens, cached, seconds), (_, cached_then, _) = [tuple(map(number, cost)) for cost in costs]
    assert 4_000 < tokens < 6_000
    assert cached < tokens // 4, "the book was new to the server"
    assert cached_then > tokens - 256
    assert "longread" in stdout.splitlines()[0]

    shown = [(number(done), number(total)) for done, total in re.findall(r"([\d,]+)/([\d,]+) tokens", errors)]
    read = [done for done, total in shown if total == tokens]
    assert read == sorted(read)
    # The server is asked once a second, and what it says changes with each step of its scheduler: a fast one has read
    # the book before it is asked, and on a busy machine an answer may cover several steps.
    assert len(set(read)) >= min(2, seconds // 4), "it grew while the book was read"
    assert max(read) <= tokens
