"""Record a real terminal session as the picture in the README.

    python docs/record_session.py            # writes docs/session.svg

`agent chat` runs under a pseudo-terminal and is typed at; what a terminal would show at the end is drawn.
"""

import os
import sys
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS, ROWS = 100, 40
QUESTIONS = (
    "How many bytes of K/V cache does one token of the 7B model take?",
    "Which licence does PyMuPDF have?",
)
COMMAND = "agent chat --file examples/handbook.pdf"


def record() -> pyte.Screen:
    """Run the session, and return the terminal as it stands at the end."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(screen)
    stream.feed(f"\x1b[1;32m$\x1b[0m {COMMAND}\r\n")
    executable = Path(sys.executable).parent / "agent"
    child = pexpect.spawn(
        str(executable),
        COMMAND.split()[1:],
        cwd=str(ROOT),
        dimensions=(ROWS, COLUMNS),
        env={**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"},
        timeout=600,
        encoding="utf-8",
    )
    child.logfile_read = _Feed(stream)
    for question in QUESTIONS:
        child.expect("›")
        child.sendline(question)
        child.expect("first token")
    child.expect("›")
    child.sendline("/quit")
    child.expect(pexpect.EOF)
    return screen


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
    text = Text()
    for column in range(screen.columns):
        cell = screen.buffer[row][column]
        color = None if cell.fg == "default" else f"#{cell.fg}" if len(cell.fg) == 6 and cell.fg.isalnum() else cell.fg
        color = {"brown": "yellow"}.get(color or "", color)
        text.append(cell.data, Style(color=color, bold=cell.bold, italic=cell.italics))
    text.rstrip()
    return text


if __name__ == "__main__":
    draw(record(), ROOT / "docs" / "session.svg")
