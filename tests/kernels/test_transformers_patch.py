"""`patch`: models of transformers with DCA and sparse attention; budgets, their file, recall and refinement."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from longread.kernels import Adaptive, Budgets, DCASpec, KernelError, VerticalSlash, patch
from longread.kernels.calibrate import LEAST_KEEP, Recall, calibrate, measure, refine
from longread.kernels.transformers_patch import attentions, with_cache

FAMILIES = {"qwen2": "Qwen2", "qwen3": "Qwen3", "llama": "Llama"}
DCA = DCASpec(16, 1e4, chunk_size=96, local_size=32, trained_window=96, temperature="query")


def model(family: str = "qwen2", **values: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{FAMILIES[family]}Config")(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        initializer_range=0.3,
        pad_token_id=0,
        **values,
    )
    return getattr(transformers, f"{FAMILIES[family]}ForCausalLM")(config).eval()


def prompt(tokens: int) -> torch.Tensor:
    return torch.randint(1, 300, (1, tokens), generator=torch.Generator().manual_seed(tokens))


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_dca_config_nothing_changes(family: str) -> None:
    theirs, ours = model(family), patch(model(family))
    ids = prompt(200)
    torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=0, atol=1e-3)
    generate = {"max_new_tokens": 8, "do_sample": False}
    assert torch.equal(ours.generate(ids, **generate), theirs.generate(ids, **generate))


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
def test_dca_is_rope_up_to_the_chunk_and_then_another_function(family: str) -> None:
    plain, ours = patch(model(family)), patch(model(family), DCA)
    ids = prompt(200)
    one, other = plain(ids).logits, ours(ids).logits
    torch.testing.assert_close(one[:, :96], other[:, :96], rtol=0, atol=1e-2)
    assert (one[:, 120:] - other[:, 120:]).abs().max() > 0.1


@torch.inference_mode()
def test_a_cache_in_any_chunks_gives_the_same() -> None:
    ours, ids = patch(model(), DCA), prompt(300)
    whole = ours(ids).logits[:, -1]
    cached = with_cache(ours)
    for start in range(0, 300, 70):
        output = ours(ids[:, start : start + 70], **cached)
    torch.testing.assert_close(output.logits[:, -1], whole, rtol=0, atol=1e-3)


@torch.inference_mode()
def test_a_batch_padded_on_the_left() -> None:
    ours, short, long = patch(model(), DCA), prompt(110), prompt(150)
    ids = torch.cat((torch.cat((torch.zeros(1, 40, dtype=torch.int64), short), 1), long))
    together = ours.generate(ids, attention_mask=(ids != 0).long(), max_new_tokens=6, do_sample=False)
    for row, alone in enumerate((short, long)):
        expected = ours.generate(alone, attention_mask=torch.ones_like(alone), max_new_tokens=6, do_sample=False)
        assert together[row, 150:].tolist() == expected[0, alone.shape[1] :].tolist()


@torch.inference_mode()
def test_sparse_with_everything_kept_is_dense_and_with_little_is_not() -> None:
    ids = prompt(300)
    dense = patch(model(), DCA)(ids).logits
    for budget, same in ((400, True), (31, False)):
        budgets = Budgets.uniform(2, 4, vertical=budget, slash=budget, threshold=200, least_queries=100, block=16)
        found = patch(model(), DCA, budgets)(ids).logits
        assert torch.allclose(found, dense, rtol=0, atol=1e-2) is same


def test_what_cannot_be_patched() -> None:
    with pytest.raises(KernelError, match="does not have the layers"):
        patch(torch.nn.Linear(2, 2))
    with pytest.raises(KernelError, match=r"budgets.*3 layers.*4 heads.*2.*4"):
        patch(model(), DCA, Budgets.uniform(3, 4, vertical=40, slash=100))
    prepared, unprepared, ids = patch(model()), model(), prompt(8)
    unprepared.set_attn_implementation("longread")
    with pytest.raises(KernelError, match=r"only for models prepared by longread\.kernels\.patch"):
        unprepared(ids)
    with pytest.raises(KernelError, match="pad on the left"):
        prepared(ids, attention_mask=torch.tensor([[1, 1, 1, 1, 1, 1, 0, 0]]))


# Budgets and their file


def test_the_published_file_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "sparse_attention_config.json"
    head = ["vertical_and_slash", 1000, 6096, 0.97]
    path.write_text(json.dumps([{"0": head, "1": ["vertical_and_slash", 30, 800, 0.9]}] * 3))
    budgets = Budgets.read(path, threshold=5)
    assert len(budgets.layers) == 3
    # A head of only forced columns is given a hundred more, as the published engines do.
    assert (budgets.layers[0].vertical, budgets.layers[0].slash) == ((1000, 130), (6096, 800))
    budgets.write(path, recall=[[0.5, 0.75]] * 3)
    assert Budgets.read(path, threshold=5) == budgets
    assert json.loads(path.read_text())[2]["1"] == ["vertical_and_slash", 130, 800, 0.75]
    assert budgets.of_heads(slice(1, 2)).layers[0] == VerticalSlash((130,), (800,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "cannot be read"),
        ("{}", "is not a list over layers"),
        ('[{"0": ["vertical_and_slash", 1, 2, 0], "2": []}]', "layer 0: the heads are not 0 to 1: there is no '1'"),
        ('[{"0": ["block_sparse", 1, 2, 0]}]', "layer 0, head 0 is .*'block_sparse'"),
        ('[{"0": ["vertical_and_slash", 1, 2, 0]}, {}]', "layer 1 has no heads"),
    ],
)
def test_a_file_of_another_form(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(KernelError, match=message):
        Budgets.read(tmp_path / "file.json")


def test_short_prompts_and_short_chunks_are_dense() -> None:
    budgets = Budgets.uniform(1, 2, vertical=40, slash=100, threshold=1000, least_queries=50)
    assert budgets.at(0, queries=100, length=1000) is None
    assert budgets.at(0, queries=49, length=1001) is None
    assert budgets.at(0, queries=50, length=1001) == budgets.layers[0]


# Calibration


def test_recall_is_what_is_kept_of_the_softmax() -> None:
    budgets = Budgets.uniform(2, 4, vertical=40, slash=101, threshold=128, least_queries=100, block=16)
    ours = patch(model(), DCA, budgets)
    found = measure(ours, prompt(384)[0].tolist(), chunk=128)
    assert found.recall.shape == found.density.shape == (2, 4)
    assert 0.2 < found.mean < 0.999
    assert bool((found.density < 1).all())
    assert all(attention.observe is None for attention in attentions(ours))
    everything = Budgets.uniform(2, 4, vertical=400, slash=400, threshold=128, least_queries=100, block=16)
    full = measure(patch(model(), DCA, everything), prompt(384)[0].tolist(), chunk=128)
    torch.testing.assert_close(full.recall, torch.ones_like(full.recall), rtol=0, atol=1e-4)
    torch.testing.assert_close(full.density, torch.ones_like(full.density), rtol=0, atol=1e-9)


def test_nothing_to_measure() -> None:
    with pytest.raises(KernelError, match="no budgets to measure"):
        measure(patch(model(), DCA), [1] * 300, chunk=128)
    budgets = Budgets.uniform(2, 4, vertical=40, slash=101)
    with pytest.raises(KernelError, match=r"nothing.*300 tokens.*128"):
        measure(patch(model(), DCA, budgets), [1] * 300, chunk=128)


def test_who_misses_more_is_given_more() -> None:
    budgets = Budgets((VerticalSlash((100,) * 6, (200,) * 6),))
    recall = torch.tensor([[0.99, 0.93, 0.85, 0.75, 0.65, 0.1]])
    refined = refine(Recall(budgets, recall, recall), target=0.95).layers[0]
    assert refined.vertical == (100, 2148, 2148, 4196, 8292, 12344)
    assert refined.slash == (200, 2248, 2248, 4296, 8392, 12444)


def test_calibration_reaches_its_target() -> None:
    budgets = Budgets.uniform(2, 4, vertical=31, slash=101, threshold=128, least_queries=100, block=16)
    ours = patch(model(), DCA, budgets)
    rounds: list[int] = []
    refined, history = calibrate(
        ours, [prompt(384)[0].tolist()], chunk=128, target=0.95, on_round=lambda number, _: rounds.append(number)
    )
    assert rounds == list(range(1, len(history) + 1))
    assert bool((history[-1].recall >= 0.95).all())
    assert history[0].mean < history[-1].mean
    assert attentions(ours)[0].budgets == refined


def test_calibration_ends_where_the_keys_that_are_always_read_suffice() -> None:
    budgets = Budgets.adaptive(2, 4, 0.9, threshold=128, least_queries=100, query_block=64)
    refined, history = calibrate(
        patch(model(), DCA, budgets), [prompt(384)[0].tolist()], chunk=128, target=0.2, rounds=6
    )
    assert bool((history[-1].recall > 0.21).all())
    assert refined.layers[0] == Adaptive.uniform(4, LEAST_KEEP, query_block=64)
    assert len(history) == 2
