"""The engine's attention against the definition, in float64."""

import pytest
import torch

from longread.serving.attention import _attend_sdpa, attend


def by_definition(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    """[T, Hq, D], query t over keys 0 to n - T + t, head by head."""
    heads, tokens, _ = query.shape
    length, group = key.shape[1], heads // key.shape[0]
    out = torch.empty(tokens, heads, query.shape[2], dtype=torch.float64)
    for h in range(heads):
        for t in range(tokens):
            seen = length - tokens + t + 1
            logits = key[h // group, :seen].double() @ query[h, t].double() * scale
            out[t, h] = torch.softmax(logits, 0) @ value[h // group, :seen].double()
    return out


SHAPES = [
    pytest.param(heads, kv_heads, tokens, length, dim, id=f"{heads}/{kv_heads}-{tokens}of{length}-d{dim}")
    for heads, kv_heads, tokens, length, dim in [
        (9, 3, 16, 16, 64),
        (9, 3, 17, 48, 64),
        (9, 3, 1, 33, 64),
        (4, 4, 5, 70, 32),
        (4, 1, 33, 34, 16),
        (2, 2, 1, 1, 128),
        (8, 2, 300, 1111, 64),
    ]
]


@pytest.mark.parametrize(("heads", "kv_heads", "tokens", "length", "dim"), SHAPES)
@pytest.mark.parametrize("function", [attend, _attend_sdpa])
def test_equals_the_definition(function, heads: int, kv_heads: int, tokens: int, length: int, dim: int) -> None:
    torch.manual_seed(0)
    query = torch.randn(heads, tokens, dim)
    # As the engine has them: the filled part of a larger buffer, whose rest must not be read.
    buffer = torch.full((2, kv_heads, length + 50, dim), float("nan"))
    buffer[:, :, :length] = torch.randn(2, kv_heads, length, dim)
    key, value = buffer[:, :, :length]
    found = function(query, key, value, 0.3)
    assert found.shape == (tokens, heads, dim)
    torch.testing.assert_close(found.double(), by_definition(query, key, value, 0.3), rtol=2e-5, atol=2e-6)


def test_large_logits_do_not_overflow() -> None:
    torch.manual_seed(0)
    query, key, value = 30 * torch.randn(4, 3, 32), 30 * torch.randn(2, 40, 32), torch.randn(2, 40, 32)
    found = attend(query, key, value, 1.0)
    torch.testing.assert_close(found.double(), by_definition(query, key, value, 1.0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(shape, dtype=dtype) for shape in ((4, 8, 32), (2, 40, 32), (2, 40, 32)))
    found = attend(query, key, value, 0.2)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), by_definition(query, key, value, 0.2), rtol=2e-2, atol=2e-2)
