"""What a tool is: arguments as a model of pydantic, text out, and one line for the model when it called it wrongly."""

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from qwen_agent.tools.base import BaseTool
from qwen_agent.utils.utils import json_loads

from .documents import Corpus, Document, mark

_NAMED = 20
"""Documents that an error names."""


class ToolError(Exception):
    """What a tool cannot do as it was asked to: one line, for the model to read."""


class Arguments(BaseModel):
    """The base of tools' arguments. Fields need descriptions: they are what a model knows of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Limits:
    """How much one call may give back and take."""

    characters: int = 12_000
    """Of a result: about 3,000 tokens."""
    snippets: int = 20
    """Matches or changes shown at a time."""
    regex_seconds: float = 5.0
    """For a regular expression over the whole corpus."""
    table_seconds: float = 30.0
    """For the tables of a page."""
    table_memory: int = 2 << 30
    """Bytes of address space for the process that finds tables."""


A = TypeVar("A", bound=Arguments)


class Tool(BaseTool, Generic[A]):
    """A Qwen-Agent tool whose arguments are declared once, as a model of pydantic.

    `call` never raises for what a model wrote: bad JSON, a wrong argument or a `ToolError` of `run` come back as a line
    that begins with the tool's name.
    """

    arguments: type[A]
    effects: bool = False
    """Whether a call changes or reaches anything outside the corpus. The agent asks before it calls such a tool."""
    limits: Limits = Limits()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "arguments" in cls.__dict__:
            cls.parameters = parameters(cls.arguments)

    def call(self, params: str | dict[str, Any], **kwargs: Any) -> str:
        """What the tool found, or a line on what was wrong with the call."""
        try:
            text = self.run(self._validated(params))
        except ToolError as error:
            return f"{self.name}: {self._refusal(error)}"
        # Tools leave out by the entry and say how to go on; this is for what no tool foresaw.
        return cut(text, self.limits.characters)

    @abstractmethod
    def run(self, arguments: A) -> str:
        """Do it.

        Raises:
            ToolError: it cannot be done as asked.
        """

    def _refusal(self, error: ToolError) -> str:
        return " ".join(str(error).split())

    def _validated(self, params: str | dict[str, Any]) -> A:
        given = as_object(params)
        try:
            return self.arguments.model_validate(given)
        except ValidationError as error:
            fields = list(self.arguments.model_fields)
            faults = cast("list[dict[str, Any]]", error.errors())
            raise ToolError(" ".join(_sentence(fault, fields) for fault in faults)) from error


class DocumentTool(Tool[A]):
    """A tool on a corpus.

    Args:
        corpus: the documents.
        clean: makes text of documents harmless for the model's chat template. Everything that a document says goes
            through it on its way to the model.
        limits: of one call.
    """

    def __init__(self, corpus: Corpus, *, clean: Callable[[str], str], limits: Limits | None = None):
        super().__init__()
        self.corpus = corpus
        self.clean = clean
        self.limits = limits or Limits()

    def document(self, name: str | None) -> Document:
        """The document that the model means; None will do where there is one only. The file's name is understood too.

        Raises:
            ToolError: there is none, or more than one.
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

    def quote(self, document: Document, page: int, text: str) -> str:
        """A piece of a page as the model is to see it: after its mark, on one line, and harmless."""
        return f"{mark(document, page)} {self.clean(' '.join(text.split()))}"

    def _refusal(self, error: ToolError) -> str:
        return self.clean(super()._refusal(error))  # it may have a file's name in it

    def _names(self) -> str:
        names = [document.name for document in self.corpus.documents]
        rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + rest


def _name(document: Document) -> str:
    return document.name


def _file(document: Document) -> str:
    return PurePath(document.source).name


def _title(document: Document) -> str:
    return document.title


def as_object(params: str | dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call as a model wrote them.

    Raises:
        ToolError: they are no JSON object.
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


def cut(text: str, most: int) -> str:
    """The first `most` characters, and how many there are, if there are more."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… {most:,} of {len(text):,} characters shown; ask for less at a time."


def fitting(entries: Sequence[str], room: int) -> int:
    """How many of the entries, each on a line, have room in so many characters: at least the first."""
    used = 0
    for count, entry in enumerate(entries):
        used += len(entry) + 1
        if used > room and count:
            return count
    return len(entries)


def parameters(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments: no titles, no references, and "may be null" said by not being required."""
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
    """What pydantic found wrong with one argument."""
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
