"""Settings -> corpus, model and reader, with what happens on the way shown at the terminal."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..serving import models, served
from ..serving.errors import LongreadError
from ..serving.events import ObtainEvent
from . import bars, terminal
from .config import Config, Settings
from .conversation import ChatMessage
from .corpus import Corpus, LoadOptions
from .corpus.sources import STDIN, check_existence
from .corpus.text import ranges
from .errors import ConfigError, DocumentError, without_login
from .pages import check_syntax, select
from .prompt import DocumentPart, asked, instructions, measure
from .tokens import Tokenizer, qwen
from .tool_choice import ToolChoice, approval, chosen

if TYPE_CHECKING:
    from qwen_agent.tools import BaseTool

    from .answer import Answer
    from .overflow import Overflow
    from .reader import LongReader

NO_CHOICE = ToolChoice()
SEVERAL_FILES = "For several files repeat --file, or put a pattern in quotes: --file 'docs/*.md'."

_RANGES = 10  # page ranges a document in the budget table, at most


def corpus(
    settings: Settings,
    files: Sequence[str],
    *,
    pages: Sequence[str] = (),
    password: str | None = None,
    skip_unreadable: bool = False,
    tokenizer: Tokenizer | None = None,
) -> Corpus:
    """Load the files and choose the pages.

    Raises:
        DocumentError: a file could not be read, unless `skip_unreadable` and another one could.
    """
    options = LoadOptions(
        layout=settings.layout,
        ocr=settings.ocr,
        ocr_language=settings.ocr_language,
        password=password,
        jobs=settings.jobs,
        timeout=settings.parse_timeout,
        memory=settings.parse_memory_mib * 2**20,
    )
    with bars.Loading() as show:
        loaded = Corpus.load(
            files,
            options=options,
            tokenizer=tokenizer,
            on_event=show,
            on_error="collect" if skip_unreadable else "raise",
        )
    for failure in loaded.failures:
        terminal.error(f"left out: {failure}")
    for warning in loaded.warnings:
        terminal.note(warning)
    for document in loaded.documents:
        for warning in document.warnings:
            terminal.note(f"{document.name}: {warning}")
    return select(loaded, list(pages)) if pages else loaded


def llm(settings: Settings, *, on_event: Callable[[ObtainEvent], None] | None = None) -> dict[str, Any]:
    """The Qwen-Agent model configuration for the settings; `on_event` hears of an embedded model's download."""
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
    """The settings, with the server that `agent serve` started here, if no other is set and it has the model asked for.

    Says so where there was one, and it has ended.

    Raises:
        ConfigError: several run, and no model is named.
    """
    settings = config.settings
    if settings.server or settings.device:  # a device is for the embedded model
        return config
    try:
        found = served.find(settings.model)
    except LongreadError as error:
        raise ConfigError(f"{error} Say so with --model, or --device for the embedded model.") from error
    if found is None:
        for gone in served.ended(settings.model):
            terminal.note(
                f"the server of {gone.model} has ended ({gone.ending()}): what follows is without it. "
                f"agent serve {gone.model} starts it again, with --stop it is forgotten"
            )
    if found is None or found.kv_tokens is None:
        return config
    origin = f"started with agent serve {found.model}"
    return Config(
        settings=settings.model_copy(update={"server": found.url, "model": found.model}),
        origins={**config.origins, "server": origin, "model": origin},
    )


