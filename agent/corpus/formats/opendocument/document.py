"""An OpenDocument file: its text page by page, or its slides."""

from typing import TYPE_CHECKING

from ..base import OpenFile, ParseOptions, RawPage, Sections, WrongFormat
from ..markdown import Outline
from ..spreadsheet.format import Ods
from ..word.pages import Attachments, Pages
from .blocks import BlockReader, joined
from .changes import Changes
from .context import Context
from .lists import ListNumbers
from .names import attribute, child, children, name
from .parts import Parts
from .slides import slides
from .styles import Styles

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_MARGINS = tuple(f"style:{where}{which}" for where in ("header", "footer") for which in ("", "-left", "-first"))


def read(data: bytes, options: ParseOptions, kind: str) -> OpenFile:
    """Read a text, a presentation or a drawing. `kind` is the format's name, for messages.

    Raises:
        ParseError: there is no document in it, or it is encrypted.
    """
    parts = Parts(data, kind)
    body = child(parts.content, "office:body")
    content = next((found for found in body if name(found).startswith("office:")), None) if body is not None else None
    if content is None:
        raise WrongFormat("damaged: it has no body")
    if name(content) == "office:spreadsheet":
        return Ods().open(data, options)  # what an archive is that does not say it is known only now
    context = _context(parts, parts.content, options)
    context.find_controls(content)
    if name(content) in ("office:presentation", "office:drawing"):
        pages, outline, warnings = slides(content, context, _context(parts, parts.styles, options))
    else:
        pages, outline, warnings = _text(content, context, _context(parts, parts.styles, options))
    metadata = parts.metadata()
    return Sections(
        len(pages),
        sections=pages,
        outline=outline,
        title=metadata.pop("title", ""),
        metadata=metadata,
        warnings=[*context.changes.warnings(), *warnings, *parts.damage()],
    )


def _context(parts: Parts, root: "_Element | None", options: ParseOptions) -> Context:
    """What readers of one part need: automatic styles of the same names are different ones in each."""
    styles = Styles(root if root is not None else parts.content, parts.styles)
    keep_hidden = options.hidden == "keep"
    return Context(
        parts=parts,
        styles=styles,
        numbers=ListNumbers(styles),
        attachments=Attachments(keep_hidden=keep_hidden),
        changes=Changes(parts.content, options.changes),
        keep_hidden=keep_hidden,
    )


def _text(content: "_Element", context: Context, margins: Context) -> tuple[list[RawPage], Outline, list[str]]:
    pages = Pages()
    colours = context.styles.page_colours()
    context.background = margins.background = next(iter(colours)) if len(colours) == 1 else ""
    for block in BlockReader(context).read(content):
        pages.add(block)
        if context.page_start is not None:
            pages.start_section("continuous", *context.page_start)
            context.page_start = None
    finished, outline, warnings = pages.finished(context.attachments)
    found = list(finished)
    if (page := _margins(margins)) is not None:
        found.append(page)
    return found, outline, warnings


def _margins(context: Context) -> RawPage | None:
    """Headers and footers, each distinct one once, as a last page."""
    reader = BlockReader(context)
    texts: dict[str, None] = {}
    for master in context.styles.masters():
        for holder in children(master, *_MARGINS):
            if attribute(holder, "style:display", "true") != "false" and (text := joined(reader.read(holder))).strip():
                texts[text] = None
    return context.attachments.page("headers and footers", "\n".join(texts)) if texts else None
