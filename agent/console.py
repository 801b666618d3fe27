"""Standard output and standard error, as the command writes to them."""

import os
import re
import sys

from rich.console import Console, ConsoleDimensions
from rich.text import Text

from .control import encodable

_WIDE = 10_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class _Console(Console):
    """Prints text as it is: nothing in an answer or a title is markup, an emoji name, or an order to the terminal."""

    def __init__(self, *, stderr: bool = False):
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    @property
    def size(self) -> ConsoleDimensions:
        """A pipe has no width: a table in it is as wide as what it holds."""
        return super().size if self.is_terminal else ConsoleDimensions(_WIDE, super().size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def on_broken_pipe(self) -> None:
        """`agent ask … | head`: leave as a program does that SIGPIPE ends. The rest goes nowhere."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141)


out = _Console()
err = _Console(stderr=True)


def printable(text: str) -> str:
    """Text without control characters: documents, models and servers do not get to steer the terminal."""
    return encodable(_CONTROL.sub("", text))


def error(message: str) -> None:
    err.print(Text("error: ", style="bold red") + Text(printable(message)), soft_wrap=True)


def question(text: str) -> None:
    """Echo a question that nobody typed at this terminal."""
    out.print(Text("› ", style="bold green") + Text(printable(text), style="bold"))


def note(message: str) -> None:
    err.print(Text(printable(message), style="dim"), soft_wrap=True)
