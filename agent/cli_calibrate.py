"""`agent calibrate`: measures, on this machine, what plans and settings go by."""

from typing import Annotated

import typer

from .cli_serving import Chunk, Fp8Kv, Fp8Weights, GpuSpec, Pp, Sparse, Tokens, Tp
from .faults import errors


def calibrate(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A name in the catalogue, a folder or a hub id.")],
    chunking: Annotated[
        bool, typer.Option("--chunking", help="What the steps of pipeline stages cost, for chunks of equal time.")
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
    """Measure a model on this machine, as agent serve with the same options would run it. Takes a few prompts' time.

    agent calibrate qwen2.5-7b-1m --chunking --pp 4
    """
    with errors():
        from .calibrate_chunking import calibrate_chunking

        if not chunking:
            raise typer.BadParameter("say what to measure: --chunking.")
        calibrate_chunking(
            model, tokens=tokens, gpus=gpus, chunk=chunk, tp=tp, pp=pp, fp8_weights=fp8_weights, fp8_kv=fp8_kv,
            sparse=sparse, extra=tuple(context.args),
        )  # fmt: skip
