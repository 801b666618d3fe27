"""Finds Tesseract's language data. PyMuPDF contains Tesseract itself."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from longread.errors import ConfigError

_USUAL = ("/usr/share", "/usr/local/share", "/opt/homebrew/share", "/opt/local/share")


def tessdata(language: str) -> Path:
    """The folder with the data of every language in `language` ("eng", "eng+deu").

    Raises:
        ConfigError: there is none. The message says what to install.
    """
    needed = [f"{part}.traineddata" for part in language.split("+")]
    folders = list(dict.fromkeys(_folders()))
    for folder in folders:
        if all((folder / name).is_file() for name in needed):
            return folder
    package = "tesseract-ocr-" + language.partition("+")[0]
    pip = "pip install 'longread[ocr]', or " if language == "eng" else ""
    raise ConfigError(
        f"OCR needs tesseract's data for {language!r} ({', '.join(needed)}), which is in none of "
        f"{', '.join(map(str, folders)) or 'the usual folders'}. Install it ({pip}apt-get install {package}, or brew "
        "install tesseract-lang), or set TESSDATA_PREFIX to its folder."
    )


def _folders() -> Iterator[Path]:
    """Candidates that exist, explicitly configured ones first."""
    if prefix := os.environ.get("TESSDATA_PREFIX"):
        yield from _existing(Path(prefix), Path(prefix) / "tessdata")
    yield from _existing(Path(sys.prefix) / "share" / "tessdata")  # where pip and conda install it
    if program := shutil.which("tesseract"):
        listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=10, check=False)
        first = (listed.stdout or listed.stderr).partition("\n")[0]
        if first.count('"') == 2:
            yield from _existing(Path(first.split('"')[1]))
    for share in map(Path, _USUAL):
        yield from _existing(share / "tessdata", *sorted((share / "tesseract-ocr").glob("*/tessdata"), reverse=True))


def _existing(*folders: Path) -> Iterator[Path]:
    return (folder for folder in folders if folder.is_dir())
