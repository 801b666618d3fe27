"""The sections of `run.py` on the attention of one layer: `ceilings`, `dense`, `sparse`, `prompt`, `decode`, `memory`.

The speed of sparse attention depends on how much it selects, and that depends on Q and K. Random ones give nothing to
select, so these are constructed: see `layer.Layer`. Read the speed together with the density, the fraction of the
causal keys that was computed. `longread.kernels.calibrate` measures it on a model's own activations.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch

from benchmarks.gpu.layer import Layer, apart, cache, last_token, random
from benchmarks.gpu.setting import (
    DEVICE,
    DTYPE,
    THEIRS,
    Row,
    Setting,
    Shapes,
    Theirs,
    Timing,
    last_line,
    peak_bytes,
    replayed,
    timed,
)
from longread.kernels import dispatch
from longread.kernels.dca import DCASpec
from longread.kernels.ops import single
from longread.kernels.paged_kv import Batch, PagedKV
from longread.kernels.sparse.vertical_slash import VerticalSlashSelection, choose, density
from longread.kernels.triton.common import Tiles
from longread.kernels.triton.dense import dense as attend
from longread.kernels.triton.vertical_slash import sparse as attend_sparsely
from longread.kernels.triton.vertical_slash_scores import scores

Calls = dict[str, Callable[[], object]]


def ceilings(setting: Setting) -> Iterator[Row]:
    """The peak rates of the device: a large copy, and a large matrix product, of random numbers."""
    yield {"what": "copy, GB/s read and written", **_copied(setting.shapes)}
    size = setting.shapes.square
    a, b, out = (random(size, size) for _ in range(3))
    took = timed({"product": lambda: torch.mm(a, b, out=out)}, repeat=20)["product"]
    yield {"what": f"product of {size} x {size} matrices, TFLOP/s", **took.rate(2 * size**3 / 1e12)}


def dense(setting: Setting) -> Iterator[Row]:
    """TFLOP/s of whole prompts, counting only the causal work, 4 · D · Hq · n² / 2. Then with other tile sizes."""
    shapes = setting.shapes
    for tokens in shapes.dense:
        # Q, K, V and the output do not fit into the device's cache even for the shortest prompts: no need to alternate.
        q, kv = random(tokens, shapes.heads, shapes.dim), cache(shapes, 1, tokens)
        k, v, out = kv.k[0], kv.v[0], torch.empty_like(q)
        ours = partial(attend, q, kv, single(tokens, tokens, DEVICE), shapes.spec, out=out)
        calls: Calls = {"longread": ours}
        theirs = {name: Theirs.probe(name, q, k, v) for name in THEIRS}
        calls |= {name: found.on(q, k, v) for name, found in theirs.items() if isinstance(found, Theirs)}
        for name, took in timed(calls, repeat=5).items():
            yield {"tokens": tokens, "kernel": name, **_flops(shapes, tokens, took), **_heads(theirs.get(name))}
        if isinstance(flash := theirs["flash"], Theirs):  # of Q rotated already, and below S: the same function
            ours(q_rotated=True)
            yield {"tokens": tokens, "kernel": "longread - flash", "relative": apart(out, flash.on(q, k, v)())}
        for name, found in theirs.items():
            if isinstance(found, str):
                yield {"tokens": tokens, "kernel": name, "refused": found}
    yield from _tile_sizes(shapes)


def _tile_sizes(shapes: Shapes) -> Iterator[Row]:
    """The numbers are those of `Tiles`: queries/keys/warps/buffers."""
    tokens = shapes.tiled
    q, kv = random(tokens, shapes.heads, shapes.dim), cache(shapes, 1, tokens)
    out, whole = torch.empty_like(q), single(tokens, tokens, DEVICE)
    k, v = (x.reshape(-1, shapes.page, *x.shape[2:]) for x in (kv.k, kv.v))
    table = torch.arange(tokens // shapes.page, dtype=torch.int32, device=DEVICE)[None]
    paged = Batch(table, whole.query_starts, whole.lengths, tokens, tokens)
    rope = DCASpec(shapes.dim, shapes.spec.rope_base)
    for kind, stored, batch, spec, tiles in (
        ("RoPE", kv, whole, rope, shapes.tiles),
        (f"DCA, S = {shapes.crossing.span}", kv, whole, shapes.crossing, shapes.tiles),
        # Each has to be compiled for pages, too: the likeliest.
        (f"RoPE, pages of {shapes.page}", PagedKV(k, v), paged, rope, shapes.tiles[:2]),
    ):
        calls: Calls = {}
        for size in tiles:
            name = f"longread {'/'.join(map(str, size))}, {kind}"
            call = partial(attend, q, stored, batch, spec, out=out, tiles=Tiles(*size))
            try:
                call()
            except Exception as error:  # that a size does not fit the device is a result, too
                yield {"tokens": tokens, "kernel": name, "refused": last_line(error)}
            else:
                calls[name] = call
        for name, took in timed(calls, repeat=5).items():
            yield {"tokens": tokens, "kernel": name, **_flops(shapes, tokens, took)}


def sparse(setting: Setting) -> Iterator[Row]:
    """A chunk at the end of prompts of increasing length: each stage of sparse attention, and dense, in ms."""
    shapes, began = setting.shapes, time.monotonic()
    for tokens in shapes.long:
        if reason := setting.too_long(2 * (time.monotonic() - began)):
            yield {"tokens": tokens, "refused": reason}
            continue
        began = time.monotonic()
        layer = Layer(shapes, tokens, shapes.chunk)
        calls: Calls = {"dense": layer.dense}
        flash = Theirs.probe("flash", layer.q, *layer.keys_and_values)
        if isinstance(flash, Theirs):
            calls["flash"] = flash.on(layer.q, *layer.keys_and_values)
        else:
            yield {"tokens": tokens, "columns": "flash", "refused": flash}
        whole = timed(calls, repeat=3)
        for block in shapes.blocks:
            yield {"tokens": tokens, "columns": "passages", **_stages(layer, block, whole)}
        del layer, calls  # before the next one is made
        layer = Layer(shapes, tokens, shapes.chunk, scattered=True)
        yield {"tokens": tokens, "columns": "scattered", **_stages(layer, shapes.blocks[0], whole)}


def _stages(layer: Layer, block: int, whole: Mapping[str, Timing]) -> Row:
    """`whole` has the times of attention to all keys."""
    q, kv, table, tokens, spec = layer.q, layer.kv, layer.table, layer.tokens, layer.spec
    sparsity = layer.shapes.budgets(block)
    score = partial(scores, q[-sparsity.last_q :], kv, table, tokens, spec)
    scored = score()
    selection = choose(*scored, sparsity)
    layer.dense()
    full = layer.lse.clone()
    gather = partial(attend_sparsely, q, kv, table, tokens, spec, selection, out=layer.out, lse=layer.lse)
    gather()
    recall = (layer.lse - full).exp().mean(0)
    took = timed(
        {
            "scoring": score,
            "selection": lambda: choose(*scored, sparsity),
            "gather and attention": gather,
            "all stages": lambda: layer.read(sparsity),
        },
        repeat=5,
    )
    share = density(selection, start=tokens - len(q), length=tokens)
    return {
        "block": block,
        **{f"{name}, ms": 1e3 * timing.median for name, timing in (took | dict(whole)).items()},
        "all stages, most ms": 1e3 * took["all stages"].most,
        **{f"{name} / all stages": timing.median / took["all stages"].median for name, timing in whole.items()},
        "density": float(share.mean()),
        "of the densest head": float(share.max()),
        "recall": float(recall.mean()),
        "of the worst head": float(recall.min()),
    }


def prompt(setting: Setting) -> Iterator[Row]:
    """Seconds of whole prompts: sparse chunk by chunk, dense and flash in one call.

    The beginning of the prompt, up to the threshold, is dense in the sparse run, too, as in the engine.
    """
    shapes, sparsity, before = setting.shapes, setting.shapes.budgets(setting.shapes.blocks[0]), 0.0
    for tokens in shapes.long:
        if reason := setting.too_long(4 * before):
            yield {"tokens": tokens, "refused": reason}
            continue
        layer = Layer(shapes, tokens, tokens)
        took = timed({"sparse": partial(layer.read_in_chunks, sparsity)}, repeat=3)
        calls: Calls = {"dense": layer.dense}
        flash = Theirs.probe("flash", layer.q, *layer.keys_and_values)
        if isinstance(flash, Theirs):
            calls["flash"] = flash.on(layer.q, *layer.keys_and_values)
        # Compile with the same tensors, but few of the queries: the whole prompt runs only once.
        layer.dense(queries=shapes.chunk, end=shapes.chunk)
        took |= timed(calls, repeat=1, warm=False)
        before = sum(took[name].median for name in calls)
        yield {
            "tokens": tokens,
            **{f"{name}, s": timing.median for name, timing in took.items()},
            "sparse, least": took["sparse"].least,
            "sparse, most": took["sparse"].most,
            **{f"{name} / sparse": took[name].median / took["sparse"].median for name in calls},
            **({"refused": flash} if isinstance(flash, str) else {}),
        }
        del layer, calls


def decode(setting: Setting) -> Iterator[Row]:
    """One new token per sequence: GB/s of K and V, and their share of the copy's GB/s, which are read and written."""
    shapes = setting.shapes
    copied = _copied(shapes)["median"]
    for sequences, tokens in ((1, shapes.long[0]), *((1, n) for n in shapes.long[2:]), shapes.batch):
        for dtype in (DTYPE, torch.float8_e4m3fn):
            for page in (shapes.page, None):
                names = {"sequences": sequences, "tokens": tokens, "K/V": str(dtype)[6:], "page": page or "one"}
                yield {**names, **_step(shapes, sequences, tokens, dtype, page or tokens, copied)}


