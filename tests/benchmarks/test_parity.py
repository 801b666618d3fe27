"""Ours are the prompts of RULER's and InfiniteBench's own generators, which `benchmarks/parity.py` has run."""

import json
from pathlib import Path

import parity
import pytest

from longread.benchmarks.quality.sample import Counter

KEPT = json.loads(parity.KEPT.read_text())


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


def test_all_tasks_are_there():
    assert len(KEPT["ruler"]["samples"]) == len(parity.RULER) * len(parity.SETTINGS)
    assert len(KEPT["infinitebench"]["samples"]) == 5 * len(parity.SEEDS)
