"""The `agent` command: parses, calls, prints. Nothing heavy is imported before a command runs."""

import io
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ask questions of whole documents in one prompt, and get answers with the pages they come from.",
)

Files = Annotated[
    list[str],
    typer.Option(
        "--file",
        "-f",
        metavar="PATH",
        help="A file, a folder, a pattern in quotes, or - for standard input. May be repeated.",
    ),
]
Pages = Annotated[
    list[str] | None,
    typer.Option(
        "--pages", metavar="[NAME:]RANGES", help="Only these pages, as 1-20,45 or book:1-20. May be repeated."
    ),
]
Password = Annotated[str | None, typer.Option("--password", help="For encrypted files.")]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Go on without the files that cannot be read, naming each.")
]
Server = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="An OpenAI-compatible server; else the embedded model runs."),
]
Model = Annotated[str | None, typer.Option("--model", "-m", help="The model's name: agent models.")]
ApiKey = Annotated[str | None, typer.Option("--api-key", help="For the server. Better kept in LONGREAD_API_KEY.")]
Window = Annotated[
    int | None,
    typer.Option(
        "--window",
        help="Tokens that the model can hold; asked of it if not set. More than its own stretches an embedded one.",
    ),
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="The longest answer, in tokens; 512 if not set.")]
Temperature = Annotated[
    float | None, typer.Option("--temperature", help="Sampling temperature; 0 is greedy. The model's own if not set.")
]
Device = Annotated[str | None, typer.Option("--device", help="Where the embedded model runs: cpu, cuda.")]
Layout = Annotated[bool | None, typer.Option("--layout/--no-layout", help="Read PDFs as Markdown with tables: slower.")]
Ocr = Annotated[bool | None, typer.Option("--ocr/--no-ocr", help="Read scanned pages with tesseract.")]
Jobs = Annotated[int | None, typer.Option("--jobs", help="Parser processes; one a core if not set.")]


# What a shell makes of a pattern without quotes: `assemble` says so.
_MORE_ARGUMENTS = {"allow_extra_args": True}


