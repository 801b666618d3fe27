"""What answers are worth, and how sure a mean is."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from longread.agent.cli.bench_model import has_verified_quote
from longread.agent.evals import statistics
from longread.agent.evals.published import rating
from longread.agent.evals.sample import Sample
from longread.agent.evals.scores import METRICS, score


@pytest.mark.parametrize(
    ("metric", "answer", "expected", "worth"),
    [
        ("string_match_all", "Are: ABC and\tdef.", ("abc", "DEF", "GHI", "JKL"), 0.5),
        ("string_match_all", "1234", ("1234567",), 0),
        ("string_match_part", "It was Ada.", ("Ada", "Ada L."), 1),
        ("string_match_part", "It was Bob.", ("Ada", "Ada L."), 0),
        ("first_number", "The pass key is 12345. Not 54321.", ("12345",), 1),
        ("first_number", "Not 54321 but 12345.", ("12345",), 0),
        ("first_number", "I do not know.", ("12345",), 0),
        ("infinitebench_kv", 'It is "a-b".', ("a-b",), 1),
        ("infinitebench_kv", "a-b-c", ("a-b",), 0),
        ("infinitebench_find", "It is 97 or 98", ("97",), 1),
        ("infinitebench_find", "49.5", ("49.5",), 1),
        ("infinitebench_find", "49", ("49.5",), 0),
        ("infinitebench_code", "It returns: -7.", ("-7",), 1),
        ("infinitebench_code", "-7 it is", ("-7",), 0),
        ("contains", "Yuki.", ("Yuki",), 1),
        ("contains", "yuki", ("Yuki",), 0),
        ("substring_exact_match", "Answer: The  Ada-Lovelace!", ("adalovelace",), 1),
    ],
)
def test_scores(metric: str, answer: str, expected: tuple[str, ...], worth: float):
    assert METRICS[metric](answer, expected, {}) == worth


def test_lveval_wants_keywords_before_it_counts_words():
    metric = METRICS["lveval_english_f1"]
    assert metric("the red house", ("a red house",), {"keywords": ""}) == 1
    assert metric("red car", ("red house",), {"keywords": ""}) == 0.5
    assert metric("red car", ("red house",), {"keywords": "house"}) == 0
    assert metric("it was in his red car", ("red house",), {"keywords": "was his"}) == 0


def test_chinese_is_compared_word_by_word():
    metric = METRICS["lveval_chinese_f1"]
    assert metric("北京大学，图书馆。", ("图书馆和北京大学",), {"keywords": ""}) == pytest.approx(2 * 2 / (2 + 3))
    assert metric("北京大学", ("北京大学的历史很长",), {"keywords": "北京大学 历史 很 长"}) == 0
    assert metric("的", ("的",), {"keywords": "的"}) == 0
    rouge = METRICS["lveval_chinese_rouge"]
    assert rouge("加盐，加水", ("加水，加盐",), {}) < rouge("加水，加盐", ("加水，加盐",), {}) == pytest.approx(1)
    assert rouge("的和是", ("加水，加盐",), {}) == 0
    assert rouge("", ("加水，加盐",), {}) == 0
    assert rouge("加水" * 2000, ("加水，加盐",), {}) == 0


def test_cutting_chinese_says_nothing_and_keeps_nothing(tmp_path: Path):
    code = "from longread.agent.evals.segment import chinese; print(chinese('他来到了网易杭研大厦'))"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("['他', '来到', '了', '网易', '杭研', '大厦']\n", "")
    assert list(tmp_path.iterdir()) == []


PAGE = "Mnesia is a database. The table is replicated to seven nodes by default."


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        ('seven. "The table is replicated to seven nodes by default." [guide:4]', (1, 1, 1)),
        ('"The table is replicated to seven nodes by default." [guide:4]', (1, 1, 1)),
        ('eight. "The table is replicated to eight nodes by default." [guide:4]', (0, 1, 0)),
        ('seven. "The table is replicated to seven nodes by default." [guide:5]', (1, 0, 0)),
        ("seven, on [guide:4]", (1, 1, 0)),
    ],
)
def test_citing_is_scored_on_word_page_and_quote(answer: str, parts: tuple[float, float, float]):
    sample = Sample(
        task="citing", seed=1, index=0, length=100, context="", question="?", answers=("seven",), metric="cited",
        answer_tokens=9, facts={"document": "guide", "page": 4, "text": PAGE},
    )  # fmt: skip
    worth, found = score(sample, answer, has_verified_quote)
    assert tuple(found.values()) == parts
    assert worth == pytest.approx(sum(parts) / 3)


def test_a_rating_is_read_as_longbench_chat_reads_it():
    assert rating("First [[3]], no: [[7]]") == 0.7
    assert rating("[[rating: 8.5]]") == 0.85
    assert rating("good") is None


def test_wilson_is_as_in_the_textbook():
    # Newcombe (1998), table I: 81 of 263, and 0 of 20.
    found = statistics.wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    none = statistics.wilson(0, 20)
    assert none.low == 0
    assert round(none.high, 4) == 0.1611


def test_a_mean_of_other_scores_is_resampled():
    found = statistics.mean([0.2, 0.4, 0.6, 0.8] * 25)
    error = 1.96 * math.sqrt(0.05 / 100)
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == pytest.approx((0.5 - error, 0.5 + error), abs=0.005)


def test_mcnemar():
    assert statistics.mcnemar(0, 0) == 1
    assert statistics.mcnemar(1, 9) == pytest.approx(2 * 11 / 1024)
    assert statistics.mcnemar(5, 5) == 1


def test_pairs_tell_apart_what_intervals_cannot():
    first = [float(place % 2) for place in range(40)]
    second = [1.0 if place % 8 == 0 else value for place, value in enumerate(first)]
    found = statistics.difference(first, second)
    assert found.certain
    assert found.difference.value == pytest.approx(5 / 40)
    assert found.p == pytest.approx(2 / 2**5)
    one, other = statistics.mean(first), statistics.mean(second)
    assert one.high > other.low
    same = statistics.difference(first, first)
    assert not same.certain
    assert (same.difference.low, same.difference.high) == pytest.approx((-0.0876, 0.0876), abs=1e-4)
