"""Write docs/cli.md, which is the commands' own help: `python docs/write_cli.py`. With --check: fail if it is not."""

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
COMMAND = [sys.executable, "-m", "typer", "longread.agent.cli", "utils", "docs", "--name", "agent"]


def generated() -> str:
    """The page as the commands of today make it."""
    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
    result = subprocess.run(COMMAND, capture_output=True, text=True, check=True, env=environment)
    return "\n".join(line.rstrip() for line in result.stdout.strip().splitlines()) + "\n"


def main() -> None:
    text = generated()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is not what the commands say: python docs/write_cli.py")


if __name__ == "__main__":
    main()
