"""The documentation is true: links, paths and names exist, snippets run, and generated pages are current."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.locked import locked
from tests.support.repository import ROOMS, ROOT

DOCS = ROOT / "docs"
SITE = sorted(DOCS.rglob("*.md"))
PAGES = [*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "AGENTS")), *SITE]
FOLDERS = (*ROOMS, "src", "benchmarks", "docs", "examples", "tests", "requirements")
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The text of a page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as git hosts and the site make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(page: Path, text: str) -> list[str]:
    """The links in `text` that lead nowhere from `page`."""
    found = []
    for link in LINK.findall(text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path):
    assert broken(page, prose(page)) == []


@pytest.mark.parametrize("link", ["no-such.md", "library.md#no-such", "#no-such", "../docs/no-such/"])
def test_a_broken_link_is_found(link: str):
    assert broken(DOCS / "index.md", f"[text]({link}) [text](library.md#quotes) [text](https://example.org)") == [link]


def test_links_of_the_site_stay_in_it():
    """The site has the pages in docs/ only, and the site generator does not report links that leave it."""
    links = [(page, link.partition("#")[0]) for page in SITE for link in LINK.findall(prose(page)) if "://" not in link]
    assert len(links) > 30
    assert [
        (name_of(page), link) for page, link in links if not (page.parent / link).resolve().is_relative_to(DOCS)
    ] == []


def test_every_page_is_in_the_navigation():
    class Loader(yaml.SafeLoader):
        """Takes mkdocs.yml's Python names as text."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)

    def pages(entries: list[object]) -> list[str]:
        found = []
        for entry in entries:
            for value in entry.values() if isinstance(entry, dict) else [entry]:
                found += pages(value) if isinstance(value, list) else [str(value)]
        return found

    listed = [*pages(settings["nav"]), settings["not_in_nav"]]
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in SITE)


def paths_in(text: str) -> list[str]:
    """Paths of the repository that are named as code, such as `agent/reader.py` and `kernels/cpu/`."""
    spans = re.findall(r"`([\w./-]+)`", text)
    spans += [word for span in re.findall(r"`(?:python|make) ([^`\n]*)`", text) for word in span.split()]
    return [span for span in spans if "/" in span and span.split("/")[0] in FOLDERS and "NAME" not in span]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    assert [path for path in paths_in(text) if not (ROOT / path).exists()] == []


def test_paths_are_looked_at():
    found = [path for page in PAGES for path in paths_in(page.read_text(encoding="utf-8"))]
    assert len(found) > 150
    assert paths_in("`agent/no_such.py` and `python docs/no_such.py --check`") == [
        "agent/no_such.py",
        "docs/no_such.py",
    ]


def modules_in(text: str) -> set[str]:
    """Dotted names that begin with `longread.` or, after `python -m`, with `benchmarks.`."""
    rows = re.sub(
        r"^\| .* \| (?=[^|]*\|$)", "", text, flags=re.MULTILINE
    )  # CHANGELOG: a row's last cell has the new name
    return set(re.findall(r"\b(longread(?:\.[A-Za-z_]\w*)+)", rows)) | set(
        re.findall(r"python -m (benchmarks[\w.]+)", text)
    )


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:count]) if parts[0] == "benchmarks" else ROOT.joinpath("src", *parts[:count])
        if path.is_dir() or path.with_suffix(".py").is_file():
            if count == len(parts):
                return True
            found: object = importlib.import_module(".".join(parts[:count]))
            for attribute in parts[count:]:
                if not hasattr(found, attribute):
                    return False
                found = getattr(found, attribute)
            return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_and_names_exist(page: Path):
    text = re.sub(r"\blongread\.(?:toml|md)\b", "", page.read_text(encoding="utf-8"))
    assert sorted(name for name in modules_in(text) if not resolves(name)) == []


