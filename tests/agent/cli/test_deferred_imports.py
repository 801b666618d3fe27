"""What commands import of Qwen-Agent's dependencies."""

import subprocess
import sys

CODE = """
import sys
from longread.agent.cli.deferred_imports import defer_unused
defer_unused()
from longread import LongReader
from longread.agent.llm.endpoint import EndpointChat
print([name for name in sys.modules if name.startswith("dashscope.")])
import qwen_agent.llm.qwen_dashscope
print(qwen_agent.llm.qwen_dashscope.dashscope.Generation.__name__)
print("dashscope.aigc" in sys.modules)
defer_unused()
"""


def test_a_library_that_is_not_used_is_not_loaded_and_one_that_is_used_works() -> None:
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert result.stdout.splitlines() == ["[]", "Generation", "True"], result.stderr
