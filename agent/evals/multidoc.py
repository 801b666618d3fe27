"""The value of a key in one of many documents, which have the same keys with other values."""

import random
from collections.abc import Iterator

from .fit import largest
from .sample import Sample, Wish
from .wordlists import words

HEAD = "The following documents list properties and their values.\n\n"
QUESTION = '\nWhat is the {key} in the document "{title}"?'
PREFIX = " It is"
_KEYS = 12
"""Keys of a document, out of as many that all documents share."""
_ANSWER_TOKENS = 16


def multidoc_kv(task: str, wish: Wish) -> Iterator[Sample]:
    """The series: as many documents as fit, then questions about them, from the first to the last in random order."""
    chance = random.Random(wish.seed)
    nouns = [word for word in words("noun") if word.isalpha() and word.islower()]
    keys = chance.sample(nouns, 2 * _KEYS)
    titles = chance.sample(nouns, len(nouns))
    drawn: list[tuple[str, dict[str, str]]] = []

    def documents(count: int) -> list[tuple[str, dict[str, str]]]:
        while len(drawn) < count:
            title = f"{titles[len(drawn) % len(titles)]} {1 + len(drawn) // len(titles)}"
            drawn.append((title, {key: str(chance.randint(1000, 9999)) for key in chance.sample(keys, _KEYS)}))
        return drawn[:count]

    longest = QUESTION.format(key=max(keys, key=len), title=max(titles, key=len) + " 1") + PREFIX
    room = wish.room - _ANSWER_TOKENS
    count = largest(lambda count: wish.count(context_of(documents(count)) + longest), room, task)
    context, order = context_of(documents(count)), random.Random(wish.seed)
    for index in range(wish.samples):
        place = order.randrange(count)
        title, values = drawn[place]
        key = order.choice(sorted(values))
        yield Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, depth=place / count, context=context,
            question=QUESTION.format(key=key, title=title), prefix=PREFIX, answers=(values[key],),
            metric="first_number", answer_tokens=_ANSWER_TOKENS,
        )  # fmt: skip


def context_of(documents: list[tuple[str, dict[str, str]]]) -> str:
    return HEAD + "\n".join(
        f'Document "{title}"\n' + "".join(f"{key}: {value}\n" for key, value in values.items())
        for title, values in documents
    )
