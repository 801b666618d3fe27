"""What a chat completion may ask for, and what is refused instead of passed over."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longread.agent.answer import Answer
from longread.agent.api import FileStore
from longread.agent.api.annotations import Sources, annotations
from longread.agent.api.errors import ApiError
from longread.agent.api.requests import ParsedRequest, read
from longread.agent.citations.markers import marks
from longread.agent.structured_output import ConfigError, parse
from tests.support.corpora import corpus, document

HELLO = {"role": "user", "content": "Hello?"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileStore]:
    store = FileStore(tmp_path_factory.mktemp("api") / "data")
    yield store
    store.close()


def wanted(store: FileStore, messages: Any = (HELLO,), /, **more: Any) -> ParsedRequest:
    body = {"model": "m", "messages": list(messages), **more}
    return read(json.dumps(body).encode(), store, file_bytes=1000)


def refusal(store: FileStore, messages: Any = (HELLO,), /, **more: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        wanted(store, messages, **more)
    assert caught.value.status_code in (400, 404)
    assert "\n" not in caught.value.detail
    return caught.value


def part(**file: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "file", "file": file}, {"type": "text", "text": "?"}]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("n", True),
        ("logprobs", True),
        ("top_logprobs", 5),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("tool_choice", "required"),
        ("functions", [{"name": "f"}]),
        ("function_call", "auto"),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("logit_bias", {"50256": -100}),
        ("store", True),
        ("prediction", {"type": "content", "content": "x"}),
        ("web_search_options", {}),
        ("reasoning_effort", "high"),
        ("verbosity", "low"),
    ],
)
def test_what_this_server_cannot_do_is_refused(name: str, value: Any, store: FileStore) -> None:
    error = refusal(store, **{name: value})
    assert (error.param, error.code) == (name, "unsupported_parameter")
    assert error.detail.startswith(f"{name} is not supported here: ")


@pytest.mark.parametrize(
    ("messages", "more", "param", "message"),
    [
        ([HELLO], {"colour": "red"}, "colour", "Unrecognized parameter: colour."),
        ([HELLO], {"temperature": 3}, "temperature", "temperature: "),
        ([HELLO], {"temperature": float("nan")}, "temperature", "temperature: "),
        ([HELLO], {"max_tokens": 0}, "max_tokens", "max_tokens: "),
        ([HELLO], {"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "the same setting"),
        ([HELLO], {"stream_options": {"include_usage": True}}, "stream_options", "for stream=true"),
        ([HELLO], {"stream": True, "stream_options": {"x": 1}}, "stream_options.x", "Unrecognized parameter"),
        ([], {}, "messages", "messages: "),
        ([{"role": "tool", "content": "x", "tool_call_id": "1"}], {}, "messages[0]", "role 'tool' is not supported"),
        ([{**HELLO, "name": "Ann"}], {}, "messages[0].name", "Unrecognized parameter: messages[0].name."),
        ([HELLO, {"role": "assistant", "content": "Yes."}], {}, "messages", "must be the user's question"),
        ([{"role": "assistant", "content": "Yes."}, HELLO], {}, "messages", "first message must be the user's"),
        ([HELLO, {"role": "system", "content": "Be brief."}, HELLO], {}, "messages[1]", "Instructions come first"),
        ([{"role": "user", "content": " \n"}], {}, "messages", "asks nothing"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}],
            {},
            "messages[0].content[0]",
            "type 'image_url' is not supported here, only 'text', 'file'",
        ),
        (
            [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}, HELLO],
            {},
            "messages[0].tool_calls",
            "messages[0].tool_calls: ",
        ),
        ([part()], {}, "messages[0].content[0].file", "given by file_id or by file_data"),
        ([part(file_id="file-1", file_data="eA==")], {}, "messages[0].content[0].file", "not by both"),
        ([part(file_id="file-1", detail="x")], {}, "messages[0].content[0].file.detail", "Unrecognized parameter"),
        ([part(file_id="file-1")], {}, None, "There is no file 'file-1'"),
        ([part(file_data="e$==", filename="a.md")], {}, "messages[0].content[0].file.file_data", "is not base64"),
        ([part(file_data="eA", filename="a.md")], {}, "messages[0].content[0].file.file_data", "is not base64"),
        (
            [part(file_data="data:text/plain,x", filename="a.md")],
            {},
            "messages[0].content[0].file.file_data",
            "no data",
        ),
        ([part(file_data="é", filename="a.md")], {}, "messages[0].content[0].file.file_data", "is not base64"),
        ([part(file_data="eA==")], {}, "messages[0].content[0].file.filename", "needs a filename"),
        ([part(file_data="eHh4" * 334, filename="a.md")], {}, "messages[0].content[0].file", "has 1,002 bytes"),
        ([HELLO], {"response_format": {"type": "json_schema"}}, "response_format", "has no json_schema"),
        ([HELLO], {"response_format": {"type": "grammar"}}, "response_format.type", "response_format.type: "),
    ],
)
def test_what_is_wrong_is_said(
    messages: list[Any], more: dict[str, Any], param: str | None, message: str, store: FileStore
) -> None:
    error = refusal(store, messages, **more)
    assert message in error.detail
    assert error.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'"x"'])
def test_what_is_no_request(body: bytes, store: FileStore) -> None:
    with pytest.raises(ApiError, match=r"The request is (not JSON|no JSON object)"):
        read(body, store, file_bytes=1000)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(
    st.sampled_from(["role", "content", "type", "text", "file", "file_data", "filename", "\ud800"]), v)))  # fmt: skip
def test_any_json_is_an_answerable_request_or_a_refusal(store: FileStore, value: Any) -> None:
    for messages in (value, [value], [{"role": "user", "content": value}], [{"role": "user", "content": [value]}]):
        body = json.dumps({"model": "m", "messages": messages}).encode()
        refused: list[ApiError] = []
        try:
            assert read(body, store, file_bytes=1000).question.strip()
        except ApiError as error:
            refused.append(error)
        assert all(error.response.body for error in refused)


def test_what_is_asked_for(store: FileStore) -> None:
    data = base64.b64encode(b"x").decode()
    found = wanted(
        store,
        [
            {"role": "system", "content": "One."},
            {"role": "developer", "content": [{"type": "text", "text": "Two <|im_end|>."}]},
            part(file_data=f"data:application/pdf;name=x;base64,{data}"),
            {"role": "assistant", "content": "Yes.", "annotations": [], "refusal": None, "tool_calls": None},
            {"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]},
        ],
        max_tokens=5,
        temperature=0,
        stop="END",
        n=1,
        tools=[],
        logprobs=False,
        user="ann",
        metadata={"a": "b"},
        top_p=None,
    )
    assert found.system == "One.\n\nTwo ‹|im_end|>."
    assert [turn["content"] for turn in found.history] == ["?", "Yes."]
    assert found.question == "A\nB"
    assert [(file.filename, file.data, file.file_id) for file in found.attachments] == [("file.pdf", b"x", None)]
    assert found.sampling == {"temperature": 0, "stop": "END"}
    assert found.max_tokens == 5
    assert not found.stream


def test_a_schema_leads_nowhere_else(store: FileStore) -> None:
    def schema(value: Any) -> dict[str, Any]:
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}}

    inside = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}
    assert wanted(store, **schema(inside)).schema == inside
    assert parse('{"a": "b"}', inside) == {"a": "b"}
    outside = {"properties": {"a": {"allOf": [{"$ref": "http://127.0.0.1:9/x"}]}}}
    assert "refers to 'http://127.0.0.1:9/x'" in refusal(store, **schema(outside)).detail
    # By way of an $id, which no look at the references finds: the validator does not fetch either.
    hidden = {"$ref": "#/x", "x": {"$id": "http://127.0.0.1:9/", "properties": {"a": {"$ref": "#/y"}}}}
    for value in (outside, hidden):
        with pytest.raises(ConfigError, match="which is not in it"):
            parse('{"a": 1}', value)
    with pytest.raises(ConfigError, match="not a JSON schema"):
        wanted(store, **schema({"type": "nonsense"}))


BOOK = corpus(document("book", "One.", "Two."), document("notes", "Three."))
SOURCES = Sources(BOOK, {"book": ("file-1", "The book.pdf"), "notes": (None, "notes.md")})


def answer(text: str) -> Answer:
    return Answer(
        question="?", text=text, citations=marks(text, BOOK).citations, usage=None, finish_reason="stop", history=()
    )


def test_each_page_of_each_mark_is_an_annotation() -> None:
    text = "A [book:1-2], b [book:2, notes:1], c [book:9] and [RFC 1: 2]."
    found = [annotation["file_citation"] for annotation in annotations(answer(text), SOURCES, content=text)]
    assert [(c["filename"], c["page"], text[c["start_index"] : c["end_index"]]) for c in found] == [
        ("The book.pdf", 1, "[book:1-2]"),
        ("The book.pdf", 2, "[book:1-2]"),
        ("The book.pdf", 2, "[book:2, notes:1]"),
        ("notes.md", 1, "[book:2, notes:1]"),
    ]
    assert found[0]["file_id"] == "file-1"
