"""Tools while they run: several at once, asked about first where that is wanted, and never the end of an answer."""

import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from qwen_agent.llm.schema import ContentItem, Message
from qwen_agent.tools import BaseTool

from ..serving.errors import LongreadError
from .events import ToolEnd, ToolStart

Approve = Callable[[ToolStart], bool]
"""Whether a call may be made. Asked in the caller's thread, one call after the other."""

REFUSED = "The user did not allow this call. Go on without it."


class Limits(BaseModel):
    """Where the loop of model and tools ends. At a limit the model is asked once more, and may call no more tools."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = 12
    """Requests to the model."""
    output_tokens: int | None = None
    """That the model has written, over all requests, as far as it reports them."""
    seconds: float | None = None
    """Of wall clock, since the question was asked."""
    tool_seconds: float = 300.0
    """For one call of a tool."""


class Toolbox:
    """Runs the calls of one model's answer.

    Args:
        tools: name to tool. Any of Qwen-Agent's.
        approve: is asked before each call; None allows all.
        files: given to tools that ask for files (Qwen-Agent's `file_access`).
    """

    def __init__(self, tools: Mapping[str, BaseTool], *, approve: Approve | None = None, files: Sequence[str] = ()):
        self._tools = tools
        self._approve = approve
        self._files = list(files)

    def run(
        self, calls: Sequence[ToolStart], messages: Sequence[Message], *, seconds: float
    ) -> Generator[ToolStart | ToolEnd, None, list[ToolEnd]]:
        """Run the calls at once; returns the ends in the order of the calls.

        Closing the generator gives up waiting: a tool that has a `cancel()` is told; what another one does goes on in
        its thread until it returns, and nothing waits for it.

        Args:
            messages: the conversation, for tools that look at it.
            seconds: to wait for each call.
        """
        ends: queue.SimpleQueue[tuple[int, ToolEnd]] = queue.SimpleQueue()
        done: dict[int, ToolEnd] = {}
        running: dict[int, float] = {}
        try:
            for index, call in enumerate(calls):
                yield call
                if self._approve and call.name in self._tools and not self._approve(call):
                    done[index] = _end(call, REFUSED, failed=True)
                    yield done[index]
                    continue
                running[index] = time.monotonic()

                def work(index: int = index, call: ToolStart = call) -> None:
                    ends.put((index, self._call(call, messages)))

                threading.Thread(target=work, name=f"longread-tool-{call.name}", daemon=True).start()
            while running:
                wait = min(running.values()) + seconds - time.monotonic()
                try:
                    index, end = ends.get(timeout=max(0.0, wait))
                except queue.Empty:
                    index = min(running, key=lambda i: running[i])
                    self._cancel(calls[index])
                    text = f"{calls[index].name} has not answered within {seconds:g} seconds."
                    end = _end(calls[index], text, seconds=seconds, failed=True)
                if running.pop(index, None) is not None:  # else it was given up before
                    done[index] = end
                    yield end
        finally:
            for index in running:
                self._cancel(calls[index])
        return [done[index] for index in range(len(calls))]

    def _call(self, call: ToolStart, messages: Sequence[Message]) -> ToolEnd:
        started = time.monotonic()
        tool = self._tools.get(call.name)
        if tool is None:
            names = ", ".join(self._tools) or "none"
            return _end(call, f"There is no tool {call.name!r}. There are: {names}.", failed=True)
        context: dict[str, Any] = {"messages": list(messages)}
        if tool.file_access:
            context["files"] = self._files
        try:
            result, failed = as_text(tool.call(call.arguments, **context)), False
        except LongreadError as error:
            result, failed = f"{call.name}: {error}", True
        except Exception as error:  # whatever it is, the model can do without this tool
            result, failed = f"{call.name} failed: {type(error).__name__}: {error}", True
        return _end(call, result, seconds=time.monotonic() - started, failed=failed)

    def _cancel(self, call: ToolStart) -> None:
        cancel = getattr(self._tools.get(call.name), "cancel", None)
        if callable(cancel):
            cancel()


def as_text(result: Any) -> str:
    """What a tool returned, as the model reads it."""
    if isinstance(result, str):
        return result
    if isinstance(result, list) and all(isinstance(item, ContentItem) for item in result):
        return "\n".join(item.text if item.text is not None else f"({item.type}: {item.value})" for item in result)
    return json.dumps(result, ensure_ascii=False, indent=2, default=str)


def _end(call: ToolStart, result: str, *, seconds: float = 0.0, failed: bool = False) -> ToolEnd:
    return ToolEnd(id=call.id, name=call.name, arguments=call.arguments, result=result, seconds=seconds, failed=failed)
