"""From settings to a corpus, a model and a reader, with progress shown at the terminal."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from longread.errors import ConfigError, DocumentError, LongreadError
from longread.events import ObtainEvent
from longread.page_ranges import format_ranges
from longread.serving.models import catalog
from longread.serving.vllm_server import registry

from ..corpus import Corpus, LoadOptions
from ..corpus.page_selection import check_syntax, select_pages
from ..corpus.sources import check_existence
from ..llm.openai_server import redact_url
from ..prompt.tokenizer import Tokenizer, qwen
from ..tool_selection import ToolChoice, approval, select_tools
from . import answer_view, console, progress
from .config import Config, Settings
from .deferred_imports import defer_unused

if TYPE_CHECKING:
    from qwen_agent.tools import BaseTool

    from ..llm.protocol import ChatModel
    from ..overflow import Overflow
    from ..reader import LongReader


def load_options(settings: Settings, *, password: str | None = None, cache: bool = True) -> LoadOptions:
    """The settings that concern the parsing of files."""
    return LoadOptions(
        layout=settings.layout,
        ocr=settings.ocr,
        ocr_language=settings.ocr_language,
        password=password,
        changes=settings.changes,
        hidden=settings.hidden,
        encoding=settings.encoding,
        attachments=settings.attachments,
        jobs=settings.jobs,
        timeout=settings.parse_timeout,
        memory=settings.parse_memory_mib * 2**20,
        cache=cache,
    )


def load_corpus(
    settings: Settings,
    files: Sequence[str],
    *,
    pages: Sequence[str] = (),
    password: str | None = None,
    skip_unreadable: bool = False,
    tokenizer: Tokenizer | None = None,
    warnings: bool = True,
) -> Corpus:
    """Load the files, print what is wrong with them, and select the pages.

    Args:
        warnings: print the documents' warnings, too.

    Raises:
        DocumentError: a file could not be read, unless `skip_unreadable` is set and another one could.
    """
    with progress.LoadProgress() as show:
        corpus = Corpus.load(
            files,
            options=load_options(settings, password=password),
            tokenizer=tokenizer,
            on_event=show,
            on_error="collect",
        )
    if corpus.failures and not skip_unreadable:
        raise _with_advice(corpus.failures)
    for failure in corpus.failures:
        console.error(f"left out: {failure}")
    for warning in corpus.warnings:
        console.note(warning)
    for document in corpus.documents if warnings else ():
        for warning in document.warnings:
            console.note(f"{document.name}: {warning}")
    return select_pages(corpus, list(pages)) if pages else corpus


def _with_advice(failures: Sequence[DocumentError]) -> DocumentError:
    """The error for files that could not be read while others were."""
    from ..corpus.corpus import together

    error = together(failures)
    what = "it is" if len(failures) == 1 else "they are"
    advice = f"The rest was read: with --skip-unreadable {what} left out."
    return type(error)(
        f"{error}{'. ' if len(failures) == 1 else chr(10)}{advice}", source=error.source, page=error.page
    )


def llm_config(settings: Settings, *, on_event: Callable[[ObtainEvent], None] | None = None) -> dict[str, Any]:
    """The Qwen-Agent configuration of the model. `on_event` receives the download events of an embedded model."""
    generate: dict[str, Any] = {"max_tokens": settings.max_tokens}
    if settings.temperature is not None:
        generate["temperature"] = settings.temperature
    if settings.server:
        return {
            "model_type": "longread-endpoint",
            "server": settings.server,
            "model": settings.model or "",
            "api_key": settings.api_key,
            "timeout": settings.timeout,
            "generate_cfg": generate,
        }
    return {
        "model_type": "longread-embedded",
        "model": settings.model or "",
        "device": settings.device,
        "window": settings.window,
        "prefix_cache_bytes": int(settings.prefix_cache_gib * 2**30),
        "on_event": on_event,
        "generate_cfg": generate,
    }


def with_running_server(config: Config) -> Config:
    """Use the server that `agent serve` started on this machine, if no other is set and it serves the requested model.

    Prints a note if that server has exited.

    Raises:
        ConfigError: several servers are running and no model is named.
    """
    settings = config.settings
    if settings.server or settings.device:  # a device is for the embedded model
        return config
    try:
        running = registry.find(settings.model)
    except LongreadError as error:
        raise ConfigError(f"{error} Choose one with --model, or the embedded model with --device.") from error
    if running is None:
        for gone in registry.exited_servers(settings.model):
            console.note(
                f"The server of {gone.model} has exited ({gone.exit_reason()}), so it is not used. Restart it with "
                f"agent serve {gone.model}, or remove it from the list with agent serve {gone.model} --stop."
            )
    if running is None or running.kv_tokens is None:
        return config
    origin = f"started with agent serve {running.model}"
    return Config(
        settings=settings.model_copy(update={"server": running.url, "model": running.model}),
        origins={**config.origins, "server": origin, "model": origin},
    )


def load_model(config: Config) -> "ChatModel":
    """Load the model, or connect to its server. Prints where the server is, unless an option said it.

    Raises:
        LongreadError: the model is not available.
    """
    settings = config.settings
    if settings.server and not config.origins["server"].startswith("flag"):
        console.note(f"the model is at {redact_url(settings.server)} ({config.origins['server']})")
    defer_unused()
    from ..llm.factory import chat_model

    with progress.ModelProgress() as show:
        return chat_model(llm_config(settings, on_event=show))


def build_reader(
    config: Config,
    files: Sequence[str],
    *,
    tools: ToolChoice,
    more_tools: "Sequence[BaseTool]" = (),
    overflow: "Overflow" = "error",
    confirm_effects: bool = False,
    pages: Sequence[str] = (),
    password: str | None = None,
    skip_unreadable: bool = False,
) -> "LongReader":
    """Load the model and the files.

    Args:
        more_tools: the tools of MCP servers.
        confirm_effects: at a terminal, ask the user before a tool with effects is called. `tools.approve` asks before
            every call.

    Raises:
        LongreadError: see `load_corpus`; or the model is not available.
    """
    tools.check()
    if tools.approve and not console.interactive():
        raise ConfigError("--approve asks before each call, and nobody is at the terminal to be asked.")
    config = with_running_server(config)
    settings = config.settings
    # Cheap checks come first, then the model, then the files: a misspelt file name should not cost the loading of a
    # model, nor a wrong address the parsing of a book.
    check_syntax(pages)
    if not skip_unreadable:
        check_existence(files)
    model = load_model(config)
    from ..llm.protocol import capabilities
    from ..reader import LongReader

    corpus = load_corpus(
        settings,
        files,
        pages=pages,
        password=password,
        skip_unreadable=skip_unreadable,
        tokenizer=capabilities(model).tokenizer,
    )
    functions = [*more_tools, *select_tools(tools, corpus, calls_tools=capabilities(model).calls_tools)]
    asks = tools.approve or (confirm_effects and console.interactive())
    reader = LongReader(
        corpus,
        model,
        vision=settings.vision,
        password=password,
        function_list=functions,
        window=settings.window,
        max_tokens=settings.max_tokens,
        overflow=overflow,
        approve=approval(functions, always=tools.approve, ask=answer_view.confirm_call) if asks else None,
    )
    note_pictures(corpus, reader.corpus)
    return reader


def note_pictures(loaded: Corpus, sent: Corpus) -> None:
    """Print which pages are sent as pictures, and which could not be.

    Args:
        loaded: the corpus without pictures, whose warnings have been printed.
        sent: the same with pictures.
    """
    for before, document in zip(loaded.documents, sent.documents, strict=True):
        if numbers := [page.number for page in document.pages if page.picture]:
            pages = f"page{'' if len(numbers) == 1 else 's'} {format_ranges(numbers)}"
            console.note(f"{document.name}: {pages} sent as pictures, too (--vision never sends text only)")
        for warning in document.warnings[len(before.warnings) :]:
            console.note(f"{document.name}: {warning}")


class ModelInfo(NamedTuple):
    """What is known of a model without loading it."""

    tokenizer: Tokenizer
    window: int | None
    """In tokens; None if unknown."""
    calls_tools: bool
    reads_pictures: Callable[[], bool]


def inspect_model(settings: Settings) -> ModelInfo:
    """Find the model's tokenizer and context window without loading the model.

    If the server does not expose its tokenizer, or the embedded model is not on this machine, Qwen's tokenizer is used
    instead, and a note says so.
    """
    if settings.server:
        from ..llm.endpoint import EndpointChat

        chat = EndpointChat(llm_config(settings))
        if not chat.tokenizer:
            console.note(f"{redact_url(settings.server)} does not expose its tokenizer: tokens are counted with Qwen's")
        return ModelInfo(
            chat.tokenizer or qwen(), settings.window or chat.window, chat.calls_tools, lambda: chat.vision
        )
    name = settings.model or catalog.DEFAULT_MODEL
    if folder := catalog.local_folder(name):
        from longread.serving.embedded.loader import load_config, window_of
        from longread.serving.embedded.tokenizer import ChatTokenizer

        tokenizer = ChatTokenizer(folder)
        calls_tools = catalog.calls_tools(name, template=tokenizer.knows_tools)
        return ModelInfo(tokenizer, settings.window or window_of(load_config(folder)), calls_tools, lambda: False)
    console.note(f"{name} is not on this machine yet: tokens are counted with Qwen's tokenizer")
    entry = catalog.find(name)
    window = settings.window or (entry.trained_window if entry else None)
    return ModelInfo(qwen(), window, catalog.calls_tools(name), lambda: False)
