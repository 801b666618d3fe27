"""The two examples of the Qwen2.5-1M blog, against a server: the call of curl, and the script with the passkey.

What is changed is the model's name and the port; in the script also how often the filler is repeated and where the key
stands in it, and that the answer has a limit: this small model does not stop by itself after a long prompt.
"""

import contextlib
import io
import json
import subprocess
from typing import Any

import pytest

from longread.events import ServeEvent
from longread.serving.vllm_server.registry import RunningServer
from tests.support.engines import SERVED_TOKENS

MODEL = "smollm2-135m"
CURL = """\
curl http://localhost:8000/v1/chat/completions \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "Qwen/Qwen2.5-7B-Instruct-1M",
    "messages": [
      {"role": "user", "content": "告诉我一些关于大型语言模型的事情。"}
    ],
    "temperature": 0.7,
    "top_p": 0.8,
    "repetition_penalty": 1.05,
    "max_tokens": 512
  }'
"""
SCRIPT = """\
from openai import OpenAI

openai_api_key = "EMPTY"
openai_api_base = "http://localhost:8000/v1"

client = OpenAI(
    api_key=openai_api_key,
    base_url=openai_api_base,
)

prompt = (
    "There is an important info hidden inside a lot of irrelevant text. "
    "Find it and memorize it. I will quiz you about the important information there.\\n\\n"
    "The pass key is 28884. Remember it. 28884 is the pass key.\\n"
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. " * 800
    "\\nWhat is the pass key?"
    # The prompt is approximately 20k tokens long. You can try longer prompts by increasing the multiplier.
)

chat_response = client.chat.completions.create(
    model="Qwen/Qwen2.5-7B-Instruct-1M",
    messages=[{"role": "user", "content": prompt}],
    temperature=0,
)
print("Chat response:", chat_response.choices[0].message.content)
"""


def here(example: str, server: tuple[RunningServer, list[ServeEvent]]) -> str:
    """The example with our model and our port."""
    port = server[0].url.rsplit(":", 1)[1].removesuffix("/v1")
    return example.replace("localhost:8000", f"localhost:{port}").replace("Qwen/Qwen2.5-7B-Instruct-1M", MODEL)


def meant(script: str, before: int, after: int) -> str:
    """The script as it is meant: as printed, a '+' is missing after the filler, and '*' would repeat the key, too.

    Args:
        before: how often the filler stands before the key: never, as printed.
        after: how often it stands after it.
    """
    lines = script.splitlines()
    key = next(number for number, line in enumerate(lines) if "28884" in line)
    filler, _, printed = lines[key + 1].rpartition(" * ")
    assert printed == "800"
    lines[key - 1 : key + 2] = [
        f"{lines[key - 1]} +",
        f"{filler} * {before} +",
        f"{lines[key]} +",
        f"{filler} * {after} +",
    ]
    return "\n".join(lines)


def test_the_call_of_curl(server: tuple[RunningServer, list[ServeEvent]]) -> None:
    command = ["bash", "-c", here(CURL, server)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    reply = json.loads(result.stdout)
    assert reply["model"] == MODEL
    [choice] = reply["choices"]
    assert choice["finish_reason"] in ("stop", "length")
    assert choice["message"]["content"].strip()
    assert 0 < reply["usage"]["completion_tokens"] <= 512


def test_the_script_as_printed_is_no_python() -> None:
    with pytest.raises(SyntaxError):
        compile(SCRIPT, "blog.py", "exec")


# With the key at the very beginning this model, of 135M, loses it from some 7,000 tokens on, and with its own rotary
# embedding no later: in long prompts it stands after 168 repetitions. The longest begins as the one before it does.
@pytest.mark.parametrize(
    ("before", "after", "tokens", "found"),
    [
        pytest.param(0, 60, range(1_400, 1_600), True, id="short, as printed"),
        pytest.param(168, 168, range(8_000, 8_192), True, id="at the window"),
        pytest.param(168, 186, range(8_400, SERVED_TOKENS), False, id="past the window"),
    ],
)
def test_the_script_with_the_passkey(
    server: tuple[RunningServer, list[ServeEvent]], before: int, after: int, tokens: range, found: bool
) -> None:
    names: dict[str, Any] = {}
    printed = io.StringIO()
    script = here(meant(SCRIPT, before, after), server).replace("temperature=0,", "temperature=0, max_tokens=16,")
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "blog.py", "exec"), names)
    count = names["chat_response"].usage.prompt_tokens
    assert count in tokens
    assert printed.getvalue().startswith("Chat response: The pass key is ")
    if found:
        assert "28884" in printed.getvalue()

    # Past the window it prefers to chat about keys. It has read this one all the same: its answer is begun for it.
    begun = [{"role": "user", "content": names["prompt"]}, {"role": "assistant", "content": "The pass key is "}]
    goes_on = {"add_generation_prompt": False, "continue_final_message": True}
    answer = names["client"].chat.completions.create(
        model=MODEL, messages=begun, temperature=0, max_tokens=8, extra_body=goes_on
    )
    assert answer.choices[0].message.content.startswith("28884")
    assert answer.usage.prompt_tokens_details.cached_tokens > count - 256
