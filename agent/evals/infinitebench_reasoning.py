"""InfiniteBench's synthetic reasoning tasks: find a number in a long list, and run code whose functions call each
other."""

import random
from collections.abc import Iterator
from statistics import median

from .fit import largest
from .infinitebench import chosen
from .sample import Sample, Wish

FIND = (
    "largest number",
    "second largest number",
    "third largest number",
    "smallest number",
    "second smallest number",
    "third smallest number",
    "median",
)
_PER_FIND = 50
_LOW, _HIGH = 0, 99
_ADD = (-12, 17)
_ARGUMENT = (-10, 10)
DEPTHS = (2, 4, 6, 8, 10)
"""Length of the chain of calls, from the function in question to one that calls none."""
_PER_DEPTH = 80


def math_find(task: str, wish: Wish) -> Iterator[Sample]:
    """The series: of all seven questions in order, `wish.samples` evenly chosen."""
    longest = find_question(max(FIND, key=len))
    numbers = largest(lambda count: wish.count(longest[0] + str([_HIGH] * count) + longest[1]), wish.room - 3, task)
    return find_series(task, wish, numbers)


def find_series(task: str, wish: Wish, numbers: int) -> Iterator[Sample]:
    """The series with lists of that many numbers; 60,000 in the published one."""
    chance = random.Random(wish.seed)
    wanted = set(chosen(len(FIND) * _PER_FIND, wish.samples))
    for index in range(len(FIND) * _PER_FIND):
        what = FIND[index // _PER_FIND]
        shown, answer = find_numbers(what, numbers, chance)  # drawn for all, so that the choice has no effect
        if index in wanted:
            before, after = find_question(what)
            yield Sample(
                task=task, seed=wish.seed, index=index, length=wish.length, context=before + str(shown),
                question=after, answers=(str(answer),), metric="infinitebench_find", answer_tokens=3,
            )  # fmt: skip


def find_question(what: str) -> tuple[str, str]:
    """The text before and after the list."""
    name = f"the {what}" if what != "median" else "the median number"
    return (
        f"What is {name} in the following list?\n\n",
        f"\n\nYou should answer with only one number, no other words. T{name[1:]} of the list is: ",
    )


def find_numbers(what: str, count: int, chance: random.Random) -> tuple[list[int], int | float]:
    """The list, within narrower bounds at one end so that the answer differs between lists, and the answer."""
    low, high = _LOW, _HIGH
    if "smallest" in what or (what == "median" and chance.random() > 0.5):
        low = chance.randint(_LOW, int(_HIGH * 0.2))
    else:
        high = chance.randint(int(_HIGH * 0.8), _HIGH)
    shown = [chance.randint(low, high) for _ in range(count)]
    if what == "median":
        middle = median(shown)
        return shown, middle if count % 2 == 0 else int(middle)
    distinct = sorted(set(shown), reverse="largest" in what)
    rank = ("second" in what) + 2 * ("third" in what)
    return shown, distinct[min(rank, len(distinct) - 1)]


def code_run(task: str, wish: Wish) -> Iterator[Sample]:
    """The series: of all depths of calls in order, `wish.samples` evenly chosen."""
    functions = largest(
        lambda count: wish.count(_code_text(Module.drawn(max(DEPTHS), count, random.Random(wish.seed)), 1, -10)),
        wish.room - 5 - 16,
        task,
    )
    return code_series(task, wish, functions)


def code_series(task: str, wish: Wish, functions: int) -> Iterator[Sample]:
    """The series with modules of about that many functions; 550 in the published one."""
    chance = random.Random(wish.seed)
    wanted = set(chosen(len(DEPTHS) * _PER_DEPTH, wish.samples))
    for index in range(len(DEPTHS) * _PER_DEPTH):
        module = Module.drawn(DEPTHS[index // _PER_DEPTH], functions, chance)
        function, argument = chance.choice(module.levels[0]), chance.randint(*_ARGUMENT)
        if index in wanted:
            before, after = code_question(function, argument)
            yield Sample(
                task=task, seed=wish.seed, index=index, length=wish.length, context=before + module.text,
                question=after, answers=(str(module.run(function, argument)),), metric="infinitebench_code",
                answer_tokens=5,
            )  # fmt: skip


def code_question(function: int, argument: int) -> tuple[str, str]:
    """The text before and after the module."""
    call = f"func_{function}({argument})"
    return (
        f"Following is a set of Python functions. There is a function called named func_{function}.\n\n",
        f"\n\nPlease give me the exact number of the return value of {call}. Be concise. Your response must end with "
        "the final returned value.",
    )


def _code_text(module: "Module", function: int, argument: int) -> str:
    before, after = code_question(function, argument)
    return before + module.text + after


class Module:
    """Functions in levels: each adds something to what one of the next level returns."""

    def __init__(self, levels: list[list[int]], calls: dict[int, tuple[int | None, int]]):
        self.levels, self.calls = levels, calls

    @classmethod
    def drawn(cls, depth: int, functions: int, chance: random.Random) -> "Module":
        """That many levels of equally many functions, with numbers up to twice as many as `functions`."""
        each = max(functions // depth, 1)
        names: set[int] = set()
        while len(names) < depth * each:
            names.add(chance.randint(1, max(2 * functions, 2 * depth)))
        order = list(names)
        chance.shuffle(order)
        levels = [order[level * each : (level + 1) * each] for level in range(depth)]
        calls: dict[int, tuple[int | None, int]] = {}
        for level, following in zip(levels, [*levels[1:], []], strict=True):
            for name in level:
                called = chance.choice(following) if following else None
                calls[name] = (called, chance.randint(*_ADD))
        return cls(levels, calls)

    @property
    def text(self) -> str:
        lines = []
        for name in sorted(self.calls):
            called, added = self.calls[name]
            value = "x" if called is None else f"func_{called}(x)"
            change = "" if added == 0 else f" {'-' if added < 0 else '+'} {abs(added)}"
            lines.append(f"def func_{name}(x):\n    return {value}{change}\n\n")
        return "\nHere is the content of functions_module.py:\n\n" + "".join(lines)

    def run(self, function: int, argument: int) -> int:
        called, added = self.calls[function]
        return added + (argument if called is None else self.run(called, argument))