def reader(
    config: Config,
    files: Sequence[str],
    *,
    pages: Sequence[str] = (),
    password: str | None = None,
    skip_unreadable: bool = False,
    tools: ToolChoice = NO_CHOICE,
    more_tools: "Sequence[BaseTool]" = (),
    overflow: "Overflow" = "error",
    chatting: bool = False,
) -> "LongReader":
    """Files read and a model ready to answer about them.

    Args:
        more_tools: of MCP servers.
        chatting: somebody is there to be asked before a tool with effects is called. Elsewhere naming it is enough.

    Raises:
        LongreadError: see `corpus`; or the model cannot be had.
    """
    tools.check()
    if tools.approve and not terminal.interactive():
        raise ConfigError("--approve asks before each call, and nobody is at the terminal to be asked.")
    config = with_running_server(config)
    settings = config.settings
    # What is wrong at a glance first, then the model, then the files: a wrong name of a file should not cost the
    # loading of a model, nor a wrong address the reading of a book.
    check_syntax(pages)
    if not skip_unreadable:
        check_existence(files)
    if settings.server and not config.origins["server"].startswith("flag"):
        terminal.note(f"the model is at {without_login(settings.server)} ({config.origins['server']})")
    from .llm.choose import chat_model
    from .reader import LongReader

    with bars.Preparing() as show:
        model = chat_model(llm(settings, on_event=show))
    loaded = corpus(
        settings,
        files,
        pages=pages,
        password=password,
        skip_unreadable=skip_unreadable,
        tokenizer=getattr(model, "tokenizer", None),
    )
    callable_tools = [*more_tools, *chosen(tools, loaded, calls_tools=getattr(model, "calls_tools", False))]
    asks = tools.approve or (chatting and terminal.interactive())
    return LongReader(
        loaded,
        model,
        function_list=callable_tools,
        window=settings.window,
        max_tokens=settings.max_tokens,
        overflow=overflow,
        approve=approval(callable_tools, always=tools.approve, ask=terminal.allowed) if asks else None,
    )


def counting(settings: Settings) -> tuple[Tokenizer, int | None, bool]:
    """How the model that the settings name counts, its window, and whether it calls tools, without loading it.

    An embedded model that is not on this machine yet is counted for with Qwen's vocabulary, and that is said.
    """
    if settings.server:
        from .llm.endpoint import EndpointChat

        chat = EndpointChat(llm(settings))
        window = settings.window or chat.window
        if chat.tokenizer:
            return chat.tokenizer, window, chat.calls_tools
        terminal.note(
            f"{without_login(settings.server)} does not say how it counts: these are counts by Qwen's vocabulary"
        )
        return qwen(), window, chat.calls_tools
    name = settings.model or models.DEFAULT_MODEL
    entry = models.find(name)
    folder = models.installed().get(entry.name) if entry else Path(name)
    if folder is not None and folder.is_dir():
        from ..serving.chat_tokenizer import ChatTokenizer
        from ..serving.checkpoint import load_config, window_of

        counts = ChatTokenizer(folder)
        calls_tools = models.calls_tools(name, template=counts.knows_tools)
        return counts, settings.window or window_of(load_config(folder)), calls_tools
    terminal.note(f"{name} is not on this machine yet: these are counts by Qwen's vocabulary")
    return qwen(), settings.window or (entry.trained_window if entry else None), models.calls_tools(name)


def dry_run(
    config: Config, files: Sequence[str], question: str, *, as_json: bool, tools: ToolChoice, **choice: Any
) -> bool:
    """Print what a question would take of the model's window, and return whether it fits. The model is not run."""
    tools.check()
    settings = with_running_server(config).settings
    tokenizer, window, calls_tools = counting(settings)
    loaded = corpus(settings, files, tokenizer=tokenizer, **choice)
    prompt = measure(
        DocumentPart.of(loaded, tokenizer),
        [ChatMessage(role="user", content=question)],
        window=window,
        reserve=settings.max_tokens,
        system=instructions(calls_tools=calls_tools),
        functions=[tool.function for tool in chosen(tools, loaded, calls_tools=calls_tools)],
    )
    if as_json:
        print(json.dumps({**prompt.model_dump(exclude={"messages"}), "window": window, "fits": prompt.fits}, indent=2))
    else:
        terminal.out.print(terminal.budget_table(prompt, page_ranges(loaded), window))
    return prompt.fits


