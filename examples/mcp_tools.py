"""Give the model the tools of MCP servers, named in the JSON that other assistants use. pip install 'longread[mcp]'

LONGREAD_SERVER=http://localhost:8000/v1 python examples/mcp_tools.py mcp.json "What time is it?" [book.pdf ...]

mcp.json: {"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}
"""

import os
import sys

from longread.agent import Corpus, LongReader
from longread.agent.events import ToolStart
from longread.agent.tool_choice import clean
from longread.tools import McpServers
from longread.tools.mcp_config import load_mcp_servers

if len(sys.argv) < 3:
    sys.exit(__doc__)
config, question, *files = sys.argv[1:]
llm = {
    "model_type": "longread-endpoint",
    "server": os.environ["LONGREAD_SERVER"],
    "model": os.environ.get("LONGREAD_MODEL", ""),
}


def approve(call: ToolStart) -> bool:
    """Whatever a server says of its tools, they may have effects: ask the user, if one is there."""
    print(f"{call.name} {call.arguments}")
    return not sys.stdin.isatty() or input("run it? [y/N] ") == "y"


with McpServers(load_mcp_servers(config), clean=clean) as servers:
    corpus = Corpus.load(files) if files else None
    reader = LongReader(corpus, llm, function_list=servers.tools, approve=approve)
    print(reader.ask(question).text)
