"""What `agent calibrate` reads, shows and writes."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from ..serving.calibration import Calibration
from . import terminal

PICTURE = "sparse_attention_recall.svg"


def read(files: Sequence[Path]) -> str:
    """The text of files, of any format that `--file` takes."""
    from .corpus import Corpus

    corpus = Corpus.load(list(files))
    return "\n".join(page.text for document in corpus for page in document.pages)


def write(found: Calibration, folder: Path | None) -> list[Path]:
    """The budgets and, if matplotlib is there, a picture of the recall. -> the files"""
    folder = folder or found.folder
    folder.mkdir(parents=True, exist_ok=True)
    paths = [found.write(folder)]
    if picture := found.draw(folder / PICTURE):
        paths.append(picture)
    return paths


def show(found: Calibration, written: Sequence[Path]) -> None:
    """A table of before and after, and where it was written."""
    rows = []
    for name, recall in (("before", found.before), ("after", found.after)):
        rows.append(
            [
                name,
                f"{recall.mean:.3f}",
                f"{float(recall.recall.min()):.3f}",
                f"{float(recall.density.mean()):.1%}",
                ", ".join(f"{value:.1f}" for value in found.keys[name]),
            ]
        )
    rows.append(["dense", "1.000", "1.000", "100.0%", ", ".join(f"{value:.1f}" for value in found.keys["dense"])])
    terminal.out.print(Text(f"{found.model}, {found.tokens:,} tokens, {len(found.history)} rounds"))
    headings = ["", "mean recall", "lowest of a head", "keys computed", "log-probability of pass keys at 10, 50, 90%"]
    terminal.out.print(terminal.rows(headings, rows, numbers=(1, 2, 3)))
    for path in written:
        terminal.note(f"written: {path}")
