"""The hierarchy of errors and their exit codes."""

import inspect

import pytest

from longread import errors
from longread.errors import ConfigError, DocumentError, LongreadError, PromptTooLong, ToolUnavailable

CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_can_be_caught_as_one_and_says_what_it_means(error: type[Exception]):
    assert issubclass(error, LongreadError)
    assert error.__doc__
    assert error.__doc__ != LongreadError.__doc__ or error is LongreadError


def test_what_the_user_asked_for_wrongly_ends_with_2_and_everything_else_with_1():
    codes = {error.__name__: error.exit_code for error in CLASSES}
    usage = {name for name, code in codes.items() if code == 2}
    assert {"ConfigError", "ToolUnavailable", "QualityError"} <= usage
    assert {codes[name] for name in codes.keys() - usage} == {1}
    assert codes["LongreadError"] == codes["DocumentError"] == codes["ServerError"] == 1


def test_an_error_has_what_a_program_needs_to_react():
    assert issubclass(ToolUnavailable, ConfigError)
    too_long = PromptTooLong("Too long.", tokens=9, budget=7)
    assert (str(too_long), too_long.tokens, too_long.budget) == ("Too long.", 9, 7)
    unread = DocumentError("Not read.", source="a.pdf", page=3)
    assert (str(unread), unread.source, unread.page) == ("Not read.", "a.pdf", 3)
