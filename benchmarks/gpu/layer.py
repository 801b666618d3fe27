"""Inputs of the sections of `run.py`, and attention in float64 to compare with."""

import math

import torch
from torch import Tensor

from benchmarks.gpu.setting import DEVICE, DTYPE, Shapes
from longread.kernels.dca import REGIONS, DCASpec, rotate
from longread.kernels.ops import dca_prefill, single
from longread.kernels.paged_kv import PagedKV
from longread.kernels.sparse.vertical_slash import VerticalSlash
from longread.kernels.triton.dense import dense
from longread.kernels.triton.write_kv import write

_AT_ONCE = 1 << 16


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=DTYPE, device=DEVICE)


def cache(shapes: Shapes, pages: int, size: int, dtype: torch.dtype = DTYPE) -> PagedKV:
    """A cache of random numbers, with K and V of each page side by side."""
    both = random(pages, 2, size, shapes.kv_heads, shapes.dim).to(dtype)
    return PagedKV(both[:, 0], both[:, 1])


def apart(found: Tensor, expected: Tensor) -> float:
    """‖found - expected‖ / ‖expected‖, in float32, or in the wider type of the two."""
    difference = found.to(torch.promote_types(expected.dtype, torch.float32)) - expected
    return float(difference.norm() / expected.norm())


def last_token(q: Tensor, kv: PagedKV, table: Tensor, tokens: int, spec: DCASpec) -> Tensor:
    """Attention of a sequence's last token by its definition, in float64. q [1, Hq, D], not rotated; table [pages]."""
    query = torch.tensor([tokens - 1], device=DEVICE)
    rotated = {}
    for region in REGIONS:
        angles = spec.angles(spec.query_positions(query, region)).double()[:, None]
        rotated[region] = rotate(q.double(), angles.cos(), angles.sin())[0].unflatten(0, (kv.k.shape[2], -1))
    parts = torch.arange(tokens, device=DEVICE).split(_AT_ONCE)
    logits = []
    for keys in parts:
        k, region = _stored(kv.k, table, keys), spec.region(query, keys)
        dots = (torch.einsum("hgd,nhd->hgn", q, k) * (region == at) for at, q in rotated.items())
        logits.append(sum(dots, start=torch.zeros((), dtype=torch.float64, device=DEVICE)))
    shares = (torch.cat(logits, -1) * spec.scales(query)).softmax(-1).split(_AT_ONCE, -1)
    found = [torch.einsum("hgn,nhd->hgd", p, _stored(kv.v, table, keys)) for p, keys in zip(shares, parts, strict=True)]
    return torch.stack(found).sum(0).flatten(0, 1)[None]


