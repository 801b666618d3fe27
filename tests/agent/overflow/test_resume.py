"""A run that ended early goes on where it was; one that is closed stops its requests."""

import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from longread.agent.corpus import Corpus
from longread.agent.overflow import (
    MapPlanned,
    MapResult,
    Merging,
    ReplyCache,
    Warned,
    WindowDone,
    WindowFailed,
    WindowStarted,
    parallel,
    plan_map,
    run_map,
)
from longread.agent.overflow.map_plan import MapPlan
from longread.agent.prompt.build import ChatMessage, Prompt
from longread.agent.prompt.tokenizer import qwen
from longread.errors import ServerError
from tests.support.planted import QUESTION, Finder, is_merge, planted, said_in


def plan(of: Corpus, **changed: Any) -> MapPlan:
    settings: dict[str, Any] = {"window": 900, "reserve": 100, "model": "scripted", "store": ReplyCache(), **changed}
    return plan_map(of, settings.pop("conversation", QUESTION), tokenizer=qwen(), **settings)


def test_finished_windows_are_not_asked_again_after_a_failure() -> None:
    whole, where = planted(5, pages=60)
    made = plan(whole)
    last = made.prompt(len(made.windows) - 1).messages

    def fail(prompt: Prompt) -> None:
        if prompt.messages == last:
            raise ServerError("The server is gone.")

    broken = Finder(fail)
    with pytest.raises(WindowFailed, match="The other answers are stored"):
        list(run_map(made, broken, pause=0.0))
    model = Finder()
    planned, *events, result = run_map(made, model)  # the same plan: what is kept is looked up when it runs
    assert isinstance(planned, MapPlanned)
    assert isinstance(result, MapResult)
    assert planned.cached == result.cached == len(made.windows) - 1
    assert [prompt.messages for prompt in model.windows] == [last]
    assert planned.prompt_tokens == model.windows[0].tokens
    assert f"({planned.cached} more are stored from an earlier run)" in planned.describe()
    assert f"{result.cached} were stored from an earlier run" in result.describe()
    assert dict(said_in(result.text)) == where
    assert [event.cached for event in events if isinstance(event, WindowDone)] == [True] * planned.cached + [False]


def test_intermediate_merges_are_kept_too() -> None:
    whole, where = planted(10, pages=100)

    def fail_last(prompt: Prompt) -> None:  # what merges merges
        if is_merge(prompt) and re.search(r'part="\d+-', prompt.messages[1]["content"]):
            raise ServerError("The server is gone.")

    padding = "\nThat is all that is here." * 12
    broken = Finder(fail_last, padding=padding)
    with pytest.raises(WindowFailed, match="merge"):
        list(run_map(plan(whole), broken, pause=0.0))
    done = [prompt.messages for prompt in broken.answered]
    assert any(is_merge(prompt) for prompt in broken.answered)
    model = Finder(padding=padding)
    *events, result = run_map(plan(whole), model)
    assert isinstance(result, MapResult)
    assert dict(said_in(result.text)) == where
    assert not any(prompt.messages in done for prompt in model.prompts)
    assert sum(isinstance(event, Merging) for event in events) == len(model.merges)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "another"},
        {"settings": {"temperature": 0.7}},
        {"system": "Answer in verse."},
        {"conversation": [ChatMessage(role="user", content="Another question?")]},
    ],
)
def test_what_could_change_an_answer_is_in_the_key(changed: dict[str, Any]) -> None:
    whole, _ = planted(2, pages=40)
    list(run_map(plan(whole), Finder()))
    assert plan(whole).cost().cached == len(plan(whole).windows)
    assert plan(whole, **changed).cost().cached == 0


def test_a_longer_answer_is_another_one() -> None:
    whole, _ = planted(2, pages=8)
    made = plan(whole, window=4000)
    list(run_map(made, Finder()))
    other = plan(whole, window=4001, reserve=101)
    assert [part.numbers for part in other.windows] == [part.numbers for part in made.windows]
    assert (made.cost().cached, other.cost().cached) == (len(made.windows), 0)


def test_changed_pages_are_read_again_and_only_they() -> None:
    whole, _ = planted(2, pages=100)
    list(run_map(plan(whole), Finder()))
    changed = whole.model_copy(update={"documents": (whole.documents[0], whole.documents[1])})
    made = plan(changed)
    kept = made.cached()
    same = [any(part.numbers == other.numbers for other in plan(whole).windows) for part in made.windows]
    assert [reply is not None for reply in kept] == same
    assert None in kept


def test_without_a_store_nothing_is_kept() -> None:
    whole, _ = planted(2, pages=40)
    for _ in range(2):
        model = Finder()
        list(run_map(plan(whole, store=None), model))
        assert len(model.windows) == len(plan(whole).windows)


def test_a_disk_that_is_full_is_said_once_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ReplyCache, "put", full)
    whole, where = planted(3, pages=60)
    *events, result = run_map(plan(whole), Finder(), parallel=1)
    assert isinstance(result, MapResult)
    assert dict(said_in(result.text)) == where
    assert [event.text for event in events if isinstance(event, Warned)] == [
        "Partial answers cannot be stored, so an interrupted run starts again: [Errno 28] No space left on device."
    ]


def test_closing_stops_the_requests_and_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, where = planted(5, pages=60)
    made = plan(whole)
    assert len(made.windows) >= 5
    answered = [made.prompt(index).messages for index in range(2)]
    release = threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, *arguments: Any, **options: Any) -> None:
            release.set()  # only now that all is told to stop
            super().shutdown(*arguments, **options)

    def hang(prompt: Prompt) -> None:
        if prompt.messages not in answered:
            assert release.wait(300)
            time.sleep(0.1)  # what does not wait for it is gone by then

    monkeypatch.setattr(parallel, "ThreadPoolExecutor", Pool)
    model = Finder(hang)
    events = run_map(made, model, parallel=2)
    done = 0
    for event in events:
        done += isinstance(event, WindowDone)
        if done == 2:
            break
    events.close()
    assert model.closed == len(model.prompts)  # none is under way
    assert len(model.prompts) <= 4
    assert not any(thread.name.startswith("overflow") for thread in threading.enumerate())
    asked = len(model.prompts)
    kept = made.cost().cached
    assert 2 <= kept < len(made.windows)
    again = Finder()
    *_, result = run_map(made, again)
    assert isinstance(result, MapResult)
    assert dict(said_in(result.text)) == where
    assert len(again.windows) == len(made.windows) - kept
    assert len(model.prompts) == asked


KILLED = """
import sys
from longread.agent.overflow import WindowDone, run_map
from tests.agent.overflow.test_resume import plan
from tests.support.planted import Finder, planted

def hang(prompt):
    if len(model.answered) == 3:
        print("hangs", flush=True)
        sys.stdin.read()

model = Finder(hang)
for event in run_map(plan(planted(5, pages=60)[0]), model, parallel=1):
    pass
"""


def test_a_run_that_was_killed_goes_on() -> None:
    path = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])
    command, pipe = [sys.executable, "-c", KILLED], subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "hangs\n"
        finally:
            process.kill()
    whole, where = planted(5, pages=60)
    model = Finder()
    planned, *events, result = run_map(plan(whole), model)
    assert isinstance(planned, MapPlanned)
    assert isinstance(result, MapResult)
    assert planned.cached == 3
    assert dict(said_in(result.text)) == where
    started = [event.index for event in events if isinstance(event, WindowStarted)]
    assert started == list(range(4, planned.windows + 1))
