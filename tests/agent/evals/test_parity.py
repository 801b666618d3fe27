"""The prompts are those of RULER's and InfiniteBench's own generators, as run by `benchmarks/agent/parity.py`; the
prompts and scores of LV-Eval are those of its own code, as run by `benchmarks/agent/parity_lveval.py`."""

import json
from pathlib import Path

import pytest

from benchmarks.agent import parity, parity_lveval
from longread.agent.evals.lveval import PROMPTS
from longread.agent.evals.sample import Counter

EXPECTED = json.loads(parity.HASHES.read_text())
LVEVAL = json.loads(parity_lveval.HASHES.read_text())["made"]


@pytest.fixture(scope="module")
def count(model_cache: Path) -> Counter:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGREAD_CACHE_DIR", str(model_cache))
        return parity.counter()


@pytest.mark.parametrize("series", EXPECTED["ruler"]["samples"])
def test_ruler(series: str, count: Counter):
    task, length, seed = series.split()
    assert parity.our_ruler(task, int(length), int(seed), count) == EXPECTED["ruler"]["samples"][series]


@pytest.mark.parametrize("series", EXPECTED["infinitebench"]["samples"])
def test_infinitebench(series: str):
    task, seed = series.split()
    assert parity.our_infinitebench(task, int(seed)) == EXPECTED["infinitebench"]["samples"][series]


@pytest.mark.parametrize("name", LVEVAL)
def test_lveval(name: str):
    made = parity_lveval.ours(name)
    assert [rest for *rest, _ in made] == [rest for *rest, _ in LVEVAL[name]]
    assert [value for *_, value in made] == pytest.approx([value for *_, value in LVEVAL[name]], abs=1e-12)


def test_all_tasks_are_there():
    assert LVEVAL.keys() == PROMPTS.keys()
    assert len(EXPECTED["ruler"]["samples"]) == len(parity.RULER) * len(parity.SETTINGS)
    assert len(EXPECTED["infinitebench"]["samples"]) == 5 * len(parity.SEEDS)
