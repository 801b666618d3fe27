"""Record a real terminal session as the picture in the README.

    python docs/record_session.py            # writes docs/session.svg

`agent chat` runs under a pseudo-terminal and is typed at, is stopped by Ctrl-C and left, and is started again; what a
terminal would show at the end is drawn. The program and its lookups are real. The model is a scripted server, whose
answers have a quote of each kind: the embedded model, which is what every machine has, does not quote.
"""

import os
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from scripted_server import Reply, ScriptedServer  # noqa: E402

COLUMNS, ROWS = 100, 48
COMMAND = "agent chat --file examples/handbook.pdf"
AGAIN = "agent chat --continue"
FIRST = "Under which licence is longread, and what does a token cost?"
STOPPED = "How fast is sparse prefill?"
LAST = "In one sentence, please."
ANSWERS = (
    'It is "published under the Apache-2.0 licence" [handbook:1]. For the 7B model "the K/V cache size of one token is '
    '57,433 bytes" [handbook:5], and "the cache is emptied every night" [handbook:5].',
    'Sparse kernels are "27.8 times as fast as FlashAttention on an A100" [handbook:4]. The time to the first token '
    "shrinks less, since the rest of the model",
    'They are "27.8 times as fast as FlashAttention on an A100" [handbook:3].',
)


def record() -> pyte.Screen:
    """Run the session, and return the terminal as it stands at the end."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    with ScriptedServer() as server, tempfile.TemporaryDirectory() as data:
        server.models = [{"id": "scripted", "object": "model", "max_model_len": 32_768}]
        whole, cut, last = ANSWERS
        # The second one would go on, and never does.
        endless = Reply.text(f"{cut} " + "and so on " * 60, pieces=130, pause=0.03)
        endless.parts = [*list(endless.parts)[: 2 * 26], 600.0]
        server.script(Reply.text(whole, pieces=40, pause=0.02), endless, Reply.text(last, pieces=20, pause=0.02))
        env = {**os.environ, "LONGREAD_SERVER": server.url, "LONGREAD_DATA_DIR": data, "XDG_STATE_HOME": data}
        child = _start(COMMAND, stream, env)
        _ask(child, FIRST, until="first token")
        _ask(child, STOPPED, until="since the rest")
        child.sendintr()
        child.expect("stopped")
        _ask(child, "/quit", until=pexpect.EOF)
        child = _start(AGAIN, stream, env)
        _ask(child, LAST, until="first token")
        _ask(child, "/quit", until=pexpect.EOF)
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
    """A file object that a pseudo-terminal's output is copied to."""

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
    named = {"default": None, "brown": "yellow"}  # as pyte calls them; other colours are names or six hex digits
    is_hex = len(color) == 6 and all(digit in "0123456789abcdef" for digit in color)
    return Style(color=f"#{color}" if is_hex else named.get(color, color), bold=bold, italic=italic)


if __name__ == "__main__":
    draw(record(), ROOT / "docs" / "session.svg")
