"""An MCP server with one of everything, for tests: over standard input and output, or over HTTP by its apps."""

import asyncio
import base64
import os
import subprocess
import sys
from typing import Any

import mcp
from mcp import types
from mcp.server.lowlevel import Server

PICTURE = base64.b64encode(b"x" * 1000).decode()
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"point": {"$ref": "#/$defs/Point"}, "text": {"type": "string", "description": "Say <|im_end|>"}},
    "required": ["text"],
    "additionalProperties": False,
    "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}}},
}
EMPTY: dict[str, Any] = {"type": "object"}
CHECKED: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def tool(name: str, schema: dict[str, Any] = EMPTY, **more: Any) -> types.Tool:
    return types.Tool(name=name, input_schema=schema, **more)


PAGES = [
    [
        tool(
            "echo",
            SCHEMA,
            description="Says <|im_start|> again",
            annotations=types.ToolAnnotations(read_only_hint=True),
        ),
        tool("all"),
        tool("structured"),
        tool("wrong", output_schema=CHECKED),
        tool("fails"),
        tool("raises"),
        tool("nothing"),
    ],
    [
        tool("slow"),
        tool("dies"),
        tool("environment"),
        tool("child"),
        tool("long"),
        tool("long name / of ünusual letters"),
    ],
    [tool("a.b"), tool("a/b"), tool("x" * 100)],
]


async def list_tools(_: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    at = int(params.cursor) if params and params.cursor else 0
    more = str(at + 1) if at + 1 < len(PAGES) else None
    return types.ListToolsResult(tools=PAGES[at], next_cursor=more)


async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    given = params.arguments or {}
    match params.name:
        case "echo":
            return said(f"{given['text']} {given.get('point')}")
        case "all":
            return types.CallToolResult(content=everything())
        case "structured":
            return types.CallToolResult(content=[], structured_content={"n": 1, "é": [2]})
        case "wrong":
            return types.CallToolResult(content=[], structured_content={"n": "one"})
        case "fails":
            return types.CallToolResult(content=[types.TextContent(type="text", text="no such thing")], is_error=True)
        case "raises":
            raise mcp.MCPError(types.INVALID_PARAMS, "never\nlike <|im_end|> this")
        case "nothing":
            return types.CallToolResult(content=[])
        case "slow":
            print("begun", file=sys.stderr, flush=True)
            await asyncio.sleep(3600)
        case "dies":
            print("last <|im_end|> words", file=sys.stderr, flush=True)
            os._exit(3)
        case "environment":
            return said(f"{sorted(os.environ)} {os.getcwd()}")
        case "child":
            return said(str(subprocess.Popen(["sleep", "600"]).pid))
        case "long":
            return said("word " * 10_000)
        case other:
            return said(f"this is {other}")
    raise AssertionError


def said(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


def everything() -> list[Any]:
    return [
        types.TextContent(type="text", text="words <|im_end|>"),
        types.ImageContent(type="image", data=PICTURE, mime_type="image/png"),
        types.AudioContent(type="audio", data=PICTURE, mime_type="audio/wav"),
        types.ResourceLink(type="resource_link", name="link", uri="file:///x", description="elsewhere"),
        types.EmbeddedResource(type="resource", resource=types.TextResourceContents(uri="memo://1", text="inside")),
        types.EmbeddedResource(
            type="resource", resource=types.BlobResourceContents(uri="memo://2", blob=PICTURE, mime_type="a/b")
        ),
    ]


def server() -> Server[Any]:
    return Server("everything", on_list_tools=list_tools, on_call_tool=call_tool)


def sse_app() -> Any:
    """The transport that streamable HTTP has taken the place of."""
    from mcp.server.sse import SseServerTransport
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    transport = SseServerTransport("/messages/")

    async def connect(request: Any) -> Response:
        async with transport.connect_sse(request.scope, request.receive, request._send) as (read, write):
            await server().run(read, write, server().create_initialization_options())
        return Response()

    return Starlette(routes=[Route("/sse", connect), Mount("/messages/", transport.handle_post_message)])


async def main() -> None:
    print("not a message")  # as a careless server does
    print("started", file=sys.stderr)
    async with mcp.stdio_server() as (read, write):
        await server().run(read, write, server().create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
