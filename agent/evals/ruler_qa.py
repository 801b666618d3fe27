"""RULER's questions about one or two of many paragraphs, from the published files of SQuAD and HotpotQA."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longread.errors import QualityError

from .ruler import Streams, Text, fitting_text, sample
from .sample import Sample, Wish

_ASK = (
    "Answer the question based on the given documents. Only give me the answer and do not output any other words.\n\n"
)
HEAD = _ASK + "The following are given documents.\n\n"
QUESTION = "\n\n" + _ASK + "Question: {question}"
PREFIX = " Answer:"
ANSWER_TOKENS = 32
_STEP = 10


@dataclass(frozen=True)
class Asked:
    """A question, its answers, and the indices of its paragraphs and of related ones."""

    question: str
    answers: tuple[str, ...]
    about: list[int]
    near: list[int]


def qa(task: str, wish: Wish) -> Iterator[Sample]:
    """The series of qa_1 (SQuAD) or qa_2 (HotpotQA): the file's questions in order."""
    assert wish.data is not None
    asked, paragraphs = (squad if task == "qa_1" else hotpotqa)(wish.data)
    streams = Streams(wish.seed)

    def text(index: int, size: int) -> Text:
        return _text(asked[index], paragraphs, size, streams)

    # RULER's search for the size, with the first question.
    per_document = wish.count(text(0, _STEP).whole) / _STEP
    low, high, size = _STEP, max(int(wish.room / per_document * 3), 2 * _STEP), _STEP
    while low <= high:
        middle = (low + high) // 2
        if wish.count(text(0, middle).whole) + ANSWER_TOKENS <= wish.room:
            size, low = middle, middle + 1
        else:
            high = middle - 1
    for index in range(min(wish.samples, len(asked))):
        made = fitting_text(lambda size, index=index: text(index, size), size, wish, ANSWER_TOKENS, _STEP, task)
        yield sample(task, index, made, wish, ANSWER_TOKENS, "string_match_part")


def _text(asked: Asked, paragraphs: list[str], size: int, streams: Streams) -> Text:
    if size < len(paragraphs):
        if size - len(asked.about) > len(asked.near):
            known = asked.about + asked.near
            others = [number for number in range(len(paragraphs)) if number not in set(known)]
            chosen = known + streams.random.sample(others, max(0, size - len(known)))
        else:
            chosen = asked.about + streams.random.sample(asked.near, size - len(asked.about))
        shown = [paragraphs[number] for number in chosen]
    else:
        shown = (paragraphs * -(-size // len(paragraphs)))[:size]
    streams.always().shuffle(shown)
    context = "\n\n".join(f"Document {number}:\n{text}" for number, text in enumerate(shown, 1))
    return Text(HEAD + context, QUESTION.format(question=asked.question), PREFIX, asked.answers)


def squad(path: Path) -> tuple[list[Asked], list[str]]:
    """The answerable questions of SQuAD 2.0 (`dev-v2.0.json`), and all its paragraphs.

    Raises:
        QualityError: the file has another format.
    """
    data = _read(path, "SQuAD's dev-v2.0.json")
    try:
        articles = [article["paragraphs"] for article in data["data"]]
        paragraphs = sorted({one["context"] for article in articles for one in article})
        number = {text: place for place, text in enumerate(paragraphs)}
        asked = []
        for article in articles:
            numbers = [number[one["context"]] for one in article]
            for one in article:
                own = number[one["context"]]
                for question in one["qas"]:
                    if not question["is_impossible"]:
                        answers = tuple(answer["text"] for answer in question["answers"])
                        asked.append(Asked(question["question"], answers, [own], [n for n in numbers if n != own]))
    except (KeyError, TypeError) as error:
        raise QualityError(f"{path} is not SQuAD's dev-v2.0.json: {error} is missing or of another kind.") from None
    return asked, paragraphs


def hotpotqa(path: Path) -> tuple[list[Asked], list[str]]:
    """The questions of HotpotQA (`hotpot_dev_distractor_v1.json`), and all its paragraphs.

    Raises:
        QualityError: the file has another format.
    """
    data = _read(path, "HotpotQA's hotpot_dev_distractor_v1.json")
    try:
        texts = [[f"{title}\n{''.join(lines)}" for title, lines in row["context"]] for row in data]
        paragraphs = sorted({text for row in texts for text in row})
        number = {text: place for place, text in enumerate(paragraphs)}
        asked = [
            Asked(row["question"], (row["answer"],), [number[text] for text in shown], [])
            for row, shown in zip(data, texts, strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise QualityError(f"{path} is not HotpotQA's hotpot_dev_distractor_v1.json: {error}.") from None
    return asked, paragraphs


def _read(path: Path, what: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise QualityError(f"{path} cannot be read as {what}: {error}") from None
