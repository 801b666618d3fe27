"""The chat models of longread, as the benchmark tasks of `agent bench` use them."""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from qwen_agent.llm.schema import USER, Message

from longread.documents import Document, Page
from longread.events import Usage

from ..citations.quote_checker import check_quotes
from ..corpus import Corpus
from ..evals.runner import Ask, Reply
from ..evals.sample import PageText
from ..llm.factory import chat_model
from ..llm.protocol import capabilities
from ..prompt.tokenizer import Tokenizer, qwen
from .config import Config
from .console import note
from .progress import ModelProgress
from .setup import llm_config, with_running_server

if TYPE_CHECKING:
    from qwen_agent.llm.base import BaseChatModel


def load_model(config: Config) -> "BaseChatModel":
    """The chat model that the settings name."""
    settings = with_running_server(config).settings
    with ModelProgress() as show:
        return chat_model(llm_config(settings, on_event=show))


def load_judge(config: Config, model: str) -> "BaseChatModel":
    """Another model of the same server, which rates answers."""
    return chat_model(llm_config(config.settings.model_copy(update={"model": model})))


def asker(model: "BaseChatModel", *, temperature: float = 0.0) -> Ask:
    """A function that sends a prompt to the model as a user message. Args: temperature: 0 is greedy."""

    def ask(prompt: str, answer_tokens: int) -> Reply:
        settings: dict[str, Any] = {"max_tokens": answer_tokens, "temperature": temperature}
        stream = model.chat(messages=[Message(USER, prompt)], stream=True, extra_generate_cfg=settings)
        with closing(stream) as outputs:  # type: ignore[type-var]
            *_, last = outputs
        usage = Usage.model_validate((last[0].extra or {})["usage"])
        return Reply(
            "".join(str(message.content) for message in last),
            usage.prompt_tokens,
            usage.output_tokens,
            usage.ttft,
            usage.seconds,
        )

    return ask


def token_counter(model: "BaseChatModel") -> Callable[[str], int]:
    """A function that counts tokens with the model's tokenizer, or with Qwen's if the server does not expose it."""
    tokenizer: Tokenizer | None = capabilities(model).tokenizer
    if tokenizer is None:
        note("the server does not expose its tokenizer: tokens are counted with Qwen's")
        tokenizer = qwen()
    counts = tokenizer.counts
    return lambda text: sum(counts([text]))


def run_settings(model: "BaseChatModel") -> dict[str, Any]:
    """What the results of a run depend on, for their first line."""
    server = getattr(model, "server", None)
    window = None if server else capabilities(model).window  # that of an embedded model can be extended
    return {"model": model.model, "server": server.shown if server else None, "window": window}


def has_verified_quote(answer: str, document: str, page: int, text: str) -> bool:
    """Whether the answer quotes this page verbatim."""
    pages = (Page(number=page, label=str(page), text=text, tokens=0),)
    only = Document(id="", name=document, title=document, source="", media_type="text/plain", pages=pages, tokenizer="")
    return any(quote.status == "verified" for quote in check_quotes(answer, Corpus(documents=(only,))))


def page_texts(corpus: Corpus) -> tuple[PageText, ...]:
    """The pages of a corpus that have text."""
    return tuple(
        PageText(document.name, page.number, page.text)
        for document in corpus.documents
        for page in document.pages
        if page.text
    )
