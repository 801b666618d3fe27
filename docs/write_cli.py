"""Generate docs/cli.md from the help texts of the commands.

python docs/write_cli.py            # writes the page
python docs/write_cli.py --check    # exits with an error if the page is out of date
"""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
COMMAND = [sys.executable, "-m", "typer", "longread.agent.cli.app", "utils", "docs", "--name", "agent"]
HEADING = re.compile(r"^#+ `(agent[^`]*)`$")
ENTRY = re.compile(r"^\* `([\w-]+)`: .*\.\.\.$")


def generate() -> str:
    """The page for the current commands."""
    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
    result = subprocess.run(COMMAND, capture_output=True, text=True, check=True, env=environment)
    lines = [line.rstrip() for line in result.stdout.strip().splitlines()]
    return "\n".join(with_whole_summaries(lines)) + "\n"


def with_whole_summaries(lines: list[str]) -> list[str]:
    """The page with the first line of each command's help in the lists of commands, where Typer truncates it."""
    headings = [HEADING.match(line) for line in lines]
    summaries = {found[1]: lines[number + 2] for number, found in enumerate(headings) if found}
    written, command = [], ""
    for line, heading in zip(lines, headings, strict=True):
        command = heading[1] if heading else command
        entry = ENTRY.match(line)
        written.append(f"* `{entry[1]}`: {summaries[f'{command} {entry[1]}']}" if entry else line)
    return written


def main() -> None:
    text = generate()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is out of date. Run: python docs/write_cli.py")


if __name__ == "__main__":
    main()
