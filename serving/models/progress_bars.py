"""Suppress the progress bars of transformers: longread reports progress as events."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partialmethod


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Suppress the bars that transformers can turn off, and the few that it draws with tqdm directly."""
    from tqdm import std
    from transformers.utils import logging

    shown, init = logging.is_progress_bar_enabled(), std.tqdm.__init__
    logging.disable_progress_bar()
    std.tqdm.__init__ = partialmethod(init, disable=True)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        std.tqdm.__init__ = init  # type: ignore[method-assign]
        if shown:
            logging.enable_progress_bar()
