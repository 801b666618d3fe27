"""The `agent bench` commands: parses, calls, prints. Nothing heavy is imported before a command runs."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import ApiKey, Device, MaybeFiles, Model, Server, Window, token_count
from .faults import errors

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measure how well a model answers from long prompts: pass keys, RULER, InfiniteBench, citations, and more.",
)

Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="What agent bench run has written.")]
Draw = Annotated[
    Path | None,
    typer.Option("--draw", metavar="FILE", help="Also draw the scores: heat maps by length and depth, and curves."),
]


@app.command("list")
def list_() -> None:
    """List the tasks, and what those need that are data."""
    with errors():
        from ..benchmarks.quality.tasks import TASKS
        from . import terminal

        body = [
            [task.name, task.origin, task.about, f"--data {task.data}" if task.data else "-"] for task in TASKS.values()
        ]
        terminal.out.print(terminal.rows(["Task", "From", "What it asks", "Needs"], body))


@app.command("run")
def run(
    task: Annotated[list[str], typer.Option("--task", "-t", metavar="NAME", help="May be repeated: agent bench list.")],
    length: Annotated[
        list[str],
        typer.Option(
            "--length", "-n", metavar="TOKENS", help="Of prompt and answer, as 4096, 16K or 1M; commas, or repeated."
        ),
    ],
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="Of each task at each length; of passkey, at each depth.")
    ] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds ask equal questions.")] = 42,
    depths: Annotated[
        int, typer.Option("--depths", min=1, help="Depths of passkey and nolima, from the beginning to the end.")
    ] = 5,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", exists=True, help="The published data of a task that needs some."),
    ] = None,
    file: MaybeFiles = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="JSON Lines, a line an answer; a rerun goes on with it."),
    ] = None,
    at_once: Annotated[int, typer.Option("--at-once", min=1, help="Prompts that a server is sent at a time.")] = 4,
    reserve: Annotated[
        int, typer.Option("--reserve", min=0, help="Tokens of the length that are left to the chat template.")
    ] = 64,
    judge: Annotated[
        str | None, typer.Option("--judge", metavar="MODEL", help="The server's model that rates longbench_chat.")
    ] = None,
    draw: Draw = None,
    server: Server = None,
    model: Model = None,
    api_key: ApiKey = None,
    window: Window = None,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0, help="Sampling temperature; 0 is greedy.")
    ] = 0.0,
    device: Device = None,
) -> None:
    """Ask a model the samples of some tasks, and print its scores.

    Prompts are made from the seed, and counted by the model's own tokenizer where it can be had. Interrupted, it
    goes on where it was.

    agent bench run --task passkey --task niah_multikey_2 --length 8K,32K --server http://localhost:8000/v1

    agent bench run --task citing --file book.pdf --length 16K
    """
    with errors():
        from ..benchmarks.quality import drawing
        from ..benchmarks.quality.runner import Results as Kept
        from ..benchmarks.quality.runner import run as ask_all
        from ..benchmarks.quality.sample import Wish
        from ..benchmarks.quality.tasks import task as task_of
        from . import assemble, bench, terminal
        from .config import load

        tasks = [task_of(name) for name in task]
        tokens = [token_count(part, "--length") for given in length for part in given.split(",")]
        if draw:
            drawing.check(draw)
        flags = {"server": server, "model": model, "api_key": api_key, "window": window, "device": device}
        config = load(flags, folder=Path.cwd())
        asked = bench.model_of(config)
        corpus = assemble.corpus(config.settings, file) if file else None
        count = bench.counter(asked)
        kept = Kept(out or bench.default_out(asked), {**bench.shown(asked), "temperature": temperature})
        ask = bench.ask_of(asked, temperature=temperature)
        rates = bench.judge_of(config, judge) if judge else None
        places = tuple(place / (depths - 1) for place in range(depths)) if depths > 1 else (0.5,)
        for one in tasks:
            for size in tokens:
                wish = Wish(size, samples, seed, count, places, data, bench.pages_of(corpus) if corpus else (), reserve)
                ask_all(
                    one.make(wish), ask, kept, quoted=bench.quoted, judge=rates,
                    at_once=at_once if getattr(asked, "concurrent", False) else 1, on_row=bench.progress,
                )  # fmt: skip
        wanted = {(one.name, size) for one in tasks for size in tokens}
        rows = [row for row in kept.rows.values() if (row.task, row.length) in wanted]
        terminal.out.print(bench.table(rows))
        terminal.note(f"answers are in {kept.path}")
        if draw:
            drawing.draw(rows, draw)
            terminal.note(f"the picture is {draw}")


@app.command("show")
def show(results: Results, draw: Draw = None) -> None:
    """Print the scores of a run again, with their intervals of 95%.

    Wilson's interval where answers are right or wrong, which holds for few samples and near 0 and 100; a bootstrap for
    other scores.
    """
    with errors():
        from ..benchmarks.quality.drawing import draw as draw_rows
        from ..benchmarks.quality.runner import read
        from . import bench, terminal

        _, rows = read(results)
        terminal.out.print(bench.table(rows))
        if draw:
            draw_rows(rows, draw)
            terminal.note(f"the picture is {draw}")


@app.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="The results to compare with.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The results that are compared.")],
) -> None:
    """Tell whether B answers better than A, on the prompts that both were asked.

    They are compared prompt by prompt, because a hard prompt is hard for both. The interval of the difference is a
    paired bootstrap; where answers are right or wrong, McNemar's exact test stands beside it.
    """
    with errors():
        from ..benchmarks.quality.runner import read
        from . import bench, terminal

        (one, one_rows), (other, other_rows) = read(first), read(second)
        terminal.out.print(bench.comparison(one_rows, other_rows))
        terminal.note(bench.described("A", first, one))
        terminal.note(bench.described("B", second, other))