def _stored(cache: Tensor, table: Tensor, tokens: Tensor) -> Tensor:
    size, as_bytes = cache.shape[1], cache.dtype.itemsize == 1
    # As bytes, since not every device can index float8.
    rows = (cache.view(torch.uint8) if as_bytes else cache)[table[tokens // size].long(), tokens % size]
    return rows.view(cache.dtype).float().double()


class Layer:
    """Constructed activations of a layer: K and V of `tokens` in a cache of one page, Q of the last `queries`.

    They have the known structure of attention in language models (MInference, arXiv 2407.02490): sinks at the
    beginning, columns that all later queries attend to, and diagonals: near keys weigh more, and so do those a fixed
    distance back, which differs between heads. The rest is noise, with a share of its own. The columns lie in a few
    passages or, if `scattered`, anywhere: that costs more, because each also looks like 64 diagonals to the last
    queries.
    """

    SINK, COLUMN, NEAR, BACK, NOISE = 11.0, 7.0, 7.0, 3.0, 0.95
    """Logits, and the deviation of the noise in Q and in K."""

    def __init__(self, shapes: Shapes, tokens: int, queries: int, *, scattered: bool = False):
        random = torch.Generator(DEVICE).manual_seed(0)
        dim, kv_heads, spec = shapes.dim, shapes.kv_heads, shapes.spec
        common_q, common_k, column = pattern(shapes)

        def noise(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=random, dtype=DTYPE, device=DEVICE).mul_(self.NOISE)

        self.q = noise(queries, shapes.heads, dim).add_(common_q + column)
        k = noise(tokens, kv_heads, dim).add_(common_k)
        passage = 1 if scattered else min(48, tokens // 16)
        count = min(2304, tokens // 4) // passage
        starts = torch.randint(tokens - passage, (count, 1), generator=random, device=DEVICE)
        k[(starts + torch.arange(passage, device=DEVICE)).flatten().unique()] += column
        k[:4] += column * (self.SINK / self.COLUMN)
        v = torch.randn(tokens, kv_heads, dim, generator=random, dtype=DTYPE, device=DEVICE)
        self.kv = PagedKV(torch.empty_like(k)[None], torch.empty_like(v)[None])
        places = torch.arange(tokens, device=DEVICE)
        write(k, v, self.kv, places, places, spec, max_length=tokens)
        self.spec, self.tokens, self.shapes = spec, tokens, shapes
        self.out = torch.empty_like(self.q)
        self.lse = torch.empty(self.q.shape[:2], dtype=torch.float32, device=DEVICE)

    @property
    def table(self) -> Tensor:
        return torch.zeros(1, dtype=torch.int32, device=DEVICE)

    @property
    def keys_and_values(self) -> tuple[Tensor, Tensor]:
        """[n, Hkv, D] each."""
        return self.kv.k[0], self.kv.v[0]

    def dense(self, queries: int | None = None, end: int | None = None) -> None:
        """Attention to all keys: of all queries, or of the first `queries`, the last of which is at `end`."""
        batch = single(queries or len(self.q), end or self.tokens, DEVICE)
        dense(self.q, self.kv, batch, self.spec, out=self.out, lse=self.lse)

    def read(self, sparsity: VerticalSlash | None, rows: slice = slice(None), end: int | None = None) -> None:
        """Attention of some of the queries, by the function that the engine calls, up to `end` or the prompt's end."""
        q, end = self.q[rows], end or self.tokens
        batch = single(len(q), end, DEVICE)
        # The log-sum-exps cost nothing, and the kernels that write them are compiled anyway, for `dense`.
        options = {"sparsity": sparsity, "out": self.out[rows]}
        dca_prefill(q, self.kv, batch, self.spec, **options, return_lse=True, implementation="triton")

    def read_in_chunks(self, sparsity: VerticalSlash) -> None:
        """The whole prompt, for a layer with all its queries; dense up to the threshold, as in the engine."""
        for start in range(0, self.tokens, self.shapes.chunk):
            end = min(start + self.shapes.chunk, self.tokens)
            self.read(sparsity if end > self.shapes.threshold else None, slice(start, end), end)


def pattern(shapes: Shapes) -> tuple[Tensor, Tensor, Tensor]:
    """The common part of all queries of each head [Hq, D] and of all keys [D], and the additional part of columns [D].

    A query u rotated back by d positions matches a key u best at distance d. Frequencies with periods of thousands to
    millions of tokens make broad diagonals; the lowest ones, which hardly rotate, make columns.
    """
    half, spec = shapes.dim // 2, shapes.spec
    low, high, root = half * 5 // 16, half * 3 // 4, math.sqrt(shapes.dim)
    near = torch.zeros(shapes.dim)
    near[low:high] = math.sqrt(Layer.NEAR * root / (high - low))
    distances = torch.linspace(math.log(256), math.log(8192), shapes.heads).exp().round()
    angles = spec.angles(-distances)
    back = rotate(near.expand(shapes.heads, -1), angles.cos(), angles.sin())
    column = torch.zeros(shapes.dim)
    column[half - half // 16 : half] = math.sqrt(Layer.COLUMN * root / (half // 16))
    found = (near + back * (Layer.BACK / Layer.NEAR), near, column)
    return found[0].to(DEVICE, DTYPE), found[1].to(DEVICE, DTYPE), found[2].to(DEVICE, DTYPE)
