"""Pages as pictures: which are sent, where they stand in the prompt, and what they cost."""

import base64
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pymupdf
import pytest

from longread import Corpus, LoadOptions, LongReader, document_tools
from longread.agent.corpus.picture_selection import with_pictures
from longread.agent.llm.vision import picture_tokens, reads_pictures
from longread.agent.overflow.page_subset import PageSizes
from longread.agent.prompt.build import DocumentBlock
from longread.agent.prompt.tokenizer import qwen
from longread.documents import Document, Page
from longread.errors import ConfigError, DocumentError, PromptTooLong
from tests.support.scripted_server import Reply, Request, ScriptedServer

Endpoint = Callable[..., object]


@pytest.fixture
def book(tmp_path: Path) -> Corpus:
    """Three pages, red, green and blue; the second has more to see than its text."""
    with pymupdf.open() as file:
        for name, color in (("red", (1, 0, 0)), ("green", (0, 1, 0)), ("blue", (0, 0, 1))):
            page = file.new_page(width=280, height=280)
            page.draw_rect((0, 100, 280, 280), fill=color, color=color)
            page.insert_text((20, 50), f"the {name} page")
        file.save(tmp_path / "book.pdf")
    corpus = Corpus.load([tmp_path / "book.pdf"], options=LoadOptions(cache=False, ocr="never"))
    (document,) = corpus
    pages = tuple(Page(**{**dict(page), "needs_picture": page.number == 2}) for page in document.pages)
    return Corpus(documents=(Document(**{**dict(document), "pages": pages}),))


