"""What the user wrote, a file, folder, pattern or "-", as files to read. What is left out is told, not dropped."""

import glob
import os
import shutil
import stat
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DocumentError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

STDIN = "-"
_NAMED = 5
"""Files that a warning names for each reason to skip some."""


@dataclass(frozen=True)
class Source:
    """A file to read."""

    name: str
    """As the user wrote it, or below the folder that the user wrote."""
    path: Path
    """Where its bytes are: for standard input and pipes, a copy."""
    root: str | None = None
    """The folder or pattern that it was found by; None where the user named the file itself."""


@dataclass
class Sources:
    """The files, and what could not be one."""

    files: list[Source] = field(default_factory=list)
    errors: list[DocumentError] = field(default_factory=list)
    skipped: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """Folder or pattern, reason, files."""

    def skip(self, root: str, reason: str, name: str) -> None:
        self.skipped[root][reason].append(name.removeprefix(os.path.join(root, "")))

    def warnings(self) -> list[str]:
        """A sentence a folder on what in it was skipped, and why."""
        return [
            f"{root}: skipped {'; '.join(_listed(reason, names) for reason, names in reasons.items())}."
            for root, reasons in self.skipped.items()
        ]


def check_existence(given: Sequence[str | Path]) -> None:
    """Find a misspelt name at once, before anything slow begins.

    Raises:
        DocumentError: the first of `given` that names nothing.
    """
    for source in map(str, given):
        path = os.path.expanduser(source)
        if source == STDIN or (source and _exists(Path(path))):
            continue
        if not glob.has_magic(source):
            raise _missing(source)
        if next(glob.iglob(path, recursive=True), None) is None:
            raise _no_match(source)


def expand(given: Sequence[str | Path], scratch: Callable[[], Path]) -> Sources:
    """The files that `given` stands for, in its order, folders and patterns sorted.

    Args:
        given: paths of files and folders, patterns (`docs/**/*.md`), "-" for standard input.
        scratch: makes a folder for what can be read only once.
    """
    found = Sources()
    for source in dict.fromkeys(map(str, given)):
        if source == STDIN:
            _add_stdin(found, scratch)
        elif source:
            _expand(source, found, scratch)
        else:
            found.errors.append(_missing(source))
    return found


def _add_stdin(found: Sources, scratch: Callable[[], Path]) -> None:
    if sys.stdin is None:
        found.errors.append(DocumentError("Standard input is closed, so there is nothing to read.", source=STDIN))
        return
    copy = scratch() / "stdin"
    try:
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        why = f"Standard input could not be copied to {copy.parent}: {error.strerror}"
        found.errors.append(DocumentError(why, source=STDIN))
        return
    found.files.append(Source(STDIN, copy))


def _expand(source: str, found: Sources, scratch: Callable[[], Path]) -> None:
    try:
        path = Path(source).expanduser()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if glob.has_magic(source):
            _add_pattern(os.path.expanduser(source), source, found)
        else:
            found.errors.append(_missing(source))
        return
    except RuntimeError as error:  # ~nobody
        found.errors.append(DocumentError(f"{source}: {error}", source=source))
        return
    except (OSError, ValueError) as error:
        found.errors.append(unreadable(source, error))
        return
    if stat.S_ISDIR(mode):
        before = len(found.files)
        _add_folder(path, source, found)
        if len(found.files) == before and source not in found.skipped:
            found.errors.append(DocumentError(f"{source}: the folder is empty", source=source))
    elif stat.S_ISFIFO(mode):  # <(command) in a shell
        copy = scratch() / f"pipe-{len(found.files)}"
        with path.open("rb") as pipe, copy.open("wb") as file:
            shutil.copyfileobj(pipe, file)
        found.files.append(Source(source, copy))
    elif stat.S_ISREG(mode):
        found.files.append(Source(source, path))
    else:
        found.errors.append(DocumentError(f"{source}: not a file, folder or pipe", source=source))


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):  # there, and not to be read: that is for the reading to say
        return True
    return True


def _missing(source: str) -> DocumentError:
    if not source:
        return DocumentError("A file name is empty: is a variable not set? For this folder write '.'.", source="")
    what = "is an address; download it first" if "://" in source else "no such file or folder"
    return DocumentError(f"{source}: {what}", source=source)


def _no_match(pattern: str) -> DocumentError:
    return DocumentError(f"{pattern}: no file matches this pattern", source=pattern)