def _step(shapes: Shapes, sequences: int, tokens: int, dtype: torch.dtype, page: int, copied: float) -> Row:
    amount = 2 * sequences * tokens * shapes.kv_heads * shapes.dim * dtype.itemsize
    pages = sequences * tokens // page
    # Several caches alternate, so that none is in the device's own cache.
    caches = [cache(shapes, pages, page, dtype) for _ in range(-(-shapes.copied // 8 // amount))]
    q = random(sequences, shapes.heads, shapes.dim)
    out = torch.full_like(q, torch.nan)
    batch = Batch(
        block_table=torch.randperm(pages, device=DEVICE).int().view(sequences, -1),
        query_starts=torch.arange(sequences + 1, dtype=torch.int32, device=DEVICE),
        lengths=torch.full((sequences,), tokens, dtype=torch.int32, device=DEVICE),
        max_query=1,
        max_length=tokens,
    )

    def step() -> None:
        for kv in caches:
            attend(q, kv, batch, shapes.spec, out=out)

    took = timed({"graph": replayed(step), "launched": step}, repeat=7)
    rate = took["graph"].rate(len(caches) * amount / 1e9)
    return {
        "ms": 1e3 * took["graph"].median / len(caches),
        "ms without a graph": 1e3 * took["launched"].median / len(caches),
        "GB/s": rate.pop("median"),
        **rate,
        "share of copy": len(caches) * amount / 1e9 / took["graph"].median / copied,
        "relative": apart(out[:1], last_token(q[:1], caches[-1], batch.block_table[0], tokens, shapes.spec)),
    }


def memory(setting: Setting) -> Iterator[Row]:
    """The peak in MiB beyond Q, K, V and the output, for a chunk at the end of the longest prompt."""
    shapes, tokens = setting.shapes, setting.shapes.long[-1]
    layer, sparsity = Layer(shapes, tokens, shapes.chunk), shapes.budgets(shapes.blocks[0])
    q, kv, table, spec = layer.q, layer.kv, layer.table, layer.spec
    select = partial(dispatch.select, "triton", q, kv, table, tokens, spec, sparsity, q_rotated=False)
    one = partial(attend, q[-1:], kv, single(1, tokens, DEVICE), spec, out=layer.out[-1:])
    selection = select()
    assert isinstance(selection, VerticalSlashSelection)  # the budgets are of columns and diagonals
    gather = partial(attend_sparsely, q, kv, table, tokens, spec, selection, out=layer.out, lse=layer.lse)
    calls: Calls = {
        "dense": layer.dense,
        "scoring": partial(scores, q[-sparsity.last_q :], kv, table, tokens, spec),
        "scoring and selection": select,
        "gather and attention": gather,
        "all stages": partial(layer.read, sparsity),
        "one token": one,
    }
    rotations = sum(table.nbytes for table in spec.tables(tokens, DEVICE))
    yield {"what": "tables of rotations, kept, for all layers", "tokens": tokens, "MiB": rotations / 2**20}
    for name, call in calls.items():
        peak = peak_bytes(call)
        yield {"what": name, "tokens": tokens, "MiB": None if peak is None else peak / 2**20}


def _flops(shapes: Shapes, tokens: int, took: Timing) -> Row:
    rate = took.rate(2 * shapes.dim * shapes.heads * tokens**2 / 1e12)
    return {"TFLOP/s": rate.pop("median"), **rate, "ms": 1e3 * took.median}


def _heads(theirs: Theirs | str | None) -> Row:
    return {"heads": theirs.heads} if isinstance(theirs, Theirs) else {}


def _copied(shapes: Shapes) -> Row:
    there = torch.randint(256, (shapes.copied,), dtype=torch.uint8, device=DEVICE)
    here = torch.empty_like(there)
    return timed({"copy": lambda: here.copy_(there)}, repeat=20)["copy"].rate(2 * there.nbytes / 1e9)
