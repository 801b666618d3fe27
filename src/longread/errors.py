"""Every error that a user of longread can catch. All derive from `LongreadError`.

A message is one or two sentences: what was wrong, with the number or the name, and what to do about it.
"""


class LongreadError(Exception):
    """The base class of all errors whose message is meant for the user.

    `exit_code` is the exit status of a command that ends with the error.
    """

    exit_code = 1


class ConfigError(LongreadError):
    """A setting or an option that cannot be used. The message says where it came from."""

    exit_code = 2


class ToolUnavailable(ConfigError):
    """A tool, or an MCP server, that cannot be used on this machine."""


class DocumentError(LongreadError):
    """A file that could not be read completely. The message names the file and, where there is one, the page."""

    def __init__(self, message: str, *, source: str, page: int | None = None):
        super().__init__(message)
        self.source = source
        self.page = page


class UnsupportedFormat(DocumentError):
    """A file in a format that longread does not read. The message lists the supported formats."""


class PasswordRequired(DocumentError):
    """An encrypted file, with no password or a wrong one."""


class ModelNotFound(LongreadError):
    """A model that is not in the catalogue, not a folder, and not a hub id that could be downloaded."""


class ModelUnusable(LongreadError):
    """A checkpoint that was found but cannot run here: unsupported architecture, corrupt file, or missing extra."""


class ServerError(LongreadError):
    """An endpoint that could not be reached, refused the request, or broke off its answer."""


class PromptTooLong(LongreadError):
    """A prompt that exceeds the model's context window. Nothing was truncated.

    `tokens` is the length of the prompt, `budget` the number of tokens available for it.
    """

    def __init__(self, message: str, *, tokens: int, budget: int):
        super().__init__(message)
        self.tokens = tokens
        self.budget = budget


class InvalidAnswer(LongreadError):
    """An answer that does not match the requested schema. `text` is the answer as the model wrote it."""

    def __init__(self, message: str, *, text: str):
        super().__init__(message)
        self.text = text


class NothingMatches(LongreadError):
    """No page contains a word of the question, so that retrieval has nothing to rank pages by."""


class WindowFailed(LongreadError):
    """The model failed on one batch of a map. The replies to the other batches are cached and not requested again.

    `__cause__` is the error of the last attempt.
    """


class PlanError(LongreadError):
    """A serving request that cannot be planned, such as an unknown GPU or a length beyond the model's window."""

    exit_code = 2


class NoCalibration(LongreadError):
    """There are no measured step costs for an engine. The message has the reason."""


class PoorFit(LongreadError):
    """No cost model fits the measured steps, or there are too few of them."""


class SessionError(LongreadError):
    """A conversation that could not be recorded, found or read. Questions can still be answered."""


class SessionBusy(SessionError):
    """A conversation that another process is writing to. The message says which process."""


class QualityError(LongreadError):
    """A benchmark task that cannot be generated, or a result that cannot be used."""

    exit_code = 2