@app.command(context_settings=_MORE_ARGUMENTS)
def chat(
    context: typer.Context,
    file: Files,
    question: Annotated[str | None, typer.Argument(help="The first question; more are asked for.")] = None,
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
    """
    with _errors():
        config = _config(
            server=server, model=model, api_key=api_key, window=window, max_tokens=max_tokens,
            temperature=temperature, device=device, layout=layout, ocr=ocr, jobs=jobs,
        )  # fmt: skip
        from . import assemble
        from .chat import Chat, lines

        first = assemble.first_question(question, context.args, file)
        reader = assemble.reader(config, file, pages=pages or (), password=password, skip_unreadable=skip_unreadable)
        conversation = Chat(reader, budget=lambda history: assemble.show_budget(reader, history))
        conversation.run(first, lines(stdin_is_a_document="-" in file))
        if conversation.failed and not conversation.transcript:
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

    The answer goes to standard output, all else to standard error. Exit code 0: answered; 1: it could not be, and why
    is on standard error; 2: a setting or an option is wrong; 130: interrupted.

    agent ask 'Who signed it?' --file contracts/ --json
    """
    with _errors():
        config = _config(
            server=server, model=model, api_key=api_key, window=window, max_tokens=max_tokens,
            temperature=temperature, device=device, layout=layout, ocr=ocr, jobs=jobs,
        )  # fmt: skip
        from . import assemble, terminal

        question = assemble.read_question(question, context.args, file)
        sources: dict[str, Any] = {
            "pages": pages or (), "password": password, "skip_unreadable": skip_unreadable
        }  # fmt: skip
        if dry_run:
            fits = assemble.dry_run(config, file, question, as_json=as_json, **sources)
            raise typer.Exit(0 if fits else 1)
        reader = assemble.reader(config, file, **sources)
        if as_json:
            answer = reader.ask(question)
            print(json.dumps(assemble.as_json(reader, answer), ensure_ascii=False, indent=2))
            return
        with terminal.AnswerView(markdown=sys.stdout.isatty()) as view:
            answer = reader.ask(question, on_event=view)
        terminal.err.print(terminal.footer(answer)) if not sys.stdout.isatty() else terminal.out.print(
            terminal.footer(answer)
        )


Tokens = Annotated[
    int | None, typer.Option("--tokens", help="Of prompt and answer together; the model's window if not set.")
]
GpuSpec = Annotated[
    str | None,
    typer.Option(
        "--gpus", metavar="4xH100-80", help="GPUs, as 4xH100-80, or 2x8xH100-80 for two nodes; these if not set."
    ),
]
Chunk = Annotated[int | None, typer.Option("--chunk", help="Prompt tokens read at a time; the largest that fits.")]
Fp8Weights = Annotated[bool, typer.Option("--fp8-weights", help="Keep the weights in 8 bits.")]
Fp8Kv = Annotated[bool, typer.Option("--fp8-kv", help="Keep the K/V cache in 8 bits.")]


@app.command()
def plan(
    model: Annotated[str, typer.Argument(help="A name in the catalogue, a folder or a hub id.")],
    tokens: Tokens = None,
    gpus: GpuSpec = None,
    chunk: Chunk = None,
    fp8_weights: Fp8Weights = False,
    fp8_kv: Fp8Kv = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Work out what a model and a length take, and how to serve them. Exit code 1: it does not fit.

    agent plan qwen2.5-7b-1m --tokens 1000000 --gpus 4xH100-80
    """
    with _errors():
        from ..serving.launch import Options, plan_for
        from ..serving.plan import Gpus
        from . import serving_view

        options = Options(
            tokens=tokens, gpus=Gpus.parse(gpus) if gpus else None, chunk=chunk, fp8_weights=fp8_weights, fp8_kv=fp8_kv
        )
        found = plan_for(model, options)
        print(serving_view.plan_as_json(found)) if as_json else serving_view.show_plan(found)
        raise typer.Exit(0 if found.chosen else 1)


@app.command(context_settings={"allow_extra_args": True})
def serve(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help="A name in the catalogue, a folder or a hub id.")] = None,
    tokens: Tokens = None,
    gpus: GpuSpec = None,
    chunk: Chunk = None,
    fp8_weights: Fp8Weights = False,
    fp8_kv: Fp8Kv = False,
    sparse: Annotated[
        bool | None, typer.Option("--sparse/--no-sparse", help="Sparse prefill; as the checkpoint says if not set.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", help="8000 if it is free, else any.")] = None,
    api_key: Annotated[
        str | None, typer.Option("--api-key", help="What clients must send.", envvar="LONGREAD_API_KEY")
    ] = None,
    kv_disk: Annotated[
        Path | None, typer.Option("--kv-disk", help="A folder for the K/V of prompts, which outlives the server.")
    ] = None,
    kv_disk_size: Annotated[
        float | None,
        typer.Option(
            "--kv-disk-size", metavar="GIB", min=0, help="What it may take; four of the longest prompts if not set."
        ),
    ] = None,
    kv_memory: Annotated[
        float, typer.Option("--kv-memory", help="GiB of main memory between GPU and disk, with --kv-disk.")
    ] = 4.0,
    stop: Annotated[bool, typer.Option("--stop", help="End the server.")] = False,
    status: Annotated[bool, typer.Option("--status", help="List the servers that run.")] = False,
) -> None:
    """Serve a model with vLLM, in the background. agent chat finds it. What follows -- goes to vLLM as it is.

    agent serve qwen2.5-7b-1m --tokens 1000000
    """
    with _errors():
        from ..serving import launch, served
        from ..serving.plan import Gpus
        from . import serving_view, terminal

        if status:
            serving_view.show_all(served.running())
            return
        if stop:
            serving_view.stop(model)
            return
        if model is None:
            raise typer.BadParameter("say which model to serve: agent models lists them.")
        options = launch.Options(
            tokens=tokens, gpus=Gpus.parse(gpus) if gpus else None, chunk=chunk, fp8_weights=fp8_weights,
            fp8_kv=fp8_kv, sparse=sparse, host=host, port=port, api_key=api_key, kv_disk=kv_disk,
            kv_disk_gib=kv_disk_size, kv_memory_gib=kv_memory, extra=tuple(context.args),
        )  # fmt: skip
        with terminal.preparing() as show:
            found = launch.launch(model, options, on_event=show)
        serving_view.show_served(found)


@app.command()
def models(server: Server = None, api_key: ApiKey = None) -> None:
    """List the models: the catalogue, and a server's."""
    with _errors():
        config = _config(server=server, api_key=api_key)
        from . import listing

        listing.show(config.settings)


@app.command()
def doctor(server: Server = None, model: Model = None, api_key: ApiKey = None) -> None:
    """Check what works on this machine."""
    with _errors():
        config = _config(server=server, model=model, api_key=api_key)
        from . import doctor as checks
        from . import terminal

        results = checks.examine(config)
        terminal.out.print(checks.table(results))
        raise typer.Exit(1 if any(result.state == "fail" for result in results) else 0)


@app.command()
def config() -> None:
    """Show every setting and where it came from."""
    with _errors():
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


@contextmanager
def _errors() -> "Iterator[None]":
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


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what an encoding such as ASCII lacks is a "?"
    app()


if __name__ == "__main__":
    main()
