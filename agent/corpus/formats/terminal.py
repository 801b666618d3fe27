"""Text as a terminal shows it: without colours, and with progress bars in their last state."""

import re

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\-~])")
_OVERWRITTEN = re.compile(r"[^\n\r]*\r(?=[^\n\r])")


def without_escapes(text: str) -> str:
    """The text without the control sequences of terminals (ECMA-48): colours, titles, movements of the cursor."""
    return _SEQUENCE.sub("", text) if "\x1b" in text else text


def displayed(text: str) -> str:
    """The text of an output with nothing in it that a later part of its line has overwritten."""
    return _OVERWRITTEN.sub("", without_escapes(text).replace("\r\n", "\n"))
