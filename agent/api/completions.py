"""POST /v1/chat/completions: a request becomes a question to a reader, and its events the response."""

import asyncio
import copy
import json
import threading
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from fastapi import Request
from qwen_agent.llm.base import BaseChatModel
from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from longread.events import Delta, Prefill

from ..answer import Answer, ReaderEvent
from ..events import Note
from ..llm.cancellable import CancellableChat
from ..reader import LongReader
from .annotations import Sources, annotations
from .errors import GONE, TOO_MANY, ApiError, as_api_error
from .file_store import FileStore
from .options import ApiOptions
from .reader_cache import ReaderCache
from .requests import ParsedRequest, read
from .responses import DONE, Completion, EventStream, Written, about, event, finish_reason

_Item = TypeVar("_Item")
_TICK = 0.05


class ClientGone(Exception):
    """The client has closed the connection."""


class CompletionsEndpoint:
    """Answers chat completions.

    Args:
        model: the name of the model for clients.
    """

    def __init__(self, llm: BaseChatModel, model: str, store: FileStore, corpora: ReaderCache, options: ApiOptions):
        self._llm = llm
        self._model = model
        self._store = store
        self._corpora = corpora
        self._options = options
        self._free = options.limits.answers

    async def __call__(self, request: Request) -> Response:
        facts: dict[str, Any] = request.scope["longread.log"]
        limits = self._options.limits
        data = await request.body()
        wanted = await asyncio.to_thread(read, data, self._store, file_bytes=limits.file_bytes)
        del data
        if wanted.model != self._model:
            raise unknown_model(wanted.model, self._model)
        answering = _Answering(wanted, Completion(self._model, wanted.include_usage), self._corpora.base, facts)
        events = _watched(self._events(answering), answering.stop, request.receive, self._options.tick)
        try:
            if not wanted.stream:
                return JSONResponse(await answering.whole(events))
            pieces = answering.stream(events, lambda error: as_api_error(error, server=self._shown))
            # An error before the first event gets its own status instead of a stream.
            first = await anext(pieces)
            return EventStream(_chain(first, pieces))
        except ClientGone:
            facts["status"] = GONE
            return Response(status_code=GONE)
        except Exception as error:
            raise as_api_error(error, server=self._shown) from error

    async def _events(self, answering: "_Answering") -> AsyncGenerator[ReaderEvent, None]:
        """The events of one answer. It counts as running until its model has stopped."""
        wanted = answering.wanted
        if not self._free:
            raise ApiError(
                429, f"{self._options.limits.answers} answers are under way, and no more are made at once: try again.",
                code=TOO_MANY,
            )  # fmt: skip
        self._free -= 1
        try:
            shared = await self._corpora.reader(wanted.attachments)
            answering.reader = reader = self._for(shared, wanted)
            reader.llm = CancellableChat(self._llm, answering.stop)  # type: ignore[assignment]
            asking = reader.astream(wanted.question, history=wanted.history, schema=wanted.schema, **wanted.sampling)
            async with aclosing(asking) as events:
                async for happened in events:
                    yield happened
        finally:
            self._free += 1

    async def settled(self) -> None:
        """Return once no answer is running."""
        while self._free < self._options.limits.answers:
            await asyncio.sleep(_TICK)

    def _for(self, shared: LongReader, wanted: ParsedRequest) -> LongReader:
        """A reader with the settings of this request; documents and index are shared."""
        reader = copy.copy(shared)
        reader.max_tokens = wanted.max_tokens or self._options.max_tokens
        reader.system_message = wanted.system or ""
        if (most := self._options.limits.prompt_tokens) is not None:
            reader.window = min(reader.window or most + reader.max_tokens, most + reader.max_tokens)
        return reader

    @property
    def _shown(self) -> str | None:
        return getattr(getattr(self._llm, "server", None), "shown", None)


