"""Spreadsheets: Excel (XML and binary) and OpenDocument, with values as they are displayed."""

from .format import Ods, Xlsb, Xlsx

__all__ = ["Ods", "Xlsb", "Xlsx"]
