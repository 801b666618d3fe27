"""Generator of the set of quotes for `quotes.py`: real pages, and quotes as a model writes them.

    python -m benchmarks.agent.quotes_set    # writes tests/agent/quotes/pages.jsonl

The pages are from manuals in Debian's package erlang-doc, as longread reads the PDFs, and from Jane Austen's novels. A
line of the file is a page and answers that quote it, each with one quote: true, altered, moved or invented. No code of
longread decides what a quote is: quotes are cut, rewritten and altered here, and compared by letters and digits.
"""

import json
import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from platformdirs import user_cache_path

from benchmarks import report
from benchmarks.attention.novels import novel
from longread.agent.corpus import Corpus

SET = report.ROOT / "tests" / "agent" / "quotes" / "pages.jsonl"
SEED = 5
# Name: half of the set, source of the text, number of pages. Nothing may be tuned on half B.
DOCUMENTS = {
    "mnesia": ("A", "lib/mnesia-*/doc/pdf/*.pdf", 40),
    "debugger": ("A", "lib/debugger-*/doc/pdf/*.pdf", 22),
    "emma": ("A", "EMMA", 42),
    "system": ("B", "doc/pdf/otp-system-documentation-*.pdf", 40),
    "common-test": ("B", "lib/common_test-*/doc/pdf/*.pdf", 28),
    "persuasion": ("B", "PERSUASION", 42),
}
ELSEWHERE = ("lib/ssl-*/doc/pdf/*.pdf", "lib/diameter-*/doc/pdf/*.pdf", "MANSFIELD PARK")
"""The sources of invented quotes, which are plausible, and on none of the pages."""

_LINES = 42  # on a page of a novel
_AUXILIARY = re.compile(r"\b(is|are|was|were|can|could|will|would|should|must|may|does|do|did|has|have|had)\b")
_OF_A_MACHINE = re.compile(r"/(?:home|root|work|Users|mnt)/|:\\")
_NEGATION = re.compile(r"\b(?:not|never) |(?<=\w)n't\b")
_INVENTED = (
    "The {0} is checked by the {1} before any {2} can be started again.",
    "In general, a {0} without a {1} is treated as if the {2} had been left out.",
    "Nothing in the {0} suggested that the {1} would ever be compared with the {2}.",
    "It follows that every {0} has to be accompanied by at least one {1} and a {2}.",
    "After some hesitation the {0} was exchanged for a {1}, which pleased the {2}.",
    "A detailed account of the {0} can be found where the {1} and the {2} are explained.",
)


@dataclass
class Quote:
    kind: str
    """true, altered, moved or invented"""
    how: str
    """How it was altered, or how it was made."""
    answer: str
    said: int
    """The page that the answer names, of the same document."""
    words: str = ""
    """The original text on the page; empty for invented quotes."""


@dataclass
class Sheet:
    document: str
    half: str
    number: int
    text: str
    quotes: list[Quote] = field(default_factory=list)


def main() -> None:
    dice = random.Random(SEED)
    sheets = [sheet for name in DOCUMENTS for sheet in _sheets(name)]
    others = [text for source in ELSEWHERE for text in _texts(source)]
    known = {(sheet.document, sheet.number): letters(sheet.text) for sheet in sheets}
    everything = "\n".join(known.values())
    for sheet in sheets:
        pages = [other for other in sheets if other.document == sheet.document]
        following = next((other for other in pages if other.number == sheet.number + 1), None)
        spans = [words for words in _spans(sheet.text, dice) if everything.count(letters(words)) == 1]
        makers = [
            _true(sheet, spans, following, dice),
            _altered(sheet, spans, everything, dice),
            _altered(sheet, spans, everything, dice),
            _moved(sheet, spans, pages, known, dice),
            _invented(sheet, others, everything, dice),
        ]
        sheet.quotes = [quote for maker in makers if (quote := next(maker, None))]
    SET.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(asdict(sheet), ensure_ascii=False) for sheet in sheets if sheet.quotes]
    SET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} pages, {sum(len(sheet.quotes) for sheet in sheets)} quotes, {SET.stat().st_size:,} bytes")


