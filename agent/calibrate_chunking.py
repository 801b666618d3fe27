"""`agent calibrate --chunking`: what the steps of an engine cost, for chunks of equal time."""

from . import bars, serving_view


def calibrate_chunking(
    model: str, text: str | None, *, tokens: int | None, gpus: str | None, chunk: int | None, tp: int | None,
    pp: int | None, fp8_weights: bool, fp8_kv: bool, sparse: bool | None, extra: tuple[str, ...],
) -> None:  # fmt: skip
    """Measure the engine that `agent serve` would run with the same options, keep what was found, and show it."""
    from ..serving.calibrate_chunking import calibrate
    from ..serving.command import Options
    from ..serving.plan import Gpus

    options = Options(
        tokens=tokens, gpus=Gpus.parse(gpus) if gpus else None, chunk=chunk, tp=tp, pp=pp,
        fp8_weights=fp8_weights, fp8_kv=fp8_kv, sparse=sparse, extra=extra,
    )  # fmt: skip
    with bars.Preparing() as show:
        found = calibrate(model, options, text=text, on_event=show)
    serving_view.show_calibration(found)
