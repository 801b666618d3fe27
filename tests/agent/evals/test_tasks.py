"""The tasks of `agent bench`: they fit, repeat, and have their answers in them; those that are data read it."""

import json
import re
import sys
from pathlib import Path

import pytest

from longread.agent.evals import citing, fit, infinitebench, infinitebench_reasoning, ruler_niah, segment
from longread.agent.evals.sample import PageText, Sample, Wish
from longread.agent.evals.tasks import TASKS, task
from longread.errors import QualityError

SEEDED = [name for name, one in TASKS.items() if one.data is None]


def count(text: str) -> int:
    """Words and signs, which is near enough to tokens, and adds up at line ends."""
    return len(re.findall(r"\w{1,6}|[^\w\s]|\n", text))


def series(name: str, length: int = 2048, samples: int = 4, seed: int = 3, **more: object) -> list[Sample]:
    return list(task(name).make(Wish(length, samples, seed, count, **more)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SEEDED)
def test_a_series_fits_its_length_fills_it_and_repeats(name: str):
    made = series(name)
    assert len(made) == (20 if name == "passkey" else 4)
    assert made == series(name)
    assert made != series(name, seed=4)
    assert len({sample.key for sample in made}) == len(made)
    for sample in made:
        used = count(sample.prompt) + sample.answer_tokens
        assert used <= 2048
        assert used > 2048 * (0.7 if name in ("fwe", "cwe") else 0.85)


@pytest.mark.parametrize("name", SEEDED)
def test_what_is_reserved_stays_free(name: str):
    for sample in series(name, samples=1, reserve=600):
        assert count(sample.prompt) + sample.answer_tokens <= 2048 - 600


@pytest.mark.parametrize("name", [name for name in SEEDED if not name.startswith("infinitebench_")])
def test_the_answer_is_in_the_text_and_not_in_the_question(name: str):
    for sample in series(name):
        assert all(answer in sample.context for answer in sample.answers)
        assert not any(answer in sample.question + sample.prefix for answer in sample.answers)


@pytest.mark.parametrize("name", ["passkey", "kv", "niah_multikey_2", "infinitebench_passkey", "multidoc_kv"])
def test_the_depth_says_where_the_answer_is(name: str):
    for sample in series(name, length=4096):
        assert sample.depth is not None
        assert sample.context.find(sample.answers[0]) / len(sample.context) == pytest.approx(sample.depth, abs=0.1)


def test_pass_keys_lie_at_all_depths():
    assert sorted({sample.depth for sample in series("passkey")}) == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("name", ["kv", "multidoc_kv"])
def test_many_questions_are_of_one_text(name: str):
    made = series(name, samples=8)
    assert len({sample.context for sample in made}) == 1
    assert len({sample.question for sample in made}) > 4


def test_every_needle_of_a_haystack_of_needles_can_be_found():
    (sample,) = series("niah_multikey_2", samples=1)
    found = {key: value for key, value, _ in ruler_niah.keys_in(sample.context)}
    assert len(found) > 50
    asked = re.search(r"for (\S+) mentioned", sample.question)
    assert asked
    assert found[asked[1]] == sample.answers[0]


@pytest.mark.parametrize("name", ["passkey", "niah_multikey_2", "vt", "infinitebench_kv_retrieval"])
def test_a_length_that_is_too_short_is_an_error_with_both_numbers(name: str):
    with pytest.raises(QualityError, match=r"[\d,]+ tokens, and [\d,]+ were asked for"):
        series(name, length=80)


def test_an_unknown_task_is_an_error_that_lists_them():
    with pytest.raises(QualityError, match=r"task 'passkeys'.*passkey"):
        task("passkeys")


@pytest.mark.parametrize("name", [name for name in TASKS if name not in SEEDED])
def test_a_task_that_is_data_says_how_to_get_it(name: str):
    with pytest.raises(QualityError, match=f"{name} needs data: give --data with .*(json|pages)"):
        series(name)


def test_fitting_finds_the_largest():
    assert [fit.largest(lambda n: 3 * n, room, "x") for room in (3, 5, 6, 100, 3000)] == [1, 1, 2, 33, 1000]


def test_code_returns_what_it_says():
    for sample in series("infinitebench_code_run", samples=10):
        called = re.search(r"return value of (func_\d+\(-?\d+\))", sample.question)
        assert called
        module: dict[str, object] = {}
        exec(sample.context.split("functions_module.py:")[1], module)
        assert str(eval(called[1], module)) == sample.answers[0]


@pytest.mark.parametrize(
    ("what", "answer"), [("second largest number", 8), ("smallest number", 1), ("third smallest number", 5)]
)
def test_ranks_are_of_different_numbers(what: str, answer: int, monkeypatch: pytest.MonkeyPatch):
    class Chance:
        drawn = iter([0, 9, 9, 8, 5, 1, 1, 3])

        def randint(self, low: int, high: int) -> int:
            return next(self.drawn)

    assert infinitebench_reasoning.find_numbers(what, 7, Chance())[1] == answer  # type: ignore[arg-type]


def test_infinitebench_is_as_published_at_the_published_lengths():
    made = list(infinitebench.hidden_number("infinitebench_passkey", Wish(8192, 1000, 1, count)))
    assert len(made) == 55 * 5
    assert made[0].context.count("There and back again.") == 326


# Tasks that are data


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


PAGES = [
    PageText(
        "guide", 1, "Mnesia is a database. The table of subscribers is replicated to seven nodes by default here."
    ),
    PageText("guide", 2, "Another page follows. Whoever restarts the cluster has to wait for the schema to be loaded."),
]


def test_citing_asks_for_a_word_that_its_page_has():
    made = series("citing", pages=tuple(PAGES))
    assert {sample.facts["page"] for sample in made} == {1, 2}
    for sample in made:
        page = PAGES[sample.facts["page"] - 1]
        gap = sample.question.split("\n\n")[1]
        assert gap.replace("_____", sample.answers[0]) in page.text
        assert f"[guide:{page.number}]\n{page.text}" in sample.context


def test_citing_takes_as_many_pages_as_fit(tmp_path: Path):
    rows = [
        {"document": "d", "number": n, "text": PAGES[0].text.replace("seven", str(1000 + n))} for n in range(1, 200)
    ]
    made = series("citing", samples=1, data=write(tmp_path / "pages.jsonl", *rows))
    assert 20 < made[0].context.count("[d:") < 199
    with pytest.raises(QualityError, match=r"2.*document, number"):
        series("citing", data=write(tmp_path / "wrong.jsonl", rows[0], {"text": "x"}))
    with pytest.raises(QualityError, match="none of the 1 pages has a sentence"):
        series("citing", pages=(PageText("d", 1, "short"),))


def test_sentences_that_stand_twice_are_not_asked_for():
    twice = [PAGES[0], PageText("guide", 9, PAGES[0].text)]
    assert list(citing._gaps(twice, __import__("random").Random(0))) == []


def test_squad_and_hotpotqa(tmp_path: Path):
    qas = [{"question": "Who?", "is_impossible": False, "answers": [{"text": "Ada"}, {"text": "Ada L."}]},
           {"question": "None?", "is_impossible": True, "answers": []}]  # fmt: skip
    articles = [
        {
            "paragraphs": [
                {"context": f"Paragraph {n} of {a} says little.", "qas": qas if n == 1 else []} for n in range(9)
            ]
        }
        for a in range(9)
    ]
    squad = tmp_path / "squad.json"
    squad.write_text(json.dumps({"data": articles}))
    made = series("qa_1", length=900, data=squad)
    assert [sample.answers for sample in made] == [("Ada", "Ada L.")] * 4
    assert all(f"Paragraph 1 of {n} says" in sample.context for n, sample in enumerate(made))
    hotpot = tmp_path / "hotpot.json"
    rows = [{"question": f"Q{n}?", "answer": "yes", "context": [[f"T{n}{k}", ["One.", " Two."]] for k in range(10)]}
            for n in range(6)]  # fmt: skip
    hotpot.write_text(json.dumps(rows))
    made = series("qa_2", length=900, data=hotpot)
    assert all(f"T{n}{k}\nOne. Two." in sample.context for n, sample in enumerate(made) for k in range(10))
    with pytest.raises(QualityError, match=r"is not SQuAD's dev-v2\.0\.json"):
        series("qa_1", data=hotpot)


def test_essays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    essays = tmp_path / "PaulGrahamEssays.json"
    essays.write_text(json.dumps({"text": "One thought follows another. " * 900}))
    monkeypatch.setattr("nltk.tokenize.sent_tokenize", lambda text: re.findall(r"[^.]+\.?", text))
    for name in ("niah_single_2", "niah_multikey_1", "niah_multivalue", "niah_multiquery"):
        for sample in series(name, length=3000, data=essays):
            assert all(f"is: {answer}." in sample.context for answer in sample.answers)
            assert len(sample.answers) == (4 if name in ("niah_multivalue", "niah_multiquery") else 1)
    essays.write_text("[]")
    with pytest.raises(QualityError, match=r"is no PaulGrahamEssays\.json"):
        series("niah_single_2", data=essays)


def test_lveval(tmp_path: Path):
    row = {"input": "Where?", "context": "In Rome.", "answers": ["Rome"], "length": 2, "dataset": "loogle_SD_mixup_16k",
           "language": "en", "answer_keywords": "Rome", "confusing_facts": ""}  # fmt: skip
    (sample,) = series("lveval", data=write(tmp_path / "a.jsonl", row, row | {"context": "Rome. " * 5000}))
    assert "Article: In Rome.\n\nPlease answer" in sample.prompt
    assert sample.facts == {"keywords": "Rome"}
    with pytest.raises(QualityError, match=r"'triviaqa'.*none.*LV-Eval's data"):
        series("lveval", data=write(tmp_path / "c.jsonl", row | {"dataset": "triviaqa"}))
    with pytest.raises(QualityError, match="line 1: LV-Eval's samples have 'context'"):
        series("lveval", data=write(tmp_path / "b.jsonl", {"input": "x"}))


def test_lveval_in_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    row = {"input": "在哪里？", "context": "在罗马。", "answers": ["罗马"], "dataset": "cmrc", "answer_keywords": ""}
    file = write(tmp_path / "cmrc_mixup_16k.jsonl", row, row | {"answer_keywords": "罗马 城"})
    first, second = series("lveval", data=file)
    assert "文章：在罗马。\n\n现在请" in first.prompt
    assert (first.metric, first.facts, second.facts) == (
        "lveval_chinese_f1", {"keywords": "罗马"}, {"keywords": "罗马 城"},
    )  # fmt: skip
    segment.segmenter.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(QualityError, match=r"scored with jieba and rouge.*: pip install 'longread\[lveval\]'"):
        series("lveval", data=file)
    write(file, row | {"input": "Where?"})
    assert series("lveval", data=file.rename(tmp_path / "factrecall_en_16k.jsonl"))


def test_longbench_chat(tmp_path: Path):
    (tmp_path / "test_cases.json").write_text(
        json.dumps([{"idx": 1, "prompt": "Text. Sum up?", "query": "Sum up?", "answer": "Text."}])
    )
    (tmp_path / "few_shots.json").write_text(json.dumps([[{"answer": "No.", "score": 2}]]))
    (tmp_path / "prompt_fs.txt").write_text("Q {} R {} E {} [[{}]] A {}")
    (sample,) = series("longbench_chat", data=tmp_path)
    assert sample.prompt == "Text. Sum up?"
    assert sample.facts["judge"] == "Q Sum up? R Text. E No. [[2]] A {answer}"
    with pytest.raises(QualityError, match=r"test_cases\.json cannot be read"):
        series("longbench_chat", data=tmp_path / "elsewhere")


def test_nolima(tmp_path: Path):
    entry = {"id": "0401", "needle": "{CHAR} lives next to the {1}.", "questions": {"onehop": "Who has been to {2}?"},
             "tests": {"T1": {"input_args": ["Semper Opera", "Dresden"]}}, "character_set": ["Yuki"]}  # fmt: skip
    (tmp_path / "needle_set.json").write_text(json.dumps([entry]))
    (tmp_path / "book.txt").write_text("A line of the book.\n" * 3000)
    made = series("nolima", data=tmp_path)
    assert [sample.depth for sample in made] == [0, 0.25, 0.5, 0.75]
    for sample in made:
        assert "Yuki lives next to the Semper Opera.\n" in sample.context
        assert "Who has been to Dresden?" in sample.question
        assert sample.answers == ("Yuki",)
    (tmp_path / "book.txt").unlink()
    with pytest.raises(QualityError, match="has no books"):
        series("nolima", data=tmp_path)


def test_helmet(tmp_path: Path):
    kv = {"context": '{"a": "1"}', "question": "a", "answer": "1", "demos": [], "num_kvs": 1}
    rag = {"question": "Who?", "answers": ["Ada"], "ctxs": [{"title": "T", "text": "Ada did."}]}
    first, second = series("helmet", data=write(tmp_path / "a.jsonl", kv, rag))
    assert first.prompt.endswith("Key: a\nCorresponding value:")
    assert "Document (Title: T): Ada did." in second.context
    assert second.answers == ("Ada",)
    with pytest.raises(QualityError, match="line 1: neither ctxs nor context and answer"):
        series("helmet", data=write(tmp_path / "b.jsonl", {"question": "?"}))
