"""InfiniteBench's synthetic retrieval tasks (arXiv 2402.13718): a pass key, a number with repeated digits, and JSON.

At the lengths of the published benchmark the texts are the original ones; at others the noise is fitted to the tokens.
"""

import random
from collections.abc import Iterable, Iterator

from .fit import largest
from .passkey import records
from .ruler import NOISE
from .sample import Sample, Wish

_LINE = NOISE + "\n"
_IMPORTANT = "There is an important info hidden inside a lot of irrelevant text. "
_QUIZ = "I will quiz you about the important information there.\n\n"
HEADS = {
    "passkey": _IMPORTANT + "Find it and memorize them. " + _QUIZ,
    "number_string": _IMPORTANT + "Find it. " + _QUIZ,
    "kv_retrieval": "Extract the value corresponding to the specified key in the JSON object below.\n\n",
}
NEEDLES = {
    "passkey": "The pass key is {key}. Remember it. {key} is the pass key.\n",
    "number_string": "The sequence of digits is {key}. Remember it. {key} is the sequence of digits.\n",
}
QUESTIONS = {"passkey": "What is the pass key?", "number_string": "What is the sequence of digits?"}
PUBLISHED = {
    "passkey": {8192: (326, 6), 16384: (652, 12), 32768: (1305, 22), 65536: (2610, 45)},
    "number_string": {131072: (5220, 90)},
}
"""Length to lines of noise, and to lines between two depths."""
_REPEATS = {"passkey": 5, "number_string": 10}
"""Number of samples at each depth."""
ANSWER_TOKENS = {"passkey": 6, "number_string": 12, "kv_retrieval": 50}
_DEPTHS = 50


def hidden_number(task: str, wish: Wish) -> Iterator[Sample]:
    """The series of passkey or number_string: of all depths in order, `wish.samples` evenly chosen."""
    kind = task.removeprefix("infinitebench_")
    lines, step = _noise(kind, wish)
    chance = random.Random(wish.seed)
    places = [(place, number(kind, chance)) for place in range(0, lines + 1, step) for _ in range(_REPEATS[kind])]
    for index in chosen(len(places), wish.samples):
        place, key = places[index]
        text = _LINE * place + NEEDLES[kind].format(key=key) + _LINE * (lines - place)
        yield Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, depth=place / lines,
            context=HEADS[kind] + text, question="\n\n" + QUESTIONS[kind], answers=(key,), metric="first_number",
            answer_tokens=ANSWER_TOKENS[kind],
        )  # fmt: skip


def chosen(there: int, wanted: int) -> list[int]:
    """That many indices of a list, evenly spaced; all of them if there are no more."""
    return [place * there // wanted for place in range(wanted)] if wanted < there else list(range(there))


def _noise(kind: str, wish: Wish) -> tuple[int, int]:
    if wish.length in PUBLISHED[kind]:
        return PUBLISHED[kind][wish.length]
    around = HEADS[kind] + NEEDLES[kind].format(key="0" * 10) + "\n\n" + QUESTIONS[kind]
    room = wish.room - ANSWER_TOKENS[kind]
    lines = largest(lambda lines: wish.count(around + _LINE * lines), room, kind)
    return lines, max(1, lines // _DEPTHS)


def number(kind: str, chance: random.Random) -> str:
    """Five digits; for number_string each occurs twice, and some more often, side by side."""
    digits = [str(chance.randint(0, 9)) for _ in range(5)]
    if kind == "number_string":
        for drawn in range(5):
            place = chance.randint(0, 4 + drawn)
            digits.insert(place, digits[place])
    return "".join(digits)


def kv_retrieval(task: str, wish: Wish) -> Iterator[Sample]:
    """The series: a JSON object of UUIDs, and the value of one of its keys, from the first to the last.

    The published records were drawn without a seed, these are drawn from one. The same records give the same texts.
    """
    shown = largest(lambda count: wish.count(_asked(records(count, wish.seed), 0)), wish.room - 50, task)
    chance = random.Random(wish.seed)
    drawn = (records(shown + 1, wish.seed + index) for index in range(wish.samples))
    return kv_series(task, wish, drawn, chance, shown)


def kv_series(
    task: str, wish: Wish, drawn: Iterable[list[tuple[str, str]]], chance: random.Random, shown: int
) -> Iterator[Sample]:
    """The prompt for some records: shuffled, the first ones as JSON, and a question for one of them."""
    for index, pairs in enumerate(drawn):
        chance.shuffle(pairs)
        place = index * shown // wish.samples
        key, value = pairs[place]
        yield Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, depth=place / shown,
            context=HEADS["kv_retrieval"] + json_of(pairs[:shown]), question="\n\n" + kv_question(key),
            answers=(value,), metric="infinitebench_kv", answer_tokens=ANSWER_TOKENS["kv_retrieval"],
        )  # fmt: skip


def json_of(pairs: list[tuple[str, str]]) -> str:
    return "JSON data:\n{" + ", ".join(f'"{key}": "{value}"' for key, value in pairs) + "}"


def kv_question(key: str) -> str:
    return f'\nKey: "{key}"\nThe value associated with the specified key is: '


def _asked(pairs: list[tuple[str, str]], place: int) -> str:
    return HEADS["kv_retrieval"] + json_of(pairs) + "\n\n" + kv_question(pairs[place][0])
