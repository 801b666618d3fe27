"""Long texts with many facts, which can be cut at any length: read once, asked often.

A prefix of a haystack is a haystack, too. So a reader continues from one length to the next, and at each length it is
asked about the part that it has read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.attention import novels
from benchmarks.attention.reading import PassKey
from longread.agent.evals import passkey, ruler, ruler_niah, ruler_vt

Encode = Callable[[str], list[int]]

RESERVE = 192
"""Tokens that are reserved for question and answer."""


@dataclass(frozen=True)
class Fact:
    """A question that can be asked after `end` tokens, and its answer."""

    start: int
    end: int
    question: list[int]
    answer: list[int]


@dataclass(frozen=True)
class Segment:
    """A span of text that ends with a newline, and a question about it."""

    text: str
    question: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Haystack:
    """A text in tokens, the places where it may be cut, and its facts in their order."""

    task: str
    tokens: list[int]
    cuts: list[int]
    facts: list[Fact]

    @classmethod
    def of(cls, task: str, head: str, segments: Iterator[Segment], longest: int, encode: Encode) -> "Haystack":
        """As many of the segments as fit. Their token counts add up: each starts with a character after a newline."""
        tokens, cuts, facts = _before_more(head, encode), [], []
        for segment in segments:
            start = len(tokens)
            tokens += _before_more(segment.text, encode)
            if len(tokens) > longest - RESERVE:
                del tokens[start:]
                return cls(task, tokens, cuts, facts)
            cuts.append(len(tokens))
            if segment.question:
                facts.append(Fact(start, len(tokens), encode(segment.question), encode(segment.answer)))
        raise ValueError(f"{task} ends at {len(tokens):,} tokens, but {longest:,} are needed")

    def cut(self, length: int) -> int:
        """The end in this text of a prompt of so many tokens, including question and answer."""
        return max(cut for cut in self.cuts if cut <= length - RESERVE)

    def asked(self, length: int, count: int) -> list[Fact]:
        """Up to `count` facts of a prompt of this length, as evenly spaced as possible."""
        there = [fact for fact in self.facts if fact.end <= self.cut(length)]
        return [there[int((index + 0.5) * len(there) / count)] for index in range(min(count, len(there)))]


def kv(seed: int, longest: int, encode: Encode) -> Haystack:
    """The task kv: UUIDs and their values, one per line."""
    pairs = passkey.records(longest // 8, seed)
    ask = passkey.KV_QUESTION + passkey.KV_PREFIX
    segments = (Segment(passkey.kv_lines([(key, value)]), ask.format(key=key), f" {value}") for key, value in pairs)
    return Haystack.of("kv", passkey.KV_HEAD, segments, longest, encode)


def multikey(seed: int, longest: int, encode: Encode) -> Haystack:
    """RULER's niah_multikey_2: only needles."""
    streams = ruler.Streams(seed)
    segments = (_needle(streams, "\n") for _ in range(longest))
    return Haystack.of("niah_multikey_2", _head("numbers"), segments, longest, encode)


def prose(seed: int, longest: int, encode: Encode) -> Haystack:
    """Like RULER's niah_multikey_1, in a novel instead of essays: a needle about every 600 characters."""
    streams = ruler.Streams(seed)

    def segments() -> Iterator[Segment]:
        since = 0
        for paragraph in paragraphs(NOVELS[seed % len(NOVELS)]):
            yield Segment(paragraph)
            since += len(paragraph)
            if since >= 600:
                since = 0
                yield _needle(streams, "\n\n")

    return Haystack.of("niah_multikey_1", _head("numbers"), segments(), longest, encode)


def vt(seed: int, longest: int, encode: Encode) -> Haystack:
    """Like RULER's vt with one hop: a variable with a value, and later another one that is assigned the first."""
    streams = ruler.Streams(seed)

    def segments() -> Iterator[Segment]:
        while True:
            names, statements, value = ruler_vt.chain(1, streams)
            first, second = (statement.strip() + "\n" for statement in statements)
            yield Segment(first)
            for _ in range(4):
                yield Segment(ruler.NOISE + "\n")
            question = ruler_vt.QUESTION + ruler_vt.PREFIX.rstrip()
            yield Segment(second, question.format(value=value, count=2), " " + " ".join(names))
            for _ in range(4):
                yield Segment(ruler.NOISE + "\n")

    return Haystack.of("vt", ruler_vt.HEAD, segments(), longest, encode)


def single(seed: int, longest: int, encode: Encode) -> Haystack:
    """A pass key in a novel, at a place that depends on the seed."""
    key, place = PassKey.of(seed), PLACES[seed % len(PLACES)]

    def segments() -> Iterator[Segment]:
        since, hidden = 0, False
        for paragraph in paragraphs("EMMA"):
            yield Segment(paragraph)
            since += len(encode(paragraph))
            if since >= place and not hidden:
                hidden = True
                ask = passkey.QUESTION + passkey.PREFIX
                yield Segment(key.needle.strip() + "\n\n", ask, f" {key.digits}")

    return Haystack.of("passkey", passkey.HEAD, segments(), longest, encode)


NOVELS = ("PERSUASION", "NORTHANGER ABBEY")
PLACES = (1500, 5000, 8500, 12000, 3000, 6500, 10000, 14000)
"""The number of tokens before a pass key, by seed."""
MAKERS = {"kv": kv, "niah_multikey_2": multikey, "niah_multikey_1": prose, "vt": vt, "passkey": single}


def paragraphs(title: str) -> Iterator[str]:
    """The paragraphs of a novel, each with the empty line after it."""
    for paragraph in novels.novel(title).split("\n\n"):
        if text := " ".join(paragraph.split()):
            yield text + "\n\n"


def _before_more(text: str, encode: Encode) -> list[int]:
    """Encode a text that ends with newlines as before a character, where each newline is a token of its own."""
    return encode(text + "A")[:-1]


def _head(kind: str) -> str:
    return ruler_niah.HEAD.format(some="A", kind=kind.rstrip("s")).replace(" are ", " is ", 1)


def _needle(streams: ruler.Streams, end: str) -> Segment:
    key, value = (ruler_niah.draw(kind, streams.random) for kind in ("words", "numbers"))
    ask = (ruler_niah.QUESTION + ruler_niah.PREFIX).replace("are all", "is").replace(" are", " is")
    return Segment(
        ruler_niah.NEEDLE.format(kind="numbers", key=key, value=value) + end,
        ask.format(kind="number", query=key),
        f" {value}",
    )
