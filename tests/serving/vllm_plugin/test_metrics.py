"""The counters on /metrics, without a server; test_plugin.py and vllm_server/test_launch.py test them on one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from longread.serving.vllm_plugin.metrics import Collector, Counters, counters


def shown(folder: Path) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(Collector(folder))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_the_workers_are_added_up(tmp_path: Path) -> None:
    first, second = Counters(tmp_path / "1"), Counters(tmp_path / "2")
    first.chunk(2048, sparse=False)
    first.chunk(4096, sparse=True)
    second.chunk(100, sparse=False)
    first.observe(recall=0.75, density=0.25)
    second.observe(recall=0.25, density=0.125)
    found = shown(tmp_path)
    assert found['longread_prefill_tokens_total{attention="dense"}'] == 2148
    assert found['longread_prefill_tokens_total{attention="sparse"}'] == 4096
    assert found["longread_sparse_recall_sum"] == 1
    assert found["longread_sparse_recall_count"] == found["longread_sparse_keys_count"] == 2
    assert found["longread_sparse_keys_sum"] == 0.375
    buckets = {bound: found[f'longread_prefill_chunk_tokens_bucket{{le="{bound}"}}'] for bound in (128, 1024, 2048)}
    assert buckets == {128: 1, 1024: 1, 2048: 2}
    assert found['longread_prefill_chunk_tokens_bucket{le="+Inf"}'] == found["longread_prefill_chunk_tokens_count"] == 3
    assert found["longread_prefill_chunk_tokens_sum"] == 6244


def test_a_chunk_beyond_every_bucket_counts(tmp_path: Path) -> None:
    Counters(tmp_path / "1").chunk(1 << 20, sparse=True)
    found = shown(tmp_path)
    assert found['longread_prefill_chunk_tokens_bucket{le="131072"}'] == 0
    assert found["longread_prefill_chunk_tokens_count"] == 1


def test_without_a_model_of_ours_nothing_is_shown(tmp_path: Path) -> None:
    assert shown(tmp_path / "never made") == {}
    (tmp_path / "half").write_bytes(b"12345678")  # of a worker that is just making it
    assert shown(tmp_path) == {}


def test_the_first_process_shows_what_its_children_count() -> None:
    """And takes the folder away with it, which a child does not."""
    script = """
import os, subprocess, sys
from prometheus_client import generate_latest
from longread.serving.vllm_plugin import metrics
metrics.show(), metrics.show()
child = "from longread.serving.vllm_plugin.metrics import *; show(); counters().chunk(7, sparse=False)"
subprocess.run([sys.executable, "-c", child], check=True)
assert 'longread_prefill_tokens_total{attention="dense"} 7.0' in generate_latest().decode()
print(os.environ["LONGREAD_METRICS_DIR"])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    folder = result.stdout.strip()
    assert "longread-metrics-" in folder
    assert not os.path.exists(folder)


def test_a_folder_that_cannot_be_written_is_said_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LONGREAD_METRICS_DIR", str(tmp_path / "file" / "below"))
    counters.cache_clear()
    with caplog.at_level("WARNING"):
        counters().chunk(7, sparse=True)
    counters.cache_clear()
    assert "/metrics will not have the counters of longread" in caplog.text


@pytest.mark.parametrize("tokens", [1, 128, 129])
def test_bounds_are_inclusive(tmp_path: Path, tokens: int) -> None:
    Counters(tmp_path / "1").chunk(tokens, sparse=False)
    assert shown(tmp_path)['longread_prefill_chunk_tokens_bucket{le="128"}'] == (tokens <= 128)
