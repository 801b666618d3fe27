"""OpenDocument: texts, presentations and drawings of LibreOffice and others."""

from .format import Odp, Odt

__all__ = ["Odp", "Odt"]
