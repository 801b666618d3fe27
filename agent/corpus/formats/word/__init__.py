"""Word, read from its XML: as Word shows it, with what formatting means written out.

`format` is the class, and `document` puts a document together from its parts. `story` reads paragraphs and tables
(`tables`), `inline` the content of a paragraph (`fields`, `drawings`, `controls`, `notes`), with `styles` and
`numbering` as Word applies them. `spans` and `pages` write the result.
"""

from .format import Word

__all__ = ["Word"]
