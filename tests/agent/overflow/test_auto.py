"""What `--overflow auto` does with a question, and that it says why."""

import subprocess
import sys

import pytest

from longread.agent.overflow import NothingMatches, choose

EVERYTHING = [
    "Summarise the report.",
    "Give me a SUMMARY.",
    "List every date.",
    "Compare the two contracts.",
    "How many people are named?",
    "Was sind die Unterschiede?",
    "Fasse das Buch zusammen.",
    "Wie viele Personen kommen vor?",
    "Résume le livre.",
    "Combien de personnes ?",
    "Resume el libro, por favor.",
    "¿Cuántas personas hay?",
    "请总结全书。",
    "書中有多少人？",
]
LOOKUPS = [
    "Who wrote the letter of 3 May?",
    "What does article 12 say about the allowance?",  # "all" inside a word
    "On which account is it booked?",
    "Wer schrieb den Brief?",
    "Où est la gare ?",
    "火山是哪一年爆发的？",
    "Когда это было?",
]


@pytest.mark.parametrize("question", EVERYTHING)
def test_a_question_about_everything_reads_everything(question: str) -> None:
    choice = choose(question, fits=False, matches=True, windows=20)
    assert choice.strategy == "map"
    assert "the question asks about everything ('" in choice.reason


@pytest.mark.parametrize("question", LOOKUPS)
def test_other_questions_read_the_pages_with_their_words(question: str) -> None:
    choice = choose(question, fits=False, matches=True, windows=20)
    assert (choice.strategy, choice.reason) == (
        "retrieve",
        "The documents do not fit the window, and pages have the question's words.",
    )


def test_what_fits_is_read_whole() -> None:
    assert choose("Summarise it.", fits=True, matches=True, windows=1).strategy == "whole"


def test_a_question_in_a_language_of_no_page_reads_everything() -> None:
    choice = choose("Когда это было?", fits=False, matches=False, windows=20)
    assert choice.strategy == "map"
    assert "no page has a word of the question" in choice.reason


def test_what_map_would_cost_too_much_is_retrieved_and_the_loss_is_said() -> None:
    choice = choose("Summarise it.", fits=False, matches=True, windows=33)
    assert choice.strategy == "retrieve"
    assert "33 windows, more than 32" in choice.reason
    assert "may miss what stands elsewhere" in choice.reason
    assert choose("Summarise it.", fits=False, matches=True, windows=33, max_windows=33).strategy == "map"


def test_where_neither_way_is_open_it_is_an_error() -> None:
    with pytest.raises(NothingMatches, match=r"question.*reading"):
        choose("Когда это было?", fits=False, matches=False, windows=33)


def test_the_import_takes_nothing_heavy() -> None:
    code = (
        "import longread.agent.overflow, sys; print([m for m in ('bm25s', 'qwen_agent', 'torch') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.returncode) == ("[]\n", 0), result.stderr
