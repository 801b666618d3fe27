"""`agent calibrate sparsity` and `agent calibrate chunking`: measure a model on this machine."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .exit_codes import exit_on_error
from .options import token_count
from .serving_options import (
    Chunk,
    Fp8Kv,
    Fp8Weights,
    GpuSpec,
    ModelName,
    Pp,
    Sparse,
    Tokens,
    Tp,
    VllmCommand,
    server_options,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measure a model on this machine: sparse attention (sparsity) or pipeline steps (chunking).",
)


class Method(StrEnum):
    """The values of `longread.serving.embedded.calibrate_sparsity.Method`, as Typer needs them."""

    adaptive = "adaptive"
    fixed = "fixed"


@app.command("sparsity")
def sparsity(
    model: ModelName,
    tokens: Annotated[
        int,
        typer.Option(
            "--tokens",
            parser=token_count,
            metavar="TOKENS",
            help="Tokens to read, e.g. 256K. Use the length that prompts will have.",
        ),
    ],
    text: Annotated[
        list[Path] | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Text of the kind that the model will read. Can be repeated. Default: generated prose.",
        ),
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option("--method", help="Sparse method to start with. Default: the checkpoint's, or adaptive."),
    ] = None,
    recall: Annotated[
        float, typer.Option("--recall", min=0.1, max=0.999, help="Attention recall that each head must reach.")
    ] = 0.95,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Maximum number of times that the text is read.")] = 4,
    threshold: Annotated[
        int | None,
        typer.Option(
            "--threshold",
            min=0,
            help="Longest prompt in tokens that stays dense. Default: the checkpoint's, or its trained length.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Folder to write to. Default: the folder of the model's weights."),
    ] = None,
) -> None:
    """Find how sparse a model's attention can be: a sparsity config that reaches a given recall in every head.

    agent calibrate sparsity smollm2-135m --tokens 16K --text novel.txt
    """
    with exit_on_error():
        from longread.serving.embedded.calibrate_sparsity import calibrate

        from . import calibration_view
        from .progress import ModelProgress

        with ModelProgress() as show:
            calibration = calibrate(
                model, _read(text) if text else None, length=tokens, method=None if method is None else method.value,
                target=recall, rounds=rounds, threshold=threshold, on_event=show, on_step=show.step,
            )  # fmt: skip
        calibration_view.show_sparsity(calibration, calibration_view.write_sparsity(calibration, out))


@app.command("chunking", cls=VllmCommand)
def chunking(
    context: typer.Context,
    model: ModelName,
    tokens: Tokens = None,
    gpus: GpuSpec = None,
    chunk: Chunk = None,
    tp: Tp = None,
    pp: Pp = None,
    fp8_weights: Fp8Weights = False,
    fp8_kv: Fp8Kv = False,
    sparse: Sparse = None,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Text of the kind that the model will read. Can be repeated. Default: random tokens.",
        ),
    ] = None,
) -> None:
    """Measure the prefill steps of the engine that agent serve runs with the same options.

    agent plan and agent serve then forecast prefill times, and split prompts into chunks of equal time for pipeline
    stages. Arguments after -- are passed to vLLM.

    agent calibrate chunking qwen2.5-7b-1m --pp 4
    """
    with exit_on_error():
        from longread.serving.vllm_server.calibrate_steps import calibrate

        from . import calibration_view
        from .progress import ModelProgress

        options = server_options(
            tokens=tokens, gpus=gpus, chunk=chunk, tp=tp, pp=pp, fp8_weights=fp8_weights, fp8_kv=fp8_kv, sparse=sparse,
            extra=context.args,
        )  # fmt: skip
        with ModelProgress() as show:
            costs = calibrate(model, options, text=_read(text) if text else None, on_event=show)
        calibration_view.show_steps(costs)


def _read(files: Sequence[Path]) -> str:
    """The text of files, of any format that `--file` takes."""
    from ..corpus import Corpus

    corpus = Corpus.load(list(files))
    return "\n".join(page.text for document in corpus for page in document.pages)
