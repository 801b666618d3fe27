"""The `mcpServers` JSON that many assistants share: which MCP servers to start or to connect to."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from longread.errors import ToolUnavailable

_VARIABLE = re.compile(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}")


class _Server(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    disabled: bool = False
    description: str = ""
    # Other assistants list tools here that need no approval. Accepted, and ignored: the user decides with `--approve`.
    auto_approve: list[str] = Field(default=[], alias="autoApprove")
    always_allow: list[str] = Field(default=[], alias="alwaysAllow")


class StdioServer(_Server):
    """A server that is started as a program and uses its standard input and output."""

    type: Literal["stdio"] = "stdio"
    command: str = Field(min_length=1)
    args: list[str] = []
    env: dict[str, str] = {}
    """Added to PATH, HOME and similar variables. Nothing else of the environment is passed on."""
    cwd: str | None = None


class HttpServer(_Server):
    """A server that is already running."""

    type: Literal["http", "streamable-http", "streamable_http", "streamableHttp", "sse"] | None = None
    """None: streamable HTTP, or SSE if the server does not support that."""
    url: str = Field(pattern=r"^https?://[^\s/]+")
    headers: dict[str, str] = {}
    sse_read_timeout: float = Field(default=300.0, gt=0)
    """Seconds without data after which a connection is closed."""


Server = StdioServer | HttpServer


def load_mcp_servers(path: str | Path, environment: Mapping[str, str] = os.environ) -> dict[str, Server]:
    """Read a file of the form `{"mcpServers": {name: {"command": …} | {"url": …}}}`.

    `${NAME}` and `${NAME:-default}` in strings are replaced by environment variables. Disabled servers are left out.

    Raises:
        ToolUnavailable: the file cannot be read or is not a valid configuration. The message names file, server, key.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ToolUnavailable(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ToolUnavailable(f"{path} is not valid JSON: {error}.") from error
    return parse_config(data, environment, origin=str(path))


def parse_config(
    data: Any, environment: Mapping[str, str] = os.environ, *, origin: str = "the configuration of MCP"
) -> dict[str, Server]:
    """Parse `{"mcpServers": {…}}`: see `load_mcp_servers`.

    Args:
        origin: where the configuration comes from: the start of an error message.

    Raises:
        ToolUnavailable: it is not a valid configuration.
    """
    entries = data.get("mcpServers") if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        raise ToolUnavailable(f'{origin} must have the form {{"mcpServers": {{"name": {{"command": "…"}}}}}}.')
    servers: dict[str, Server] = {}
    for name, entry in entries.items():
        where = f"{origin}: server {name!r}"
        if not isinstance(entry, dict) or ("command" in entry) == ("url" in entry):
            raise ToolUnavailable(f"{where} must be an object with either a command or a url.")
        kind = StdioServer if "command" in entry else HttpServer
        try:
            server = kind.model_validate(_expand(entry, environment, where))
        except ValidationError as error:
            faults = cast("list[dict[str, Any]]", error.errors())
            raise ToolUnavailable(f"{where}: {' '.join(_sentence(fault, kind) for fault in faults)}") from error
        if not server.disabled:
            servers[name] = server
    return servers


def _expand(value: Any, environment: Mapping[str, str], where: str) -> Any:
    if isinstance(value, dict):
        return {key: _expand(part, environment, f"{where}: {key}") for key, part in value.items()}
    if isinstance(value, list):
        return [_expand(part, environment, where) for part in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        found = environment.get(match[1], match[2])
        if found is None:
            raise ToolUnavailable(f"{where}: the environment variable {match[1]} is not set.")
        return found

    return _VARIABLE.sub(variable, value)


def _sentence(fault: dict[str, Any], kind: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in kind.model_fields.items()]
        return f"there is no key {where}; there are {', '.join(known)}."
    if fault["loc"] == ("url",):
        return "url must begin with http:// or https:// and a host."
    return f"{where}: {fault['msg'].removeprefix('Input ')}."
