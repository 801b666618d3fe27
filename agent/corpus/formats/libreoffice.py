"""Old office formats, converted by LibreOffice where it is installed, and then read like today's."""

import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from .base import Format, OpenFile, ParseError, ParseOptions, SecretNeeded

_PROGRAMS = ("soffice", "libreoffice", "/Applications/LibreOffice.app/Contents/MacOS/soffice")
_SECONDS = 300
"""A conversion that takes longer is ended. While it computes, the parser process does not count as hung."""
_MEMORY = 6 << 30
"""Address space in bytes: LibreOffice takes more of it than it uses."""
_MAX_CONVERTED = 512 << 20
_INSTALL = (
    "install LibreOffice (apt-get install libreoffice-nogui, dnf install libreoffice-core, or brew install --cask "
    "libreoffice), or save it as .{target}"
)


class Converted(Format):
    """A format that LibreOffice turns into one that is read here."""

    library = None
    options = ("changes", "hidden")
    target: ClassVar[str]
    """The extension of what it is converted to."""

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .registry import detect

        with tempfile.TemporaryDirectory(prefix="longread-office-") as folder:
            path = convert(data, self.extensions[0], self.target, Path(folder))
            known = detect(path.name, path)
            if isinstance(known, Converted):
                raise ParseError(f"LibreOffice could not convert it to .{self.target}")
            file = known.open(path.read_bytes(), options)
        file.warnings.insert(0, f"Read from what LibreOffice made of it as .{self.target}.")
        return file


class OldWord(Converted):
    name = "Word before 2007"
    extensions = (".doc", ".dot", ".wps", ".wpd")
    media_type = "application/msword"
    target = "docx"
    streams = ("worddocument",)


class OldExcel(Converted):
    name = "Excel before 2007"
    extensions = (".xls", ".xlt")
    media_type = "application/vnd.ms-excel"
    target = "xlsx"
    streams = ("workbook", "book")


class OldPowerPoint(Converted):
    name = "PowerPoint before 2007"
    extensions = (".ppt", ".pps")
    media_type = "application/vnd.ms-powerpoint"
    target = "pptx"
    streams = ("powerpoint document",)


def _limit_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = _MEMORY if hard == resource.RLIM_INFINITY else min(_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def program() -> str | None:
    """The path of LibreOffice; None if it is not installed."""
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


def convert(data: bytes, extension: str, target: str, folder: Path) -> Path:
    """Convert a file; returns the path of the result in `folder`.

    LibreOffice gets a profile of its own there, so that a running one is not disturbed and no macro of the user's
    applies. Macros of the document are not run.

    Raises:
        ParseError: LibreOffice is not installed, or cannot read the file.
    """
    office = program()
    if office is None:
        raise ParseError(f"only LibreOffice reads this old format; {_INSTALL.format(target=target)}")
    source = folder / f"source{extension}"
    source.write_bytes(data)
    command = [
        *(office, "--headless", "--norestore", "--nolockcheck", "--nodefault", "--nofirststartwizard"),
        *(f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--convert-to", target),
        *("--outdir", str(folder / "out"), str(source)),
    ]
    environment = {**os.environ, "HOME": str(folder), "SAL_DISABLE_OPENCL": "1"}
    try:
        run = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=_SECONDS,
            preexec_fn=_limit_memory,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ParseError(f"LibreOffice did not convert it within {_SECONDS} s") from None
    except OSError as error:
        raise ParseError(f"LibreOffice could not be started: {error.strerror}") from None
    result = folder / "out" / f"source.{target}"
    if not result.is_file():
        said = " ".join(run.stdout.decode(errors="replace").split())[-300:]
        if "password" in said.lower():
            raise SecretNeeded("encrypted; save it without a password")
        raise ParseError(f"LibreOffice could not convert it{f' ({said})' if said else ''}")
    if result.stat().st_size > _MAX_CONVERTED:
        raise ParseError(f"what LibreOffice made of it is larger than {_MAX_CONVERTED >> 20} MiB")
    return result
