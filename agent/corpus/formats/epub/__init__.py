"""EPUB: the pages of a book in reading order, converted to Markdown."""

from .format import Epub

__all__ = ["Epub"]
