"""The benchmark of reading: its documents, its facts, and how it judges what a reader gave."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.agent import fidelity
from benchmarks.agent.fidelity_set import Sample, samples
from benchmarks.agent.fidelity_set.facts import (
    Cell,
    Changed,
    Contains,
    Fact,
    Flagged,
    Hidden,
    Numbered,
    Order,
    Reading,
    Ticked,
    cells,
    described,
)
from benchmarks.agent.fidelity_set.normal import normal
from benchmarks.agent.fidelity_set.readers import READERS, read
from benchmarks.agent.fidelity_set.tables import tables
from longread.agent.corpus.formats import formats

AMOUNT = Contains("10^6 km", wrong=("106 km",), named="superscript")


def outcome(fact: Fact, text: str = "", warnings: str = "", error: str = "") -> str:
    return fact.judge(Reading(text, warnings, error))


@pytest.fixture(scope="module")
def built() -> dict[str, bytes]:
    return {sample.name: sample.build() for sample in samples()}


def test_there_are_enough_documents_and_facts():
    assert len(samples()) >= 120
    assert sum(len(sample.facts) for sample in samples()) >= 400
    assert all(isinstance(fact, Fact) for sample in samples() for fact in sample.facts)
    assert all(len(set(sample.facts)) == len(sample.facts) > 0 for sample in samples())


def test_every_format_has_documents():
    extensions = {f".{sample.format}" for sample in samples()}
    assert [known.name for known in formats() if known.extensions and not extensions & set(known.extensions)] == []


def test_documents_are_the_same_each_time(built: dict[str, bytes]):
    assert [sample.name for sample in samples() if sample.build() != built[sample.name]] == []
    assert len(set(built.values())) == len(built)


@pytest.mark.parametrize(
    "text",
    [
        "10^6 km",
        "10⁶ km",
        "10<sup>6</sup> km",
        "10^6^ km",
        "10^{6} km",
        "10\\^6 km",
        "$10^{6}$ km",
        "**10**^(6)&nbsp;km",
    ],
)
def test_superscripts_count_in_any_clear_form(text: str):
    assert outcome(AMOUNT, f"It is {text} away") == "kept"


def test_outcomes_of_a_string():
    assert outcome(AMOUNT, "It is 106 km away") == "falsified"
    assert outcome(AMOUNT, "It is away") == outcome(AMOUNT) == "lost"
    assert outcome(AMOUNT, "It is 106 km away", warnings="page 1: a superscript was not read") == "warned"
    assert outcome(AMOUNT, error="ValueError: no zip file") == "failed"
    assert outcome(AMOUNT, error="no superscripts can be read") == "warned"
    assert outcome(Contains("12.4"), "112.45, 12.41, 12.4.1") == "lost"


def test_outcomes_of_a_cell():
    (fact,) = cells(("Town", "Wins"), ("Herne", "31"))
    assert outcome(fact, "| Town | Wins |\n| --- | --- |\n| Herne | 31 |") == "kept"
    assert outcome(fact, "| Wins | Town |\n| --- | --- |\n| Herne | 31 |") == "falsified"
    assert outcome(fact, "Town Wins\nHerne 31") == "lost"
    assert outcome(fact, "Herne, Town: X, Wins: 31") == "kept"
    assert outcome(fact, "Town,Wins\nHerne,31\nEssen,28") == "kept"
    assert outcome(cells(("Town", "Wins"), ("Herne", "31"), flat=True)[0], "Town Wins\nHerne 31") == "kept"
    assert outcome(cells(("Town", "Wins"), ("Herne", "31"), flat=True)[0], "Town\nHerne\nWins\n31") == "lost"


def test_spans_of_html_are_laid_out():
    rows = "<tr><th>Year</th><th>Club</th></tr><tr><td rowspan=2>2021</td><td>Essen</td></tr><tr><td>Herne</td></tr>"
    text = f"<table>{rows}</table>"
    assert tables(text)[0] == [["Year", "Club"], ["2021", "Essen"], ["2021", "Herne"]]
    assert outcome(Cell("2021", "Year", "Herne"), text) == "kept"


@pytest.mark.parametrize(
    ("number", "text", "expected"),
    [
        ("7.1", "7.1 Notice", "kept"),
        ("7.1", "- 7\\.1\\. **Notice**", "kept"),
        ("7.1", "1. Notice", "falsified"),
        ("7.1", "17.1 Notice", "falsified"),
        ("7.1", "Notice", "lost"),
        ("(a)", "7.1(a) Notice", "kept"),
        ("(a)", "2. Notice", "falsified"),
        ("Article 2", "## Article 2 Notice", "kept"),
    ],
)
def test_outcomes_of_a_clause(number: str, text: str, expected: str):
    assert outcome(Numbered(number, "Notice"), f"Before.\n{text}") == expected


def test_outcomes_of_an_order():
    assert outcome(Order("top", "bottom"), "top\nbottom") == "kept"
    assert outcome(Order("top", "bottom"), "bottom\ntop") == "falsified"
    assert outcome(Order("top", "bottom"), "top") == "lost"


@pytest.mark.parametrize("box", ["[x] Guest", "☒ Guest", "- [x] Guest", "Guest: ✓", "| Guest | [x] |"])
def test_outcomes_of_a_tick(box: str):
    assert outcome(Ticked("Guest", True), f"[ ] Member\n{box}") == "kept"
    assert outcome(Ticked("Guest", False), f"[ ] Member\n{box}") == "falsified"
    assert outcome(Ticked("Guest", True), "Guest") == "lost"


def test_outcomes_of_a_change():
    fact = Changed("9 euro", "7 euro", named="tracked")
    assert (
        outcome(fact, "It costs ~~9 euro~~ 7 euro.") == outcome(fact, "[deleted: 9 euro][inserted: 7 euro]") == "kept"
    )
    assert outcome(fact, "It costs 9 euro 7 euro.") == outcome(fact, "It costs 9 euro.") == "falsified"
    assert outcome(fact, "It costs 7 euro.") == "lost"
    assert outcome(fact, "It costs 7 euro.", warnings="2 tracked changes") == "warned"


def test_outcomes_of_hidden_text():
    fact = Hidden("obey me")
    assert (
        outcome(fact, "Nothing here")
        == outcome(fact, "Text [hidden: obey me]")
        == outcome(fact, "<!-- obey me -->")
        == "kept"
    )
    assert (
        outcome(fact, "Text obey me")
        == outcome(fact, "Text " + "".join(chr(0xE0000 + ord(c)) for c in "obey me"))
        == "falsified"
    )
    assert outcome(Flagged("hidden text", named="hidden"), "Text", warnings="2 hidden words left out") == "warned"
    assert outcome(Flagged("hidden text", named="hidden"), "Text") == "lost"


def test_nothing_is_kept_of_an_empty_text():
    kept = [described(fact) for sample in samples() for fact in sample.facts if outcome(fact) not in ("lost", "failed")]
    assert all(name.startswith("Hidden(") for name in kept)


def test_a_perfect_text_keeps_every_string():
    for sample in samples():
        wanted = [fact for fact in sample.facts if isinstance(fact, Contains)]
        text = "\n".join(fact.text for fact in wanted)
        assert [described(fact) for fact in wanted if outcome(fact, text) != "kept"] == [], sample.name


def test_a_false_text_is_noticed():
    wrong = [
        (fact, text)
        for sample in samples()
        for fact in sample.facts
        if isinstance(fact, Contains)
        for text in fact.wrong
    ]
    assert len(wrong) > 20
    assert [described(fact) for fact, text in wrong if outcome(fact, f"It says {text} here") != "falsified"] == []


def test_normal_text_keeps_what_is_no_markup():
    assert normal("snake_case_name, 5 \\* 3, C:\\new, <not a tag>") == "snake_case_name, 5 3, C:\\new, <not a tag>"


def test_longread_reads_documents_for_the_benchmark(tmp_path: Path, built: dict[str, bytes]):
    chosen = [sample for sample in samples() if sample.name in ("price_list.docx", "quoted.csv", "locked.pdf")]
    for sample in chosen:
        (tmp_path / sample.name).write_bytes(built[sample.name])
    judged = fidelity.run(READERS[0], chosen, tmp_path)
    assert {one.sample.name for one in judged} == {sample.name for sample in chosen}
    assert Counter(one.outcome for one in judged)["failed"] == 0
    assert {one.outcome for one in judged if one.sample.name == "price_list.docx"} == {"kept"}


def test_a_file_that_takes_too_long_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script = tmp_path / "read.py"
    script.write_text(
        "import json, signal, sys, time\n"
        "signal.alarm(int(sys.argv[2]))\n"
        "for path in sys.argv[3:]:\n"
        "    if 'slow' in path: time.sleep(60)\n"
        "    print(json.dumps(dict(text=path, warnings='', error='')), flush=True)\n"
    )
    monkeypatch.setattr("benchmarks.agent.fidelity_set.readers._SCRIPT", script)
    paths = [tmp_path / name for name in ("a.txt", "slow.txt", "b.txt")]
    found = dict(read(READERS[0], paths, tmp_path, 2))
    assert [bool(found[path].error) for path in paths] == [False, True, False]


def test_the_table_counts_by_format():
    one, two = (Sample(name, bytes, (AMOUNT,)) for name in ("a.docx", "b.pdf"))
    judged = [*fidelity.judge(one, Reading("10^6 km")), *fidelity.judge(two, Reading("106 km"))]
    table = fidelity.rows([one, two], {"ours": judged, "theirs": judged[:1]})
    assert table[:2] == [["docx", "1", "1/0/0/0", "1/0/0/0"], ["pdf", "1", "0/0/0/1", "not supported"]]
    assert table[2:] == [["all", "2", "1/0/0/1", "1/0/0/0"], ["kept or warned", "", "50.0%", "100.0%"]]
    assert fidelity.stored({"ours": judged})["ours"]["total"] == {"kept": 1, "falsified": 1}
