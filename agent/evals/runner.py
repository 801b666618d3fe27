"""Run a task: send its samples to a model, several at once, and store each answer immediately."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from longread.errors import QualityError

from .published import rating
from .sample import Sample
from .scores import QuoteCheck, score


@dataclass(frozen=True)
class Reply:
    """The answer of a model, and its cost."""

    text: str
    prompt_tokens: int
    output_tokens: int
    ttft: float
    """Seconds to the first token."""
    seconds: float


Ask = Callable[[str, int], Reply]
"""(prompt, maximum answer length in tokens) -> the reply. Called from several threads at once, if requested."""


class Row(BaseModel):
    """One line of the results."""

    model_config = ConfigDict(frozen=True)

    key: str
    task: str
    seed: int
    index: int
    length: int
    depth: float | None
    prompt: str
    """The first 16 hexadecimal digits of the prompt's SHA-256."""
    answers: tuple[str, ...]
    output: str
    score: float
    parts: Mapping[str, float] = {}
    """The parts of a score that is a mean of several."""
    prompt_tokens: int
    output_tokens: int
    ttft: float
    seconds: float


def digest(prompt: str) -> str:
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Results:
    """A JSON Lines file with the settings in the first line, then a row for each sample.

    Raises:
        QualityError: the file has other settings, or is not a results file.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        self.path = path
        self.rows: dict[str, Row] = {}
        if path.exists():
            found, rows, end = _read(path)
            if found and (other := next((name for name in settings if found.get(name) != settings[name]), None)):
                raise QualityError(
                    f"{path} has results with {other} {found.get(other)!r}, and this run has {settings[other]!r}: "
                    "give another --out."
                )
            self.rows = {row.key: row for row in rows}
            with path.open("r+b") as file:
                file.truncate(end)  # a partial line, left by a kill
        if not path.exists() or not path.stat().st_size:
            self._append({"settings": dict(settings)})

    def add(self, row: Row) -> None:
        self.rows[row.key] = row
        self._append(row.model_dump())

    def _append(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """The settings and rows of a results file.

    Raises:
        QualityError: it is not one.
    """
    if not path.exists():
        raise QualityError(f"{path} does not exist: agent bench run writes such files.")
    settings, rows, _ = _read(path)
    return settings, rows


def _read(path: Path) -> tuple[dict[str, Any], list[Row], int]:
    """Settings, rows, and the end of the last complete line."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    settings: dict[str, Any] = {}
    rows: list[Row] = []
    for number, line in enumerate(data[:end].decode("utf-8", "replace").splitlines(), 1):
        try:
            if number == 1:
                settings = json.loads(line)["settings"]
            else:
                rows.append(Row.model_validate_json(line))
        except (ValueError, KeyError, TypeError, ValidationError):
            raise QualityError(
                f"{path}, line {number}: not a line of results, as agent bench run writes them: name another file."
            ) from None
    return settings, rows, end


def run(
    samples: Iterable[Sample],
    ask: Ask,
    results: Results,
    *,
    quoted: QuoteCheck,
    judge: Ask | None = None,
    at_once: int = 1,
    on_row: Callable[[Row], None] = lambda row: None,
) -> None:
    """Send the samples that have no row yet. An error of the model ends the run, after the running answers are stored.

    Args:
        judge: the model that rates the answers of tasks that need a judge.
        at_once: number of concurrent requests.
        on_row: called with each new row.

    Raises:
        QualityError: there is a row for another prompt under the same key, or a task needs a judge and has none.
    """

    def answered(sample: Sample) -> Row:
        reply = ask(sample.prompt, sample.answer_tokens)
        value, parts = (_judged(sample, reply.text, judge), {}) if judge and sample.metric == "judged" else score(
            sample, reply.text, quoted
        )  # fmt: skip
        return Row(
            key=sample.key, task=sample.task, seed=sample.seed, index=sample.index, length=sample.length,
            depth=sample.depth, prompt=digest(sample.prompt), answers=sample.answers, output=reply.text, score=value,
            parts=parts, prompt_tokens=reply.prompt_tokens, output_tokens=reply.output_tokens, ttft=reply.ttft,
            seconds=reply.seconds,
        )  # fmt: skip

    def keep(done: Iterable[Future[Row]]) -> None:
        failed: BaseException | None = None
        for future in done:
            if error := future.exception():
                failed = failed or error
                continue
            results.add(future.result())
            on_row(future.result())
        if failed:
            raise failed

    waiting: set[Future[Row]] = set()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for sample in samples:
                if sample.metric == "judged" and judge is None:
                    raise QualityError(f"{sample.task} is judged by a model: name one with --judge.")
                if known := results.rows.get(sample.key):
                    _check(known, sample, results.path)
                    continue
                if len(waiting) == at_once:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    keep(done)
                waiting.add(pool.submit(answered, sample))
        finally:
            keep(wait(waiting)[0])


def _check(known: Row, sample: Sample, path: Path) -> None:
    if known.prompt != digest(sample.prompt):
        raise QualityError(
            f"{path} has {sample.key} with another prompt: it was made with other options, or counted by another "
            "tokenizer. Give another --out."
        )


def _judged(sample: Sample, answer: str, judge: Ask) -> float:
    said = judge(sample.facts["judge"].replace("{answer}", answer), 512)
    if (rated := rating(said.text)) is None:
        raise QualityError(f"the judge gave no rating of {sample.key}: {said.text[:200]!r}.")
    return rated


def grouped(rows: Sequence[Row]) -> dict[tuple[str, int], list[Row]]:
    """Rows by task and length, in order."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.task, row.length, row.seed, row.index)):
        groups.setdefault((row.task, row.length), []).append(row)
    return groups
