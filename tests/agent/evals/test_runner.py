"""Runs that are interrupted, resumed, and in several threads."""

import json
import threading
import time
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest

from longread.agent.evals.drawing import draw
from longread.agent.evals.runner import Reply, Results, Row, read, run
from longread.agent.evals.sample import Sample
from longread.errors import QualityError

SETTINGS = {"model": "m", "server": None}


def sample(index: int, *, task: str = "t", context: str = "The key is 12. ", metric: str = "first_number") -> Sample:
    return Sample(
        task=task, seed=1, index=index, length=1000, depth=index / 20, context=context, question=f"Question {index}?",
        answers=("12",), metric=metric, answer_tokens=5, facts={"judge": "Rate {answer}"},
    )  # fmt: skip


def reply(text: str = "12") -> Reply:
    return Reply(text, 100, 2, 0.5, 0.75)


def ask_all(path: Path, samples: list[Sample], ask=lambda prompt, tokens: reply(), **more) -> Results:
    results = Results(path, SETTINGS)
    run(samples, ask, results, quoted=lambda *_: False, **more)
    return results


def test_rows_say_what_was_asked_answered_and_what_it_took(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    ask_all(path, [sample(3)])
    first, second = map(json.loads, path.read_text().splitlines())
    assert first == {"settings": SETTINGS}
    expected = {"seed": 1, "index": 3, "output": "12", "score": 1.0, "prompt_tokens": 100, "ttft": 0.5}
    assert expected.items() <= second.items()


def test_a_rerun_asks_only_what_is_missing_and_drops_a_torn_line(tmp_path: Path):
    path, asked = tmp_path / "r.jsonl", []

    def ask(prompt: str, tokens: int) -> Reply:
        asked.append(prompt[-11:])
        return reply()

    ask_all(path, [sample(n) for n in range(3)], ask)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    results = ask_all(path, [sample(n) for n in range(4)], ask)
    assert asked == ["Question 0?", "Question 1?", "Question 2?", "Question 2?", "Question 3?"]
    assert len(results.rows) == 4
    assert path.read_bytes().startswith(whole)
    assert [row.index for row in read(path)[1]] == [0, 1, 2, 3]


def test_a_run_that_was_killed_before_its_first_line_begins_anew(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"settin')
    assert len(ask_all(path, [sample(0)]).rows) == 1
    assert len(read(path)[1]) == 1


def test_several_are_asked_at_once_and_no_more(tmp_path: Path):
    running, most, lock, three = 0, 0, threading.Lock(), threading.Barrier(3, timeout=300)

    def ask(prompt: str, tokens: int) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        three.wait()
        time.sleep(0.02)  # in which a fourth would come
        with lock:
            running -= 1
        three.wait()  # before anybody goes on to the next
        return reply()

    results = ask_all(tmp_path / "r.jsonl", [sample(n) for n in range(12)], ask, at_once=3)
    assert len(results.rows) == 12
    assert most == 3


def test_an_error_ends_the_run_and_keeps_what_was_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = threading.Event()

    def ask(prompt: str, tokens: int) -> Reply:
        if "Question 2" in prompt:
            raise QualityError("the server is gone.")
        if not any(f"Question {n}" in prompt for n in (0, 1)):
            assert known.wait(300)  # else they could all be answered before the run hears of the error
        return reply()

    def waited(futures: set[Future[Row]], **how: Any) -> Any:
        done, rest = wait(futures, **how)
        if any(future.exception() for future in done):
            known.set()
        return done, rest

    monkeypatch.setattr("longread.agent.evals.runner.wait", waited)

    path = tmp_path / "r.jsonl"
    with pytest.raises(QualityError, match="the server is gone"):
        ask_all(path, [sample(n) for n in range(9)], ask, at_once=2)
    kept = {row.index for row in read(path)[1]}
    assert {0, 1} <= kept
    assert 2 not in kept
    assert len(kept) < 8
    assert len(ask_all(path, [sample(n) for n in range(9)]).rows) == 9


def test_results_of_something_else_are_refused(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    ask_all(path, [sample(0)])
    with pytest.raises(QualityError, match=r"results.*model 'm'.*'n'.*--out"):
        Results(path, {**SETTINGS, "model": "n"})
    with pytest.raises(QualityError, match="has t/1000/1/0 with another prompt"):
        ask_all(path, [sample(0, context="Another text. ")])
    path.write_text(path.read_text() + "hello\n")
    with pytest.raises(QualityError, match="line 3: not a line of results"):
        read(path)
    with pytest.raises(QualityError, match="does not exist"):
        read(tmp_path / "none.jsonl")


def test_a_judge_rates_what_cannot_be_compared(tmp_path: Path):
    judged = sample(0, metric="judged")
    with pytest.raises(QualityError, match=r"judged.*model.*--judge"):
        ask_all(tmp_path / "r.jsonl", [judged])
    results = ask_all(tmp_path / "r.jsonl", [judged], judge=lambda prompt, tokens: reply(f"{prompt}: [[9]]"))
    assert results.rows[judged.key].score == 0.9
    with pytest.raises(QualityError, match="the judge gave no rating"):
        ask_all(tmp_path / "s.jsonl", [judged], judge=lambda prompt, tokens: reply("fine"))


def rows() -> list[Row]:
    made = []
    for task, depths in (("grid", [0.0, 0.5, 1.0]), ("curve", [None])):
        for length in (1000, 2000):
            for index, depth in enumerate(depths * 4):
                made.append(
                    Row(
                        key=f"{task}{length}{index}",
                        task=task,
                        seed=1,
                        index=index,
                        length=length,
                        depth=depth,
                        prompt="0",
                        answers=("1",),
                        output="1",
                        score=float(index % 2),
                        prompt_tokens=1,
                        output_tokens=1,
                        ttft=0.1,
                        seconds=0.2,
                    )
                )
    return made


def test_pictures(tmp_path: Path):
    draw(rows(), tmp_path / "p.svg")
    picture = (tmp_path / "p.svg").read_text()
    assert picture.count("<!-- grid -->") == picture.count("<!-- curve -->") == 1
    assert "<!-- 50% -->" in picture  # a depth of the heat map
    assert "<!-- 2,000 -->" in picture
    with pytest.raises(QualityError, match="cannot be drawn"):
        draw(rows(), tmp_path / "p.xyz")


def test_a_picture_without_matplotlib_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(QualityError, match=r"pictures need matplotlib: pip install 'longread\[quality\]'"):
        draw(rows(), tmp_path / "p.svg")
