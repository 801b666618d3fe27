"""`agent show`: what the model reads of a document."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from .exit_codes import exit_on_error
from .options import READING_SETTINGS, Pages, Password, SkipUnreadable, with_settings


@with_settings(READING_SETTINGS)
def show(
    file: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Files, folders, patterns, addresses, or - for standard input."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the pages with their notes as JSON.")] = False,
    as_html: Annotated[
        bool,
        typer.Option(
            "--html", help="Print a web page with the text, for PDFs and picture files beside the picture of each page."
        ),
    ] = False,
    pages: Pages = None,
    password: Password = None,
    skip_unreadable: SkipUnreadable = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Print exactly what the model will read of a document, page by page.

    The text goes to standard output, as it is in the prompt. What was skipped or altered is printed on standard error,
    after the page that it concerns.

    agent show book.pdf --pages 3-5

    agent show book.pdf --html > book.html
    """
    with exit_on_error():
        from longread.errors import ConfigError

        from . import show_view
        from .config import load
        from .setup import load_corpus

        if as_json and as_html:
            raise ConfigError("--json and --html exclude each other.")
        # The model's tokenizer is not loaded: it only counts, and Qwen's vocabulary is enough for that.
        corpus = load_corpus(
            load(settings).settings,
            file,
            pages=pages or (),
            password=password,
            skip_unreadable=skip_unreadable,
            warnings=False,
        )
        if as_json:
            show_view.print_json(corpus)
        elif as_html:
            show_view.print_html(corpus, password=password)
        else:
            show_view.print_text(corpus)
