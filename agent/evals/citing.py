"""Citing real pages: a sentence with a word left out, which appears on only one page.

The model must give the word, the page, and the sentence as a quote. Each counts a third: the word alone could be
guessed, and a page without its words cannot be checked.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from longread.errors import QualityError

from .fit import largest
from .sample import PageText, Sample, Wish

QUESTION = (
    "\nIn the documents above there is a sentence of which one word is left out here:\n\n{gap}\n\n"
    'Say which word is missing. Then quote the whole sentence "in double quotes", and after it its page as '
    "[name:page], the way the page marks in the documents do."
)
_ANSWER_TOKENS = 200
_SENTENCE = re.compile(r"(?<=[.!?]\s)[A-Z][^.!?\n]{50,220}[.!?](?=\s|$)")
_WORD = re.compile(r"[A-Za-z]{6,}|\d{2,}")
_GAP = "_____"


def citing(task: str, wish: Wish) -> Iterator[Sample]:
    """The series: as many pages as fit, in order, and sentences from all of them."""
    pages = list(wish.pages) or read_pages(wish.data)
    gap = QUESTION.format(gap="word " * 60)
    room = wish.room - _ANSWER_TOKENS

    def tokens(count: int) -> int:
        return room + 1 if count > len(pages) else wish.count(shown(pages[:count]) + gap)

    count = largest(tokens, room, task)
    pages = pages[:count]
    context, chance = shown(pages), random.Random(wish.seed)
    asked = list(_gaps(pages, chance))
    if not asked:
        raise QualityError(f"none of the {count} pages has a sentence that could be asked for: give others.")
    chance.shuffle(asked)
    for index, (place, sentence, word) in enumerate(asked[: wish.samples]):
        page = pages[place]
        yield Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, depth=place / count, context=context,
            question=QUESTION.format(gap=sentence.replace(word, _GAP, 1)), answers=(word,), metric="cited",
            answer_tokens=_ANSWER_TOKENS,
            facts={"document": page.document, "page": page.number, "text": page.text},
        )  # fmt: skip


def read_pages(path: Path | None) -> list[PageText]:
    """Read a JSON Lines file with `document`, `number` and `text` in each line.

    Raises:
        QualityError: a line is something else.
    """
    assert path is not None
    pages = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            pages.append(PageText(row["document"], int(row["number"]), row["text"]))
        except (ValueError, KeyError, TypeError):
            raise QualityError(f"{path}, line {number}: no page with document, number and text.") from None
    return pages


def shown(pages: Sequence[PageText]) -> str:
    """Pages with their page marks, as in the prompts of longread."""
    parts = []
    for index, page in enumerate(pages):
        if not index or page.document != pages[index - 1].document:
            parts.append("</document>\n" * bool(index) + f'<document name="{page.document}">\n')
        parts.append(f"[{page.document}:{page.number}]\n{page.text}\n")
    return "".join(parts) + "</document>\n"


def _gaps(pages: Sequence[PageText], chance: random.Random) -> Iterator[tuple[int, str, str]]:
    """(index of the page, sentence, word to leave out), for words and sentences that occur once."""
    whole = "\n".join(page.text for page in pages)
    for place, page in enumerate(pages):
        for match in _SENTENCE.finditer(page.text):
            words = [word for word in _WORD.findall(match[0]) if match[0].count(word) == 1]
            if words and whole.count(match[0]) == 1:
                yield place, match[0], chance.choice(words)
