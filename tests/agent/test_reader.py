"""LongReader: what it sends, what comes back, and that it is a Qwen-Agent agent like any other."""

import asyncio
from collections.abc import Iterator
from itertools import repeat
from typing import Any, ClassVar

import pytest
from qwen_agent import Agent
from qwen_agent.agents import GroupChat
from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.schema import ASSISTANT, Message

from longread import Answer, LongReader
from longread.agent.citations.lookup import sources
from longread.agent.prompt.instructions import SYSTEM
from longread.errors import PromptTooLong, ServerError
from longread.events import Delta, Prefill, Usage, Waiting
from tests.support.corpora import corpus, document

BOOK = corpus(
    document(
        "book",
        "One token of the 7B model takes 57,344 bytes of K/V cache.",
        "Prefill is reading the prompt; decoding is writing the answer.",
    )
)
USAGE = {"prompt_tokens": 100, "cached_tokens": 60, "output_tokens": 3, "ttft": 0.5, "seconds": 1.5}


class Scripted(BaseChatModel):
    """Says what it is told to, in pieces, and remembers what it was asked."""

    def __init__(self, *pieces: str | Exception, usage: dict[str, Any] | None = USAGE, window: int | None = None):
        super().__init__({"model": "scripted"})
        self.pieces = pieces
        self.usage = usage
        self.window = window
        self.asked: list[list[Message]] = []
        self.settings: list[dict[str, Any]] = []
        self.closed = 0

    def _chat_stream(self, messages: list[Message], delta_stream: bool, generate_cfg: dict) -> Iterator[list[Message]]:
        self.asked.append(messages)
        self.settings.append(generate_cfg)
        text = ""
        try:
            yield [Message(ASSISTANT, "", extra={"waiting": 0.25})]
            yield [Message(ASSISTANT, "", extra={"prefill": {"done": 80, "total": 100, "cached": 60}})]
            yield [Message(ASSISTANT, "", reasoning_content="Hm. ")]
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                text += piece
                yield [Message(ASSISTANT, text, reasoning_content="Hm. ")]
            extra = {"finish_reason": "stop", **({"usage": self.usage} if self.usage else {})}
            yield [Message(ASSISTANT, text, reasoning_content="Hm. ", extra=extra)]
        finally:
            self.closed += 1

    def _chat_no_stream(self, messages: list[Message], generate_cfg: dict) -> list[Message]:
        raise NotImplementedError

    def _chat_with_functions(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


def test_an_answer_has_its_text_pages_and_cost() -> None:
    llm = Scripted("It takes 57,344 ", "bytes [book:1].")
    answer = LongReader(BOOK, llm).ask("How many bytes?")
    assert answer.text == "It takes 57,344 bytes [book:1]."
    assert [(str(c), c.found_by) for c in answer.citations] == [("[book:1]", "model"), ("[book:1]", "lookup")]
    assert answer.usage
    assert answer.usage.tokens_per_second == 2.0
    assert answer.finish_reason == "stop"
    assert answer.markdown.endswith("Pages with these words (found by lookup): [book:1]")


def test_the_documents_are_counted_once_for_all_questions() -> None:
    class Counting:
        name = "another"
        counted: ClassVar[list[str]] = []

        def counts(self, texts: list[str]) -> list[int]:
            self.counted += texts
            return [len(text) for text in texts]

    reader = LongReader(BOOK, Scripted("Yes."), tokenizer=Counting())
    reader.ask("First?")
    reader.ask("Second?")
    assert sum("57,344 bytes" in text for text in Counting.counted) == 1
    assert Counting.counted.count("[book:1]\n") == 1


def test_marks_of_no_page_are_told_apart() -> None:
    answer = LongReader(BOOK, Scripted("See [book:7].")).ask("Where?")
    assert answer.unknown_citations == ("[book:7]",)
    assert answer.citations == ()
    assert answer.markdown.endswith("No page has these words (looked up).")


def test_a_model_that_reports_no_cost_is_no_error() -> None:
    assert LongReader(BOOK, Scripted("Yes.", usage=None)).ask("Well?").usage is None


def test_the_events_come_in_order_and_the_answer_last() -> None:
    events = list(LongReader(BOOK, Scripted("A", "B")).stream("What?"))
    assert events[:-1] == [
        Waiting(seconds=0.25),
        Prefill(done=80, total=100, cached=60),
        Delta(text="Hm. ", reasoning=True),
        Delta(text="A"),
        Delta(text="B"),
        Usage(**USAGE),
    ]
    assert isinstance(events[-1], Answer)
    seen: list[object] = []
    LongReader(BOOK, Scripted("A", "B")).ask("What?", on_event=seen.append)
    assert seen == events[:-1]


def test_a_follow_up_question_has_the_documents_and_the_conversation_before_it() -> None:
    llm = Scripted("57,344 bytes.")
    reader = LongReader(BOOK, llm)
    first = reader.ask("How many bytes?")
    reader.ask("And prefill?", history=first.history)
    one, two = llm.asked
    assert [m.role for m in two] == ["system", "user", "assistant", "user"]
    assert (one[0].content, one[1].content) == (two[0].content, two[1].content)
    assert (two[2].content, two[3].content) == ("57,344 bytes.", "And prefill?")
    assert one[0].content == SYSTEM


def test_settings_reach_the_model_and_nothing_is_truncated() -> None:
    llm = Scripted("Yes.")
    long = corpus(document("long", *(f"Page {i}: " + "words and more words " * 40 for i in range(1, 900))))
    LongReader(long, llm, max_tokens=77).ask("What?", temperature=0.3)
    assert llm.settings[0]["max_tokens"] == 77
    assert llm.settings[0]["temperature"] == 0.3
    content = llm.asked[0][1].content  # above the 58,000 tokens at which Qwen-Agent cuts by default
    assert all(f"[long:{i}]\nPage {i}: words" in content for i in range(1, 900))


def test_the_models_own_window_counts() -> None:
    with pytest.raises(PromptTooLong, match=r"window.*300.*250.*answer"):
        LongReader(BOOK, Scripted("Yes.", window=300), max_tokens=250).ask("What?")
    assert LongReader(BOOK, Scripted("Yes.", window=300), window=9000, max_tokens=250).ask("What?").text == "Yes."


def test_errors_of_the_model_are_passed_on() -> None:
    events: list[object] = []
    with pytest.raises(ServerError, match="went away"):
        LongReader(BOOK, Scripted("Half", ServerError("The server went away."))).ask("What?", on_event=events.append)
    assert events[-1] == Delta(text="Half")


def test_closing_the_stream_stops_the_model() -> None:
    llm = Scripted("A", "B", "C")
    stream = LongReader(BOOK, llm).stream("What?")
    while not isinstance(next(stream), Delta):
        pass
    assert llm.closed == 0
    stream.close()
    assert llm.closed == 1


def test_asking_does_not_block_the_event_loop() -> None:
    async def both() -> list[Answer]:
        reader = LongReader(BOOK, Scripted("57,344 bytes."))
        return await asyncio.gather(reader.aask("One?"), reader.aask("Two?"))

    answers = asyncio.run(both())
    assert [answer.question for answer in answers] == ["One?", "Two?"]
    assert {answer.text for answer in answers} == {"57,344 bytes."}


def test_cancelling_stops_the_model() -> None:
    llm = Scripted()
    llm.pieces = repeat("more ")  # type: ignore[assignment]  # it comes to no end by itself

    async def cancel() -> None:
        task = asyncio.create_task(LongReader(BOOK, llm).aask("What?"))
        while not llm.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())  # waits for the thread
    assert llm.closed == 1


