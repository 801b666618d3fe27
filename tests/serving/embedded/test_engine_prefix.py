"""The engine's prefix store, including other processes, kills and corruption."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longread.serving.embedded.engine import Engine
from longread.serving.prefix_cache import BLOCK_TOKENS, PrefixStore
from tests.support.engines import finish_of, passage, text_of, user

DOCUMENT = passage(1200)


def answer(model: Path, root: Path | None, question: str = "What?", chunk: int = 256) -> tuple[str, int]:
    """A new engine's answer about the document, and how much of the prompt it did not have to read."""
    store = PrefixStore(root) if root else None
    with Engine.load(model, chunk=chunk, prefix_store=store) as engine:
        events = list(engine.stream(user(DOCUMENT + question), max_tokens=12))
    return text_of(events), finish_of(events).usage.cached_tokens or 0


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama"])
def test_a_later_engine_reads_what_an_earlier_one_wrote(
    tiny_models: dict[str, Path], family: str, tmp_path: Path
) -> None:
    model = tiny_models[family]
    first, cached = answer(model, tmp_path)
    assert cached == 0
    assert answer(model, None) == (first, 0)
    again, whole = answer(model, tmp_path)
    assert again == first
    assert whole > 3 * BLOCK_TOKENS
    other, cached = answer(model, tmp_path, question="Another one?", chunk=100)
    assert whole - 20 < cached < whole, "all of the document, and nothing of the question"
    assert other == answer(model, None, question="Another one?")[0]


def test_other_weights_do_not_share(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    answer(tiny_models["qwen2"], tmp_path)
    assert answer(tiny_models["llama"], tmp_path)[1] == 0


def test_the_real_model(small_model: Path, tmp_path: Path) -> None:
    text = user(passage(400) + "\n\nHow far is the first stone from the gate?")
    found = []
    for _ in range(2):
        with Engine.load(small_model, prefix_store=PrefixStore(tmp_path, min_tokens=BLOCK_TOKENS)) as engine:
            events = list(engine.stream(text, max_tokens=12))
        found.append((text_of(events), finish_of(events).usage))
    (before, cold), (after, warm) = found
    assert before == after != ""
    assert cold.cached_tokens == 0
    assert warm.cached_tokens == cold.prompt_tokens - 1


def test_memory_and_disk_together(tiny: Path, tmp_path: Path) -> None:
    expected = answer(tiny, tmp_path)[0]
    with Engine.load(tiny, prefix_store=PrefixStore(tmp_path)) as engine:
        list(engine.stream(user(DOCUMENT[:200]), max_tokens=1))  # in memory: the beginning of the first block
        events = list(engine.stream(user(DOCUMENT + "What?"), max_tokens=12))
        assert text_of(events) == expected
        assert finish_of(events).usage.cached_tokens == finish_of(events).usage.prompt_tokens - 1
        list(engine.stream(user("Unrelated"), max_tokens=1))
        assert text_of(engine.stream(user(DOCUMENT + "What?"), max_tokens=12)) == expected


def test_a_corrupt_block_is_read_again_and_replaced(tiny: Path, tmp_path: Path) -> None:
    expected, _ = answer(tiny, tmp_path)
    _, whole = answer(tiny, tmp_path)
    files = sorted(tmp_path.rglob("*.safetensors"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    second = files[1]  # the first block counts as the one used last
    second.write_bytes(second.read_bytes()[:-5])
    assert answer(tiny, tmp_path) == (expected, BLOCK_TOKENS)
    assert answer(tiny, tmp_path) == (expected, whole)


def test_short_prompts_stay_off_the_disk(tiny: Path, tmp_path: Path) -> None:
    with Engine.load(tiny, prefix_store=PrefixStore(tmp_path)) as engine:
        list(engine.stream(user("Hello"), max_tokens=4))
    assert list(tmp_path.rglob("*.safetensors")) == []


SCRIPT = """
import sys
from pathlib import Path
from longread.serving.embedded.engine import Engine
from longread.serving.prefix_cache import PrefixStore

model, root, text = sys.argv[1:]
engine = Engine.load(model, chunk=256, prefix_store=PrefixStore(Path(root)))
events = list(engine.stream([{"role": "user", "content": text}], max_tokens=12))
print("".join(getattr(event, "text", "") for event in events), flush=True)
"""


def process(model: Path, root: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SCRIPT, str(model), str(root), DOCUMENT + "What?"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_kill_while_writing_and_two_processes_at_once(tiny: Path, tmp_path: Path) -> None:
    expected, _ = answer(tiny, None)
    killed = process(tiny, tmp_path)
    while not any(tmp_path.rglob("*")):  # the first block is about to be written
        assert killed.poll() is None
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    answers = [process.communicate()[0].rstrip("\n") for process in [process(tiny, tmp_path), process(tiny, tmp_path)]]
    assert answers == [expected.rstrip("\n")] * 2
    # Neither process closed its engine: what was written in the background is there all the same.
    assert answer(tiny, tmp_path)[1] >= 3 * BLOCK_TOKENS
