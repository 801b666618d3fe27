"""Files inside of other files: attachments of mails and PDFs, members of archives. Their limits, names and order."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from longread.control_tokens import encodable

from .parsing.parser import File

MAX_DEPTH = 3
"""Files within files within files: a document in an archive that is attached to a mail in an archive."""
MAX_FILES = 2000
MAX_BYTES = 512 << 20
"""Limits of what comes out of one file that the user named, at all depths together."""

_SEPARATORS = re.compile(r"[/\\]+")
_DRIVE = re.compile(r"[A-Za-z]:\Z")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Room:
    """What may still be taken out of a file."""

    files: int = MAX_FILES
    size: int = MAX_BYTES
    """In bytes."""

    def shared(self, sizes: Sequence[int], among: int) -> "Room":
        """What is left after files of these sizes, shared equally among so many files that contain others."""
        files, size = self.files - len(sizes), self.size - sum(sizes)
        return Room(max(files, 0) // max(among, 1), max(size, 0) // max(among, 1))


def names_inside(names: Iterable[str]) -> list[str]:
    """Unique relative paths for files inside of another one, to show and to cite: none of them is ever written to.

    Without what leads out of a folder ("..", "C:", a first slash); a name that comes twice gets a number.
    """
    taken: dict[str, None] = {}
    for name in names:
        parts = [part.strip() for part in _SEPARATORS.split(_CONTROLS.sub("", encodable(name)))]
        clean = unique = "/".join(p for p in parts if p not in ("", ".", "..") and not _DRIVE.match(p)) or "unnamed"
        number = 1
        while unique in taken:
            number += 1
            stem, dot, extension = clean.rpartition(".")
            unique = f"{stem} ({number}){dot}{extension}" if stem else f"{clean} ({number})"
        taken[unique] = None
    return list(taken)


def in_order(files: Mapping[str, File]) -> Iterator[File]:
    """The files, each followed by those inside of it."""
    inside: dict[str, list[File]] = {}
    for file in files.values():
        if file.holder is not None:
            inside.setdefault(file.holder, []).append(file)
    pending = [file for file in reversed(list(files.values())) if file.holder is None]
    while pending:
        file = pending.pop()
        yield file
        pending += reversed(inside.get(file.sha256, ()))
