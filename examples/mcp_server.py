"""Your documents as an MCP server, used by the official client: pip install 'longread[mcp]'

python examples/mcp_server.py examples/handbook.pdf window

An assistant with MCP support runs the same command:
{"mcpServers": {"handbook": {"command": "agent", "args": ["mcp", "--file", "/path/to/handbook.pdf"]}}}
"""

import asyncio
import sys
from pathlib import Path

from mcp import Client, StdioServerParameters, stdio_client

AGENT = str(Path(sys.executable).with_name("agent"))


async def main(path: str, words: str) -> None:
    command = StdioServerParameters(command=AGENT, args=["mcp", "--file", path])
    async with Client(stdio_client(command)) as client:
        tools = await client.list_tools()
        print("tools:", *[tool.name for tool in tools.tools])
        found = await client.call_tool("search", {"query": words})
        print("\n".join(getattr(part, "text", "") for part in found.content))
        resources = await client.list_resources()
        page = await client.read_resource(resources.resources[-1].uri)
        print(resources.resources[-1].uri, "has", len(getattr(page.contents[0], "text", "")), "characters")


if len(sys.argv) < 3:
    sys.exit(__doc__)
asyncio.run(main(*sys.argv[1:]))
