"""RULER's aggregation tasks: the most common words of a list, and the most frequent ones of a coded text."""

import json
import math
import random
import string
from collections.abc import Callable, Iterator
from pathlib import Path

from longread.errors import QualityError

from .ruler import Fitting, Streams, Text, sample, samples
from .sample import Sample, Wish
from .wordlists import words

CWE_HEAD = (
    "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that "
    "appear most often.\n"
)
CWE_QUESTION = "\nQuestion: What are the 10 most common words in the above list?"
CWE_PREFIX = " Answer: The top 10 words that appear most often in the list are:"
_COMMON = 10

FWE_HEAD = (
    "Read the following coded text and track the frequency of each coded word. Find the three most frequently "
    "appeared coded words. "
)
FWE_QUESTION = (
    "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently "
    "appeared words in the above coded text?"
)
FWE_PREFIX = " Answer: According to the coded text above, the three most frequently appeared words are:"
_ALPHA = 2.0
"""Exponent of the zeta distribution of word frequencies."""
_LETTERS = 6


def cwe(task: str, wish: Wish) -> Iterator[Sample]:
    """The series. Ten words occur 30 times in the list and the others 3 times; an example comes first."""
    streams = Streams(wish.seed)
    common = sorted({*words("noun"), *words("adjective"), *words("verb")})
    streams.always().shuffle(common)
    short = wish.length < 4096
    example, repeats = ((20, 3, 1), (6, 1)) if short else ((40, 10, 3), (30, 3))

    def listed(count: int, often: int, seldom: int) -> tuple[str, list[str]]:
        drawn = streams.random.sample(common if count <= len(common) else _more_words(wish), count)
        listed = drawn[:_COMMON] * often + drawn[_COMMON:] * seldom
        streams.always().shuffle(listed)
        return " ".join(f"{number}. {word}" for number, word in enumerate(listed, 1)), drawn[:_COMMON]

    def text(count: int) -> Text:
        shown, known = listed(*example)
        asked, wanted = listed(count, *repeats)
        solved = " ".join(f"{number}. {word}" for number, word in enumerate(known, 1))
        before = f"{CWE_HEAD}{shown}{CWE_QUESTION}{CWE_PREFIX} {solved}\n"
        return Text(before + CWE_HEAD + asked, CWE_QUESTION, CWE_PREFIX, tuple(wanted))

    fitting = Fitting(10, slack=2, first=4096, whole_tokens=True)
    return samples(task, text, wish, answer_tokens=120, fitting=fitting, metric="string_match_all")


def _more_words(wish: Wish) -> list[str]:
    """For lists longer than the vocabulary of wonderwords, RULER draws from a file of its own."""
    if wish.data is None:
        raise QualityError(
            f"cwe of {wish.length:,} tokens needs more words than wonderwords has: give --data english_words.json, "
            "which lies in RULER's scripts/data/synthetic/json."
        )
    return read_words(wish.data)


def read_words(path: Path) -> list[str]:
    """RULER's `english_words.json`, an object whose values are words.

    Raises:
        QualityError: it is something else.
    """
    try:
        return list(json.loads(path.read_text(encoding="utf-8")).values())
    except (ValueError, AttributeError) as error:
        raise QualityError(f"{path} is no english_words.json, an object whose values are words: {error}") from None


def fwe(task: str, wish: Wish) -> Iterator[Sample]:
    """The series. Random words whose frequencies fall as 1 / rank²; the most frequent one is shown as dots."""
    answer_tokens, streams = 50, Streams(wish.seed)
    room = wish.room - answer_tokens
    step = room // 32
    count = _growing(lambda vocabulary: _coded(vocabulary, streams), _vocabulary(room, streams), room, step, wish)
    for index in range(wish.samples):
        vocabulary, size = _vocabulary(room, streams), count
        while wish.count((text := _coded(vocabulary, streams)(size)).whole) > room:
            size -= step
        yield sample(task, index, text, wish, answer_tokens, "string_match_all")


def _growing(
    texts: Callable[[list[str]], Callable[[int], Text]], vocabulary: list[str], room: int, step: int, wish: Wish
) -> int:
    text, count = texts(vocabulary), room // _LETTERS
    while wish.count(text(count).whole) < room:
        count += step
    return count - step


def _vocabulary(room: int, streams: Streams) -> list[str]:
    """Random words, in a random order that does not depend on the stream; the first is dots."""
    size = room // 50
    drawn = [_coded_word(streams.random) for _ in range(size)]
    while len(set(drawn)) < size:
        drawn.append(_coded_word(streams.random))
    vocabulary = sorted(set(drawn))
    streams.always().shuffle(vocabulary)
    vocabulary[0] = "..."
    return vocabulary


def _coded_word(chance: random.Random) -> str:
    return "".join(chance.choices(string.ascii_lowercase, k=_LETTERS))


def _coded(vocabulary: list[str], streams: Streams) -> Callable[[int], Text]:
    def text(count: int) -> Text:
        zeta = math.pi**2 / 6  # zeta(2)
        coded = []
        for rank, word in enumerate(vocabulary, 1):
            coded += [word] * int(count * float(rank) ** -_ALPHA / zeta)
        streams.always().shuffle(coded)
        return Text(FWE_HEAD + " ".join(coded), FWE_QUESTION, FWE_PREFIX, tuple(vocabulary[1:4]))

    return text
