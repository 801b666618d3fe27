"""`agent bench`: run benchmark tasks on a model, show their scores and compare runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exit_codes import exit_on_error
from .options import ApiKey, Device, MaybeFiles, Model, Server, Window, token_count

if TYPE_CHECKING:
    from ..evals.runner import Row

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measure how well a model answers from long prompts: pass keys, RULER, InfiniteBench, citations and more.",
)

ResultsFile = Annotated[Path, typer.Argument(metavar="RESULTS", help="A file that agent bench run has written.")]

Draw = Annotated[
    Path | None,
    typer.Option(
        "--draw", metavar="FILE", help="Also draw the scores: heat maps by length and depth, and curves by length."
    ),
]


@app.command("list")
def list_tasks() -> None:
    """List the tasks, and the data that some of them need."""
    with exit_on_error():
        from ..evals.tasks import TASKS
        from .console import out
        from .tables import rows

        body = [
            [task.name, task.origin, task.about, f"--data {task.data}" if task.data else "-"] for task in TASKS.values()
        ]
        out.print(rows(["Task", "From", "What it asks", "Needs"], body))


@app.command("run")
def run(
    task: Annotated[
        list[str],
        typer.Option("--task", "-t", metavar="NAME", help="Task to run. agent bench list shows them. Can be repeated."),
    ],
    length: Annotated[
        list[str],
        typer.Option(
            "--length",
            "-n",
            metavar="TOKENS",
            help="Length of prompt and answer, e.g. 4096, 16K or 1M. Several with commas, or repeated.",
        ),
    ],
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="Samples of each task at each length; of passkey, at each depth.")
    ] = 20,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of the prompts: the same seed makes the same prompts.")
    ] = 42,
    depths: Annotated[
        int, typer.Option("--depths", min=1, help="Number of depths of passkey and nolima, from start to end.")
    ] = 5,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", exists=True, help="Published data of a task that needs some."),
    ] = None,
    file: MaybeFiles = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="JSON Lines file, one line per answer. A rerun resumes it."),
    ] = None,
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, help="Concurrent prompts, if the model is on a server.")
    ] = 4,
    reserve: Annotated[
        int, typer.Option("--reserve", min=0, help="Tokens of the length to leave for the chat template.")
    ] = 64,
    judge: Annotated[
        str | None, typer.Option("--judge", metavar="MODEL", help="Model on the same server that rates longbench_chat.")
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
    """Run tasks on a model, and print its scores.

    Prompts depend on the seed, and on the model's tokenizer if that is available. An interrupted run resumes where it
    stopped.

    agent bench run --task passkey --task niah_multikey_2 --length 8K,32K --server http://localhost:8000/v1

    agent bench run --task citing --file book.pdf --length 16K
    """
    with exit_on_error():
        from ..evals import drawing, runner
        from ..evals.sample import Wish
        from ..evals.tasks import task as find_task
        from ..llm.protocol import capabilities
        from . import bench_model, bench_view
        from .config import load
        from .setup import load_corpus

        tasks = [find_task(name) for name in task]
        lengths = [token_count(part, "--length") for given in length for part in given.split(",")]
        if draw:
            drawing.check(draw)
        config = load({"server": server, "model": model, "api_key": api_key, "window": window, "device": device})
        chat = bench_model.load_model(config)
        corpus = load_corpus(config.settings, file) if file else None
        count = bench_model.token_counter(chat)
        results = runner.Results(
            out or _default_file(chat.model), {**bench_model.run_settings(chat), "temperature": temperature}
        )
        ask = bench_model.asker(chat, temperature=temperature)
        judging = bench_model.asker(bench_model.load_judge(config, judge)) if judge else None
        places = tuple(place / (depths - 1) for place in range(depths)) if depths > 1 else (0.5,)
        pages = bench_model.page_texts(corpus) if corpus else ()
        for one in tasks:
            for tokens in lengths:
                runner.run(
                    one.make(Wish(tokens, samples, seed, count, places, data, pages, reserve)), ask, results,
                    quoted=bench_model.has_verified_quote, judge=judging,
                    at_once=at_once if capabilities(chat).concurrent else 1, on_row=bench_view.show_row,
                )  # fmt: skip
        requested = {(one.name, tokens) for one in tasks for tokens in lengths}
        _show([row for row in results.rows.values() if (row.task, row.length) in requested], draw, results.path)


@app.command("show")
def show(results: ResultsFile, draw: Draw = None) -> None:
    """Print the scores of a run, with 95% confidence intervals.

    Wilson's interval for tasks whose answers are right or wrong, which is valid for few samples and near 0 and 100; a
    bootstrap for other scores.
    """
    with exit_on_error():
        from ..evals.runner import read

        _show(read(results)[1], draw)


@app.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Results to compare with.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Results that are compared.")],
) -> None:
    """Tell whether run B has better scores than run A, on the prompts that both have.

    The comparison is prompt by prompt, because a hard prompt is hard for both. The interval of the difference is a
    paired bootstrap; for answers that are right or wrong, McNemar's exact test is shown as well.
    """
    with exit_on_error():
        from ..evals.runner import read
        from . import bench_view
        from .console import note, out

        (first_settings, first_rows), (second_settings, second_rows) = read(first), read(second)
        out.print(bench_view.comparison_table(first_rows, second_rows))
        note(bench_view.describe_run("A", first, first_settings))
        note(bench_view.describe_run("B", second, second_settings))


def _show(rows: "Sequence[Row]", draw: Path | None, file: Path | None = None) -> None:
    from ..evals import drawing
    from .bench_view import score_table
    from .console import note, out

    out.print(score_table(rows))
    if file:
        note(f"answers are in {file}")
    if draw:
        drawing.draw(rows, draw)
        note(f"the picture is {draw}")


def _default_file(model: str) -> Path:
    return Path(f"bench-{model.rstrip('/').rpartition('/')[2] or 'model'}.jsonl")
