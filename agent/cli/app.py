"""The Typer application: its commands, `--version`, and `main`.

Command modules import only typer and the standard library at module level, so that `--help` answers at once.
"""

import io
import os
import sys
from typing import Annotated

import typer

from . import api, ask, bench, calibrate, chat, doctor, mcp, models, serve, sessions, show
from .exit_codes import exit_on_error
from .options import MORE_ARGUMENTS
from .serving_options import VllmCommand

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ask questions about whole documents in one prompt, and get answers that cite their pages.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"longread {version('longread')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def show_config() -> None:
    """Show every setting and where it came from."""
    with exit_on_error():
        from . import console, tables
        from .config import load

        console.out.print(tables.rows(("setting", "value", "from", "description"), load({}).table()))


app.command(context_settings=MORE_ARGUMENTS)(chat.chat)
app.command(context_settings=MORE_ARGUMENTS)(ask.ask)
app.command()(show.show)
app.command()(api.api)
app.command()(mcp.mcp)
app.command(cls=VllmCommand)(serve.plan)
app.command(cls=VllmCommand)(serve.serve)
app.add_typer(calibrate.app, name="calibrate")
app.command()(models.models)
app.command()(doctor.doctor)
app.command("config")(show_config)
app.add_typer(sessions.app, name="sessions")
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command that the arguments name. `longread.__main__` calls this, and handles signals."""
    # If a standard stream is closed, the next file that is opened would take its place and receive the output.
    while (nowhere := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(nowhere)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what an encoding such as ASCII lacks becomes a "?"
    app()