class _Answering:
    """One answer on its way to the client."""

    def __init__(self, wanted: ParsedRequest, completion: Completion, base: Any, facts: dict[str, Any]):
        self.wanted = wanted
        self.reader: LongReader | None = None
        self.stop = threading.Event()
        """Stops the model."""
        self._completion = completion
        self._base = base
        self._facts = facts
        self._written = Written()
        self._reasoning = ""
        self._notes = list(wanted.notes)

    async def whole(self, events: AsyncGenerator[ReaderEvent | None, None]) -> dict[str, Any]:
        async with aclosing(events):
            async for happened in events:
                self._take(happened)
                if isinstance(happened, Answer):
                    content = self._content(happened)
                    return self._completion.whole(
                        happened, content, self._reasoning, self._annotations(happened, content), self._notes
                    )
        raise AssertionError("a stream ends with an Answer")

    async def stream(self, events: AsyncGenerator[ReaderEvent | None, None], explain: Any) -> AsyncGenerator[str, None]:
        """The server-sent events. An error before the first one is raised, a later one is sent."""
        completion, begun = self._completion, False
        progress: Prefill | None = None
        async with aclosing(events):
            try:
                async for happened in events:
                    reasoning = len(self._reasoning)
                    text = self._take(happened)
                    delta: dict[str, Any] = {}
                    if isinstance(happened, Prefill):
                        progress = happened
                    if len(self._reasoning) > reasoning:
                        delta["reasoning_content"] = self._reasoning[reasoning:]
                    if text and self.wanted.schema is None:  # an object may have to be requested again
                        delta["content"] = text
                    if not begun and (delta or happened is None or isinstance(happened, Answer)):
                        begun = True
                        yield completion.chunk({"role": "assistant", "content": ""})
                    if delta:
                        yield completion.chunk(delta)
                    elif happened is None:
                        yield f": {progress.done} of {progress.total} prompt tokens read\n\n" if progress else ": \n\n"
                    if isinstance(happened, Answer):
                        for piece in self._end(happened):
                            yield piece
                        return  # a client that has everything may disconnect
            except ClientGone:
                if not begun:
                    raise
                self._facts["status"] = GONE
            except Exception as error:
                if not begun:
                    raise
                explained: ApiError = explain(error)
                self._facts["error"] = explained.code
                yield event(explained.body)

    def _end(self, answer: Answer) -> list[str]:
        completion, content = self._completion, self._content(answer)
        pieces = [] if self.wanted.schema is None else [completion.chunk({"content": content})]
        pieces.append(completion.chunk({"annotations": self._annotations(answer, content)}))
        pieces.append(completion.chunk({}, finish_reason(answer), longread=about(answer, self._notes)))
        if self.wanted.include_usage:
            pieces.append(completion.usage_chunk(answer))
        return [*pieces, DONE]

    def _take(self, happened: ReaderEvent | None) -> str:
        match happened:
            case None:
                return ""
            case Delta(text=text, reasoning=True):
                self._reasoning += text
            case Note(text=text):
                self._notes.append(text)
            case Answer(usage=usage) if usage:
                self._facts.update(prompt=usage.prompt_tokens, cached=usage.cached_tokens, output=usage.output_tokens)
        return self._written.add(happened)

    def _content(self, answer: Answer) -> str:
        """The text of the message. For an object it is JSON and nothing else, whatever the model wrote around it."""
        if self.wanted.schema is None:
            return self._written.text
        with suppress(ValueError):
            json.loads(answer.text)
            return answer.text
        return json.dumps(answer.parsed, ensure_ascii=False)

    def _annotations(self, answer: Answer, content: str) -> list[dict[str, Any]]:
        assert self.reader is not None
        corpus, given = self.reader.corpus, len(self._base)
        files: dict[str, tuple[str | None, str]] = {document.name: (None, document.source) for document in self._base}
        for document, attachment in zip(corpus.documents[given:], self.wanted.attachments, strict=True):
            files[document.name] = (attachment.file_id, attachment.filename)
        return annotations(answer, Sources(corpus, files), content=content)


def unknown_model(asked: str, served: str) -> ApiError:
    message = f"There is no model {asked!r} here. This server answers with {served!r}."
    return ApiError(404, message, param="model", code="model_not_found")


async def _chain(first: str, rest: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece


async def _watched(
    events: AsyncGenerator[_Item, None], stop: threading.Event, receive: Receive, tick: float
) -> AsyncGenerator[_Item | None, None]:
    """The events, and None after each `tick` seconds without one. At the end it sets `stop` and closes `events`.

    Raises:
        ClientGone: as soon as the client has disconnected, however long the next event takes.
        ApiError: the request was cancelled, because the server shuts down.
    """
    gone = asyncio.ensure_future(_departure(receive))
    coming: asyncio.Future[_Item] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(events))
            await asyncio.wait({coming, gone}, timeout=tick, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ClientGone
            if not coming.done():
                yield None
                continue
            arrived, coming = coming, None
            try:
                item = arrived.result()
            except StopAsyncIteration:
                return
            yield item
    except asyncio.CancelledError as cancelled:
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        raise ApiError(503, "The server is being ended.", code="ending") from cancelled
    finally:
        stop.set()  # before the cancellation, which waits for the thread of the model
        gone.cancel()
        if coming is not None:
            coming.cancel()
            await asyncio.wait({coming})
            if not coming.cancelled():
                coming.exception()  # nobody is left to report it to
        await events.aclose()


def _next(events: AsyncGenerator[_Item, None]) -> Awaitable[_Item]:
    return anext(events)


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
