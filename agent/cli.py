"""The `agent` command: parses, calls, prints. Nothing heavy is imported before a command runs."""

import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import cli_api, cli_bench, cli_calibrate, cli_mcp, cli_serving, sessions_cli
from .cli_options import (
    ApiKey,
    Approve,
    Device,
    Files,
    Highlight,
    Jobs,
    Layout,
    MaxTokens,
    MaybeFiles,
    Mcp,
    Model,
    NoTools,
    Ocr,
    OverflowWay,
    Pages,
    Password,
    Server,
    SkipUnreadable,
    Temperature,
    ToolNames,
    Ways,
    Window,
)
from .faults import errors

if TYPE_CHECKING:
    from .config import Config

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ask questions of whole documents in one prompt, and get answers with the pages they come from.",
)

# What a shell makes of a pattern without quotes: `assemble` says so.
_MORE_ARGUMENTS = {"allow_extra_args": True}


@app.command(context_settings=_MORE_ARGUMENTS)
def chat(
    context: typer.Context,
    question: Annotated[str | None, typer.Argument(help="The first question; more are asked for.")] = None,
    file: MaybeFiles = None,
    goes_on: Annotated[
        bool,
        typer.Option("--continue", help="Go on with the last conversation: with --file, with the last about it."),
    ] = False,
    session: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="Go on with this one: agent sessions list.")
    ] = None,
    save: Annotated[bool, typer.Option("--save/--no-save", help="Keep the conversation on disk.")] = True,
    overflow: OverflowWay = Ways.error,
    tool: ToolNames = None,
    mcp: Mcp = None,
    no_tools: NoTools = False,
    approve: Approve = False,
    pages: Pages = None,
    password: Password = None,
    skip_unreadable: SkipUnreadable = False,
    server: Server = None,
    model: Model = None,
    api_key: ApiKey = None,
    window: Window = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    device: Device = None,
    layout: Layout = None,
    ocr: Ocr = None,
    jobs: Jobs = None,
) -> None:
    """Talk about documents. /help lists what else there is.

    agent chat --file book.pdf --file 'notes/*.md'

    agent chat --continue
    """
    with errors():
        config = _config(
            server=server, model=model, api_key=api_key, window=window, max_tokens=max_tokens,
            temperature=temperature, device=device, layout=layout, ocr=ocr, jobs=jobs,
        )  # fmt: skip
        from . import assemble
        from .chat import Chat, lines
        from .keeping import Keeper
        from .tool_choice import ToolChoice, servers

        tools = ToolChoice(tuple(tool or ()), none=no_tools, approve=approve, mcp=mcp)
        with servers(tools) as more_tools, Keeper(save=save, goes_on=goes_on, id=session) as keeper:
            files, chosen = keeper.sources(file or [], pages or [])
            first = assemble.first_question(question, context.args, files)
            reader = assemble.reader(
                config,
                files,
                pages=chosen,
                password=password,
                skip_unreadable=skip_unreadable,
                tools=tools,
                more_tools=more_tools,
                overflow=overflow.value,
                chatting=True,
            )
            recorder, history = keeper.open(reader, chosen)
            conversation = Chat(
                reader,
                budget=lambda history: assemble.show_budget(reader, history),
                recorder=recorder,
                history=history,
                selections=chosen,
            )
            conversation.run(first, lines(stdin_is_a_document="-" in files))
        # Whoever types sees what failed; a script sees the exit code.
        if conversation.failed and not (sys.stdin.isatty() and conversation.transcript):
            raise typer.Exit(1)