def test_it_is_a_qwen_agent_agent() -> None:
    reader = LongReader(BOOK, Scripted("57,344", " bytes."))
    assert isinstance(reader, Agent)
    responses = list(reader.run([{"role": "user", "content": "How many bytes?"}]))
    assert responses[-1][-1]["content"] == f"57,344 bytes.\n\n{sources(reader.ask('How many bytes?').citations)}"
    assert responses[-1][-1]["extra"]["citations"][0]["page"] == 1
    assert responses[-1][-1]["extra"]["usage"] == USAGE
    assert responses[-1][-1]["name"] == "longread"
    assert responses[-2][-1]["content"] == "57,344 bytes."


def test_run_takes_a_conversation_and_a_system_message() -> None:
    llm = Scripted("Yes.")
    reader = LongReader(BOOK, llm)
    turn = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many bytes?"}]
    *_, answered = reader.run(turn)
    list(reader.run([*turn, *answered, {"role": "user", "content": "Sure?"}]))
    assert llm.asked[1][0].content == f"{SYSTEM}\n\nBe brief."
    assert llm.asked[1][2].content == "Yes."  # without the line of pages that we put under it


def test_it_works_among_qwen_agents_own_agents() -> None:
    reader = LongReader(BOOK, Scripted("57,344 bytes."), name="reader")
    group = GroupChat(agents=[reader], agent_selection_method="round_robin")
    *_, last = group.run([Message("user", "How many bytes?", name="user")])
    assert last[-1].name == "reader"
    assert last[-1].content.startswith("57,344 bytes.\n\nPages with these words")
