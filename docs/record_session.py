"""Record a real terminal session as the picture in the README.

    python docs/record_session.py            # writes docs/session.svg

`agent chat` runs under a pseudo-terminal and is typed at; what a terminal would show at the end is drawn.
"""

import os
import sys
from itertools import groupby
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parents[1]
COLUMNS, ROWS = 100, 40
QUESTIONS = (
    "What is the window of the built-in model?",
    "Under which licence is the source code of longread published?",
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
