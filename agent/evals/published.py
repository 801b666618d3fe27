"""Benchmarks that are data: LongBench-Chat, NoLiMa and HELMET, in their published formats.

Prompts are not truncated, as some of the original scripts do: a sample that exceeds the requested length is left out.
"""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from longread.errors import QualityError

from .fit import largest
from .sample import Sample, Wish

LONGBENCH_CHAT = (
    "the folder LongBench_Chat of github.com/THUDM/LongAlign, with test_cases.json, few_shots.json and prompt_fs.txt"
)
NOLIMA = (
    "a folder with needle_set.json and *.txt books, out of needlesets and haystack/rand_shuffle as "
    "data/download_NoLiMa_data.sh of github.com/adobe-research/NoLiMa fetches them"
)
HELMET = "a .jsonl of json_kv or the kilt sets, as scripts/download_data.sh of github.com/princeton-nlp/HELMET fetches"


def longbench_chat(task: str, wish: Wish) -> Iterator[Sample]:
    """LongBench-Chat, rated by a model as judge: the score of an answer is its rating from 1 to 10, divided by 10."""
    assert wish.data is not None
    cases = _json(wish.data / "test_cases.json", LONGBENCH_CHAT)
    shots = _json(wish.data / "few_shots.json", LONGBENCH_CHAT)
    template = (wish.data / "prompt_fs.txt").read_text(encoding="utf-8")
    try:
        for index, case in enumerate(cases):
            rated = [part for shot in shots[case["idx"] - 1] for part in (shot["answer"], shot["score"])]
            judge = template.format(case["query"], case["answer"], *rated, "{answer}")
            yield from fitting(wish, Sample(
                task=task, seed=wish.seed, index=index, length=wish.length, context="", question=case["prompt"],
                answers=(case["answer"],), metric="judged", answer_tokens=1024, facts={"judge": judge},
            ))  # fmt: skip
    except (KeyError, IndexError, TypeError) as error:
        raise QualityError(f"{wish.data} is not LongBench_Chat: {error!r}. It is {LONGBENCH_CHAT}.") from None


_NOLIMA_HEAD = "This is a part of a book:\n\n"
_NOLIMA_TAIL = (
    "\n\nAnswer the question by what this part of the book says or lets conclude. Give the answer alone, without "
    "reasons.\n\nQuestion: {question}"
)


def nolima(task: str, wish: Wish) -> Iterator[Sample]:
    """NoLiMa's needles in its books, at `wish.depths`. Data sets without a template get one of ours."""
    assert wish.data is not None
    books = sorted(wish.data.glob("*.txt"))
    if not books:
        raise QualityError(f"{wish.data} has no books: NoLiMa needs {NOLIMA}.")
    chance, tests = random.Random(wish.seed), []
    for entry in _json(wish.data / "needle_set.json", NOLIMA):
        for question in entry["questions"].values():
            tests += [(entry, question, test) for test in entry["tests"].values()]
    for index in range(wish.samples):
        entry, question, test = tests[index % len(tests)]
        character = chance.choice(entry.get("character_set") or [""])
        needle, asked = (_filled(text, test["input_args"], character) for text in (entry["needle"], question))
        before, after = _template(entry)
        book = books[index % len(books)].read_text(encoding="utf-8").splitlines(keepends=True)
        around = wish.count(before + needle + after.format(question=asked)) + 64
        lines = largest(lambda lines, book=book: wish.count("".join(book[:lines])), wish.room - around, task)
        depth = wish.depths[index % len(wish.depths)]
        place = round(depth * min(lines, len(book)))
        text = "".join(book[:place]) + needle + "\n" + "".join(book[place:lines])
        yield Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, depth=depth, context=before + text,
            question=after.format(question=asked), answers=tuple(test.get("gold_answers") or (character,)),
            metric="contains", answer_tokens=64,
        )  # fmt: skip


def _filled(text: str, arguments: list[str], character: str) -> str:
    for number, argument in enumerate(arguments, 1):
        text = text.replace(f"{{{number}}}", argument)
    return text.replace("{CHAR}", character)


def _template(entry: dict[str, Any]) -> tuple[str, str]:
    template = entry.get("task_template")
    if not template:
        return _NOLIMA_HEAD, _NOLIMA_TAIL
    before, _, after = template.partition("{haystack}")
    return before, after


def helmet(task: str, wish: Wish) -> Iterator[Sample]:
    """HELMET's json_kv, or one of its sets of questions with passages, without demonstrations. The score is whether the
    answer contains the expected string."""
    assert wish.data is not None
    for index, row in enumerate(lines(wish.data, "HELMET", "question")):
        if "ctxs" in row:
            passages = "\n\n".join(f"Document (Title: {one['title']}): {one['text']}" for one in row["ctxs"])
            before = (
                "Use the given documents to write a concise and short answer to the question. Write your answer in the "
                "following format:\nAnswer: [answer]\n\n"
            )
            context, question, prefix = before + passages, f"\n\nQuestion: {row['question']}", "\nAnswer:"
            answers = row["answers"]
        elif "context" in row and "answer" in row:
            context = row["context"]
            question = "\n\nExtract the value corresponding to the specified key in the JSON object below.\n\n"
            question, prefix = f"{question}Key: {row['question']}", "\nCorresponding value:"
            answers = row["answer"]
        else:
            raise QualityError(f"{wish.data}, line {index + 1}: neither ctxs nor context and answer. Give {HELMET}.")
        yield from fitting(wish, Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, context=context, question=question,
            prefix=prefix, answers=(answers,) if isinstance(answers, str) else tuple(answers),
            metric="substring_exact_match", answer_tokens=100 if "context" in row else 20,
        ))  # fmt: skip


def fitting(wish: Wish, sample: Sample) -> Iterator[Sample]:
    """The sample, if it is among the requested ones and not longer than the requested length."""
    if sample.index < wish.samples and wish.count(sample.prompt) + sample.answer_tokens <= wish.room:
        yield sample


def lines(path: Path, what: str, *fields: str) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file of the benchmark `what`.

    Raises:
        QualityError: a line is not JSON, or lacks one of the fields.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            missing = [field for field in fields if field not in row]
        except (ValueError, TypeError):
            raise QualityError(f"{path}, line {number}: not JSON, so not {what}'s.") from None
        if missing:
            raise QualityError(f"{path}, line {number}: {what}'s samples have {missing[0]!r}, and this has not.")
        rows.append(row)
    return rows


def _json(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise QualityError(f"{path} cannot be read ({error}). Give {what}.") from None


def rating(judged: str) -> float | None:
    """The rating of LongBench-Chat's judge, from 0 to 1; None if it gave none."""
    found = re.findall(r"\[\[([^\]]+)\]\]", judged)
    number = re.search(r"\d+(?:\.\d+)?", found[-1]) if found else None
    return float(number[0]) / 10 if number else None