def show_budget(reader: "LongReader", conversation: Sequence[ChatMessage]) -> None:
    """Print what the documents and the conversation so far take of the window."""
    prompt = reader.measure([*conversation, ChatMessage(role="user", content="?")])
    terminal.out.print(terminal.budget_table(prompt, page_ranges(reader.corpus), reader.window))


def as_json(reader: "LongReader", answer: "Answer") -> dict[str, Any]:
    """An answer for other programs."""
    return {
        **answer.model_dump(exclude={"history"}),
        "model": reader.model_name,
        "documents": [
            {
                "name": document.name,
                "id": document.id,
                "title": document.title,
                "source": document.source,
                "pages": len(document.pages),
                "tokens": document.tokens,
                "warnings": document.warnings,
            }
            for document in reader.corpus.documents
        ],
    }


def write_highlights(reader: "LongReader", answer: "Answer", path: Path, *, password: str | None) -> None:
    """Write copies of the PDFs with an answer's quotes highlighted, and say where, and which are not.

    Raises:
        DocumentError: nothing was highlighted, or a file could not be written.
    """
    from .highlight import highlight

    done = highlight(reader.corpus, answer.quotes, path, question=answer.question, password=password)
    for missed in done.missed:
        terminal.note(f"not highlighted, as {missed.reason}: “{' '.join(missed.quote.text.split())}”")
    if not done.files:
        raise DocumentError(
            f"{path} was not written: "
            + ("none of the answer's quotes was found." if answer.quotes else "the answer quotes nothing."),
            source=str(path),
        )
    for file in done.files:
        terminal.note(f"{file.path}: {len(file.quotes)} quote{'s' * (len(file.quotes) != 1)} highlighted")


def page_ranges(loaded: Corpus) -> dict[str, list[tuple[str, int]]]:
    """For each document with more pages than ten: up to ten stretches of pages, and the tokens of each."""
    table: dict[str, list[tuple[str, int]]] = {}
    for document in loaded.documents:
        step = -(-len(document.pages) // _RANGES)
        if step < 2:
            continue
        stretches = [document.pages[i : i + step] for i in range(0, len(document.pages), step)]
        table[document.name] = [
            (ranges([page.number for page in stretch]), sum(page.tokens for page in stretch)) for stretch in stretches
        ]
    return table


def read_schema(path: Path | None) -> dict[str, Any] | None:
    """The JSON schema in a file.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    if path is None:
        return None
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--schema {path} cannot be read as JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise ConfigError(f"--schema {path} is no JSON schema: it is not an object.")
    from .structured import json_schema

    return json_schema(schema)


def first_question(question: str | None, more: Sequence[str], files: Sequence[str]) -> str | None:
    """The question that a chat begins with, if any. See `read_question`.

    Raises:
        ConfigError: none, where standard input is a document, and no other can be typed.
    """
    if question is not None:
        return read_question(question, more, files)
    if STDIN in files:
        raise ConfigError("Standard input is a document, so no question can be typed: give one as an argument.")
    return None


def read_question(question: str, more: Sequence[str], files: Sequence[str]) -> str:
    """The question itself, or standard input for '-'.

    Args:
        more: arguments after it, of which there should be none.

    Raises:
        ConfigError: it is empty, or it or what follows is a file: what a shell makes of a pattern without quotes.
        DocumentError: standard input is a document, too.
    """
    if more:
        raise ConfigError(f"There is more than one question: {' '.join(map(repr, more))} is left over. {SEVERAL_FILES}")
    if question == "-":
        if STDIN in files:
            raise DocumentError("Standard input cannot be both the question and a document.", source=STDIN)
        if sys.stdin is None:
            raise ConfigError("The question is to be read from standard input, which is closed.")
        question = sys.stdin.read()
    elif question and len(question) < 4096 and Path(question).exists():
        raise ConfigError(f"The question is {question!r}, which is a file or folder. {SEVERAL_FILES}")
    return asked(question)
