"""What can go wrong between a user's files and the answer. Every error is one line: what was wrong, and what to do."""

import re

from ..serving.errors import LongreadError

_LOGIN = re.compile(r"//[^/@\s]*@")


def without_login(url: str) -> str:
    """An address as it may be shown: without the user name and password that may be in it."""
    return _LOGIN.sub("//", url)


class DocumentError(LongreadError):
    """A file that could not be read whole. The message names the file and, where there is one, the page."""

    def __init__(self, message: str, *, source: str, page: int | None = None):
        super().__init__(message)
        self.source = source
        self.page = page


class UnsupportedFormat(DocumentError):
    """A file of a kind that longread does not read. The message lists the kinds that it does."""


class PasswordRequired(DocumentError):
    """An encrypted file, and no password or a wrong one."""


class SessionError(LongreadError):
    """A conversation that could not be kept, found or read. The question itself can still be answered."""


class SessionBusy(SessionError):
    """A conversation that another process is writing. The message says which."""


class ConfigError(LongreadError):
    """A setting that cannot be used. The message says where it came from."""

    exit_code = 2
