"""Does the real model still read, in each attention mode? A broken mask, a wrong region or a lost slash shows here.

The chunks of DCA are cut down to 384 tokens, so that 1,536 tokens reach over all regions, and sparse attention keeps
some columns and diagonals. Each of these was broken on purpose in kernels/cpu/ and kernels/dca.py, and is detected.
What the loss of DCA (3.591) or of sparse DCA (3.679) became: the causal mask left out (3.191), queries of the
successive region rotated as those of the intra region (4.622), the inter region's likewise (4.376), or as the
successive region's (3.607), the successive region's keys left out (3.703), the inter region's (3.956), the diagonals
left out (4.045), the columns left out (4.322).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from benchmarks.attention.reading import Reader, load
from longread.agent.evals.citing import read_pages
from longread.kernels import Budgets, DCASpec

PAGES = Path(__file__).parents[1] / "agent" / "quotes" / "pages.jsonl"
TOKENS, SPAN, LOCAL = 1536, 384, 64
KEYS = {"ferry": (0.1, "48213"), "garden": (0.55, "90762"), "tower": (0.9, "31587")}
"""Name to depth and pass key: seen from the end they are in the inter, the successive and the intra region."""


@dataclass(frozen=True)
class Read:
    """What became of one reading."""

    loss: float
    """Mean, of all tokens of the text."""
    keys: dict[str, float]
    """Mean log-probability of a token of each pass key."""


def text(encode: Callable[[str], list[int]]) -> list[int]:
    prose = encode("\n".join(page.text for page in read_pages(PAGES) if page.document == "persuasion"))
    tokens, start = [], 0
    for name, (depth, key) in KEYS.items():
        end = int(depth * TOKENS)
        needle = f"\n\nThe pass key of the {name} is {key}. Remember it. {key} is the pass key of the {name}.\n\n"
        tokens += prose[start:end] + encode(needle)
        start = end
    return (tokens + prose[start:])[:TOKENS]


@pytest.fixture(scope="module")
def found(model_cache: Path) -> dict[str, Read]:
    """RoPE, DCA and sparse DCA, each over the whole text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGREAD_CACHE_DIR", str(model_cache))
        model, encode = load()
    config, tokens = model.config, text(encode)
    rope = DCASpec.from_config(config, temperature="none")
    dca = replace(rope, chunk_size=SPAN + LOCAL, local_size=LOCAL)
    budgets = Budgets.uniform(
        config.num_hidden_layers, config.num_attention_heads, vertical=130, slash=130, threshold=400, least_queries=128
    )
    made = {}
    for mode, spec, sparsity in (("rope", rope, None), ("dca", dca, None), ("sparse", dca, budgets)):
        reader, losses = Reader(model, spec, sparsity, capacity=TOKENS + 100), []
        for start in range(0, TOKENS, SPAN):
            hidden = reader.read(tokens[start : start + SPAN])
            losses.append(reader.losses(hidden[:-1], tokens[start + 1 : start + SPAN]))
        keys = {}
        for name, (_, key) in KEYS.items():
            question = f"\n\nWhat is the pass key of the {name}? The pass key of the {name} is"
            keys[name] = float(reader.score(encode(question), encode(f" {key}"))[1].mean())
        made[mode] = Read(float(torch.cat(losses).mean()), keys)
    return made


def test_dca_reads_as_well_as_rope(found: dict[str, Read]):
    # 3.591 and 3.570: a leak of what comes next, too, would show.
    assert found["rope"].loss == pytest.approx(3.570, abs=0.02)
    assert found["dca"].loss == pytest.approx(found["rope"].loss + 0.021, abs=0.01)


def test_sparse_attention_reads_nearly_as_well(found: dict[str, Read]):
    assert found["sparse"].loss == pytest.approx(found["dca"].loss + 0.088, abs=0.04)


@pytest.mark.parametrize("mode", ["rope", "dca", "sparse"])
@pytest.mark.parametrize("name", list(KEYS))
def test_keys_are_found_in_every_region(found: dict[str, Read], mode: str, name: str):
    assert found[mode].keys[name] > -0.4, found[mode]  # -0.16 to -0.31
