"""The endpoint model against a real server of another project, with a real model: `transformers serve`."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from qwen_agent.agents import FnCallAgent
from qwen_agent.llm.schema import USER, Message
from qwen_agent.tools.base import BaseTool

from longread.agent.llm.endpoint import EndpointChat, list_models
from longread.agent.llm.streaming import StreamedReply
from longread.agent.prompt.tokenizer import qwen
from longread.errors import ConfigError, ServerError
from longread.events import Usage

pytestmark = pytest.mark.usefixtures("elsewhere")
QUESTION = [Message(USER, "What is the capital of France?")]

SERVE = """
import os, sys, threading

def end_with_the_tests():
    sys.stdin.read()  # what ends the tests closes it, whatever that is
    os._exit(1)

threading.Thread(target=end_with_the_tests, daemon=True).start()

import torch
from transformers.cli.transformers import main

steps = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def count(module, _):
    if type(module).__name__.endswith("ForCausalLM"):
        os.write(steps, b".")

torch.nn.modules.module.register_module_forward_pre_hook(count)
main()
"""
"""`transformers serve`, which writes a byte a step of the model into a file, and ends when its input does."""


class Clock(BaseTool):
    name = "clock"
    description = "The time."
    parameters: ClassVar = {"type": "object", "properties": {}, "required": []}

    def call(self, params, **kwargs) -> str:
        return "Noon."


@pytest.fixture(scope="session")
def model_folder(model_cache: Path) -> Path:
    from longread.serving.models.catalog import DEFAULT_MODEL, obtain

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGREAD_CACHE_DIR", str(model_cache))
        return obtain(DEFAULT_MODEL)


@dataclass
class Running:
    """A `transformers serve` that answers."""

    url: str
    file: Path

    @property
    def steps(self) -> int:
        """That the model has made."""
        return self.file.stat().st_size


@pytest.fixture(scope="session")
def running(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("serve")
    (folder / "hub").mkdir()
    log, steps = folder / "log", folder / "steps"
    command = [sys.executable, "-c", SERVE, steps, "serve", model_folder, "--port", "0"]
    options = ["--host", "127.0.0.1", "--device", "cpu", "--dtype", "float32"]
    environment = {**os.environ, "HF_HOME": str(folder), "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options], env=environment, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 500
        while not (address := re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text(errors="replace"))):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Running(address[1], steps)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def server(running: Running) -> str:
    return running.url


@pytest.fixture
def model(server: str, model_folder: Path) -> EndpointChat:
    return EndpointChat(
        {"server": server, "model": str(model_folder), "generate_cfg": {"max_tokens": 16, "temperature": 0}}
    )


def test_an_answer_streams_and_is_counted(model: EndpointChat, monkeypatch: pytest.MonkeyPatch):
    pieces: list[bool] = []  # of which those are handed on together that have come together
    add = StreamedReply.add

    def counted(answer: StreamedReply, chunk: Any) -> bool:
        pieces.append(add(answer, chunk))
        return pieces[-1]

    monkeypatch.setattr(StreamedReply, "add", counted)
    answers = [message for (message,) in model.chat(QUESTION)]
    texts = sorted({message.content for message in answers}, key=len)
    assert "Paris" in texts[-1]
    assert sum(pieces) > 3, "it came in pieces"
    assert answers[-1].content == texts[-1]
    assert answers[-1].extra["finish_reason"] == "stop"
    usage = Usage(**answers[-1].extra["usage"])
    assert not usage.estimated
    assert usage.prompt_tokens > qwen().count(QUESTION[0].content)
    assert 4 < usage.output_tokens <= 16
    assert 0 < usage.ttft < usage.seconds


def test_the_end_of_the_tokens_is_reported(model: EndpointChat):
    *_, (message,) = model.chat(QUESTION, extra_generate_cfg={"max_tokens": 2})
    assert message.extra["finish_reason"] == "length"
    assert message.extra["usage"]["output_tokens"] == 2


def test_closing_stops_the_server(model: EndpointChat, running: Running):
    # It generates one answer at a time: if this one went on, the next question would wait for its end.
    answers = model.chat([Message(USER, "Tell me a very long story.")], extra_generate_cfg={"max_tokens": 4000})
    next(message for (message,) in answers if len(message.content.split()) > 10)
    made = running.steps
    answers.close()
    *_, (after,) = model.chat(QUESTION)
    assert "Paris" in after.content
    assert made > 10
    assert running.steps - made < 200, "the story takes more than 370"


def test_an_agent_with_tools(model: EndpointChat):
    # The model has not learnt to call them: what is shown is that the server takes the request.
    agent = FnCallAgent(llm=model, function_list=[Clock()])
    response = agent.run_nonstream(QUESTION)
    assert "Paris" in response[-1].content


def test_its_refusals_are_understood(model: EndpointChat, server: str):
    with pytest.raises(ServerError, match=r"refused the request \(422\): .*'top_k'"):
        list(model.chat(QUESTION, extra_generate_cfg={"top_k": 3}))
    other = EndpointChat({"server": server, "model": "another"})
    with pytest.raises(ServerError, match=r"refused the request \(400\): .*'another'"):
        list(other.chat(QUESTION))


def test_it_says_which_model_it_has_and_neither_the_window_nor_how_it_counts(
    model: EndpointChat, server: str, model_folder: Path
):
    listed = [(model.id, model.window) for model in list_models(server)]
    assert listed in ([(str(model_folder), None)], [])  # before transformers 5.24 it lists none
    if listed:
        assert EndpointChat({"server": server}).model == str(model_folder)
    else:
        with pytest.raises(ConfigError, match=r"lists.*models"):
            EndpointChat({"server": server})
    assert model.window is None
    assert model.tokenizer is None
