"""RULER's variable tracking: which variables, over a chain of assignments, have the same value."""

import itertools
import string
from collections.abc import Iterator

from .ruler import NOISE, Fitting, Streams, Text, fitting_text, sample, size_of
from .sample import Sample, Wish

HEAD = "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
QUESTION = "\nQuestion: Find all variables that are assigned the value {value} in the text above."
PREFIX = (
    " Answer: According to the chain(s) of variable assignment in the text above, {count} variables are assigned the "
    "value {value}, they are: "
)
ANSWER_TOKENS = 30
_EXAMPLE_TOKENS = 500
_EXAMPLE_VALUE = "12345"


def vt(task: str, wish: Wish) -> Iterator[Sample]:
    """The series, with RULER's single chain of four assignments. Each text is preceded by an example with its
    answer."""
    hops, streams = 4, Streams(wish.seed)
    shorter = Wish(_EXAMPLE_TOKENS, 1, wish.seed, wish.count)

    def example_text(size: int) -> Text:
        return _text(size, hops, streams, example=True)

    size = size_of(example_text, shorter, 0, Fitting(5))
    solved = fitting_text(example_text, size, shorter, 0, 5, task)
    # The space between an answer that RULER begins and the answer itself.
    example = solved.whole + " " + " ".join(solved.answers) + "\n"

    def text(size: int) -> Text:
        return _text(size, hops, streams)

    def with_example(size: int) -> Text:
        made = text(size)
        before = _renamed(example, hops, streams) + "\n"
        return Text(before + made.context, made.question, made.prefix, made.answers)

    step = 10 if wish.length >= 4096 else 5
    fitting = Fitting(step, extra=wish.count(example))
    size = size_of(text, wish, ANSWER_TOKENS, fitting)
    for index in range(wish.samples):
        made = fitting_text(with_example, size, wish, ANSWER_TOKENS, step, task)
        yield sample(task, index, made, wish, ANSWER_TOKENS, "string_match_all")


def chain(hops: int, streams: Streams, *, example: bool = False) -> tuple[list[str], list[str], str]:
    """Variables, the assignments that pass a value from one to the next, and the value."""
    letters, count = 3 if example else 5, hops + 1
    names = [_name(letters, streams) for _ in range(count)]
    while len(set(names)) < count:
        names.append(_name(letters, streams))
    names = names[:count]
    value = _EXAMPLE_VALUE if example else str(streams.numpy.randint(10000, 99999))
    statements = [f"VAR {names[0]} = {value}"]
    statements += [f"VAR {later} = VAR {name} " for name, later in itertools.pairwise(names)]
    return names, statements, value


def _text(size: int, hops: int, streams: Streams, *, example: bool = False) -> Text:
    names, statements, value = chain(hops, streams, example=example)
    lines = [NOISE] * size
    places = sorted(streams.random.sample(range(size), len(statements)))
    for before, (place, statement) in enumerate(zip(places, statements, strict=True)):
        lines.insert(place + before, statement)
    context = "\n".join(lines).replace(". \n", ".\n")
    return Text(
        context=HEAD + context,
        question=QUESTION.format(value=value),
        prefix=PREFIX.format(value=value, count=hops + 1),
        answers=tuple(names),
    )


def _name(letters: int, streams: Streams) -> str:
    return "".join(streams.random.choices(string.ascii_uppercase, k=letters))


def _renamed(example: str, hops: int, streams: Streams) -> str:
    """The example with other names and another value, so that no two prompts have the same."""
    for name in example.strip().split()[-hops - 1 :]:
        example = example.replace(name, _name(len(name), streams))
    return example.replace(_EXAMPLE_VALUE, str(streams.numpy.randint(10000, 99999)))
