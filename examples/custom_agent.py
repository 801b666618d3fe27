"""LongReader in an agent of Qwen-Agent: a reader answers from the book, and an editor shortens the answer.

python examples/custom_agent.py examples/handbook.pdf "What is the window of the built-in model?"
"""

import sys
from collections.abc import Iterator
from typing import Any

from qwen_agent import Agent
from qwen_agent.agents import BasicAgent
from qwen_agent.llm.schema import Message

from longread import Corpus, LongReader


class ReadThenEdit(Agent):
    """Answers from the book, then rewrites the answer in one sentence. Either could be any other agent."""

    def __init__(self, corpus: Corpus):
        super().__init__(name="read-then-edit")
        self.reader = LongReader(corpus, max_tokens=150)
        self.editor = BasicAgent(
            llm=self.reader.llm, system_message="Rewrite what you are given in one short sentence."
        )

    def _run(self, messages: list[Message], lang: str = "en", **kwargs: Any) -> Iterator[list[Any]]:
        found: list[Any] = []
        for found in self.reader.run([*messages], lang=lang, **kwargs):
            yield found
        for edited in self.editor.run([{"role": "user", "content": found[-1].content}], lang=lang):
            yield [*found, *(Message(**dict(message)) for message in edited)]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path, question = sys.argv[1:]
    agent = ReadThenEdit(Corpus.load([path]))
    *_, last = agent.run([{"role": "user", "content": question}])
    for message in last:
        print(f"{message['name']}: {message['content']}\n")
