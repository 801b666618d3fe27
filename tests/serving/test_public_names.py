"""`longread.serving` as a library: its names, and that importing them is cheap."""

import subprocess
import sys

import longread.serving
from longread.serving.embedded.engine import Engine
from longread.serving.planning.gpus import Gpus
from longread.serving.planning.planner import Plan
from longread.serving.vllm_server import launch, registry
from longread.serving.vllm_server.options import Chunking, Options


def test_the_public_names_are_the_definitions() -> None:
    expected = {
        "Chunking": Chunking, "Engine": Engine, "Gpus": Gpus, "Options": Options, "Plan": Plan,
        "RunningServer": registry.RunningServer, "launch": launch.launch, "plan_for": launch.plan_for,
        "running_servers": registry.running_servers, "stop": registry.stop,
    }  # fmt: skip
    assert {name: getattr(longread.serving, name) for name in longread.serving.__all__} == expected
    assert dir(longread.serving) == sorted(expected)
    assert not hasattr(longread.serving, "nothing")


def test_planning_for_gpus_needs_no_model_library() -> None:
    code = (
        "import sys; from longread.serving import Gpus, Options, plan_for; "
        "plan = plan_for('qwen2.5-7b-1m', Options(tokens=1_000_000, gpus=Gpus.parse('4xH100-80'))); "
        "print(plan.chosen.tp, {'torch', 'transformers', 'vllm'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "4 set()\n"
