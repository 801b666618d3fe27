"""The benchmarks of `longread.benchmarks.quality`, asked of this project's chat models, and shown at the terminal."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_agent.llm.schema import USER, Message

from ..benchmarks.quality import runner, statistics
from ..benchmarks.quality.sample import PageText
from ..serving.errors import LongreadError
from ..serving.events import Usage
from . import assemble, bars, terminal
from .config import Config
from .corpus import Corpus, Document, Page
from .llm.choose import chat_model
from .quotes import check
from .tokens import Tokenizer, qwen

if TYPE_CHECKING:
    from qwen_agent.llm.base import BaseChatModel


def model_of(config: Config) -> "BaseChatModel":
    """The chat model that the settings name."""
    settings = assemble.with_running_server(config).settings
    with bars.Preparing() as show:
        return chat_model(assemble.llm(settings, on_event=show))


def ask_of(model: "BaseChatModel", *, temperature: float = 0.0) -> runner.Ask:
    """Puts one prompt to the model as a user's message. Args: temperature: 0 is greedy."""

    def ask(prompt: str, answer_tokens: int) -> runner.Reply:
        settings: dict[str, Any] = {"max_tokens": answer_tokens, "temperature": temperature}
        stream = model.chat(messages=[Message(USER, prompt)], stream=True, extra_generate_cfg=settings)
        with closing(stream) as outputs:  # type: ignore[type-var]
            *_, last = outputs
        usage = Usage.model_validate((last[0].extra or {})["usage"])
        return runner.Reply(
            "".join(str(message.content) for message in last),
            usage.prompt_tokens,
            usage.output_tokens,
            usage.ttft,
            usage.seconds,
        )

    return ask


def counter(model: "BaseChatModel") -> Callable[[str], int]:
    """How the model counts; with Qwen's vocabulary where a server does not say, and that is said."""
    tokenizer: Tokenizer | None = getattr(model, "tokenizer", None)
    if tokenizer is None:
        terminal.note("the server does not say how it counts: lengths are by Qwen's vocabulary")
        tokenizer = qwen()
    counts = tokenizer.counts
    return lambda text: sum(counts([text]))


def quoted(answer: str, document: str, page: int, text: str) -> bool:
    """Whether the answer has a quote that stands word for word on this page."""
    number = Page(number=page, label=str(page), text=text, tokens=0)
    one = Document(
        id="", name=document, title=document, source="", media_type="text/plain", pages=(number,), tokenizer=""
    )
    return any(quote.status == "verified" for quote in check(answer, Corpus(documents=(one,))))


def pages_of(corpus: Corpus) -> tuple[PageText, ...]:
    return tuple(
        PageText(document.name, page.number, page.text)
        for document in corpus.documents
        for page in document.pages
        if page.text
    )


def shown(model: "BaseChatModel") -> dict[str, Any]:
    """What a run's results depend on, for their first line."""
    server = getattr(model, "server", None)
    window = None if server else getattr(model, "window", None)  # an embedded model can be stretched
    return {"model": model.model, "server": server.shown if server else None, "window": window}


def described(name: str, path: Path, settings: Mapping[str, Any]) -> str:
    """A run in a line, for a comparison."""
    settled = ", ".join(f"{key} {value}" for key, value in settings.items() if value is not None)
    return f"{name} is {path}: {settled}"


def table(rows: Sequence[runner.Row]) -> Any:
    """Scores by task and length."""
    body = []
    for (task, length), own in runner.grouped(rows).items():
        times = sorted(row.ttft for row in own)
        mean = statistics.mean([row.score for row in own])
        body.append([task, f"{length:,}", str(len(own)), str(mean), f"{times[len(times) // 2]:.2f}"])
    return terminal.rows(["Task", "Tokens", "Samples", "Score, 95%", "TTFT, s"], body, numbers=(1, 2, 3, 4))


def comparison(first: Sequence[runner.Row], second: Sequence[runner.Row]) -> Any:
    """Second against first, by task and length, on the samples that both have.

    Raises:
        LongreadError: they have no prompt in common.
    """
    others = {(row.key, row.prompt): row.score for row in second}
    paired = [row for row in first if (row.key, row.prompt) in others]
    if not paired:
        raise LongreadError("The two runs have no prompt in common: compare runs of the same tasks, lengths and seeds.")
    body = []
    for (task, length), own in runner.grouped(paired).items():
        found = statistics.difference([row.score for row in own], [others[row.key, row.prompt] for row in own])
        p = "-" if found.p is None else f"{found.p:.3f}"
        verdict = ("better" if found.difference.value > 0 else "worse") if found.certain else "not told apart"
        scores = [f"{100 * found.first:.1f}", f"{100 * found.second:.1f}"]
        body.append([task, f"{length:,}", str(len(own)), *scores, str(found.difference), p, verdict])
    headings = ["Task", "Tokens", "Pairs", "A", "B", "B - A, 95%", "McNemar p", "B is"]
    return terminal.rows(headings, body, numbers=(1, 2, 3, 4, 5, 6))


def judge_of(config: Config, model: str) -> runner.Ask:
    """Another model of the same server, which rates answers."""
    settings = config.settings.model_copy(update={"model": model})
    return ask_of(chat_model(assemble.llm(settings)))


def progress(row: runner.Row) -> None:
    """A line for each answer."""
    terminal.note(f"{row.key}: {row.score:.2f} after {row.seconds:.1f} s: {row.output.strip()[:60]!r}")


def default_out(model: "BaseChatModel") -> Path:
    return Path(f"bench-{model.model.rstrip('/').rpartition('/')[2] or 'model'}.jsonl")
