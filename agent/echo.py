"""What a terminal itself writes when a key is pressed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def echo(shown: bool) -> Iterator[None]:
    """Whether keys are shown, Ctrl-C as `^C`, while the block lasts. Without a terminal nothing is done.

    In the middle of what is drawn they are not: one at the end of a full line begins another, and drawing anew then
    leaves a line behind.
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
