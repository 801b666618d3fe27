"""PDF: text in reading order, labels, OCR, and the optional layout model."""

from .format import Pdf

__all__ = ["Pdf"]
