"""DCA's definition: positions, scales, rotations, and what is read from a model's config."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longread.kernels import reference
from longread.kernels.dca import INTER, INTRA, REGIONS, SUCCESSIVE, DCASpec, RopeScaling, rotate
from longread.kernels.errors import KernelError

PUBLISHED = {
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "rope_theta": 1e7,
    "max_position_embeddings": 1_010_000,
    "dual_chunk_attention_config": {
        "chunk_size": 262_144,
        "local_size": 8192,
        "original_max_position_embeddings": 262_144,
    },
}


def test_the_published_model() -> None:
    spec = DCASpec.from_config(PUBLISHED)
    assert (spec.head_dim, spec.rope_base, spec.span, spec.furthest) == (128, 1e7, 253_952, 262_144)
    assert spec.span == 1984 * 128
    i = torch.tensor([0, 253_951, 253_952, 262_144, 600_000])
    assert spec.query_positions(i, INTRA).tolist() == [0, 253_951, 0, 8192, 92_096]
    assert spec.query_positions(i, SUCCESSIVE).tolist() == [253_952, 262_144, 253_952, 262_144, 262_144]
    assert set(spec.query_positions(i, INTER).tolist()) == {262_144}
    assert spec.query_positions(i, SUCCESSIVE, continuous=True)[1] == 507_903
    assert spec.query_positions(i, INTER, continuous=True)[4] == 354_240
    # m² = 1.286 at a million tokens (Qwen2.5-1M report, section 2.2)
    scales = spec.scales(torch.tensor([1000, 262_143, 999_999])) * 128**0.5
    torch.testing.assert_close(scales, torch.tensor([1.0, 1.0, 1.2857], dtype=torch.float64), atol=1e-4, rtol=0)


@given(st.integers(1, 200), st.integers(0, 199), st.integers(0, 700), st.data())
def test_no_rotation_is_by_more_than_the_chunk_and_near_distances_are_exact(
    chunk: int, local: int, query: int, data: st.DataObject
) -> None:
    local = min(local, chunk // 2)
    spec = DCASpec(head_dim=8, rope_base=1e4, chunk_size=chunk, local_size=local)
    key = data.draw(st.integers(0, query))
    i, j = torch.tensor(query), torch.tensor(key)
    region = int(spec.region(i, j))
    assert region == min(query // spec.span - key // spec.span, 2)
    distance = int(spec.query_positions(i, region) - spec.key_positions(j))
    assert distance <= chunk
    if query - key <= local or region == INTRA:
        assert distance == query - key, "the last local_size tokens are where they are"


def test_with_one_chunk_it_is_rope_bit_for_bit() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(100, 4, 16), torch.randn(100, 2, 16), torch.randn(100, 2, 16)
    dca = DCASpec(head_dim=16, rope_base=1e4, chunk_size=80, local_size=16)
    plain = DCASpec(head_dim=16, rope_base=1e4)
    short = [x[:64] for x in (q, k, v)]
    for one, other in zip(reference.attention(*short, dca), reference.attention(*short, plain), strict=True):
        assert torch.equal(one, other)
    # Up to chunk_size it is the same function in other positions; then it is another one.
    one, other = (reference.attention(q, k, v, spec)[0] for spec in (dca, plain))
    torch.testing.assert_close(one[:81], other[:81], rtol=0, atol=1e-5)
    assert (one[81:] - other[81:]).abs().amax((1, 2)).min() > 1e-3


def test_plain_rope_by_an_independent_definition() -> None:
    """softmax of Re(q_i conj(k_j) e^{i (i - j) theta}), by complex numbers."""
    torch.manual_seed(0)
    n, dim = 40, 16
    q, k, v = (torch.randn(n, 1, dim, dtype=torch.float64) for _ in range(3))
    out, lse = reference.attention(q, k, v, DCASpec(head_dim=dim, rope_base=1e4))
    theta = 1e4 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    turn = torch.polar(torch.ones(n, dim // 2, dtype=torch.float64), torch.arange(n)[:, None] * theta)
    complex_q, complex_k = (torch.complex(*x[:, 0].chunk(2, -1)) * turn for x in (q, k))
    logits = (complex_q @ complex_k.conj().T).real / dim**0.5
    logits = logits.masked_fill(torch.ones(n, n, dtype=torch.bool).triu(1), -torch.inf)
    torch.testing.assert_close(lse[:, 0], logits.logsumexp(-1), rtol=0, atol=1e-5)  # float32 angles
    torch.testing.assert_close(out[:, 0], logits.softmax(-1) @ v[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 5e5},
        {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "rope_theta": 1e6},
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
            "rope_theta": 5e5,
        },
    ],
    ids=lambda rope: rope["rope_type"],
)
def test_frequencies_are_those_of_transformers(rope: dict[str, Any]) -> None:
    from transformers import Qwen2Config
    from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

    config = Qwen2Config(
        hidden_size=512, num_attention_heads=4, max_position_embeddings=131_072, rope_parameters=dict(rope)
    )
    theirs = Qwen2RotaryEmbedding(config)
    spec = DCASpec.from_config(config)
    torch.testing.assert_close(spec.inverse_frequencies, theirs.inv_freq.float(), rtol=1e-6, atol=0)
    assert spec.attention_factor == pytest.approx(theirs.attention_scaling)
    assert spec.base_scale == pytest.approx(theirs.attention_scaling**2 / 128**0.5)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_rotations_add_up(first: int, second: int) -> None:
    spec = DCASpec(head_dim=8, rope_base=1e4)
    x = torch.randn(8, dtype=torch.float64)

    def rotated(x: torch.Tensor, position: int) -> torch.Tensor:
        angles = spec.angles(torch.tensor(position)).double()
        return rotate(x, angles.cos(), angles.sin())

    torch.testing.assert_close(rotated(rotated(x, first), second), rotated(x, first + second), atol=2e-3, rtol=0)


def test_tables_hold_every_position_that_is_looked_up() -> None:
    spec = DCASpec(head_dim=8, rope_base=1e4, chunk_size=3000, local_size=1000)
    for length in (10, 2000, 100_000):
        rows = len(spec.tables(length)[0])
        i = torch.arange(length)
        asked = (
            [(region, how) for region in REGIONS for how in (False, True)] if length > spec.span else [(INTRA, False)]
        )
        needed = [spec.query_positions(i, region, continuous=how) for region, how in asked]
        assert max(int(positions.max()) for positions in needed) < rows


def test_text_holds_all_of_it() -> None:
    scaling = RopeScaling("yarn", 4.0, 32768, attention_factor=1.5)
    spec = DCASpec(128, 1e6, scaling, chunk_size=64, local_size=16, trained_window=64, temperature="query")
    assert DCASpec.of_text(spec.text) == spec
    assert hash(DCASpec.of_text(spec.text)) == hash(spec)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DCASpec(7, 1e4), "head_dim is 7"),
        (lambda: DCASpec(8, 0.5), "rope_base is 0.5"),
        (lambda: DCASpec(8, 1e4, chunk_size=64, local_size=64), "chunk_size is 64 and local_size 64"),
        (lambda: DCASpec(8, 1e4, temperature="query"), "temperature 'query' needs trained_window"),
        (lambda: DCASpec(8, 1e4, temperature="hot"), "temperature is 'hot'; it is none, query, prompt"),  # type: ignore
        (
            lambda: DCASpec(8, 1e4, trained_window=8, temperature="prompt").scales(torch.tensor([1])),
            "needs prompt_tokens",
        ),
        (lambda: DCASpec.from_config({**PUBLISHED, "rope_parameters": {"rope_type": "longrope"}}), "'longrope'"),
        (lambda: DCASpec.from_config({**PUBLISHED, "partial_rotary_factor": 0.5}), "only a part of each head"),
        (lambda: DCASpec.from_config({**PUBLISHED, "dual_chunk_attention_config": {"chunk_size": 4}}), "no local_size"),
        (
            lambda: DCASpec.from_config(
                {**PUBLISHED, "rope_parameters": {"rope_type": "yarn", "factor": 4, "mscale": 1}}
            ),
            "mscale",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        make()
