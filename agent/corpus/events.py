"""What loading reports while it works."""

from pydantic import BaseModel, ConfigDict


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    source: str
    """The file, as the user wrote it, or its path below the folder that the user wrote."""


class FileStarted(_Event):
    """A parser has the file open."""

    pages: int | None
    """None where the pages are only known once the whole file is parsed."""


class PagesRead(_Event):
    """More pages have arrived. At most ten of these a second a file, and always one with `done == total`."""

    done: int
    total: int


class FileLoaded(_Event):
    """The file is a document now."""

    pages: int
    tokens: int
    seconds: float
    """Since its `FileStarted`."""
    cached: bool


class FileFailed(_Event):
    """The file, or pages of it, could not be read."""

    error: str


LoadEvent = FileStarted | PagesRead | FileLoaded | FileFailed