def test_a_name_that_does_not_exist_is_found():
    text = "`longread.Corpus.load` `longread.errors.NoSuch` `longread.no_such.name` `python -m benchmarks.no_such`"
    assert {name for name in modules_in(text) if not resolves(name)} == {
        "longread.errors.NoSuch",
        "longread.no_such.name",
        "benchmarks.no_such",
    }


def test_the_design_has_every_package():
    text = (DOCS / "internals" / "design.md").read_text(encoding="utf-8")
    rooms = [ROOT / room for room in ("agent", "tools", "serving", "kernels")]
    packages = [path.parent.relative_to(ROOT) for room in rooms for path in room.rglob("__init__.py")]
    below = {"agent/corpus/parsing", "agent/corpus/formats"}  # described with agent/corpus
    named = re.findall(r"`([\w/]+)/`", text)
    assert len(packages) > 20
    assert [
        str(package)
        for package in packages
        if str(package) not in (*named, *below, *(f"tools/{name}" for name in named))
        and str(package.parent) != "agent/corpus/formats"  # a package for each family: docs/formats.md
    ] == []


def test_the_formulas_are_where_the_page_says():
    text = (DOCS / "internals" / "kernels.md").read_text(encoding="utf-8")
    table = text.partition("## Where each formula is")[2].partition("\n## ")[0]
    names = re.findall(r"`([\w.]+)`", re.sub(r"^\| [^|]* \|", "", table, flags=re.MULTILINE))
    files = [(path.stem, path.read_text(encoding="utf-8")) for path in sorted((ROOT / "kernels").rglob("*.py"))]
    assert len(names) > 12
    missing = []
    for name in names:
        owner, _, function = name.rpartition(".")  # a module, or a class of any module
        sources = [text for stem, text in files if stem == owner] or [text for _, text in files]
        if not any(re.search(rf"^ *def {function}\(", text, flags=re.MULTILINE) for text in sources):
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("script", ["write_cli.py", "write_configuration.py"])
def test_generated_pages_are_current(script: str):
    result = subprocess.run([sys.executable, str(DOCS / script), "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_an_outdated_page_is_found(tmp_path: Path):
    script = tmp_path / "write_configuration.py"
    script.write_text((DOCS / "write_configuration.py").read_text(encoding="utf-8"))
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    page = tmp_path / "configuration.md"
    page.write_text(text.replace("| `512` |", "| `513` |"))
    assert page.read_text() != text
    result = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "configuration.md" in result.stderr
    assert subprocess.run([sys.executable, str(script)]).returncode == 0
    assert page.read_text() == text


def test_the_site_is_built_with_the_versions_of_the_tests():
    docs, dev = locked("docs"), locked("dev")
    assert "zensical" in docs
    assert len(docs.keys() & dev.keys()) > 5
    assert {name: version for name, version in docs.items() if name in dev and dev[name] != version} == {}


def test_the_plan_in_serving_md_is_what_the_command_prints():
    text = (DOCS / "serving.md").read_text(encoding="utf-8")
    found = re.search(r"```console\n\$ agent (plan .*?)\n(.*?)```", text, flags=re.DOTALL)
    assert found
    command = [sys.executable, "-m", "longread", *found[1].split()]
    result = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert [line.rstrip() for line in result.stdout.splitlines()] == found[2].splitlines()


@pytest.mark.usefixtures("read_before")
def test_the_python_in_library_md_runs(tmp_path: Path):
    blocks = BLOCK.findall((DOCS / "library.md").read_text(encoding="utf-8"))
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
        env={**os.environ, "QWEN_AGENT_DEFAULT_WORKSPACE": str(tmp_path)},  # which Qwen-Agent's agents make
    )
    assert result.returncode == 0, result.stderr
    assert "no-such.pdf" in result.stdout  # the failure that the page shows how to read
    assert "tokens read" in result.stdout  # prefill events
    assert "[('handbook'," in result.stdout  # the budget
    assert "verified Its window is 8,192 tokens" in result.stdout  # the checked quote
