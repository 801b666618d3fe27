"""Errors that are meant for the user become one line and an exit code, for every command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def errors() -> Iterator[None]:
    """Errors that are meant for the user become one line and an exit code; everything else keeps its traceback."""
    from ..serving.errors import LongreadError

    try:
        yield
    except LongreadError as error:
        from . import terminal

        terminal.error(str(error))
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as interrupt:
        from . import terminal

        terminal.note("interrupted")
        raise typer.Exit(130) from interrupt
    except BrokenPipeError as broken:  # `agent ask … | head`
        sys.stderr.close()
        raise typer.Exit(141) from broken
    except OSError as error:  # a full disk, too many open files, a file in the place of a folder
        from . import terminal

        terminal.error(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
        raise typer.Exit(1) from error
