"""Expand what the user wrote (a file, a folder, a pattern or "-") to files. What is skipped is reported."""

import glob
import os
import re
import shutil
import stat
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from longread.errors import DocumentError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

STDIN = "-"
_ARXIV = re.compile(r"arxiv:\s*((?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?)\Z", re.IGNORECASE)
_ADDRESS = re.compile(rf"https?://|{_ARXIV.pattern}", re.IGNORECASE)
_NAMED = 5
"""Number of files that a warning names for each reason."""


@dataclass(frozen=True)
class Source:
    """A file to read."""

    name: str
    """The path as the user wrote it, or below the folder that the user wrote."""
    path: Path
    """Where its bytes are; for standard input and pipes, a copy."""
    root: str | None = None
    """The folder, pattern or file that contains it; None if the user named the file itself."""
    media_type: str = ""
    """What is known of its format where neither its bytes nor its name tell."""
    file_name: str = ""
    """The name that tells its format, if that is not `name`."""


@dataclass
class Sources:
    """The files, and the errors and skipped files."""

    files: list[Source] = field(default_factory=list)
    errors: list[DocumentError] = field(default_factory=list)
    skipped: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """Folder or pattern to reason to files."""

    def skip(self, root: str, reason: str, name: str) -> None:
        self.skipped[root][reason].append(name.removeprefix(os.path.join(root, "")))

    def warnings(self) -> list[str]:
        """For each folder, one sentence that says what was skipped and why."""
        return [f"{root}: skipped {self._reasons(root)}." for root in self.skipped]

    def attached_warning(self, root: str) -> str:
        """A sentence on what was skipped inside of a file, which is then not in `warnings`; empty if nothing was."""
        if root not in self.skipped:
            return ""
        reasons = self._reasons(root)
        del self.skipped[root]
        return f"Attached files not read: {reasons}."

    def _reasons(self, root: str) -> str:
        return "; ".join(_listed(reason, names) for reason, names in self.skipped[root].items())


def check_existence(given: Sequence[str | Path]) -> None:
    """Report a misspelt name at once, before anything slow starts.

    Raises:
        DocumentError: for the first of `given` that does not exist.
    """
    for source in map(str, given):
        path = os.path.expanduser(source)
        if source == STDIN or (source and (is_address(source) or _exists(Path(path)))):
            continue
        if not glob.has_magic(source):
            raise _missing(source)
        if next(glob.iglob(path, recursive=True), None) is None:
            raise _no_match(source)


def expand(given: Sequence[str | Path], scratch: Callable[[], Path]) -> Sources:
    """The files that `given` names, in that order; folders and patterns are sorted.

    Args:
        given: paths of files and folders, patterns (`docs/**/*.md`), "-" for standard input.
        scratch: makes a folder for the copies of what can be read only once.
    """
    found = Sources()
    for source in dict.fromkeys(map(str, given)):
        if source == STDIN:
            _add_stdin(found, scratch)
        elif is_address(source):
            _add_address(source, found, scratch)
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


def is_address(source: str) -> bool:
    """Whether a source is something to download: an http(s) address, or the number of a paper (arxiv:2501.15383)."""
    return bool(_ADDRESS.match(source)) and not os.path.exists(source)


def download_url(address: str) -> str:
    """Where a source for which `is_address` is true is downloaded from."""
    arxiv = _ARXIV.match(address)
    return f"https://arxiv.org/pdf/{arxiv[1]}" if arxiv else address


def _add_address(source: str, found: Sources, scratch: Callable[[], Path]) -> None:
    from longread.tools.base import ToolError
    from longread.tools.web.download import LIMITS, Downloader

    try:
        got = Downloader(limits=LIMITS).get(download_url(source))
    except ToolError as error:
        why = " ".join(str(error).split()).removeprefix(source).lstrip()
        found.errors.append(DocumentError(f"{source}: {why}", source=source))
        return
    copy = scratch() / f"download-{len(found.files)}"
    copy.write_bytes(got.data)
    # A page about a file may have the file's name: https://github.com/…/README.md is HTML.
    name = "page.html" if got.kind in ("text/html", "application/xhtml+xml") else got.name or "download"
    found.files.append(Source(source, copy, media_type=got.kind, file_name=name))


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
    except (OSError, ValueError):  # it exists and cannot be read: loading reports that
        return True
    return True


def _missing(source: str) -> DocumentError:
    if not source:
        return DocumentError("A file name is empty: is a variable not set? For this folder write '.'.", source="")
    what = "only https:// and http:// addresses are fetched" if "://" in source else "no such file or folder"
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
    """Every file below `folder`, with the reason why it or its folder is skipped, if it is."""
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
        except OSError:  # circular links
            yield path, "broken links or special files"
            continue
        if entry.name.startswith("."):
            yield path, "hidden"
        elif rules.ignores(path, is_folder=is_folder):
            yield path, "ignored by .gitignore"
        elif is_folder:
            if entry.is_symlink():
                yield path, "links to folders"  # which may be circular
            else:
                yield from _walk(path, rules)
        elif entry.is_file():
            yield path, None
        else:
            yield path, "broken links or special files"


class _Ignored:
    """The .gitignore files of a folder, of the folders below it, and of those above it up to the repository's root."""

    def __init__(self, folder: Path):
        self._folder = folder.absolute()
        self._specs: dict[Path, GitIgnoreSpec | None] = {}

    @cached_property
    def _top(self) -> Path:
        chain = [self._folder, *self._folder.parents]
        top = next((place for place in chain if (place / ".git").exists()), self._folder)
        above = chain[1 : chain.index(top) + 1]
        # A user who names an ignored folder wants its files.
        return self._folder if self._decide(self._folder, above, is_folder=True) else top

    def ignores(self, path: Path, *, is_folder: bool = False) -> bool:
        """Whether the rules ignore `path`. Its parent folders must not be ignored."""
        path = path.absolute()
        places = list(path.parents)
        return self._decide(path, places[: places.index(self._top) + 1], is_folder=is_folder)

    def hides(self, path: Path) -> bool:
        """Whether the rules ignore `path`, or a folder between it and the folder of these rules."""
        path = path.absolute()
        between = [place for place in path.parents if self._folder in place.parents]
        return self.ignores(path) or any(self.ignores(place, is_folder=True) for place in between)

    def _decide(self, path: Path, places: Sequence[Path], *, is_folder: bool) -> bool:
        for place in places:  # the nearest file with a matching rule decides
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
    except ValueError:  # git skips a line that is not a pattern, such as "!"
        return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def unreadable(source: str, error: OSError | ValueError) -> DocumentError:
    """Convert an error of the operating system to a sentence that names the file."""
    if isinstance(error, PermissionError):
        return DocumentError(f"{source}: no permission to read it; try chmod +r", source=source)
    return DocumentError(f"{source}: {getattr(error, 'strerror', None) or error}", source=source)


def _listed(reason: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,} {reason} ({', '.join(names[:_NAMED])}{more})"
