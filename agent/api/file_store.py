"""The files that clients have uploaded, on disk.

    DATA/lock            held by the only server that uses the folder
    DATA/files/ID/       meta.json, document.json (the parsed pages), and original/NAME
    DATA/tmp/            files being written or deleted

Files with equal bytes are links to one, if the file system has links.

What is complete is renamed into place: after a kill, a file exists completely or not at all.
"""

import fcntl
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, ValidationError

from longread.documents import Document
from longread.errors import ConfigError

from .errors import ApiError, log, refused
from .options import ApiLimits

_ID = re.compile(r"file-[0-9a-f]{32}")


class StoredFile(BaseModel):
    """A file that a client has uploaded."""

    model_config = ConfigDict(frozen=True)

    id: str
    filename: str
    bytes: int
    created_at: float
    purpose: str
    sha256: str
    media_type: str
    pages: int
    tokens: int
    warnings: tuple[str, ...] = ()

    @property
    def public(self) -> dict[str, Any]:
        """Its description in OpenAI's API, with the result of parsing."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": int(self.created_at),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
            "expires_at": None,
            "media_type": self.media_type,
            "pages": self.pages,
            "tokens": self.tokens,
            "warnings": list(self.warnings),
        }


def default_folder() -> Path:
    """The default folder for files."""
    try:
        return user_data_path("longread", appauthor=False) / "api"
    except RuntimeError as error:  # a user in a container, without a home
        raise ConfigError(f"There is no place for clients' files ({error}): name a folder with --data.") from error


class FileStore:
    """Stores files in a folder that no other server may use. Can be used from several threads.

    Raises:
        ConfigError: another server uses the folder, or other users of this machine could read it.
        OSError: the folder cannot be created.
    """

    def __init__(self, folder: Path, limits: ApiLimits | None = None):
        self._limits = limits or ApiLimits()
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            raise ConfigError(f"{folder} can be read by others: chmod 700 it, or name another folder with --data.")
        self._lock_file = (folder / "lock").open("wb")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise ConfigError(f"{folder} is used by another agent api: name another folder with --data.") from error
        shutil.rmtree(folder / "tmp", ignore_errors=True)
        for name in ("tmp", "files"):
            (folder / name).mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._files = {file.id: file for file in self._read()}

    def close(self) -> None:
        """Release the folder."""
        self._lock_file.close()

    def __len__(self) -> int:
        return len(self._files)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder."""
        with tempfile.TemporaryDirectory(dir=self._folder / "tmp") as folder:
            yield Path(folder)

    def check_room(self, size: int) -> None:
        """Check that there is room for a file.

        Raises:
            ApiError: there is none for a file of this size.
        """
        limits, stored = self._limits, sum(file.bytes for file in tuple(self._files.values()))
        if len(self._files) >= limits.files:
            raise _full(f"There are {len(self._files):,} files, and no more are kept")
        if stored + size > limits.storage_bytes:
            raise _full(f"The files take {stored:,} bytes of {limits.storage_bytes:,}, and this one has {size:,}")

    def add(self, path: Path, filename: str, purpose: str, document: Document) -> StoredFile:
        """Store a file from `scratch`, with the document that was parsed from it.

        Raises:
            ApiError: there is no room for it.
            OSError: the disk is full.
        """
        file = StoredFile(
            id=f"file-{secrets.token_hex(16)}",
            filename=filename,
            bytes=path.stat().st_size,
            created_at=time.time(),
            purpose=purpose,
            sha256=document.id,
            media_type=document.media_type,
            pages=len(document.pages),
            tokens=document.tokens,
            warnings=document.warnings,
        )
        made = Path(tempfile.mkdtemp(dir=self._folder / "tmp"))
        _write(made / "meta.json", file.model_dump_json())
        _write(made / "document.json", document.model_dump_json())
        original = made / "original" / filename
        original.parent.mkdir()
        with path.open("rb") as content:
            os.fsync(content.fileno())
        try:
            with self._lock:
                self.check_room(file.bytes)
                twin = next((other for other in self._files.values() if other.sha256 == file.sha256), None)
                _move(path, original, twin=self.content(twin) if twin else None)
                os.replace(made, self._folder / "files" / file.id)
                self._files[file.id] = file
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return file

    def get(self, file_id: str) -> StoredFile:
        """The file with this id.

        Raises:
            ApiError: there is none (404).
        """
        file = self._files.get(file_id) if _ID.fullmatch(file_id) else None
        if file is None:
            raise ApiError(404, f"There is no file {file_id!r}. It may have been deleted.", code="file_not_found")
        return file

    def files(self) -> list[StoredFile]:
        """All files, oldest first."""
        return sorted(self._files.values(), key=lambda file: (file.created_at, file.id))

    def content(self, file: StoredFile) -> Path:
        """The path of its bytes, in a file with its name."""
        return self._folder.absolute() / "files" / file.id / "original" / file.filename

    def document(self, file: StoredFile) -> Document | None:
        """The document parsed from it at upload; None if another version wrote that, so that it must be parsed
        again."""
        try:
            found = Document.model_validate_json((self._folder / "files" / file.id / "document.json").read_bytes())
            return Document(**{**dict(found), "source": str(self.content(file))})
        except ValidationError:
            return None
        except FileNotFoundError as error:
            raise ApiError(404, f"There is no file {file.id!r}. It may have been deleted.") from error

    def delete(self, file_id: str) -> StoredFile:
        """Delete a file.

        Raises:
            ApiError: there is none with this id (404).
        """
        with self._lock:
            file = self.get(file_id)
            # Removed in one step: what a kill leaves in tmp is deleted at the next start.
            os.replace(self._folder / "files" / file_id, self._folder / "tmp" / file_id)
            del self._files[file_id]
        shutil.rmtree(self._folder / "tmp" / file_id, ignore_errors=True)
        return file

    def _read(self) -> Iterator[StoredFile]:
        for folder in (self._folder / "files").iterdir():
            try:
                file = StoredFile.model_validate_json((folder / "meta.json").read_bytes())
                if file.id != folder.name or not self.content(file).is_file():
                    raise ValueError("its bytes are missing")
            except (OSError, ValueError) as error:
                log.warning("%s cannot be read and is left out: %s", folder, type(error).__name__)
                continue
            yield file


def safe_name(given: str | None, *, fallback: str = "file") -> str:
    """A client's name for a file as a valid file name: the last part of a path, without control characters, and not too
    long."""
    name = re.split(r"[/\\]", given or "")[-1]
    name = "".join(char for char in name if char.isprintable()).encode("utf-8", "replace").decode().strip()
    if not name.strip(". "):
        return fallback
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > 16:
        stem, dot, suffix = name, "", ""
    while len(f"{stem}{dot}{suffix}".encode()) > 200:
        stem = stem[:-1]
    return f"{stem}{dot}{suffix}"


def _move(path: Path, target: Path, *, twin: Path | None) -> None:
    """Move a file into place, as a link to one with the same bytes if possible."""
    if twin is not None:
        with suppress(OSError):
            target.hardlink_to(twin)
            return
    os.replace(path, target)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _full(what: str) -> ApiError:
    return refused(f"{what}. Delete some with DELETE /v1/files/ID.", code="storage_limit_exceeded")
