"""What can go wrong below the agent. Every error is one line: what was wrong, and what to do."""


class LongreadError(Exception):
    """The base of every error that a user of longread is meant to read.

    `str(error)` is one or two sentences: what was wrong, with the number or the name, and what to do about it.
    """

    exit_code = 1


class ModelNotFound(LongreadError):
    """A model that is neither in the catalogue, nor a folder, nor a hub id that could be fetched."""


class ModelUnusable(LongreadError):
    """A checkpoint that was found but cannot be run here: wrong architecture, corrupt, or a missing extra."""


class PromptTooLong(LongreadError):
    """A prompt that does not fit the model's window. Nothing was cut."""

    def __init__(self, message: str, *, tokens: int, budget: int):
        super().__init__(message)
        self.tokens = tokens
        self.budget = budget


class ServerError(LongreadError):
    """An endpoint that could not be reached, refused the request, or broke off its answer."""
