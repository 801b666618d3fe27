"""The two examples of the Qwen2.5-1M blog, against a server: the call of curl, and the script with the passkey.

What is changed is the model's name, the port, how often the filler is repeated, and that the answer has a limit: this
small model does not stop by itself after a long prompt.
"""

import contextlib
import io
import json
import subprocess
from typing import Any

import pytest

from longread.serving.events import ServeEvent
from longread.serving.served import Served

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


def here(example: str, server: tuple[Served, list[ServeEvent]]) -> str:
    """The example with our model and our port."""
    port = server[0].url.rsplit(":", 1)[1].removesuffix("/v1")
    return example.replace("localhost:8000", f"localhost:{port}").replace("Qwen/Qwen2.5-7B-Instruct-1M", MODEL)


def meant(script: str, repeated: int) -> str:
    """The script as it is meant: as printed the text after the filler has no '+', and '*' would repeat the key, too."""
    filler = 'There and back again. " * 800\n'
    key = 'is the pass key.\\n"\n'
    assert script.count(filler) == script.count(key) == 1
    script = script.replace(filler, filler.replace("800\n", f"{repeated} +\n"))
    return script.replace(key, key.replace("\n", " +\n"))


def test_the_call_of_curl(server: tuple[Served, list[ServeEvent]]) -> None:
    command = ["bash", "-c", here(CURL, server)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    reply = json.loads(result.stdout)
    assert reply["model"] == MODEL
    [choice] = reply["choices"]
    assert choice["finish_reason"] in ("stop", "length")
    assert len(choice["message"]["content"]) > 20
    assert 0 < reply["usage"]["completion_tokens"] <= 512


def test_the_script_as_printed_is_no_python() -> None:
    with pytest.raises(SyntaxError):
        compile(SCRIPT, "blog.py", "exec")


# The longer prompts begin as the shorter ones do, whose keys are in the cache by then.
@pytest.mark.parametrize(
    ("repeated", "tokens", "found"),
    [
        pytest.param(60, 1_533, True, id="short"),
        # In a chat this model has lost the key from some 6,000 tokens on, with its own rotary embedding as with ours.
        pytest.param(336, 8_157, False, id="at the window"),
        pytest.param(505, 12_213, False, id="past the window"),
    ],
)
def test_the_script_with_the_passkey(
    server: tuple[Served, list[ServeEvent]], repeated: int, tokens: int, found: bool
) -> None:
    names: dict[str, Any] = {}
    printed = io.StringIO()
    script = here(meant(SCRIPT, repeated), server).replace("temperature=0,", "temperature=0, max_tokens=16,")
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "blog.py", "exec"), names)
    assert names["chat_response"].usage.prompt_tokens == tokens
    assert printed.getvalue().startswith("Chat response: The pass key is ")
    assert "28884" in printed.getvalue() or not found

    # The key is there to be read all the same, as it shows when the answer is begun for the model.
    begun = [{"role": "user", "content": names["prompt"]}, {"role": "assistant", "content": "The pass key is"}]
    goes_on = {"add_generation_prompt": False, "continue_final_message": True}
    answer = names["client"].chat.completions.create(
        model=MODEL, messages=begun, temperature=0, max_tokens=8, extra_body=goes_on
    )
    assert "28884" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens_details.cached_tokens > tokens - 256
