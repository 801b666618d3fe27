"""A vLLM in a process of its own, and the answers of transformers with the same kernels."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from transformers import AutoModelForCausalLM, DynamicCache

from longread.kernels import Budgets, DCASpec, patch
from longread.kernels.transformers_patch import with_cache
from tests.support.engines import edit_json

ROOT = Path(__file__).parents[2]
PROGRAM = "tests.serving.vllm_plugin.answers"
DCA = {"chunk_size": 256, "local_size": 64, "original_max_position_embeddings": 256}
SPAN = DCA["chunk_size"] - DCA["local_size"]
TOKENS = 6


class VllmError(Exception):
    """What vLLM raised."""


class Vllm:
    """A process that builds engines, one after the other.

    Args:
        log: the file for its standard error.
        environment: added to the environment of this process.
    """

    def __init__(self, log: Path, **environment: str):
        self.log = log
        with log.open("w") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                # Not the user's own step costs: they would cut prompts into other chunks.
                env={**os.environ, "LONGREAD_CACHE_DIR": str(log.with_name("cache")), **environment},
            )

    def ask(
        self,
        model: Path,
        prompts: list[list[list[int]]],
        *,
        tokens: int = TOKENS,
        scales: tuple[float, float] | None = None,
        version: str | None = None,
        breaks: tuple[int, int, str] | None = None,
        **engine: Any,
    ) -> dict[str, Any]:
        """The reply of a new engine. The prompts of each list in `prompts` are sent at once.

        Args:
            version: the version that vLLM reports from now on, when the plug-in is registered.
            breaks: the stage, the rank in it and the method of a worker that fails in the end. "failure" in the reply
                is the error of the engine.

        Raises:
            VllmError: with vLLM's traceback.
        """
        settings = {"model": str(model), "max_model_len": 2048, **engine}
        return self._reply(
            {
                "engine": settings,
                "prompts": prompts,
                "max_tokens": tokens,
                "scales": scales,
                "version": version,
                "breaks": breaks,
            }
        )

    def schedules(self, **asked: Any) -> dict[str, Any]:
        """The steps of the scheduler for requests: see `schedules.schedules`."""
        return self._reply(asked)

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, f"vLLM's process died: {self.log.read_text()[-3000:]}"
        reply = json.loads(line)
        if "error" in reply:
            raise VllmError(reply["error"])
        return reply

    def answers(self, model: Path, prompts: list[list[list[int]]], **engine: Any) -> list[dict[str, Any]]:
        """The answers to all prompts, in their order."""
        return self.ask(model, prompts, **engine)["answers"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.communicate(timeout=300)  # it exits at the end of its input
        finally:
            self._process.kill()
            self._process.wait()


def checkpoint(source: Path, folder: Path, **changes: Any) -> Path:
    """The model of `source` in a new folder, with other values in its config."""
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "config.json").unlink()
    (folder / "config.json").write_text((source / "config.json").read_text())
    edit_json(folder / "config.json", **changes)
    return folder


def words(count: int, seed: int = 0) -> list[int]:
    return random.Random(seed).choices(range(1000, 40_000), k=count)


def patched(folder: Path, budgets: Budgets | None = None, spec: DCASpec | None = None) -> Any:
    """A model of transformers with our attention."""
    return patch(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), spec, budgets)


def expected(model: Any, ids: Sequence[int], tokens: int = TOKENS) -> dict[str, Any]:
    """A model's greedy answer, without a cache: prompt and answer are read again for every token."""
    return _greedy(lambda ids, _: model(input_ids=torch.tensor([ids]), logits_to_keep=1), ids, tokens)


def expected_with_cache(model: Any, ids: Sequence[int], cache: Any = None) -> dict[str, Any]:
    """The same with the prompt read once, in one chunk, and the answer token by token."""
    return _greedy(_reader(model, cache), ids, TOKENS)


@torch.inference_mode()
def expected_after(model: Any, before: Sequence[int], ids: Sequence[int], cached: int) -> dict[str, Any]:
    """The same for a prompt whose first tokens were cached when `before` was read."""
    cache = DynamicCache()
    read = _reader(model, cache)
    read(before, len(before))
    cache.crop(cached - len(before))
    return _greedy(read, ids, TOKENS, new=len(ids) - cached)


def _reader(model: Any, cache: Any) -> Any:
    kept = with_cache(model, cache)
    return lambda ids, new: model(input_ids=torch.tensor([list(ids[-new:])]), logits_to_keep=1, **kept)


@torch.inference_mode()
def _greedy(read: Any, prompt: Sequence[int], count: int, new: int | None = None) -> dict[str, Any]:
    ids, logprobs = list(prompt), []
    for index in range(count):
        scores = read(ids, 1 if index else new or len(ids)).logits[0, -1].float().log_softmax(-1)
        logprobs.append(float(scores.max()))
        ids.append(int(scores.argmax()))
    return {"tokens": ids[len(prompt) :], "logprobs": logprobs}


def assert_same(found: dict[str, Any], wanted: dict[str, Any], *, atol: float = 2e-4) -> None:
    """The same tokens, and logits within rounding."""
    assert found["tokens"] == wanted["tokens"], f"vLLM says {found}, transformers {wanted}"
    torch.testing.assert_close(torch.tensor(found["logprobs"]), torch.tensor(wanted["logprobs"]), atol=atol, rtol=0)


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The difference of the first tokens' log-probabilities."""
    return abs(one["logprobs"][0] - other["logprobs"][0])
