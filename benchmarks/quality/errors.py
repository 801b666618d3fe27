"""What can go wrong in a benchmark, in a line for the user."""

from ...serving.errors import LongreadError


class QualityError(LongreadError):
    """A task that cannot be made or a result that cannot be used; the message says what to do."""

    exit_code = 2
