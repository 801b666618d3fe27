"""The kernels compile for a Hopper GPU, which takes no GPU: what the interpreter accepts, the compiler may not.

Run as a program, in a process without the interpreter, this file compiles every launcher's kernels for the tiles that
it would choose, and prints a JSON object for each.
"""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

SHARED_MEMORY = 227 * 1024
TENSOR_CORES = "wgmma.mma_async"


def compile_all(kv_dtype_name: str) -> None:
    import torch
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.runtime.jit import JITFunction

    from longread.kernels.dca import DCASpec
    from longread.kernels.paged_kv import Batch, PagedKV
    from longread.kernels.sparse.adaptive import GPU_BLOCKS, Adaptive, BlockSelection
    from longread.kernels.sparse.vertical_slash import VerticalSlashSelection
    from longread.kernels.triton import adaptive
    from longread.kernels.triton.dense import dense
    from longread.kernels.triton.vertical_slash import sparse
    from longread.kernels.triton.vertical_slash_scores import scores
    from longread.kernels.triton.write_kv import write

    class Hopper:
        def get_current_target(self) -> GPUTarget:
            return GPUTarget("cuda", 90, 32)

        def get_current_device(self) -> int:
            return 0

        def get_current_stream(self, device: int) -> int:
            return 0

    run = JITFunction.run

    def compile_only(self, *args, grid, warmup, **options):
        kernel = run(self, *args, grid=grid, warmup=True, **options)
        ptx = kernel.asm["ptx"]
        print(json.dumps({"kernel": self.__name__, "shared": kernel.metadata.shared, "wgmma": TENSOR_CORES in ptx}))

    JITFunction.run = compile_only
    triton.runtime.driver.set_active(Hopper())

    spec = DCASpec(128, 1e6, None, 4096, 1024, 1024, "query")
    length, queries, heads, kv_heads, page = 1024, 256, 28, 4, 128
    stored = [torch.empty(length // page, page, kv_heads, 128).to(getattr(torch, kv_dtype_name)) for _ in range(2)]
    kv = PagedKV(*stored, k_scale=0.5, v_scale=0.5)
    q = torch.empty(queries, heads, 128, dtype=torch.bfloat16)
    out, lse = torch.empty_like(q), torch.empty(queries, heads)
    table, lengths = torch.zeros(1, length // page, dtype=torch.int32), torch.tensor([length], dtype=torch.int32)
    batch = Batch(table, torch.tensor([0, queries], dtype=torch.int32), lengths, queries, length)
    dense(q, kv, batch, spec, out=out, lse=lse)
    one = Batch(table, torch.tensor([0, 1], dtype=torch.int32), lengths, 1, length)
    dense(q[:1], kv, one, spec, out=out[:1], splits=8)
    selection = VerticalSlashSelection.of([torch.arange(50)] * heads, [torch.arange(3)] * heads, length=length)
    sparse(q, kv, table[0], length, spec, selection, out=out, lse=lse)
    chosen = BlockSelection.empty(Adaptive.uniform(heads, 0.9, **GPU_BLOCKS), length - queries, length, q.device)
    chosen.chosen.fill_(True)
    adaptive.sparse(q, kv, table[0], length, spec, chosen, out=out, lse=lse)
    scores(q[-64:], kv, table[0], length, spec)
    k = torch.empty(queries, kv_heads, 128, dtype=torch.bfloat16)
    write(k, k, kv, torch.arange(queries), torch.arange(queries), spec, max_length=length)


_COVERAGE = "COVERAGE_PROCESS_CONFIG"  # with which a child is measured, and takes three times as long


@pytest.mark.parametrize("kv_dtype", ["bfloat16", "float8_e4m3fn"])
def test_for_hopper(kv_dtype, tmp_path):
    env = {name: value for name, value in os.environ.items() if name not in ("TRITON_INTERPRET", _COVERAGE)}
    result = subprocess.run(
        [sys.executable, __file__, kv_dtype],
        env={**env, "TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    compiled = [json.loads(line) for line in result.stdout.splitlines()]
    names = [each["kernel"] for each in compiled]
    assert names == ["_dense", "_dense", "_merge", "_sparse", "_blocks", "_scores", "_scores", "_write"]
    assert all(each["shared"] <= SHARED_MEMORY for each in compiled), compiled
    # All but decoding, which has too few rows, and what multiplies nothing.
    assert [each["wgmma"] for each in compiled] == [True, False, False, True, True, True, True, False]


if __name__ == "__main__":
    compile_all(sys.argv[1])