def letters(text: str) -> str:
    """Letters and digits alone."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _sheets(name: str) -> list[Sheet]:
    half, source, count = DOCUMENTS[name]
    sheets = [Sheet(name, half, number, text) for number, text in enumerate(_texts(source), 1)]
    # tests/test_house.py allows no paths of one machine, even in an example of a manual.
    return [s for s in sheets if len(_sentences(s.text)) >= 6 and not _OF_A_MACHINE.search(s.text)][:count]


def _texts(source: str) -> list[str]:
    folder = user_cache_path("longread-benchmarks", appauthor=False)
    if source.isupper():
        lines = novel(source).splitlines()
        return ["\n".join(lines[at : at + _LINES]).strip() for at in range(0, len(lines), _LINES)]
    manuals = report.debian("erlang-doc", folder) / "usr/share/doc/erlang-doc"
    return [page.text for page in Corpus.load([next(manuals.glob(source))]).documents[0].pages]


def _sentences(text: str) -> list[str]:
    """Sentences without code, with their line breaks."""
    found = re.findall(r"(?<=[\n ])[A-Z](?:[^.!?\n`\"\[\]<>]|\n(?!\n))+[.!?](?=\s)", f"\n{text}\n")
    return [part for part in found if 6 <= len(part.split()) <= 60 and not re.search(r"[=|(){}#]|->|\w_\w", part)]


def _spans(text: str, dice: random.Random) -> list[str]:
    """Sentences and parts of sentences, five words and more, in any order."""
    spans: list[str] = []
    for sentence in _sentences(text):
        words = re.split(r"(\s+)", sentence)
        count = (len(words) + 1) // 2
        size = dice.choice([count, count, dice.randint(5, 9), dice.randint(10, 30)])
        start = dice.randint(0, max(0, count - size))
        spans.append("".join(words[2 * start : 2 * (start + size) - 1]))
    dice.shuffle(spans)
    return spans


def _written(words: str, dice: random.Random) -> str:
    """The text of a page as a model would write it."""
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", words)
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    text = text.translate(str.maketrans("“”‘’–", "\"\"''-")).replace('"', "'")
    if dice.random() < 0.3:
        text = text[0].upper() + text[1:]
    if dice.random() < 0.3:
        text = text.rstrip(".,;:")
    if dice.random() < 0.1:
        words_ = text.split()
        at = dice.randrange(len(words_))
        words_[at] = f"**{words_[at]}**" if words_[at].isalpha() else words_[at]
        text = " ".join(words_)
    return text


def _answer(quote: str, mark: str, dice: random.Random) -> str:
    forms = (
        f'The text says: "{quote}" {mark}.',
        f'According to {mark}, "{quote}".',
        f"It is said that “{quote}” {mark}, which answers the question.",
        f"The answer is on that page.\n\n> {quote} {mark}\n\nThere is no more about it.",
        f'- First: "{quote}" {mark}\n- There is no second point.',
        f"As the author writes, «{quote}» {mark}.",
    )
    return dice.choice(forms)


def _quote(kind: str, how: str, sheet: Sheet, text: str, said: int, words: str, dice: random.Random) -> Quote:
    return Quote(kind, how, _answer(text, f"[{sheet.document}:{said}]", dice), said, words)


def _true(sheet: Sheet, spans: list[str], following: Sheet | None, dice: random.Random) -> Iterator[Quote]:
    if following and dice.random() < 0.15 and sheet.document in ("emma", "persuasion"):
        words = "".join(re.split(r"(\s+)", sheet.text)[-13:]) + "\n" + "".join(re.split(r"(\s+)", following.text)[:13])
        if '"' not in words and "\n\n" not in words:
            yield _quote("true", "over two pages", sheet, _written(words, dice), sheet.number, words, dice)
    while spans:
        words = spans.pop()
        text = _written(words, dice)
        parts = text.split()
        if len(parts) > 16 and dice.random() < 0.4:
            text = " ".join(parts[:6]) + dice.choice(["...", " … ", " [...] "]) + " ".join(parts[-6:])
            yield _quote("true", "ellipsis", sheet, text, sheet.number, words, dice)
        yield _quote("true", "plain", sheet, text, sheet.number, words, dice)


def _altered(sheet: Sheet, spans: list[str], everything: str, dice: random.Random) -> Iterator[Quote]:
    kinds = ["number", "word", "not", "name", "dropped"]
    dice.shuffle(kinds)
    kinds.sort(key=lambda how: how != "number")  # few spans have one
    for how in kinds:
        for words in list(spans):
            text = _alter(_written(words, dice), how, sheet.text, dice)
            if text and letters(text) not in everything and letters(text) != letters(words):
                spans.remove(words)
                yield _quote("altered", how, sheet, text, sheet.number, words, dice)
                break


def _alter(text: str, how: str, page: str, dice: random.Random) -> str | None:
    words = text.split()
    if how == "number":
        digits = [match.start() for match in re.finditer(r"\d", text)]
        if not digits:
            return None
        at = dice.choice(digits)
        return text[:at] + dice.choice([digit for digit in "123456789" if digit != text[at]]) + text[at + 1 :]
    if how == "not":
        if (negation := _NEGATION.search(text)) and negation.start():
            return text[: negation.start()] + text[negation.end() :]
        verb = _AUXILIARY.search(text)
        return f"{text[: verb.end()]} not{text[verb.end() :]}" if verb and verb.end() < len(text) else None
    if how == "dropped":
        if len(words) < 12:
            return None
        count = dice.randint(2, 5)
        at = dice.randint(3, len(words) - count - 3)
        return " ".join(words[:at] + words[at + count :])
    names = sorted(set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b", page)))
    others = names if how == "name" else sorted(set(re.findall(r"\b[a-z]{5,}\b", page)))
    places = [at for at, word in enumerate(words) if at and word in others]
    if not places or len(others) < 2:
        return None
    at = dice.choice(places)
    words[at] = dice.choice([other for other in others if other != words[at]])
    return " ".join(words)


def _moved(
    sheet: Sheet, spans: list[str], pages: list[Sheet], known: dict[tuple[str, int], str], dice: random.Random
) -> Iterator[Quote]:
    for words in spans:
        other = dice.choice([page for page in pages if page is not sheet])
        if letters(words) not in known[other.document, other.number]:
            yield _quote("moved", "another page", sheet, _written(words, dice), other.number, words, dice)


def _invented(sheet: Sheet, others: list[str], everything: str, dice: random.Random) -> Iterator[Quote]:
    while True:
        kind = dice.random()
        if kind < 0.3:
            rare = sorted(set(re.findall(r"\b[a-z]{6,}\b", sheet.text)))
            how, text = "paraphrase", dice.choice(_INVENTED).format(*dice.sample(rare, 3))
        elif kind < 0.7:
            spans = _spans(dice.choice(others), dice)
            how, text = "another book", _written(spans[0], dice) if spans else ""
        else:
            foreign = re.findall(r"\b[a-z]{5,}\b", dice.choice(others)) or ["nothing"]
            spans = _spans(sheet.text, dice)
            words = re.split(r"(\w{4,})", _written(spans[0], dice)) if spans else []
            text = "".join(dice.choice(foreign) if len(word) > 3 and word.isalnum() else word for word in words)
            how, text = "same frame", text[:1].upper() + text[1:]
        if text and letters(text) not in everything:
            yield _quote("invented", how, sheet, text, sheet.number, "", dice)


if __name__ == "__main__":
    main()
