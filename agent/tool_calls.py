"""Run the tool calls of a model: concurrently, with approval by the user, and without ever ending the answer."""

import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from qwen_agent.llm.schema import ContentItem, Message
from qwen_agent.tools import BaseTool

from longread.errors import LongreadError

from .events import ToolEnd, ToolStart

Approve = Callable[[ToolStart], bool]
"""Decides whether a call may be made. Called in the caller's thread, for one call after the other."""

REFUSED = "The user did not allow this call. Go on without it."


class LoopLimits(BaseModel):
    """Limits of the loop of model and tools. At a limit, the model gets one more request, without tools."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = 12
    """Maximum number of requests to the model."""
    output_tokens: int | None = None
    """Tokens that the model writes in all requests together, as far as it reports them. None: no limit."""
    seconds: float | None = None
    """Wall-clock time since the question. None: no limit."""
    tool_seconds: float = 300.0
    """Time for one tool call."""


class ToolRunner:
    """Runs the tool calls of one reply of a model.

    Args:
        tools: name to tool. Any Qwen-Agent tool can be used.
        approve: called before each call; None: all calls are allowed.
        files: passed to tools that require files (Qwen-Agent's `file_access`).
    """

    def __init__(self, tools: Mapping[str, BaseTool], *, approve: Approve | None = None, files: Sequence[str] = ()):
        self._tools = tools
        self._approve = approve
        self._files = list(files)

    def run(
        self, calls: Sequence[ToolStart], messages: Sequence[Message], *, seconds: float
    ) -> Generator[ToolStart | ToolEnd, None, list[ToolEnd]]:
        """Run the calls concurrently; returns their results in the order of the calls.

        Closing the generator stops waiting. A tool with a method `cancel()` is cancelled; any other tool continues in
        its thread until it returns, and its result is dropped.

        Args:
            messages: the conversation, for tools that use it.
            seconds: time to wait for each call.
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
                if running.pop(index, None) is not None:  # else it had already timed out
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
        except Exception as error:  # any error of a tool: the model can continue without it
            result, failed = f"{call.name} failed: {type(error).__name__}: {error}", True
        return _end(call, result, seconds=time.monotonic() - started, failed=failed)

    def _cancel(self, call: ToolStart) -> None:
        cancel = getattr(self._tools.get(call.name), "cancel", None)
        if callable(cancel):
            cancel()


def as_text(result: Any) -> str:
    """The result of a tool as text for the model."""
    if isinstance(result, str):
        return result
    if isinstance(result, list) and all(isinstance(item, ContentItem) for item in result):
        return "\n".join(item.text if item.text is not None else f"({item.type}: {item.value})" for item in result)
    return json.dumps(result, ensure_ascii=False, indent=2, default=str)


def _end(call: ToolStart, result: str, *, seconds: float = 0.0, failed: bool = False) -> ToolEnd:
    return ToolEnd(id=call.id, name=call.name, arguments=call.arguments, result=result, seconds=seconds, failed=failed)
