"""A corpus with facts planted in it, and a model that finds those it is shown: for tests of what is larger than the
window."""

import random
import re
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from longread.agent.corpus import Corpus
from longread.agent.overflow import Reply
from longread.agent.prompt.build import ChatMessage, Prompt
from longread.agent.prompt.instructions import NOTHING
from longread.agent.prompt.tokenizer import qwen
from longread.events import Delta, Usage, Waiting
from tests.support.corpora import corpus, document

QUESTION = [ChatMessage(role="user", content="What are the code words?")]

_FACT = re.compile(r"The code word of (\w+) is (\w+)\.")
_PAGE = re.compile(r"^\[([^\[\]\n]+:\d+)\]$", re.MULTILINE)
_SAID = re.compile(r"(\w+): (\w+) (\[[^\[\]\n]+:\d+\])")


def fact(number: int) -> str:
    return f"The code word of city{number} is word{number}x."


def planted(facts: int, *, pages: int, seed: int = 0) -> tuple[Corpus, dict[str, str]]:
    """A corpus of three documents, one of them Chinese, and where each fact stands: 'city3: word3x' to '[book:7]'."""
    chance = random.Random(seed)
    names = {"book": pages // 2, "notes": pages // 4, "手册": pages - pages // 2 - pages // 4}
    spots = chance.sample([(name, page) for name, count in names.items() for page in range(count)], facts)
    texts = {
        (name, page): "天地玄黄宇宙洪荒日月盈昃" * chance.randrange(1, 20)
        if name == "手册"
        else "Nothing of note happened on this day. " * chance.randrange(30)
        for name, count in names.items()
        for page in range(count)
    }
    where = {}
    for number, (name, page) in enumerate(spots):
        texts[name, page] = (texts[name, page] + "\n" + fact(number)).strip()
        where[f"city{number}: word{number}x"] = f"[{name}:{page + 1}]"
    documents = (document(name, *(texts[name, page].strip() for page in range(count))) for name, count in names.items())
    return corpus(*documents), where


class Finder:
    """Answers with the facts in its prompt, and the marks they stand under; remembers every prompt.

    Args:
        before: is called with each prompt before it is answered: raises, or waits.
        padding: follows what a window says, so that there is more to merge than one prompt holds.
    """

    def __init__(self, before: Callable[[Prompt], None] | None = None, *, padding: str = ""):
        self.before = before
        self.padding = padding
        self.prompts: list[Prompt] = []
        self.answered: list[Prompt] = []
        self.closed = 0
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, prompt: Prompt) -> Generator[Waiting | Delta | Reply, None, None]:
        with self._counted(prompt):
            yield Waiting(seconds=0.0)
            if self.before:
                self.before(prompt)
            text = self._merged(prompt) if is_merge(prompt) else self._read(prompt)
            middle = len(text) // 2
            yield Delta(text=text[:middle])
            yield Delta(text=text[middle:])
            usage = Usage(
                prompt_tokens=rendered_tokens(prompt),
                cached_tokens=0,
                output_tokens=qwen().count(text),
                ttft=0.0,
                seconds=0.0,
            )
            self.answered.append(prompt)
            yield Reply(text=text, finish_reason="stop", usage=usage)

    @property
    def windows(self) -> list[Prompt]:
        """The prompts that were windows."""
        return [prompt for prompt in self.prompts if not is_merge(prompt)]

    @property
    def merges(self) -> list[Prompt]:
        return [prompt for prompt in self.prompts if is_merge(prompt)]

    def _read(self, prompt: Prompt) -> str:
        text = prompt.messages[1]["content"]
        marks = list(_PAGE.finditer(text))
        found = []
        for match in _FACT.finditer(text):
            mark = max((mark for mark in marks if mark.start() < match.start()), key=lambda mark: mark.start())
            found.append(f"{match[1]}: {match[2]} [{mark[1]}]")
        return "\n".join(found) + self.padding if found else f"{NOTHING}."

    def _merged(self, prompt: Prompt) -> str:
        return "\n".join(" ".join(said) for said in said_in(prompt.messages[1]["content"])) or "Nothing."

    @contextmanager
    def _counted(self, prompt: Prompt) -> Iterator[None]:
        with self._lock:
            self.prompts.append(prompt)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1
                self.closed += 1


def said_in(text: str) -> list[tuple[str, str]]:
    """('city3: word3x', '[book:7]') for each fact that a model's text states."""
    return [(f"{city}: {word}", mark) for city, word, mark in _SAID.findall(text)]


def is_merge(prompt: Prompt) -> bool:
    return "<answer part=" in prompt.messages[1]["content"]


def rendered_tokens(prompt: Prompt) -> int:
    """Tokens of the prompt as a ChatML server counts them, from the messages alone."""
    return (
        sum(3 + qwen().count(f"{m['role']}\n{m['content']}") for m in prompt.messages) + 1 + qwen().count("assistant\n")
    )
