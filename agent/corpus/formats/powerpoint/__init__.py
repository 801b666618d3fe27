"""PowerPoint: slides with their shapes in visual order, notes and comments."""

from .format import Pptx

__all__ = ["Pptx"]
