"""HTML, converted to Markdown: headings, lists, tables, links and equations are preserved."""

from .format import Html
from .page import Converted, convert, to_markdown
from .web import web_page

__all__ = ["Converted", "Html", "convert", "to_markdown", "web_page"]
