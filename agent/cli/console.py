"""Standard output and standard error as the commands write to them."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleDimensions
from rich.text import Text

from longread.control_tokens import encodable

_WIDE = 10_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class _Console(Console):
    """Prints text as it is: nothing in an answer or a title is taken for markup or for an emoji name."""

    def __init__(self, *, stderr: bool = False):
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    @property
    def size(self) -> ConsoleDimensions:
        """A pipe has no width: a table in it is as wide as its contents."""
        return super().size if self.is_terminal else ConsoleDimensions(_WIDE, super().size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def on_broken_pipe(self) -> None:
        """`agent ask … | head`: exit like a program that SIGPIPE ended. The rest of the output is discarded."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141)


out = _Console()
err = _Console(stderr=True)


def printable(text: str) -> str:
    """The text without control characters, so that documents, models and servers cannot control the terminal."""
    return encodable(_CONTROL.sub("", text))


def error(message: str) -> None:
    err.print(Text("error: ", style="bold red") + Text(printable(message)), soft_wrap=True)


def question(text: str) -> None:
    """Show a question that was not typed at this terminal."""
    out.print(Text("› ", style="bold green") + Text(printable(text), style="bold"))


def note(message: str) -> None:
    err.print(Text(printable(message), style="dim"), soft_wrap=True)


def interactive() -> bool:
    """Whether both standard input and standard output are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def terminal_echo(shown: bool) -> Iterator[None]:
    """Turn the terminal's echo of typed keys on or off inside the block. Without a terminal nothing changes.

    Echo is off while rendering: an echoed key at the end of a full line would wrap and corrupt the redraw.
    """
    import termios

    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (AttributeError, OSError, ValueError, termios.error):  # closed, or no terminal
        yield
        return
    during = list(before)
    during[3] = during[3] | termios.ECHO if shown else during[3] & ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, during)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)
