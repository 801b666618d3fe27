"""Two tasks of this project: pass keys at each depth of a text of each length, and values of keys."""

import random
import uuid
from collections.abc import Iterator

from .fit import largest
from .ruler import NOISE
from .sample import Sample, Wish

HEAD = "A pass key is hidden in the following text. Find it and memorize it: you will be asked for it.\n\n"
NEEDLE = "The pass key is {key}. Remember it. {key} is the pass key.\n"
QUESTION = "\nWhat is the pass key that was hidden in the text?"
PREFIX = " The pass key is"
_ANSWER_TOKENS = 16

KV_HEAD = "Each line of the following list has a key and its value.\n\n"
KV_QUESTION = "\nWhat is the value of the key {key}?"
KV_PREFIX = " The value of the key {key} is"


def passkey(task: str, wish: Wish) -> Iterator[Sample]:
    """Five digits among repeated sentences: `wish.samples` keys at each of `wish.depths`, fitted to the token."""

    def text(lines: int, depth: float, key: str) -> str:
        before = round(depth * lines)
        noise = NOISE + "\n"
        return HEAD + noise * before + NEEDLE.format(key=key) + noise * (lines - before)

    room = wish.room - _ANSWER_TOKENS
    lines = largest(lambda lines: wish.count(text(lines, 0.5, "12345") + QUESTION + PREFIX), room, task)
    chance = random.Random(wish.seed)
    for index in range(wish.samples * len(wish.depths)):
        depth, key = wish.depths[index % len(wish.depths)], str(chance.randrange(10_000, 100_000))
        yield Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, depth=depth, context=text(lines, depth, key),
            question=QUESTION, prefix=PREFIX, answers=(key,), metric="first_number", answer_tokens=_ANSWER_TOKENS,
        )  # fmt: skip


def records(count: int, seed: int) -> list[tuple[str, str]]:
    """Keys and values: UUIDs. More records start with the same ones."""
    chance = random.Random(seed)

    def one() -> str:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    return [(one(), one()) for _ in range(count)]


def kv_lines(pairs: list[tuple[str, str]]) -> str:
    """One line per key."""
    return "".join(f"{key}: {value}\n" for key, value in pairs)


def kv(task: str, wish: Wish) -> Iterator[Sample]:
    """UUIDs and their values, one per line. All questions are about one text, which a server therefore reads once."""
    question = KV_QUESTION + KV_PREFIX
    longest = question.format(key=records(1, wish.seed)[0][0])
    room = wish.room - 48

    def context(count: int) -> str:
        return KV_HEAD + kv_lines(records(count, wish.seed))

    count = largest(lambda count: wish.count(context(count) + longest), room, task)
    pairs, text = records(count, wish.seed), context(count)
    order = random.Random(wish.seed).sample(range(count), count)
    for index in range(wish.samples):
        place = order[index % count]
        key, value = pairs[place]
        yield Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, depth=place / count, context=text,
            question=KV_QUESTION.format(key=key), prefix=KV_PREFIX.format(key=key), answers=(value,),
            metric="string_match_all", answer_tokens=48,
        )  # fmt: skip