def parts_of(request: Request) -> list[str]:
    """The content of the first user message: its texts, and for each picture the colour at its foot."""
    content = next(m["content"] for m in request.json["messages"] if m["role"] == "user")
    if isinstance(content, str):
        return [content]
    parts = []
    for part in content:
        if part["type"] == "text":
            parts.append(part["text"])
        else:
            header, _, data = part["image_url"]["url"].partition(",")
            assert header == "data:image/jpeg;base64"
            seen = pymupdf.Pixmap(base64.b64decode(data))
            shade = seen.pixel(seen.width // 2, seen.height - 10)
            parts.append("<" + ("red", "green", "blue")[shade.index(max(shade))] + ">")
    return parts


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize(("vision", "sent"), [("auto", ["green"]), ("always", ["red", "green", "blue"]), ("never", [])])
def test_pictures_follow_the_text_of_their_pages(
    book: Corpus, scripted_server: ScriptedServer, endpoint: Endpoint, vision: str, sent: list[str], tools: bool
) -> None:
    scripted_server.default = Reply.text("It is green [book:2].")
    functions = document_tools(book) if tools else ()
    reader = LongReader(book, llm=endpoint(vision=True), vision=vision, function_list=functions)  # type: ignore[arg-type]
    answer = reader.ask("Which colour has the second page?")
    parts = parts_of(scripted_server.chats[-1])
    assert [part for part in parts if part.startswith("<") and part.endswith(">")] == [f"<{name}>" for name in sent]
    for before, part in pairwise(parts):
        if part in ("<red>", "<green>", "<blue>"):
            assert before.endswith(f"the {part[1:-1]} page\n")
    text = "".join(part for part in parts if part not in ("<red>", "<green>", "<blue>"))
    assert text == DocumentBlock.of(book, qwen()).text + "Question: Which colour has the second page?"
    assert [(c.document, c.page) for c in answer.citations if c.found_by == "model"] == [("book", 2)]


def test_their_tokens_are_counted(book: Corpus, scripted_server: ScriptedServer, endpoint: Endpoint) -> None:
    plain = LongReader(book, llm=endpoint(vision=False))
    looking = LongReader(book, llm=endpoint(vision=True), vision="always")
    conversation = [{"role": "user", "content": "Why?"}]
    (document,) = looking.corpus
    pictures = [page.picture for page in document.pages]
    cost = sum(picture.tokens for picture in pictures if picture)
    assert all(
        picture and picture.tokens == picture_tokens("scripted", picture.width, picture.height) for picture in pictures
    )
    assert looking.measure(conversation).tokens == plain.measure(conversation).tokens + cost  # type: ignore[arg-type]

    tight = plain.measure(conversation).tokens + plain.max_tokens + cost // 2  # type: ignore[arg-type]
    LongReader(book, llm=endpoint(vision=False), window=tight).prompt(conversation)  # type: ignore[arg-type]
    with pytest.raises(PromptTooLong):
        LongReader(book, llm=endpoint(vision=True), vision="always", window=tight).prompt(conversation)  # type: ignore[arg-type]


def test_the_prompt_is_the_same_for_every_question_and_run(book: Corpus, endpoint: Endpoint) -> None:
    prompts = [
        LongReader(book, llm=endpoint(vision=True), vision="always").prompt([{"role": "user", "content": text}])
        for text in ("One?", "Two?")
    ]
    first, second = (next(m for m in prompt.messages if m["role"] == "user") for prompt in prompts)
    assert first.get("pictures")
    assert first.get("pictures") == second.get("pictures")
    assert first["content"].removesuffix("One?") == second["content"].removesuffix("Two?")


def test_selected_pages_keep_their_pictures(book: Corpus) -> None:
    seen = with_pictures(book, vision="always", reads_pictures=lambda: True, tokens=lambda *_: 1000)
    sizes = PageSizes(seen, qwen())
    whole = DocumentBlock.of(seen, qwen())
    assert sizes.tokens == sum(share.tokens for share in whole.shares)
    part = sizes.subset([0, 2])
    block = part.documents()
    assert [picture["url"] for picture in block.pictures] == [whole.pictures[0]["url"], whole.pictures[2]["url"]]
    assert block.text[: block.pictures[1]["offset"]].endswith("the blue page\n")
    assert part.tokens == sum(share.tokens for share in block.shares) > 2000


def test_a_model_that_does_not_read_pictures(book: Corpus) -> None:
    asked: list[bool] = []

    def blind() -> bool:
        asked.append(True)
        return False

    assert with_pictures(book, vision="auto", reads_pictures=blind, tokens=lambda *_: 1) is book
    assert asked
    with pytest.raises(ConfigError, match=r"--vision"):
        with_pictures(book, vision="always", reads_pictures=blind, tokens=lambda *_: 1)


def test_the_model_is_not_asked_where_no_page_needs_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    plain = Corpus.load([tmp_path / "a.txt"], options=LoadOptions(cache=False))

    def ask() -> bool:
        raise AssertionError

    for vision in ("auto", "always", "never"):
        assert with_pictures(plain, vision=vision, reads_pictures=ask, tokens=lambda *_: 1) is plain


def test_a_file_that_is_gone_is_a_warning_or_an_error(book: Corpus) -> None:
    Path(book["book"].source).unlink()
    (document,) = with_pictures(book, vision="auto", reads_pictures=lambda: True, tokens=lambda *_: 1)
    assert document.warnings[-1].startswith("Page 2: not sent as pictures")
    assert document.pages[1].picture is None
    with pytest.raises(DocumentError):
        with_pictures(book, vision="always", reads_pictures=lambda: True, tokens=lambda *_: 1)


@pytest.mark.parametrize(
    ("model", "sees"),
    [
        *((name, True) for name in ("gpt-4o-mini", "gpt-4.1", "gpt-5.2", "o3", "claude-opus-4-5", "gemini-2.5-pro")),
        *((name, True) for name in ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen3-vl:8b", "llava:13b", "pixtral-12b-2409")),
        *((name, False) for name in ("gpt-3.5-turbo", "o1-mini", "Qwen/Qwen2.5-7B-Instruct-1M", "llama3.1:8b")),
        *((name, False) for name in ("deepseek-chat", "mistral-7b", "smollm2-135m", "gemma-3-1b-it")),
    ],
)
def test_names_of_models_that_read_pictures(
    scripted_server: ScriptedServer, endpoint: Endpoint, model: str, sees: bool
) -> None:
    assert endpoint(model=model).vision is sees  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("entry", "sees"),
    [
        ({"architecture": {"input_modalities": ["text", "image"]}}, True),  # OpenRouter
        ({"architecture": {"input_modalities": ["text"]}}, False),
        ({"type": "vlm"}, True),  # LM Studio
        ({"type": "llm"}, False),
        ({"capabilities": ["completion", "multimodal"]}, True),  # llama.cpp
        ({"capabilities": ["completion"]}, False),
    ],
)
def test_what_a_server_says_counts_more_than_the_name(
    scripted_server: ScriptedServer, entry: dict[str, object], sees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from longread.agent.llm.openai_server import Server

    name = "odd" if sees else "gpt-4o"
    reply = Reply.json({"object": "list", "data": [{"id": name, "object": "model", **entry}]})
    monkeypatch.setattr(scripted_server, "reply_to", lambda _: reply)
    assert reads_pictures(Server(scripted_server.url), name) is sees


def test_ollama_is_asked_about_the_model(scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from longread.agent.llm.openai_server import Server

    def reply(request: Request) -> Reply:
        if request.path.endswith("/api/show"):
            return Reply.json({"capabilities": ["completion", "vision"]})
        return Reply.json({"data": [{"id": "odd:7b", "object": "model", "owned_by": "library"}]})

    monkeypatch.setattr(scripted_server, "reply_to", reply)
    assert reads_pictures(Server(scripted_server.url), "odd:7b")


def test_the_rules_of_the_providers() -> None:
    # The examples of their documentation.
    assert picture_tokens("gpt-4o", 1024, 1024) == 765
    assert picture_tokens("gpt-4o", 2048, 4096) == 1105
    assert picture_tokens("claude-sonnet-4-5", 1000, 1000) == pytest.approx(1334, abs=1)
    assert picture_tokens("gemini-2.5-flash", 768, 768) == 258
    assert picture_tokens("Qwen2.5-VL-7B", 224, 224) == 66
