"""The documents beside the README: links lead somewhere, and the Python in library.md runs from top to bottom."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))]
    assert [link for link in links if link and "://" not in link and not (page.parent / link).exists()] == []


def test_cli_md_is_what_the_commands_say():
    result = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "write_cli.py"), "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.usefixtures("read_before")
def test_the_python_in_library_md_runs():
    blocks = BLOCK.findall((ROOT / "docs" / "library.md").read_text(encoding="utf-8"))
    assert len(blocks) > 5
    script = "\n".join(blocks)
    # The small model rambles; what it says is not what is tested here.
    short = script.replace("LongReader(corpus)", "LongReader(corpus, max_tokens=16)")
    assert short != script
    result = subprocess.run(
        [sys.executable, "-c", short],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert result.returncode == 0, result.stderr
    assert "no-such.pdf" in result.stdout  # the failure that the page shows how to read
    assert "tokens read" in result.stdout  # prefill events
    assert "[('handbook'," in result.stdout  # the budget
