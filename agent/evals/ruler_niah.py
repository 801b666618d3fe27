"""RULER's needles in a haystack: sentences that give keys their magic values, among noise or similar sentences."""

import random
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .essays import read_essays, sentences
from .ruler import DEPTHS, NOISE, Fitting, Streams, Text, samples
from .sample import Sample, Wish
from .wordlists import adjective_nouns

Kind = Literal["words", "numbers", "uuids"]

NEEDLE = "One of the special magic {kind} for {key} is: {value}."
HEAD = (
    "{some} special magic {kind} are hidden within the following text. Make sure to memorize it. "
    "I will quiz you about the {kind} afterwards.\n"
)
QUESTION = "\nWhat are all the special magic {kind} for {query} mentioned in the provided text?"
PREFIX = " The special magic {kind} for {query} mentioned in the provided text are"
ANSWER_TOKENS = 128


@dataclass(frozen=True)
class Needles:
    """One of RULER's settings: the haystack, the number of keys and values, and the number of questions."""

    haystack: Literal["noise", "needle", "essay"]
    key: Kind = "words"
    value: Kind = "numbers"
    keys: int = 1
    values: int = 1
    queries: int = 1


SETTINGS = {
    "niah_single_1": Needles("noise"),
    "niah_single_2": Needles("essay"),
    "niah_single_3": Needles("essay", value="uuids"),
    "niah_multikey_1": Needles("essay", keys=4),
    "niah_multikey_2": Needles("needle"),
    "niah_multikey_3": Needles("needle", key="uuids", value="uuids"),
    "niah_multivalue": Needles("essay", values=4),
    "niah_multiquery": Needles("essay", keys=4, queries=4),
}


def niah(task: str, wish: Wish) -> Iterator[Sample]:
    """The series of a setting, by its name in RULER. Those with essays read them from `wish.data`."""
    needles, streams = SETTINGS[task], Streams(wish.seed)
    essay = read_essays(wish, task) if needles.haystack == "essay" else []
    step = 500 if needles.haystack == "essay" else 25 if wish.length >= 4096 else 5
    return samples(
        task,
        lambda size: _text(needles, size, streams, essay),
        wish,
        answer_tokens=ANSWER_TOKENS,
        fitting=Fitting(step),
        metric="string_match_all",
    )


def _text(needles: Needles, size: int, streams: Streams, essay: list[str]) -> Text:
    chance = streams.random
    keys, values, sentences_ = [], [], []
    for _ in range(needles.keys):
        keys.append(draw(needles.key, chance))
        values.append([draw(needles.value, chance) for _ in range(needles.values)])
        sentences_ += [NEEDLE.format(kind=needles.value, key=keys[-1], value=value) for value in values[-1]]
    streams.always().shuffle(sentences_)
    if needles.haystack == "essay":
        context = _in_prose(sentences_, essay, size, chance)
    else:
        context = "\n".join(_among(sentences_, _hay(needles, size, chance), chance))
    chosen = chance.sample(range(needles.keys), needles.queries)
    asked = [keys[index] for index in chosen]
    answers = tuple(value for index in chosen for value in values[index])
    query = ", ".join(asked[:-1]) + ", and " + asked[-1] if len(asked) > 1 else asked[0]
    one = needles.queries * needles.values == 1
    kind, words = needles.value, (lambda text: text)
    if one:
        kind = kind[:-1]
        words = _singular
    head = words(HEAD).format(some="A" if one else "Some", kind=kind)
    depth = (head + context).find(answers[0]) / len(head + context) if len(answers) == 1 else None
    return Text(
        context=head + context,
        question=words(QUESTION).format(kind=kind, query=query),
        prefix=words(PREFIX).format(kind=kind, query=query),
        answers=answers,
        depth=depth,
    )


def _singular(template: str) -> str:
    return template.replace("are all", "is").replace("are", "is")


def draw(kind: Kind, chance: random.Random) -> str:
    """A key or a value."""
    if kind == "numbers":
        return str(chance.randint(10**6, 10**7 - 1))
    if kind == "words":
        words = adjective_nouns()
        return words[chance.choice(range(len(words)))]
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _hay(needles: Needles, size: int, chance: random.Random) -> list[str]:
    if needles.haystack == "noise":
        return [NOISE] * size
    lines = []
    for _ in range(size):
        key = draw(needles.key, chance)
        lines.append(NEEDLE.format(kind=needles.value, key=key, value=draw(needles.value, chance)))
    return lines


def _among(needles: list[str], lines: list[str], chance: random.Random) -> list[str]:
    """Lines with the needles between them, inserted from the last position to the first, so that positions stay
    valid."""
    places = sorted(chance.sample(range(len(lines)), len(needles)), reverse=True)
    for place, needle in zip(places, needles, strict=True):
        lines.insert(place, needle)
    return lines


def _in_prose(needles: list[str], words: list[str], size: int, chance: random.Random) -> str:
    """That many words of the essays, repeated if there are fewer, with the needles between sentences."""
    text = " ".join((words * -(-size // len(words)))[:size])
    found = sentences(text.strip())
    cuts = sorted(int(len(found) * (depth / 100)) for depth in chance.sample(DEPTHS, len(needles)))
    parts = []
    for start, end, needle in zip([0, *cuts], cuts, needles, strict=False):
        parts += [" ".join(found[start:end]), needle]
    return " ".join([*parts, " ".join(found[cuts[-1] :])])


_LINE = re.compile(r"One of the special magic \w+ for (\S+) is: (\S+)\.")


def keys_in(context: str) -> list[tuple[str, str, int]]:
    """(key, value, position) of every needle in a haystack of needles: each can be asked for."""
    return [(match[1], match[2], match.start()) for match in _LINE.finditer(context)]
