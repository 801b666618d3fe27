"""Writing K and V to the paged cache."""

from collections.abc import Callable

import pytest
import torch

pytest.importorskip("triton")

from longread.kernels.dca import DCASpec
from longread.kernels.errors import KernelError
from longread.kernels.ops import dca_write
from longread.kernels.paged_kv import PagedKV
from longread.kernels.triton.write_kv import write

DCA = DCASpec(32, 10_000.0, chunk_size=96, local_size=32)


def emptied(kv: PagedKV) -> PagedKV:
    """A cache like `kv`, strides included, full of NaN."""
    k, v = (torch.empty_like(x).copy_(torch.full(x.shape, torch.nan).to(x.dtype)) for x in (kv.k, kv.v))
    return PagedKV(k, v, kv.k_scale, kv.v_scale)


@pytest.mark.parametrize("spec", [DCA, DCASpec(32, 10_000.0)])
@pytest.mark.parametrize("layout", ["split", "pairs", "interleaved"])
@pytest.mark.parametrize(
    ("dtype", "kv_dtype"),
    [
        (torch.float32, None),
        # Triton 3.9's interpreter loses the carry when it rounds to float8: 1.99 becomes 1.
        pytest.param(torch.float16, torch.float8_e4m3fn, marks=pytest.mark.gpu),
    ],
)
def test_what_is_written_is_what_the_kernels_read(problem: Callable, spec, layout, dtype, kv_dtype):
    made = problem(spec, [(90, 50)], heads=3, page_size=48, dtype=dtype, kv_dtype=kv_dtype, layout=layout)
    kv, positions = emptied(made.kv), torch.arange(140, device=made.kv.k.device)
    slots = made.batch.block_table[0][positions // 48].long() * 48 + positions % 48
    slots[7] = -1
    k, v = (x[0].to(dtype).to(positions.device) for x in (made.k, made.v))
    write(k, v, kv, slots, positions, spec, max_length=140)
    kept = positions != 7
    page, place = slots[kept] // 48, slots[kept] % 48
    for ours, theirs in ((kv.k, made.kv.k), (kv.v, made.kv.v)):
        # A rounding to the cache's 4 bits may fall the other way.
        closeness = {"atol": 2**-9, "rtol": 2**-3} if kv_dtype else {"atol": 1e-6, "rtol": 1e-5}
        torch.testing.assert_close(ours[page, place].float(), theirs[page, place].float(), **closeness)
        others = torch.ones(ours.shape[:2], dtype=torch.bool, device=ours.device)
        others[page, place] = False
        assert ours[others].float().isnan().all()


def test_the_greatest_position_is_looked_up(problem: Callable):
    made = problem(DCASpec(32, 10_000.0), [(0, 3)])
    kv = emptied(made.kv)
    k, v = made.k[0].to(made.kv.k), made.v[0].to(made.kv.k)
    slots, positions = torch.tensor([[2, 1, 0], [9, 1023, 2]], device=k.device)
    write(k, v, kv, slots, positions, made.spec)
    assert kv.k[0, :3].isfinite().all()
    torch.testing.assert_close(kv.v[0, :3], v.flip(0))


def test_float8_cache(problem: Callable):
    made = problem(DCA, [(0, 20)], dtype=torch.float16, kv_dtype=torch.float8_e4m3fn)
    kv, kept = emptied(made.kv), torch.arange(20, device=made.kv.k.device)
    # What float8 can store, at positions that do not rotate: nothing is left to be rounded.
    k, v = (torch.randn(20, 2, 32).to(torch.float8_e4m3fn).half().to(kept.device) for _ in range(2))
    write(k * kv.k_scale, v * kv.v_scale, kv, kept, kept * DCA.span, DCA)
    for ours, theirs in ((kv.k, k), (kv.v, v)):
        assert torch.equal(ours[kept // 16, kept % 16].half(), theirs)


def test_what_float8_cannot_hold_is_limited(problem: Callable):
    made = problem(DCA, [(0, 2)], dtype=torch.float16, kv_dtype=torch.float8_e4m3fn)
    kv = emptied(made.kv)
    k = torch.full((2, 2, 32), 6e4, dtype=torch.float16, device=kv.k.device)
    slots = torch.tensor([0, 1], device=k.device)
    write(k, -k, kv, slots, torch.zeros_like(slots), DCA)
    assert (kv.k[0, :2].float() == 448).all()
    assert (kv.v[0, :2].float() == -448).all()


def test_shapes_that_do_not_fit_are_refused(problem: Callable):
    made = problem(DCA, [(0, 2)], heads=2)
    k = torch.zeros(2, 3, 32, device=made.kv.k.device)
    slots = torch.tensor([0, 1], device=k.device)
    with pytest.raises(KernelError, match=r"3 heads.*multiple.*cache's 2"):
        dca_write(k, k, made.kv, slots, slots, DCA, implementation="triton")
    with pytest.raises(KernelError, match=r"k is \[2, 3, 32\]"):
        dca_write(k, k, PagedKV(made.kv.k[:, :, :1], made.kv.v[:, :, :1]), slots, slots, DCA, implementation="triton")
    k = torch.zeros(2, 2, 32, device=slots.device)
    with pytest.raises(KernelError, match="v is not contiguous"):
        dca_write(k, torch.zeros(2, 32, 2, device=slots.device).mT, made.kv, slots, slots, DCA, implementation="triton")
    made = problem(DCASpec(48, 10_000.0), [(0, 2)], heads=2)
    k = torch.zeros(2, 2, 48, device=slots.device)
    with pytest.raises(KernelError, match="head_dim is 48"):
        dca_write(k, k, made.kv, slots, slots, made.spec, implementation="triton")
