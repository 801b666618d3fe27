"""Base classes of tools: arguments as a pydantic model, text as the result, one-line errors that a model can act on."""

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from qwen_agent.tools.base import BaseTool
from qwen_agent.utils.utils import json_loads

from longread.control_tokens import sanitize
from longread.documents import Document, HasDocuments, Page, citation_mark
from longread.page_ranges import PageRangeError, format_ranges, parse_ranges

_MOST_NAMES = 20
"""Document names in an error."""
MOST_RANGES = 40
"""Page ranges in a result or an error. A list of pages may be long: every other page of a book."""


class ToolError(Exception):
    """A call that cannot be carried out. The message is one line for the model, which may call again."""


class Arguments(BaseModel):
    """Base class of a tool's arguments. Every field needs a description: it is all a model knows about the field."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class ToolLimits:
    """Limits of one call."""

    characters: int = 12_000
    """Maximum length of a result; 12,000 are about 3,000 tokens."""
    snippets: int = 20
    """Maximum number of matches or changes in a result."""
    regex_seconds: float = 5.0
    """Time for one regular expression over the whole corpus."""
    table_seconds: float = 30.0
    """Time for finding the tables of one page."""
    table_memory: int = 2 << 30
    """Bytes of address space of the process that finds tables."""


A = TypeVar("A", bound=Arguments)


class Tool(BaseTool, Generic[A]):
    """A Qwen-Agent tool whose arguments are declared once, as a pydantic model.

    `call` does not raise for mistakes of the model. Invalid JSON, a wrong argument or a `ToolError` of `run` becomes
    one line that starts with the tool's name. It is sanitized, because it may quote a document or a web page.
    """

    arguments: type[A]
    effects: bool = False
    """Whether a call reads or changes anything outside the corpus. The agent asks the user before such a call."""
    limits: ToolLimits = ToolLimits()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "arguments" in cls.__dict__:
            cls.parameters = json_schema(cls.arguments)

    def call(self, params: str | dict[str, Any], **kwargs: Any) -> str:
        """Run the tool; returns its result, or one line that says what was wrong with the call."""
        try:
            text = self.run(self._validate(params))
        except ToolError as error:
            return f"{self.name}: {sanitize(' '.join(str(error).split()))}"
        # Tools leave out whole entries and say how to get the rest; this is the safety net.
        return truncate(text, self.limits.characters)

    @abstractmethod
    def run(self, arguments: A) -> str:
        """Carry out the call. Text from outside, such as that of documents, must be passed through `sanitize`.

        Raises:
            ToolError: the call cannot be carried out.
        """

    def _validate(self, params: str | dict[str, Any]) -> A:
        given = as_object(params)
        try:
            return self.arguments.model_validate(given)
        except ValidationError as error:
            fields = list(self.arguments.model_fields)
            faults = cast("list[dict[str, Any]]", error.errors())
            raise ToolError(" ".join(_sentence(fault, fields) for fault in faults)) from error


class DocumentTool(Tool[A]):
    """A tool that works on a corpus.

    Args:
        corpus: the documents.
        limits: limits of one call; None: the defaults.
    """

    def __init__(self, corpus: HasDocuments, *, limits: ToolLimits | None = None):
        super().__init__()
        self.corpus = corpus
        self.limits = limits or ToolLimits()

    def document(self, name: str | None) -> Document:
        """Find a document by its name, its file name or its title. None selects the only document.

        Raises:
            ToolError: no document, or more than one, has that name.
        """
        documents = self.corpus.documents
        if name is None:
            if len(documents) == 1:
                return documents[0]
            raise ToolError(f"document is missing, and there are {len(documents)}: {self._names()}.")
        wanted = name.strip("[] ").casefold()
        for known in (_name, _file, _title):
            found = [document for document in documents if known(document).casefold() == wanted]
            if len(found) == 1:
                return found[0]
        raise ToolError(f"no document is named {_short(name)}. There are: {self._names()}.")

    def pages(self, document: Document, ranges: str | None) -> list[Page]:
        """Select pages by ranges such as "3-5,9". They keep the order of the document. None selects all.

        Raises:
            ToolError: the ranges are not valid, or name a page that the document does not have.
        """
        if ranges is None:
            return list(document.pages)
        try:
            wanted = parse_ranges(ranges)
        except PageRangeError as error:
            part = error.part
            raise ToolError(f"pages: {part!r} is not a page or a range of pages; write for instance 3-5,9.") from error
        there = {page.number for page in document.pages}
        last = max(there, default=0)
        numbers: set[int] = set()
        for start, end in wanted:
            if not 1 <= start <= end <= last or not there.issuperset(range(start, end + 1)):
                missing = f"has no page {start}" if start == end else f"does not have all pages of {start}-{end}"
                has = format_ranges(there, most=MOST_RANGES) or "none"
                raise ToolError(f"pages: {document.name} {missing}. Its pages are {has}.")
            numbers.update(range(start, end + 1))
        return [page for page in document.pages if page.number in numbers]

    def quote(self, document: Document, page: int, text: str) -> str:
        """Quote part of a page for the model: one line, after the citation mark, without control tokens."""
        return f"{citation_mark(document, page)} {sanitize(' '.join(text.split()))}"

    def _names(self) -> str:
        names = [document.name for document in self.corpus.documents]
        rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return ", ".join(names[:_MOST_NAMES]) + rest


def _name(document: Document) -> str:
    return document.name


def _file(document: Document) -> str:
    return PurePath(document.source).name


def _title(document: Document) -> str:
    return document.title


def as_object(params: str | dict[str, Any]) -> dict[str, Any]:
    """Parse the arguments of a call as a model wrote them.

    Raises:
        ToolError: they are not a JSON object.
    """
    given: Any = params
    if isinstance(params, str):
        try:
            given = json_loads(params) if params.strip() else {}
        except ValueError as error:
            raise ToolError(f"the arguments are not valid JSON ({error}).") from error
    if not isinstance(given, dict):
        raise ToolError(f"the arguments must be a JSON object, not {_short(given)}.")
    return given


def truncate(text: str, most: int) -> str:
    """Truncate `text` to `most` characters, with a line that says so."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… {most:,} of {len(text):,} characters shown; ask for less at a time."


