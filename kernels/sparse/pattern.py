"""A sparsity pattern of either method, and its form as text."""

import json
from functools import lru_cache

from .adaptive import Adaptive
from .vertical_slash import VerticalSlash

Pattern = VerticalSlash | Adaptive
"""The sparsity of the heads of a layer, by either method."""


@lru_cache(maxsize=256)
def pattern_of(text: str) -> Pattern:
    """The pattern whose `text` this is."""
    return Adaptive.of_text(text) if "keep" in json.loads(text) else VerticalSlash.of_text(text)
