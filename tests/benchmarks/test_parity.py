"""Ours are the prompts of RULER's and InfiniteBench's own generators, which `benchmarks/parity.py` has run, and the
prompts and scores of LV-Eval's own code, which `benchmarks/parity_lveval.py` has."""

import json
from pathlib import Path

import parity
import parity_lveval
import pytest

from longread.benchmarks.quality.lveval import PROMPTS
from longread.benchmarks.quality.sample import Counter

KEPT = json.loads(parity.KEPT.read_text())
LVEVAL = json.loads(parity_lveval.KEPT.read_text())["made"]


@pytest.fixture(scope="module")
def count(model_cache: Path) -> Counter:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGREAD_CACHE_DIR", str(model_cache))
        return parity.counter()


@pytest.mark.parametrize("series", KEPT["ruler"]["samples"])
def test_ruler(series: str, count: Counter):
    task, length, seed = series.split()
    assert parity.our_ruler(task, int(length), int(seed), count) == KEPT["ruler"]["samples"][series]


@pytest.mark.parametrize("series", KEPT["infinitebench"]["samples"])
def test_infinitebench(series: str):
    task, seed = series.split()
    assert parity.our_infinitebench(task, int(seed)) == KEPT["infinitebench"]["samples"][series]


@pytest.mark.parametrize("name", LVEVAL)
def test_lveval(name: str):
    made = parity_lveval.ours(name)
    assert [rest for *rest, _ in made] == [rest for *rest, _ in LVEVAL[name]]
    assert [value for *_, value in made] == pytest.approx([value for *_, value in LVEVAL[name]], abs=1e-12)


def test_all_tasks_are_there():
    assert LVEVAL.keys() == PROMPTS.keys()
    assert len(KEPT["ruler"]["samples"]) == len(parity.RULER) * len(parity.SETTINGS)
    assert len(KEPT["infinitebench"]["samples"]) == 5 * len(parity.SEEDS)
