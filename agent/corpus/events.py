"""Progress events of loading documents."""

from pydantic import BaseModel, ConfigDict


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    source: str
    """The file as the user wrote it, or its path below the folder that the user wrote."""


class FileStarted(_Event):
    """A parser has opened the file."""

    pages: int | None
    """None for formats whose pages are known only after parsing the whole file."""


class PagesRead(_Event):
    """More pages have been read. Sent at most ten times per second and file, and always with `done == total`."""

    done: int
    total: int


class FileLoaded(_Event):
    """The file is now a document."""

    pages: int
    tokens: int
    seconds: float
    """Time since its `FileStarted`."""
    cached: bool


class FileFailed(_Event):
    """The file, or some of its pages, could not be read."""

    error: str


LoadEvent = FileStarted | PagesRead | FileLoaded | FileFailed
