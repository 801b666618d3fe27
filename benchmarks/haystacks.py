"""Long texts with many facts in them, cut at any length: read once, asked often.

A haystack's first so many tokens are a haystack too, so a reader goes on from one length to the next, and at each is
asked what stands in the part that it has read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import novels
from reading import PassKey

from longread.benchmarks.quality import passkey, ruler, ruler_niah, ruler_vt

Encode = Callable[[str], list[int]]

ROOM = 192
"""Tokens that are kept free for question and answer."""


@dataclass(frozen=True)
class Fact:
    """Something that can be asked once `end` tokens have been read."""

    start: int
    end: int
    question: list[int]
    answer: list[int]


@dataclass(frozen=True)
class Piece:
    """A stretch of text that ends with a newline, and what can be asked when it has been read."""

    text: str
    question: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Haystack:
    """A text in tokens, where it may be cut, and its facts in their order."""

    task: str
    tokens: list[int]
    cuts: list[int]
    facts: list[Fact]

    @classmethod
    def of(cls, task: str, head: str, pieces: Iterator[Piece], longest: int, encode: Encode) -> "Haystack":
        """As many of the pieces as fit. Counts add up: each begins with a character after a newline."""
        tokens, cuts, facts = _before_more(head, encode), [], []
        for piece in pieces:
            start = len(tokens)
            tokens += _before_more(piece.text, encode)
            if len(tokens) > longest - ROOM:
                del tokens[start:]
                return cls(task, tokens, cuts, facts)
            cuts.append(len(tokens))
            if piece.question:
                facts.append(Fact(start, len(tokens), encode(piece.question), encode(piece.answer)))
        raise ValueError(f"{task} ends at {len(tokens):,} tokens, and {longest:,} were asked for")

    def cut(self, length: int) -> int:
        """Where a prompt of so many tokens, question and answer included, ends in this text."""
        return max(cut for cut in self.cuts if cut <= length - ROOM)

    def asked(self, length: int, count: int) -> list[Fact]:
        """So many of the facts of a prompt of this length, from its beginning to its end as evenly as can be."""
        there = [fact for fact in self.facts if fact.end <= self.cut(length)]
        return [there[int((index + 0.5) * len(there) / count)] for index in range(min(count, len(there)))]


def kv(seed: int, longest: int, encode: Encode) -> Haystack:
    """The task kv: UUIDs and their values, one a line."""
    pairs = passkey.records(longest // 8, seed)
    ask = passkey.KV_QUESTION + passkey.KV_PREFIX
    pieces = (Piece(passkey.kv_lines([(key, value)]), ask.format(key=key), f" {value}") for key, value in pairs)
    return Haystack.of("kv", passkey.KV_HEAD, pieces, longest, encode)


def multikey(seed: int, longest: int, encode: Encode) -> Haystack:
    """RULER's niah_multikey_2: nothing but needles."""
    streams = ruler.Streams(seed)
    pieces = (_needle(streams, "\n") for _ in range(longest))
    return Haystack.of("niah_multikey_2", _head("numbers"), pieces, longest, encode)


def prose(seed: int, longest: int, encode: Encode) -> Haystack:
    """As RULER's niah_multikey_1, in a novel instead of essays: a needle after each 600 characters or so."""
    streams = ruler.Streams(seed)

    def pieces() -> Iterator[Piece]:
        since = 0
        for paragraph in paragraphs(NOVELS[seed % len(NOVELS)]):
            yield Piece(paragraph)
            since += len(paragraph)
            if since >= 600:
                since = 0
                yield _needle(streams, "\n\n")

    return Haystack.of("niah_multikey_1", _head("numbers"), pieces(), longest, encode)


def vt(seed: int, longest: int, encode: Encode) -> Haystack:
    """As RULER's vt with one hop: a value, a variable that has it, and later another that is assigned the first."""
    streams = ruler.Streams(seed)

    def pieces() -> Iterator[Piece]:
        while True:
            names, statements, value = ruler_vt.chain(1, streams)
            first, second = (statement.strip() + "\n" for statement in statements)
            yield Piece(first)
            for _ in range(4):
                yield Piece(ruler.NOISE + "\n")
            question = ruler_vt.QUESTION + ruler_vt.PREFIX.rstrip()
            yield Piece(second, question.format(value=value, count=2), " " + " ".join(names))
            for _ in range(4):
                yield Piece(ruler.NOISE + "\n")

    return Haystack.of("vt", ruler_vt.HEAD, pieces(), longest, encode)


def single(seed: int, longest: int, encode: Encode) -> Haystack:
    """A pass key in a novel, at a place that the seed says."""
    key, place = PassKey.of(seed), PLACES[seed % len(PLACES)]

    def pieces() -> Iterator[Piece]:
        since, hidden = 0, False
        for paragraph in paragraphs("EMMA"):
            yield Piece(paragraph)
            since += len(encode(paragraph))
            if since >= place and not hidden:
                hidden = True
                ask = passkey.QUESTION + passkey.PREFIX
                yield Piece(key.needle.strip() + "\n\n", ask, f" {key.digits}")

    return Haystack.of("passkey", passkey.HEAD, pieces(), longest, encode)


NOVELS = ("PERSUASION", "NORTHANGER ABBEY")
PLACES = (1500, 5000, 8500, 12000, 3000, 6500, 10000, 14000)
"""Tokens before a pass key, by seed."""
MAKERS = {"kv": kv, "niah_multikey_2": multikey, "niah_multikey_1": prose, "vt": vt, "passkey": single}


def paragraphs(title: str) -> Iterator[str]:
    """A novel's paragraphs, each with the empty line after it."""
    for paragraph in novels.novel(title).split("\n\n"):
        if text := " ".join(paragraph.split()):
            yield text + "\n\n"


def _before_more(text: str, encode: Encode) -> list[int]:
    """A text that ends with newlines as it is encoded before a character: each newline is a token of its own there."""
    return encode(text + "A")[:-1]


def _head(kind: str) -> str:
    return ruler_niah.HEAD.format(some="A", kind=kind.rstrip("s")).replace(" are ", " is ", 1)


def _needle(streams: ruler.Streams, end: str) -> Piece:
    key, value = (ruler_niah.draw(kind, streams.random) for kind in ("words", "numbers"))
    ask = (ruler_niah.QUESTION + ruler_niah.PREFIX).replace("are all", "is").replace(" are", " is")
    return Piece(
        ruler_niah.NEEDLE.format(kind="numbers", key=key, value=value) + end,
        ask.format(kind="number", query=key),
        f" {value}",
    )
