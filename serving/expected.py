"""What a plan is expected to do, from step costs that were measured: which layout reads a long prompt fastest."""

from collections.abc import Sequence
from dataclasses import replace

from .chunking import Chunker, Limits
from .plan import PAGE, Layout, Plan, Request
from .step_costs import Calibration, chunk_unit, cpu_name, even_split, gpu_name, sizes


def informed(found: Plan, measured: Sequence[Calibration], *, sparse: bool | None = None) -> Plan:
    """The plan with what its layouts are expected to do, and the fastest of those that fit chosen.

    Layouts whose steps were not measured stay behind those that were, in their own order. A calibration holds for any
    number of stages of the same tensor parallelism, for its layers are the same.

    Args:
        sparse: prefill; None as the model comes.
    """
    request = found.request
    of_tp: dict[int, Calibration] = {}
    for one in measured:
        if _suits(one, request, sparse):
            of_tp.setdefault(one.engine.tp, one)
    if not of_tp:
        return found
    layouts = [_expect(request, one, of_tp[one.tp]) if one.fits and one.tp in of_tp else one for one in found.layouts]
    layouts.sort(key=lambda one: (not one.fits, one.expected.seconds if one.expected else float("inf")))
    return replace(found, layouts=tuple(layouts), chosen=layouts[0] if layouts[0].fits else None)


def says(plan: Plan) -> str:
    """What is expected of the layout that was chosen, in a sentence; "" if its steps were not measured."""
    chosen = plan.chosen
    if chosen is None or chosen.expected is None:
        return ""
    expected, tokens = chosen.expected, plan.request.tokens
    text = f"Expected, from step times measured here: {tokens:,} tokens are read in {expected.seconds:.3g} s"
    if chosen.pp > 1:
        split = chosen.split or even_split(plan.request.shape.layers, chosen.pp)
        text += (
            f", in {len(expected.chunks)} chunks of equal time, by stages of {'+'.join(map(str, split))} layers that "
            f"are idle for {100 * expected.bubble:.1f}%; chunks of one size would take {expected.fixed_seconds:.3g} s "
            f"at best, with {expected.fixed:,}"
        )
    return f"{text}.{' It is far longer than what was measured.' if expected.extrapolated else ''}"


def _expect(request: Request, layout: Layout, measured: Calibration) -> Layout:
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


def _suits(one: Calibration, request: Request, sparse: bool | None) -> bool:
    """Whether it is of this model, on such a device, in this precision and kind of attention."""
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
