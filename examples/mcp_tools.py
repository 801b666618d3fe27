"""Give the model the tools of MCP servers, configured as in other assistants. pip install 'longread[mcp]'

LONGREAD_SERVER=http://localhost:8000/v1 python examples/mcp_tools.py mcp.json "What time is it?" [book.pdf ...]

mcp.json: {"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}
"""

import json
import os
import sys
from pathlib import Path

from longread import LongReader, ToolStart

if len(sys.argv) < 3:
    sys.exit(__doc__)
config, question, *files = sys.argv[1:]


def approve(call: ToolStart) -> bool:
    """Tools of other servers may have effects, so ask the user, if one is there."""
    print(f"{call.name} {call.arguments}")
    return not sys.stdin.isatty() or input("run it? [y/N] ") == "y"


reader = LongReader(
    files=files,
    server=os.environ["LONGREAD_SERVER"],
    model=os.environ.get("LONGREAD_MODEL"),
    function_list=[json.loads(Path(config).read_text())],  # the servers run as long as the reader exists
    approve=approve,
)
print(reader.ask(question).text)
