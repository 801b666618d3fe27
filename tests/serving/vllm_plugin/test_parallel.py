"""The vLLM plug-in in several processes, with the heads or the layers split between them."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from longread.kernels import Budgets
from longread.kernels.sparse.vertical_slash import VerticalSlash
from tests.support.vllm_engines import (
    DCA,
    Vllm,
    apart,
    assert_same,
    checkpoint,
    expected,
    expected_with_cache,
    patched,
    words,
)

LAYERS, HEADS, THRESHOLD = 3, 4, 512


def uneven() -> Budgets:
    """Budgets that no two heads share."""
    choose = random.Random(0)
    vertical, slash = (choose.sample(range(20, 500), LAYERS * HEADS) for _ in range(2))
    heads = [slice(layer * HEADS, (layer + 1) * HEADS) for layer in range(LAYERS)]
    return Budgets(tuple(VerticalSlash(tuple(vertical[own]), tuple(slash[own])) for own in heads), THRESHOLD)


def exchanged(budgets: Budgets) -> Budgets:
    """With the heads of the two ranks in each other's place."""
    halves = budgets.of_heads(slice(2, 4)), budgets.of_heads(slice(0, 2))
    layers = zip(*(half.layers for half in halves), strict=True)
    return replace(
        budgets,
        layers=tuple(replace(a, vertical=a.vertical + b.vertical, slash=a.slash + b.slash) for a, b in layers),
    )


def counted_anew(budgets: Budgets) -> Budgets:
    """With each stage's layers counted from 0."""
    return replace(budgets, layers=(*budgets.layers[:2], budgets.layers[0]))


@pytest.mark.parametrize(
    ("engine", "wrong"),
    [
        ({"tensor_parallel_size": 2}, exchanged),
        ({"pipeline_parallel_size": 2}, counted_anew),
        ({"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, exchanged),
    ],
    ids=["tensor", "pipeline", "both"],
)
def test_several_processes_answer_as_one(
    vllm: Vllm, tiny_models: dict[str, Path], tmp_path: Path, engine: dict[str, Any], wrong: Any
) -> None:
    """Dense and sparse: several at once, across S, and one long enough that each head's own pattern counts."""
    dual_chunk = {**DCA, "sparse_attention_threshold": THRESHOLD}
    folder = checkpoint(tiny_models["qwen2"], tmp_path / "sparse", dual_chunk_attention_config=dual_chunk)
    budgets = uneven()
    budgets.write(folder / "sparse_attention_config.json")
    together, long = [words(150, seed=1), words(450, seed=2)], words(1500)
    found = vllm.answers(
        folder, [together, [long]], max_num_batched_tokens=2048, distributed_executor_backend="mp", **engine
    )
    model = patched(folder, budgets)
    for answer, ids in zip(found[:2], together, strict=True):
        assert_same(answer, expected(model, ids))
    wanted = expected_with_cache(model, long)
    assert_same(found[2], wanted)
    assert apart(expected(patched(folder, wrong(budgets)), long, 1), wanted) > 1e-2


@pytest.mark.parametrize(
    ("where", "engine"),
    [((0, 0, "execute_model"), {}), ((1, 1, "sample_tokens"), {"tensor_parallel_size": 2})],
    ids=["first stage", "second rank"],
)
def test_an_error_that_vllm_would_not_hear_of_ends_the_engine(
    vllm: Vllm, tiny_models: dict[str, Path], tmp_path: Path, where: tuple[int, int, str], engine: dict[str, Any]
) -> None:
    """vLLM reads the first rank of the last stage only, which would wait for the others: here, longer than any test."""
    folder = checkpoint(tiny_models["qwen2"], tmp_path / "model", dual_chunk_attention_config=DCA)
    said = len(vllm.log.read_text())
    reply = vllm.ask(folder, [], breaks=where, pipeline_parallel_size=2, distributed_executor_backend="mp", **engine)
    assert reply["failure"]  # of what vLLM sees first
    log = vllm.log.read_text()[said:]
    assert f"a step failed in pipeline stage {where[0]}; its worker ends" in log
    assert "RuntimeError: no memory for this step" in log
