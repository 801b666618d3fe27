"""What a terminal itself writes when a key is pressed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_echo() -> Iterator[None]:
    """Keys are not shown, Ctrl-C not as `^C`: they would stand in the middle of what is drawn, and one at the end of a
    full line begins another, so that drawing anew leaves a line behind. Without a terminal nothing is done."""
    import termios

    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (AttributeError, OSError, ValueError, termios.error):  # closed, or no terminal
        yield
        return
    during = list(before)
    during[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, during)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)
