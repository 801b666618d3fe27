"""Let the model search, count and read in the documents, and call a function of yours. It must be able to call tools.

LONGREAD_SERVER=http://localhost:8000/v1 python examples/tools.py book.pdf "How often is the word window in it?"
"""

import os
import sys
from typing import Any

from qwen_agent.tools import BaseTool

from longread import Answer, Corpus, LongReader, LoopLimits, ToolEnd, ToolStart, document_tools


class Today(BaseTool):
    """A Qwen-Agent tool: a name, a description, parameters, and `call`."""

    name = "today"
    description = "Gives the date of today."
    parameters: list[dict] | dict = []  # noqa: RUF012

    def call(self, params: str | dict[str, Any], **kwargs: Any) -> str:
        import datetime

        return datetime.date.today().isoformat()


if len(sys.argv) < 3:
    sys.exit(__doc__)
path, question = sys.argv[1:]
corpus = Corpus.load([path])
reader = LongReader(
    corpus,
    server=os.environ["LONGREAD_SERVER"],
    model=os.environ.get("LONGREAD_MODEL"),
    function_list=[*document_tools(corpus), Today()],
    limits=LoopLimits(steps=6),
)

for event in reader.stream(question):
    match event:
        case ToolStart(name=name, arguments=arguments):
            print(f"-> {name} {arguments}")
        case ToolEnd(name=name, result=result, seconds=seconds):
            print(f"<- {name}, {seconds:.2f} s: {result.splitlines()[0]}")
        case Answer(text=text):
            print(text)