def count_fitting(entries: Sequence[str], room: int) -> int:
    """How many of the entries, one per line, fit into `room` characters. At least one, if there is any."""
    used = 0
    for count, entry in enumerate(entries):
        used += len(entry) + 1
        if used > room and count:
            return count
    return len(entries)


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments: no titles, no references; an argument that may be null is optional."""
    whole = model.model_json_schema()
    schema = _plain(whole, whole.get("$defs", {}))
    return {
        "type": "object",
        "properties": schema.get("properties", {}),
        "required": schema.get("required", []),
    }


def _plain(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_plain(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = {**definitions[schema["$ref"].rpartition("/")[2]], **schema}
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        schema = {**options[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
        return _plain(schema, definitions)
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            plain[key] = {name: _plain(part, definitions) for name, part in value.items()}
        elif key not in ("title", "$ref", "$defs", "additionalProperties") and not (key == "default" and value is None):
            plain[key] = value if key in ("default", "enum", "const", "examples") else _plain(value, definitions)
    return plain


def _sentence(error: dict[str, Any], fields: Sequence[str]) -> str:
    """One of pydantic's errors as a sentence."""
    where = ".".join(str(part) for part in error["loc"]) or "the arguments"
    match error["type"]:
        case "missing":
            return f"{where} is missing."
        case "extra_forbidden":
            return f"there is no argument {where}; there are {', '.join(fields)}."
        case "literal_error":
            return f"{where} must be one of {error['ctx']['expected']}, not {_short(error['input'])}."
        case _:
            message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
            return f"{where}: {message}, not {_short(error['input'])}."


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"