def _add_folder(folder: Path, source: str, found: Sources) -> None:
    rules = _Ignored(folder)
    for path, reason in _walk(folder, rules):
        name = os.path.join(source, path.relative_to(folder))
        if reason is None:
            found.files.append(Source(name, path, source))
        else:
            found.skip(source, reason, name)


def _add_pattern(pattern: str, source: str, found: Sources) -> None:
    hits = sorted(glob.glob(pattern, recursive=True))
    if not hits:
        found.errors.append(_no_match(source))
        return
    fixed = [part for part in Path(pattern).parts if not glob.has_magic(part)]
    literal = Path(*fixed[: next(i for i, part in enumerate(Path(pattern).parts) if glob.has_magic(part))] or ["."])
    rules = _Ignored(literal)
    for hit in map(Path, hits):
        if hit.is_dir():
            if "**" not in pattern:
                _add_folder(hit, str(hit), found)
        elif rules.hides(hit):
            found.skip(source, "ignored by .gitignore", str(hit))
        elif not hit.is_file():
            found.skip(source, "broken links or special files", str(hit))
        else:
            found.files.append(Source(str(hit), hit, source))


def _walk(folder: Path, rules: "_Ignored") -> Iterator[tuple[Path, str | None]]:
    """Every file below `folder`, or the reason why a file or folder is left out."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield folder, f"unreadable ({error.strerror})"
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name == ".git":
            continue
        try:
            is_folder = entry.is_dir()
        except OSError:  # links that lead to each other
            yield path, "broken links or special files"
            continue
        if entry.name.startswith("."):
            yield path, "hidden"
        elif rules.ignores(path, is_folder=is_folder):
            yield path, "ignored by .gitignore"
        elif is_folder:
            if entry.is_symlink():
                yield path, "links to folders"  # which may lead in circles
            else:
                yield from _walk(path, rules)
        elif entry.is_file():
            yield path, None
        else:
            yield path, "broken links or special files"


class _Ignored:
    """The .gitignore files of a folder, of those below it, and of those above it up to the repository's top."""

    def __init__(self, folder: Path):
        self._folder = folder.absolute()
        self._specs: dict[Path, GitIgnoreSpec | None] = {}

    @cached_property
    def _top(self) -> Path:
        chain = [self._folder, *self._folder.parents]
        top = next((place for place in chain if (place / ".git").exists()), self._folder)
        above = chain[1 : chain.index(top) + 1]
        # Whoever names an ignored folder wants what is in it.
        return self._folder if self._decide(self._folder, above, is_folder=True) else top

    def ignores(self, path: Path, *, is_folder: bool = False) -> bool:
        """Whether the rules leave out `path`, whose parent folders they keep."""
        path = path.absolute()
        places = list(path.parents)
        return self._decide(path, places[: places.index(self._top) + 1], is_folder=is_folder)

    def hides(self, path: Path) -> bool:
        """Whether the rules leave out `path` or a folder between it and the one that these rules are for."""
        path = path.absolute()
        between = [place for place in path.parents if self._folder in place.parents]
        return self.ignores(path) or any(self.ignores(place, is_folder=True) for place in between)

    def _decide(self, path: Path, places: Sequence[Path], *, is_folder: bool) -> bool:
        for place in places:  # the nearest file that says anything decides
            spec = self._spec(place)
            if spec is not None:
                verdict = spec.check_file(path.relative_to(place).as_posix() + "/" * is_folder).include
                if verdict is not None:
                    return verdict
        return False

    def _spec(self, place: Path) -> "GitIgnoreSpec | None":
        if place not in self._specs:
            try:
                lines = (place / ".gitignore").read_text(errors="replace").splitlines()
            except OSError:
                lines = []
            self._specs[place] = _spec(lines) if lines else None
        return self._specs[place]


def _spec(lines: list[str]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:  # git passes over a line that is no pattern, such as "!"
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def unreadable(source: str, error: OSError | ValueError) -> DocumentError:
    """An operating system's error in a sentence that names the file."""
    if isinstance(error, PermissionError):
        return DocumentError(f"{source}: no permission to read it; try chmod +r", source=source)
    return DocumentError(f"{source}: {getattr(error, 'strerror', None) or error}", source=source)


def _listed(reason: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,} {reason} ({', '.join(names[:_NAMED])}{more})"
