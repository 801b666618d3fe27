"""Settings and the origin of each: command-line options, the environment, `longread.toml`, built-in defaults."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from longread.errors import ConfigError

from ..corpus.choices import Changes, HiddenText, OcrMode
from ..corpus.options import OCR_LANGUAGES, EncodingName
from ..corpus.picture_selection import Vision
from ..llm.openai_server import redact_url

FILE = "longread.toml"


class Settings(BaseModel):
    """All settings. The description of a field is its help text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    server: str | None = Field(
        None, description="URL of an OpenAI-compatible server; if not set, the embedded model runs"
    )
    model: str | None = Field(
        None, description="name of the model on the server or for the embedded engine; agent models lists them"
    )
    api_key: str | None = Field(None, description="sent to the server as a bearer token")
    window: int | None = Field(
        None,
        ge=256,
        description="context window in tokens; detected from the model if not set; extends an embedded model's window",
    )
    max_tokens: int = Field(
        512, ge=1, description="maximum length of an answer in tokens, which is reserved in the window"
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="sampling temperature; the model's default if not set"
    )
    timeout: float = Field(
        1800.0, gt=0, description="seconds to wait for the server's next token; a long prompt can take minutes"
    )
    device: str | None = Field(None, description="device of the embedded model: cpu, cuda, cuda:1; detected if not set")
    vision: Vision = Field(
        "auto",
        description="pages that are sent as pictures, too, to a model that reads pictures: auto (scans, and pages with "
        "pictures), never, always",
    )
    layout: bool = Field(False, description="read PDFs as Markdown with tables; slower")
    ocr: OcrMode = Field(
        "auto", description="read scanned pages and pictures with Tesseract: auto (if its data is there), always, never"
    )
    ocr_language: str = Field("eng", pattern=OCR_LANGUAGES, description="Tesseract's language codes, joined by +")
    changes: Changes = Field("marked", description="tracked changes of Word: marked, or the final or original text")
    hidden: HiddenText = Field(
        "drop", description="text that a reader of the file does not see: drop leaves it out, keep marks it"
    )
    encoding: EncodingName | None = Field(
        None, description="encoding of text files that do not name theirs; UTF-8, or a guess with a warning, if not set"
    )
    attachments: bool = Field(False, description="read the files attached to PDFs as documents, too")
    jobs: int | None = Field(None, ge=1, description="parser processes; one for each core if not set")
    parse_timeout: float = Field(
        60.0,
        gt=0,
        description="seconds of CPU time without progress, or of doing nothing, after which a parser is stopped",
    )
    parse_memory_mib: int = Field(2048, ge=256, description="memory limit of a parser process in MiB")
    prefix_cache_gib: float = Field(
        8.0, ge=0, description="disk space in GiB for the K/V cache of prompts; 0 turns the cache off"
    )


class Config(BaseModel):
    """The settings and where each came from."""

    model_config = ConfigDict(frozen=True)

    settings: Settings
    origins: Mapping[str, str]
    """Setting name to 'flag --model', 'environment LONGREAD_MODEL', a file's path, or 'built in'."""

    def table(self) -> list[tuple[str, str, str, str]]:
        """(name, value, origin, description) of each setting; the API key is not shown."""
        rows = []
        for name, field in Settings.model_fields.items():
            value = getattr(self.settings, name)
            shown = "-" if value is None else "***" if name == "api_key" else redact_url(str(value))
            rows.append((name, shown, self.origins[name], field.description or ""))
        return rows


def load(
    flags: Mapping[str, Any], *, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Config:
    """Read the settings from all their sources.

    Args:
        flags: the options of the command line; None means not given.
        environment: `os.environ` if None.
        folder: where the project's `longread.toml` is, which takes precedence over the user's; the current folder if
            None.

    Raises:
        ConfigError: an unknown setting in a file or an invalid value. The message names the origin.
    """
    environment = os.environ if environment is None else environment
    layers: list[tuple[str, dict[str, Any]]] = []
    here = (folder or Path.cwd()) / FILE
    for path in (*_user_files(), here):
        layers.append((str(path), _read(path)))
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "built in")

    def take(name: str, value: Any, origin: str) -> None:
        values[name] = _validate(name, value, origin)
        origins[name] = origin

    for origin, layer in layers:
        for name, value in layer.items():
            take(name, value, origin)
    for name in Settings.model_fields:
        variable = f"LONGREAD_{name.upper()}"
        if environment.get(variable):
            take(name, environment[variable], f"environment {variable}")
    if "server" not in values and flags.get("server") is None and environment.get("OPENAI_BASE_URL"):
        take("server", environment["OPENAI_BASE_URL"], "environment OPENAI_BASE_URL")
    for name, value in flags.items():
        if value is not None:
            take(name, value, f"flag --{name.replace('_', '-')}")
    if values.get("api_key") is None and environment.get("OPENAI_API_KEY") and _is_openai(values, origins):
        take("api_key", environment["OPENAI_API_KEY"], "environment OPENAI_API_KEY")
    if origins["server"] == str(here) and origins["api_key"].startswith("environment"):
        raise ConfigError(
            f"{here} sets the server, {redact_url(values['server'])}, and your key is from the "
            f"{origins['api_key']}: a folder does not get to choose where your key is sent. "
            "Give --server or LONGREAD_SERVER yourself, or put api_key into "
            "that file."
        )
    return Config(settings=Settings(**values), origins=origins)


def _user_files() -> list[Path]:
    try:
        return [user_config_path("longread", appauthor=False) / FILE]
    except RuntimeError:  # a container's user without a home
        return []


def _is_openai(values: Mapping[str, Any], origins: Mapping[str, str]) -> bool:
    """Whether OPENAI_API_KEY belongs to the server that is set. It is sent to no other."""
    server = values.get("server")
    return server is not None and (
        origins["server"] == "environment OPENAI_BASE_URL"
        or re.match(r"https://api\.openai\.com(?:[:/]|$)", server) is not None
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from error


def _validate(name: str, value: Any, origin: str) -> Any:
    if name not in Settings.model_fields:
        known = ", ".join(Settings.model_fields)
        raise ConfigError(f"{origin}: there is no setting {name!r}. There are: {known}.")
    try:
        return getattr(Settings(**{name: value}), name)
    except ValidationError as error:
        detail = error.errors()[0]["msg"].removeprefix("Value error, ")
        detail = detail[:1].lower() + detail[1:]
        shown = "" if name == "api_key" else f" = {value!r}"
        raise ConfigError(f"{origin}: {name}{shown} cannot be used: {detail}.") from None
