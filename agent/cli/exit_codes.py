"""Exit codes: errors that are meant for the user become one line on standard error and an exit code.

0: done; 1: an error; 2: a wrong option or setting; 3: `ask --strict`, something is not verified; 130: Ctrl-C; 141: the
reader of standard output is gone; 143: SIGTERM.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print an error that is meant for the user and exit with its code. Other exceptions keep their traceback."""
    from longread.errors import LongreadError

    try:
        yield
    except LongreadError as error:
        _print_error(str(error))
        raise typer.Exit(error.exit_code) from error
    except BrokenPipeError as broken:  # `agent ask … | head`
        sys.stderr.close()
        raise typer.Exit(141) from broken
    except OSError as error:  # a full disk, too many open files, a file in the place of a folder
        _print_error(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
        raise typer.Exit(1) from error


def _print_error(message: str) -> None:
    from . import console

    console.error(message)
