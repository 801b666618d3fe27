"""What can go wrong where the documents are larger than the window."""

from ...serving.errors import LongreadError


class NothingMatches(LongreadError):
    """No page has a word of the question, so that there is nothing to choose pages by."""


class WindowFailed(LongreadError):
    """The model failed for one window. What the other windows said is kept, and is not asked for again.

    `__cause__` is the error of the last attempt.
    """