@app.command(context_settings=_MORE_ARGUMENTS)
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question, or - to read it from standard input.")],
    file: Files,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer, its citations and its cost as JSON.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what the prompt would take of the model's window.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 3 if a quote is not on the page it names, or a mark leads nowhere."),
    ] = False,
    schema: Annotated[
        Path | None, typer.Option("--schema", metavar="FILE", help="A JSON schema that the answer is to fit.")
    ] = None,
    highlight: Highlight = None,
    overflow: OverflowWay = Ways.error,
    tool: ToolNames = None,
    mcp: Mcp = None,
    no_tools: NoTools = False,
    approve: Approve = False,
    pages: Pages = None,
    password: Password = None,
    skip_unreadable: SkipUnreadable = False,
    server: Server = None,
    model: Model = None,
    api_key: ApiKey = None,
    window: Window = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    device: Device = None,
    layout: Layout = None,
    ocr: Ocr = None,
    jobs: Jobs = None,
) -> None:
    """Ask one question and leave.

    The answer goes to standard output, all else to standard error. Exit code 0: answered; 1: it could not be, or
    --highlight wrote nothing, and why is on standard error; 2: a setting or an option is wrong; 3: with --strict,
    answered with something that is not verified; 130: interrupted.

    agent ask 'Who signed it?' --file contracts/ --json
    """
    with errors():
        config = _config(
            server=server, model=model, api_key=api_key, window=window, max_tokens=max_tokens,
            temperature=temperature, device=device, layout=layout, ocr=ocr, jobs=jobs,
        )  # fmt: skip
        from . import assemble, terminal
        from .errors import ConfigError
        from .highlight import check_target
        from .tool_choice import ToolChoice, servers

        question = assemble.read_question(question, context.args, file)
        sources: dict[str, Any] = {
            "pages": pages or (), "password": password, "skip_unreadable": skip_unreadable
        }  # fmt: skip
        tools = ToolChoice(tuple(tool or ()), none=no_tools, approve=approve, mcp=mcp)
        if dry_run:
            fits = assemble.dry_run(config, file, question, as_json=as_json, tools=tools, **sources)
            raise typer.Exit(0 if fits else 1)
        wanted = assemble.read_schema(schema)
        if highlight:
            if schema:
                raise ConfigError("--highlight and --schema: an object quotes nothing.")
            check_target(highlight)
        with servers(tools) as more_tools:
            reader = assemble.reader(
                config, file, tools=tools, more_tools=more_tools, overflow=overflow.value, **sources
            )
            with terminal.AnswerView(markdown=sys.stdout.isatty(), text=not as_json) as view:
                answer = reader.ask(question, schema=wanted, on_event=view)
            if as_json:
                print(json.dumps(assemble.as_json(reader, answer), ensure_ascii=False, indent=2))
            else:
                console = terminal.out if sys.stdout.isatty() else terminal.err
                console.print(terminal.footer(answer, reader.corpus))
            if highlight:
                assemble.write_highlights(reader, answer, highlight, password=password)
            raise typer.Exit(3 if strict and not answer.verified else 0)


app.add_typer(sessions_cli.app, name="sessions")
app.add_typer(cli_bench.app, name="bench")
app.command()(cli_api.api)
app.command()(cli_mcp.mcp)
app.command()(cli_serving.plan)
app.command(context_settings=_MORE_ARGUMENTS)(cli_serving.serve)
app.command(context_settings=_MORE_ARGUMENTS)(cli_calibrate.calibrate)


@app.command()
def models(server: Server = None, api_key: ApiKey = None) -> None:
    """List the models: the catalogue, and a server's."""
    with errors():
        config = _config(server=server, api_key=api_key)
        from . import listing

        listing.show(config.settings)


@app.command()
def doctor(server: Server = None, model: Model = None, api_key: ApiKey = None) -> None:
    """Check what works on this machine."""
    with errors():
        config = _config(server=server, model=model, api_key=api_key)
        from . import doctor as checks
        from . import terminal

        results = checks.examine(config)
        terminal.out.print(checks.table(results))
        raise typer.Exit(1 if any(result.state == "fail" for result in results) else 0)


@app.command()
def config() -> None:
    """Show every setting and where it came from."""
    with errors():
        from . import terminal

        terminal.out.print(terminal.config_table(_config()))


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"longread {version('longread')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def _config(**flags: Any) -> "Config":
    from .config import load

    return load(flags, folder=Path.cwd())


def main() -> None:
    # Where an output is closed, the next file that is opened would get what is printed.
    while (nowhere := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(nowhere)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what an encoding such as ASCII lacks is a "?"
    app()


if __name__ == "__main__":
    main()
