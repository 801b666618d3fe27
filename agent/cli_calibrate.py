"""`agent calibrate`: measures, on this machine, what plans and settings go by."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .cli_options import token_count
from .cli_serving import Chunk, Fp8Kv, Fp8Weights, GpuSpec, Pp, Sparse, Tokens, Tp
from .faults import errors


class Method(StrEnum):
    adaptive = "adaptive"
    fixed = "fixed"


_SPARSITY = "With --length"


def calibrate(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A name in the catalogue, a folder or a hub id.")],
    length: Annotated[
        int | None,
        typer.Option(
            "--length",
            parser=token_count,
            metavar="TOKENS",
            help="Find sparsity: tokens to read, as many as prompts will have, as 256K.",
        ),
    ] = None,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            "--text",
            help="Files of the kind it will read. Without: made-up prose, or with --chunking tokens at random.",
        ),
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option("--method", help=f"{_SPARSITY}: to begin with; what the checkpoint brings, or else adaptive."),
    ] = None,
    recall: Annotated[
        float, typer.Option("--recall", min=0.1, max=0.999, help=f"{_SPARSITY}: that each head shall have.")
    ] = 0.95,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help=f"{_SPARSITY}: the text is read so many times at most.")
    ] = 4,
    threshold: Annotated[
        int | None, typer.Option("--threshold", min=0, help=f"{_SPARSITY}: prompts up to this are dense.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help=f"{_SPARSITY}: a folder; that of the model's weights if not given.")
    ] = None,
    chunking: Annotated[
        bool, typer.Option("--chunking", help="Measure steps: what pipeline stages take, for chunks of equal time.")
    ] = False,
    tokens: Tokens = None,
    gpus: GpuSpec = None,
    chunk: Chunk = None,
    tp: Tp = None,
    pp: Pp = None,
    fp8_weights: Fp8Weights = False,
    fp8_kv: Fp8Kv = False,
    sparse: Sparse = None,
) -> None:
    """Measure a model on this machine: how sparse its attention may be, or what the steps of a pipeline take.

    agent calibrate smollm2-135m --length 16384 --text novel.txt

    agent calibrate qwen2.5-7b-1m --chunking --pp 4

    With --chunking it takes the options of agent serve, and measures the engine that it would run.
    """
    with errors():
        if (length is None) is not chunking:
            raise typer.BadParameter("say what to measure: --length TOKENS for sparsity, or --chunking for steps.")
        from . import bars, calibration_view

        prose = calibration_view.read(text) if text else None
        if length is None:
            from .calibrate_chunking import calibrate_chunking

            calibrate_chunking(
                model, prose, tokens=tokens, gpus=gpus, chunk=chunk, tp=tp, pp=pp, fp8_weights=fp8_weights,
                fp8_kv=fp8_kv, sparse=sparse, extra=tuple(context.args),
            )  # fmt: skip
            return
        from ..serving.calibration import calibrate as find

        begin = None if method is None else method.value
        with bars.Preparing() as show:
            found = find(
                model, prose, length=length, method=begin, target=recall, rounds=rounds, threshold=threshold,
                on_event=show, on_step=show.step,
            )  # fmt: skip
        calibration_view.show(found, calibration_view.write(found, out))
