"""How far a server has read, from its metrics."""

import pytest

from longread.agent.llm.openai_server import Server
from longread.agent.llm.prefill_progress import PrefillProgress, tokens_in_use
from tests.support.scripted_server import ScriptedServer
from tests.support.waiting import PATIENCE

METRICS = """
vllm:num_requests_running{engine="0",model_name="m"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:cache_config_info{_size="True",block_size="128",hash_block_size="None",num_gpu_blocks="192"} 1.0
"""


def test_one_request_holds_what_is_in_use() -> None:
    assert tokens_in_use(METRICS) == 48 * 128


@pytest.mark.parametrize(
    "text", ["", METRICS.replace("} 1.0\nvllm:kv", "} 2.0\nvllm:kv"), METRICS.replace("block_size", "blocks"), "<html>"]
)
def test_where_nothing_can_be_said(text: str) -> None:
    assert tokens_in_use(text) is None


def test_a_server_without_metrics_is_asked_once(
    scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longread.agent.llm.prefill_progress._CALL_SECONDS", PATIENCE)
    monkeypatch.setattr("longread.agent.llm.prefill_progress._PAUSE_SECONDS", 0.0)
    meter = PrefillProgress(Server(scripted_server.url))
    assert [meter.poll() for _ in range(3)] == [None] * 3
    assert [request.path for request in scripted_server.requests] == ["/metrics"]
