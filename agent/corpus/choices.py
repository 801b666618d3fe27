"""The values of options that parsers receive. `options.py` imports pydantic, for which no parser should wait."""

from typing import Literal

OcrMode = Literal["auto", "never", "always"]
Changes = Literal["final", "original", "marked"]
HiddenText = Literal["drop", "keep"]
