"""The readers that are compared: where they live, what they support, and how they are run."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .facts import Reading

_SCRIPT = Path(__file__).with_name("read.py")
_HERE = "longread"


@dataclass(frozen=True)
class Reader:
    name: str
    formats: frozenset[str]
    """The extensions that its documentation says it reads."""
    requirements: tuple[str, ...] = ()
    """What to install into an environment of its own; none: it runs in this one."""
    package: str = ""

    def python(self, folder: Path) -> Path:
        """The interpreter with this reader, in an environment below `folder` that is made if it is missing."""
        if not self.requirements:
            return Path(sys.executable)
        home = folder / self.package
        done = home / "installed"
        python = home / "bin" / "python"
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            subprocess.run(
                [str(python), "-m", "pip", "install", "--quiet", *self.requirements, *_torch(self)], check=True
            )
            done.write_text("\n".join(self.requirements), encoding="utf-8")
        return python

    def version(self, folder: Path) -> str:
        code = f"from importlib.metadata import version; print(version({self.package!r}))"
        done = subprocess.run([str(self.python(folder)), "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.strip()


def _formats(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _torch(reader: Reader) -> list[str]:
    """The same build of torch as here for docling: its own choice may be the CUDA build, several gigabytes."""
    if reader.name != "docling":
        return []
    try:
        return [f"torch=={version('torch')}"]
    except PackageNotFoundError:
        return []


READERS = (
    Reader(_HERE, frozenset(), package="longread"),
    Reader(
        "markitdown",
        _formats("docx pptx xlsx xls html epub pdf csv json jsonl xml txt log md ipynb msg zip png jpg"),
        ("markitdown[docx,pptx,xlsx,xls,pdf,outlook]",),
        "markitdown",
    ),
    Reader(  # pictures need its models, which it downloads from a hub, and rtf needs LibreOffice
        "docling",
        _formats("docx docm dotx pptx xlsx xlsm html xhtml mht mhtml md txt csv pdf tex vtt eml msg odt ods odp epub"),
        ("docling", "docling-slim[format-opendocument]"),
        "docling",
    ),
    Reader(
        "pymupdf4llm",
        _formats("pdf epub svg txt png jpg tif tiff"),
        ("pymupdf4llm>=1.28,<2", "pymupdf<2"),
        "pymupdf4llm",
    ),
    Reader(
        "pandoc",
        _formats("docx pptx xlsx odt epub html xhtml md csv tsv rtf tex ipynb"),
        ("pypandoc-binary",),
        "pypandoc-binary",
    ),
    Reader(
        "Qwen-Agent",
        _formats("pdf docx pptx xlsx xls html csv tsv txt"),
        ("qwen-agent[rag]", "numpy", "soundfile", "tqdm", "python-dateutil"),
        "qwen-agent",
    ),
)
"""longread is asked for every document; a peer for those that it says it reads."""


def read(reader: Reader, paths: Sequence[Path], folder: Path, limit: int) -> Iterator[tuple[Path, Reading]]:
    """What the reader gives for each file that it supports.

    Args:
        reader: whom to ask.
        paths: the files.
        folder: holds the readers' environments.
        limit: seconds for a file; one that takes longer counts as failed.
    """
    wanted = [path for path in paths if not reader.formats or path.suffix[1:] in reader.formats]
    while wanted:
        done = 0
        command = [str(reader.python(folder)), str(_SCRIPT), reader.name, str(limit), *map(str, wanted)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                row = json.loads(line)
                yield wanted[done], Reading(row["text"], row["warnings"], row["error"])
                done += 1
        finally:
            with contextlib.suppress(ProcessLookupError):  # what the reader started outlives it: pandoc is a program
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        if done < len(wanted):
            yield wanted[done], Reading(error=f"no answer within {limit} s, or the process died")
            done += 1
        wanted = wanted[done:]
