"""Record a terminal session as the picture in the README.

    python docs/record_session.py            # writes docs/pictures/session.svg

`agent chat` runs under a pseudo-terminal: it is asked two questions, interrupted with Ctrl-C, left, and resumed. The
final screen is drawn. The program and its quote checks are real. The model is a scripted server, because the embedded
model, the only one that every machine has, rarely quotes its sources; the caption in the README says so.
"""

import os
import sys
import tempfile
import threading
from itertools import groupby
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.support.scripted_server import Reply, ScriptedServer  # noqa: E402

COLUMNS, ROWS = 100, 60
COMMAND = "agent chat --file examples/handbook.pdf"
RESUME = "agent chat --continue"
FIRST = "Why not just search the document for the relevant passages?"
SECOND = "Explain Dual Chunk Attention."
THIRD = "How much faster is sparse prefill?"
ANSWERS = (
    'Because search "fails quietly" [handbook:2]. "The clause that matters may use none of the words you asked with" '
    '[handbook:2], and "when the search misses, the model does not know what it was not shown: it answers all the '
    'same" [handbook:2].',
    'Dual Chunk Attention "keeps every distance inside the range that the model knows" [handbook:3]. The text is '
    "divided into chunks, and a key is turned by its position within its own",
    'The kernels are "27.8 times as fast as FlashAttention on an H100" [handbook:4]. The time to the first token '
    'shrinks less: "the 7B model on four A100 cards needs 82 seconds instead of 342" [handbook:4].',
)
"""Quotes of the handbook, all but one verbatim: page 4 says A100."""


def record() -> pyte.Screen:
    """Run the session and return the terminal's final screen."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    with ScriptedServer() as server, tempfile.TemporaryDirectory() as data:
        server.models = [{"id": "scripted", "object": "model", "max_model_len": 32_768}]
        first, cut, third = ANSWERS
        hold = threading.Event()  # the second answer would continue, and never does
        endless = Reply.text(cut, pieces=40, pause=0.02)
        end = len(Reply.text("").parts) - 1  # how a reply ends, which this one does not
        endless.parts = [*list(endless.parts)[:-end], hold]
        server.script(Reply.text(first, pieces=40, pause=0.02), endless, Reply.text(third, pieces=20, pause=0.02))
        env = {**os.environ, "LONGREAD_SERVER": server.url, "LONGREAD_DATA_DIR": data, "XDG_STATE_HOME": data}
        child = _start(COMMAND, stream, env)
        _ask(child, FIRST, until="first token")
        _ask(child, SECOND, until="its own")
        child.sendintr()
        child.expect("stopped")
        _ask(child, "/quit", until=pexpect.EOF)
        child = _start(RESUME, stream, env)
        _ask(child, THIRD, until="first token")
        _ask(child, "/quit", until=pexpect.EOF)
        hold.set()
    return screen


def _start(command: str, stream: pyte.Stream, env: dict[str, str]) -> "pexpect.spawn[str]":
    stream.feed(f"\x1b[1;32m$\x1b[0m {command}\r\n")
    child = pexpect.spawn(
        str(Path(sys.executable).parent / "agent"),
        command.split()[1:],
        cwd=str(ROOT),
        dimensions=(ROWS, COLUMNS),
        env={**env, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"},
        timeout=120,
        encoding="utf-8",
    )
    child.logfile_read = _Feed(stream)
    return child


def _ask(child: "pexpect.spawn[str]", line: str, *, until: object) -> None:
    child.expect("›")
    child.sendline(line)
    child.expect(until)


class _Feed:
    """A file object that copies a pseudo-terminal's output to the screen."""

    def __init__(self, stream: pyte.Stream):
        self._stream = stream

    def write(self, data: str) -> None:
        self._stream.feed(data)

    def flush(self) -> None:
        pass


def draw(screen: pyte.Screen, path: Path) -> None:
    """Write the screen as an SVG, without the empty lines below the last one."""
    lines = [_line(screen, row) for row in range(screen.lines)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    for line in lines:
        console.print(line, no_wrap=True, overflow="crop")
    path.write_text(console.export_svg(title="agent chat"), encoding="utf-8")


def _line(screen: pyte.Screen, row: int) -> Text:
    cells = [screen.buffer[row][column] for column in range(screen.columns)]
    text = Text()
    for style, run in groupby(cells, key=lambda cell: (cell.fg, cell.bold, cell.italics)):
        text.append("".join(cell.data for cell in run), _style(*style))
    text.rstrip()
    return text


def _style(color: str, bold: bool, italic: bool) -> Style:
    named = {"default": None, "brown": "yellow"}  # pyte's names; other colours are names or six hex digits
    is_hex = len(color) == 6 and all(digit in "0123456789abcdef" for digit in color)
    return Style(color=f"#{color}" if is_hex else named.get(color, color), bold=bold, italic=italic)


if __name__ == "__main__":
    draw(record(), ROOT / "docs" / "pictures" / "session.svg")
