"""Forecast prefill times of layouts from measured step costs, and choose the fastest."""

from collections.abc import Sequence
from dataclasses import replace

from ..pipeline.chunker import Chunker, Limits
from ..pipeline.step_costs import StepCosts, chunk_unit, cpu_name, even_split, gpu_name, sizes
from .planner import PAGE, Layout, Plan, Request


def with_forecast(plan: Plan, measured: Sequence[StepCosts], *, sparse: bool | None = None) -> Plan:
    """Add forecasts to the layouts of a plan, and choose the fastest that fits.

    Layouts without measured steps follow those with, in their previous order. Step costs hold for any number of stages
    with the same tensor parallelism, because the layers are the same.

    Args:
        sparse: whether prefill is sparse; None for the checkpoint's default.
    """
    request = plan.request
    of_tp: dict[int, StepCosts] = {}
    for one in measured:
        if _matches(one, request, sparse):
            of_tp.setdefault(one.engine.tp, one)
    if not of_tp:
        return plan
    layouts = [
        _with_forecast(request, one, of_tp[one.tp]) if one.fits and one.tp in of_tp else one for one in plan.layouts
    ]
    layouts.sort(key=lambda one: (not one.fits, one.expected.seconds if one.expected else float("inf")))
    return replace(plan, layouts=tuple(layouts), chosen=layouts[0] if layouts[0].fits else None)


def describe_forecast(plan: Plan) -> str:
    """The forecast of the chosen layout as a sentence; "" without measured steps."""
    chosen = plan.chosen
    if chosen is None or chosen.expected is None:
        return ""
    expected, tokens = chosen.expected, plan.request.tokens
    text = f"Forecast from measured step times: prefill of {tokens:,} tokens takes {expected.seconds:.3g} s"
    if chosen.pp > 1:
        split = chosen.split or even_split(plan.request.shape.layers, chosen.pp)
        text += (
            f", in {len(expected.chunks)} chunks of equal time; stages of {'+'.join(map(str, split))} layers are idle "
            f"for {100 * expected.bubble:.1f}%; the best fixed chunk size, {expected.fixed:,} tokens, would take "
            f"{expected.fixed_seconds:.3g} s"
        )
    return f"{text}.{' This is far longer than the measured prompts.' if expected.extrapolated else ''}"


def _with_forecast(request: Request, layout: Layout, measured: StepCosts) -> Layout:
    split = measured.split(layout.pp, request.tokens, min(layout.chunk, max(PAGE, request.tokens // 64)))
    usual = even_split(request.shape.layers, layout.pp)
    most = max(usual)
    more = (max(split) - most) * (layout.need.weights + layout.need.kv) // most
    if split == usual or more > layout.headroom:
        chosen, split = None, usual
    else:
        chosen = split
    unit = chunk_unit(measured.engine.page, cpu=request.gpus.is_cpu)
    limits = Limits(most=max(layout.chunk, unit), page=unit)
    expected = Chunker(measured.of(split), limits).forecast(request.tokens)
    return replace(layout, split=chosen, expected=expected)


def _matches(one: StepCosts, request: Request, sparse: bool | None) -> bool:
    """Whether step costs are of this model, device, precision and kind of attention."""
    engine, precision, gpus, shape = one.engine, request.precision, request.gpus, request.shape
    if gpus.is_cpu:
        device = engine.device == cpu_name(gpus.count)
    else:
        device = engine.device.upper().startswith(gpu_name(gpus.name).upper())
    ours = "sparse" if (shape.sparse if sparse is None else sparse) else "dense"
    return (
        device
        and engine.model == sizes(shape)
        and engine.attention == ("vllm" if shape.span is None else ours)
        and (engine.dtype == "float32") == (precision.bits == 32)
        and (engine.quantization == "fp8") == precision.fp8_weights
        and engine.kv_dtype.startswith("fp8") == precision.fp8_kv
    )
