"""Process documents in parts, and merge the partial answers, with their citations, into one answer."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event

from longread.errors import ConfigError, LongreadError, ServerError, WindowFailed
from longread.events import Delta, Usage

from ..citations.markers import marks
from ..prompt.build import Prompt
from ..prompt.instructions import NOTHING
from .events import MapEvent, MapResult, Merging, Model, Reply, Retrying, Warned, WindowDone, WindowStarted
from .map_merge import PartialAnswer, merge_groups, merge_prompt
from .map_plan import MapPlan
from .parallel import Done, Stopped, run_parallel

NO_ANSWER = "No part of the documents has the answer."
"""The answer if no window has one. It does not come from a model."""

PARALLEL = 4
ATTEMPTS = 3
PAUSE_SECONDS = 1.0

Report = Callable[[MapEvent], None]


def run_map(
    plan: MapPlan,
    model: Model,
    *,
    parallel: int = PARALLEL,
    attempts: int = ATTEMPTS,
    pause: float = PAUSE_SECONDS,
) -> Generator[MapEvent, None, None]:
    """Send every window, then merge the answers; the last event is a `MapResult`.

    The answer of a window is stored as soon as it is complete. A run that ends early, by an error, by closing the
    generator or by a kill, resumes there when the plan is run again. Closing the generator stops the requests that are
    running, and returns when they have ended.

    Args:
        model: sends a prompt; see `Model`.
        parallel: maximum number of requests at a time.
        attempts: for each prompt that the server fails to answer.
        pause: seconds before the second attempt, doubled for each further one.

    Raises:
        WindowFailed: a window could not be read, or a merge failed. The other answers are stored.
    """
    return _Run(plan, model, parallel, attempts, pause).events()


@dataclass
class _Run:
    plan: MapPlan
    model: Model
    parallel: int
    attempts: int
    pause: float
    began: float = field(default_factory=time.perf_counter)
    replies: list[Reply] = field(default_factory=list)
    """The replies to the requests of this run."""
    cut_windows: set[int] = field(default_factory=set)
    cut_merges: list[str] = field(default_factory=list)
    cached: int = 0
    warned: bool = False

    def events(self) -> Generator[MapEvent, None, None]:
        cached = self.plan.cached()
        self.cached = sum(reply is not None for reply in cached)
        yield self.plan.cost(cached)
        read = yield from self._windows(cached)
        found = [
            PartialAnswer(index + 1, index + 1, reply.text)
            for index, reply in enumerate(read)
            if self._found(index, reply)
        ]
        began, final = yield from self._merged(found, read)
        yield self._result([reply.text for reply in read], len(found), final, began)

    def _windows(self, cached: Sequence[Reply | None]) -> Generator[MapEvent, None, list[Reply]]:
        """The answer of each window."""
        plan, count = self.plan, len(self.plan.windows)
        read = {index: reply for index, reply in enumerate(cached) if reply is not None}
        for index, reply in read.items():
            yield self._done(index, reply, cached=True)
        waiting = [index for index in range(count) if index not in read]

        def task(index: int) -> Callable[[Report, Event], Reply]:
            def ask(report: Report, stopped: Event) -> Reply:
                part, tokens = plan.windows[index], plan.tokens(index)
                report(WindowStarted(index=index + 1, of=count, tokens=tokens, pages=str(part)))
                name = f"Window {index + 1} of {count} ({part})"
                return self._stored_reply(name, plan.prompt(index), report, stopped)

            return ask

        with closing(run_parallel([task(index) for index in waiting], self.parallel)) as events:
            for event in events:
                if isinstance(event, Done):
                    index = waiting[event.index]
                    read[index] = event.value
                    self.replies.append(event.value)
                    yield self._done(index, event.value, cached=False)
                else:
                    yield event
        return [read[index] for index in range(count)]

    def _done(self, index: int, reply: Reply, *, cached: bool) -> WindowDone:
        if cut := reply.finish_reason == "length":
            self.cut_windows.add(index)
        return WindowDone(
            index=index + 1,
            of=len(self.plan.windows),
            tokens=self.plan.tokens(index),
            text=reply.text,
            found=self._found(index, reply),
            cached=cached,
            cut=cut,
        )

    def _found(self, index: int, reply: Reply) -> bool:
        """False only if the model says so and cites nothing: losing an answer is worse than merging one in vain."""
        cited = marks(reply.text, self.plan.windows[index].corpus)
        says = " ".join(reply.text.split()).strip(" \"'*_`.").casefold()
        return bool(cited.citations or cited.unknown) or not says.startswith(NOTHING.casefold())

    def _merged(
        self, answers: list[PartialAnswer], read: list[Reply]
    ) -> Generator[MapEvent, None, tuple[float, Reply]]:
        """The final answer, and when it started."""
        if not answers:
            yield Delta(text=NO_ANSWER)
            return time.perf_counter(), Reply(text=NO_ANSWER, finish_reason="stop")
        while len(answers) > 1:
            sizes = self.plan.tokenizer.counts([answer.block for answer in answers])
            next_groups = merge_groups(sizes, self.plan.merge_room)
            if len(next_groups) == 1:
                return (yield from self._final(self._prompt(answers), len(answers)))
            answers = yield from self._merge_groups([[answers[at] for at in group] for group in next_groups])
        yield Delta(text=answers[0].text)  # one part has it all: nothing to merge
        return time.perf_counter(), Reply(text=answers[0].text, finish_reason=read[answers[0].first - 1].finish_reason)

    def _merge_groups(self, neighbours: list[list[PartialAnswer]]) -> Generator[MapEvent, None, list[PartialAnswer]]:
        """Merge each group into one answer; a group of one stays as it is."""
        merged = {at: group[0] for at, group in enumerate(neighbours) if len(group) == 1}
        waiting = [at for at in range(len(neighbours)) if at not in merged]
        sent: set[int] = set()
        cut: set[int] = set()

        def task(at: int) -> Callable[[Report, Event], Reply]:
            def merge(report: Report, stopped: Event) -> Reply:
                group = neighbours[at]
                prompt = self._prompt(group)
                if self.plan.store and (stored := self.plan.store.get(self.plan.key(prompt))):
                    return stored
                sent.add(at)
                report(Merging(answers=len(group), tokens=prompt.tokens, last=False))
                return self._stored_reply(self._merge_name(group), prompt, report, stopped)

            return merge

        with closing(run_parallel([task(at) for at in waiting], self.parallel)) as events:
            for event in events:
                if not isinstance(event, Done):
                    yield event
                    continue
                at = waiting[event.index]
                group = neighbours[at]
                merged[at] = PartialAnswer(group[0].first, group[-1].last, event.value.text)
                if at in sent:
                    self.replies.append(event.value)
                if event.value.finish_reason == "length":
                    cut.add(at)
        self.cut_merges += [self._merge_name(neighbours[at]).lower() for at in sorted(cut)]
        return [merged[at] for at in range(len(neighbours))]

    def _merge_name(self, group: Sequence[PartialAnswer]) -> str:
        return f"The merge of windows {group[0].first}-{group[-1].last}"

    def _prompt(self, answers: Sequence[PartialAnswer]) -> Prompt:
        plan = self.plan
        return merge_prompt(
            answers,
            plan.conversation,
            plan.tokenizer,
            window=plan.window,
            reserve=plan.reserve,
            system=plan.merge_system,
        )

    def _final(self, prompt: Prompt, answers: int) -> Generator[MapEvent, None, tuple[float, Reply]]:
        yield Merging(answers=answers, tokens=prompt.tokens, last=True)
        for attempt in range(1, self.attempts + 1):
            began = 0.0
            try:
                with closing(self.model(prompt)) as events:
                    for event in events:
                        if isinstance(event, Reply):
                            reply = _checked(event)
                            self.replies.append(reply)
                            if reply.finish_reason == "length":
                                self.cut_merges.append("the final answer")
                            return began or time.perf_counter(), reply
                        if isinstance(event, Delta) and not event.reasoning:
                            began = began or time.perf_counter()
                        yield event
                raise AssertionError("a model's events end with a Reply")
            except LongreadError as error:
                # What has been shown cannot be taken back.
                if began or attempt == self.attempts or not _is_transient(error):
                    raise self._failed("The final merge", attempt, error) from error
                yield Retrying(what="The final merge", attempt=attempt, of=self.attempts, error=str(error))
                time.sleep(self.pause * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _stored_reply(self, name: str, prompt: Prompt, report: Report, stopped: Event) -> Reply:
        """The model's reply, which is stored."""
        for attempt in range(1, self.attempts + 1):
            try:
                reply = _reply(self.model, prompt, stopped)
                break
            except LongreadError as error:
                if attempt == self.attempts or not _is_transient(error):
                    raise self._failed(name, attempt, error) from error
                report(Retrying(what=name, attempt=attempt, of=self.attempts, error=str(error)))
                if stopped.wait(self.pause * 2 ** (attempt - 1)):
                    raise Stopped from error
        else:
            raise AssertionError("the last attempt breaks or raises")
        if self.plan.store:
            try:
                self.plan.store.put(self.plan.key(prompt), reply)
            except OSError as error:
                if not self.warned:
                    self.warned = True
                    report(
                        Warned(text=f"Partial answers cannot be stored, so an interrupted run starts again: {error}.")
                    )
        return reply

    def _failed(self, name: str, attempts: int, error: LongreadError) -> WindowFailed:
        times = f" {attempts} times" if attempts > 1 else ""
        stored = self.plan.store and not self.warned
        rest = " The other answers are stored: ask again to resume from there." if stored else ""
        return WindowFailed(f"{name} failed{times}: {str(error).rstrip('.')}.{rest}")

    def _result(self, texts: list[str], found: int, final: Reply, began: float) -> MapResult:
        plan = self.plan
        cited = marks(final.text, plan.windows[0].whole.corpus)
        supported: dict[str, None] = {}
        for text, part in zip(texts, plan.windows, strict=True):
            supported |= dict.fromkeys(str(citation) for citation in marks(text, part.corpus).citations)
        in_answer = [str(citation) for citation in cited.citations]
        return MapResult(
            text=final.text,
            finish_reason=final.finish_reason,
            windows=len(plan.windows),
            cached=self.cached,
            found=found,
            cut=(
                *(f"window {index + 1} ({plan.windows[index]})" for index in sorted(self.cut_windows)),
                *self.cut_merges,
            ),
            partial_answers=tuple(texts),
            citations=cited.citations,
            unknown_citations=cited.unknown,
            unsupported_citations=tuple(mark for mark in in_answer if mark not in supported),
            lost_citations=tuple(mark for mark in supported if mark not in in_answer),
            usage=self._usage(began),
        )

    def _usage(self, began: float) -> Usage | None:
        usages = [reply.usage for reply in self.replies if reply.usage]
        if len(usages) < len(self.replies):
            return None
        cached = [usage.cached_tokens for usage in usages]
        return Usage(
            prompt_tokens=sum(usage.prompt_tokens for usage in usages),
            cached_tokens=None if None in cached else sum(tokens or 0 for tokens in cached),
            output_tokens=sum(usage.output_tokens for usage in usages),
            ttft=began - self.began,
            seconds=time.perf_counter() - self.began,
            estimated=any(usage.estimated for usage in usages),
        )


def _reply(model: Model, prompt: Prompt, stopped: Event) -> Reply:
    with closing(model(prompt)) as events:
        for event in events:
            if isinstance(event, Reply):
                return _checked(event)
            if stopped.is_set():
                raise Stopped
    raise AssertionError("a model's events end with a Reply")


def _checked(reply: Reply) -> Reply:
    if reply.text.strip():
        return reply
    if reply.finish_reason == "length":
        raise ConfigError("the model used up --max-tokens before it wrote any text: set a higher limit")
    raise ServerError("the model's answer is empty")


def _is_transient(error: LongreadError) -> bool:
    """Whether another attempt can help: a wrong setting or a long prompt stays what it is."""
    return isinstance(error, ServerError)
