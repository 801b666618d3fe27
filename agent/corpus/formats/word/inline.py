"""The content of a paragraph: runs, fields, links, tracked changes, and what is anchored in it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import markup
from ..equations import display, inline
from ..equations.omml import to_latex
from . import drawings, fields
from .context import CHANGES, Change, Context, chosen, within
from .pages import EXPLICIT, RENDERED, Block, HiddenWords, cleaned, without_noncharacters
from .spans import Span
from .styles import ParagraphStyle, RunProperties, is_shading
from .symbols import in_symbol_font, symbol
from .xml import MC, W14, M, W

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

    from .story import Story

_SMALLEST = 4
"""In half points: smaller letters are not meant to be read."""
_WHITE = re.compile("F[A-F]F[A-F]F[A-F]")
_LINE_ENDS = re.compile(r"[ \t]*[\r\n]\s*")
_SPACES = str.maketrans("\t", " ", "\u00ad")
_NOT_CONTENT = frozenset(
    W + name
    for name in (
        "pPr", "rPr", "proofErr", "bookmarkStart", "bookmarkEnd", "commentRangeStart", "commentRangeEnd", "permStart",
        "permEnd", "moveFromRangeStart", "moveFromRangeEnd", "moveToRangeStart", "moveToRangeEnd", "sdtPr", "sdtEndPr",
        "smartTagPr", "customXmlPr", "fldData", "customXmlInsRangeStart", "customXmlInsRangeEnd",
        "customXmlDelRangeStart", "customXmlDelRangeEnd", "customXmlMoveFromRangeStart", "customXmlMoveFromRangeEnd",
        "customXmlMoveToRangeStart", "customXmlMoveToRangeEnd",
    )
)  # fmt: skip
_CHANGES: dict[str, Change] = {W + name: change for name, change in CHANGES.items()}
_T, _DEL_TEXT, _RPR, _R = f"{W}t", f"{W}delText", f"{W}rPr", f"{W}r"
_TEXTS = frozenset((_T, _DEL_TEXT))
_CHARACTERS = {
    f"{W}tab": "\t",
    f"{W}ptab": "\t",
    f"{W}cr": "\n",
    f"{W}noBreakHyphen": "-",
}
_NO_PROPERTIES = RunProperties()
_MAX_DEPTH = 30


@dataclass(slots=True)
class Inline:
    """A paragraph as it is read."""

    story: "Story"
    style: ParagraphStyle
    properties: "_Element | None"
    """w:pPr"""
    spans: list[Span] = field(default_factory=list)
    after: "list[tuple[Context, _Element | Block]]" = field(default_factory=list)
    """What is anchored in the paragraph and follows it: the contents of text boxes, charts."""
    hidden: dict[str, list[str]] = field(default_factory=dict)
    """Why text is hidden, and the text."""
    vanished: bool = False
    """There is hidden text in it."""

    def read(self, paragraph: "Iterable[_Element]", context: Context) -> None:
        """Read the content of w:p, or other elements with runs."""
        # Not recursive: files nest such elements without a limit.
        stack: list[tuple[Iterator[_Element], Context, bool]] = [(iter(paragraph), context, False)]
        while stack:
            children, context, ends_field = stack[-1]
            child = next(children, None)
            if child is None:
                stack.pop()
                if ends_field:
                    self._end_field(context)
                continue
            tag = child.tag
            if tag == _R or tag == f"{M}r":
                self.run(child, context)
            elif tag in _NOT_CONTENT:
                continue
            elif tag in _CHANGES:
                stack.append((iter(child), context._replace(change=within(context.change, _CHANGES[tag])), False))
            elif tag == f"{W}hyperlink":
                stack.append((iter(child), context._replace(link=self.story.address(child) or context.link), False))
            elif tag == f"{W}fldSimple":
                begun = fields.Field([child.get(f"{W}instr", "")])
                self.story.begin_field(begun)
                if any(True for _ in child.iter(_T, f"{W}drawing", f"{W}sym", f"{M}t")):
                    self._start_result(begun, context)
                stack.append((iter(child), context, True))
            elif tag == f"{W}sdt":
                value = self.story.shared.controls.value(child)
                if value is None:
                    content = child.find(f"{W}sdtContent")
                    stack.append((iter(content if content is not None else ()), context, False))
                else:
                    self.emit(value, context, _NO_PROPERTIES)
            elif tag == f"{M}oMath" or tag == f"{M}oMathPara":
                self._equation(child, context)
            elif tag == f"{MC}AlternateContent":
                choice = chosen(child)
                stack.append((iter(choice if choice is not None else ()), context, False))
            elif tag == f"{W}subDoc":
                self.emit(markup.named("subdocument", self.story.target(child)), context, _NO_PROPERTIES)
            else:
                stack.append((iter(child), context, False))

    def finish(self) -> None:
        """Attach a note about hidden words to the end."""
        for why, texts in self.hidden.items():
            count = len("".join(texts).split())
            if count:
                token = self.story.shared.attachments.add(HiddenWords(count, why))
                self.spans.append(Span(token, raw=True))

    def run(self, run: "_Element", context: Context, depth: int = 0) -> None:
        """Read w:r."""
        properties = next(run.iterchildren(_RPR), None)  # much faster than find()
        story = self.story
        style = story.shared.styles.run(properties, self.style)
        if style.change:
            context = context._replace(change=within(context.change, CHANGES[style.change]))
        self._run_content(run, context, style, depth)

    def _run_content(self, parent: "_Element", context: Context, style: RunProperties, depth: int) -> None:
        for child in parent:
            tag = child.tag
            if tag in _TEXTS:
                self.emit(self._text(child.text or "", style), context, style)
            elif tag == _RPR:
                continue
            elif tag in _CHARACTERS:
                self.emit(_CHARACTERS[tag], context, style)
            elif tag == f"{W}lastRenderedPageBreak":
                if not self.story.fields or self.story.visible:
                    self._break(RENDERED)
            elif tag == f"{W}br":
                page = child.get(f"{W}type") == "page"
                if page and self.story.visible and self.story.shared.shows(context.change) and not style.vanish:
                    self._break(EXPLICIT)
                elif not page:
                    self.emit("\n", context, style)
            elif tag == f"{W}fldChar":
                self._field(child, context)
            elif tag == f"{W}instrText" or tag == f"{W}delInstrText":
                if self.story.fields and not self.story.fields[-1].in_result:
                    self.story.fields[-1].instruction.append(child.text or "")
            elif tag == f"{W}sym":
                code = child.get(f"{W}char", "")
                font = child.get(f"{W}font", "")
                shown = _symbol(font, code)
                if code and not shown:
                    shown = self._noted(f"a symbol of the font {' '.join(font.split()) or 'of the text'} was not read")
                self.emit(shown, context, style, raw=bool(code) and not cleaned(shown))
            elif tag in (f"{W}drawing", f"{W}pict", f"{W}object"):
                self._drawing(child, context, style)
            elif tag == f"{W}footnoteReference" or tag == f"{W}endnoteReference":
                self._note(child, context, style)
            elif tag == f"{W}commentReference":
                self._comment(child, context, style)
            elif tag == f"{W}ruby":
                base, reading = (_text_of(child.find(W + name)) for name in ("rubyBase", "rt"))
                self.emit(f"{base}({reading})" if reading else base, context, style)
            elif tag == f"{MC}AlternateContent":
                choice = chosen(child)
                if choice is not None and depth < _MAX_DEPTH:
                    self._run_content(choice, context, style, depth + 1)
            elif tag == f"{W}contentPart" or tag == f"{W14}contentPart":
                self._named("ink", context, style)
            elif tag == f"{M}t":
                self.emit(child.text or "", context, style)
            elif tag == _R and depth < _MAX_DEPTH:
                self.run(child, context, depth + 1)

    def emit(self, text: str, context: Context, style: RunProperties, *, raw: bool = False) -> None:
        """Add text as it is formatted, if the reader of the file sees it or the options ask for it."""
        story = self.story
        if not text or not story.visible:
            return
        if context.change != story.last_change:
            story.last_change = context.change
            if context.change:
                story.shared.changes[context.change] += 1
        if not story.shared.shows(context.change):
            return
        why = context.hidden or self._why_hidden(style, text)
        if why:
            self.vanished = True
            self.hidden.setdefault(why, []).append(text)
            if story.shared.options.hidden == "drop":
                return
        change = ""
        if context.change and story.shared.options.changes == "marked":
            change = "inserted" if context.change in ("inserted", "moved here") else "deleted"
        link = context.link or (story.fields[-1].address if story.fields else "")
        if raw:
            self.spans.append(Span(text, change, bool(why), link, raw=True))
        else:
            self.spans.append(Span(text, change, bool(why), link, style.strike, style.bold, style.italic, style.script))

    def _text(self, text: str, style: RunProperties) -> str:
        if not text.isascii():
            text = without_noncharacters(text)
        if not text.isprintable():
            # Line ends and the indentation after them are how a program wrote its own text.
            text = _LINE_ENDS.sub(" ", text).translate(_SPACES)
        return in_symbol_font(style.font, text) if style.font else text

    def _break(self, kind: str) -> None:
        self.story.shared.pages_begun += 1
        self.spans.append(Span(kind, raw=True))

    def _why_hidden(self, style: RunProperties, text: str) -> str:
        if style.vanish:
            return "formatted as hidden"
        if style.size < _SMALLEST and text.strip():
            return "smaller than 2 pt"
        if style.colour and style.colour == style.fill and text.strip():
            return "white on white" if style.colour == "FFFFFF" else "in the colour behind it"
        if style.colour and _WHITE.match(style.colour) and text.strip() and not style.shaded:
            shading = self.properties.find(f"{W}shd") if self.properties is not None else None
            if self.story.coloured or (is_shading(shading) if shading is not None else self.style.shaded):
                return ""
            if not self.story.has_backdrop:
                return "white on white"
            self.spans.append(Span(self._noted("white text that may stand on a picture or shape is kept"), raw=True))
        return ""

    def _noted(self, note: str) -> str:
        return self.story.shared.attachments.add(note)

    def _named(self, kind: str, context: Context, style: RunProperties, name: str = "") -> None:
        article = "an" if kind[0] in "aeiou" else "a"
        note = self._noted(f"{article} {kind}{f' ({name})' if name else ''} was not read")
        self.emit(markup.named(kind, name) + note, context, style, raw=True)

    def _field(self, character: "_Element", context: Context) -> None:
        kind = character.get(f"{W}fldCharType")
        open_fields = self.story.fields
        if kind == "begin" and self.story.ends_here(character):
            self.story.begin_field(fields.Field(data=character.find(f"{W}ffData")))
        elif kind == "separate" and open_fields:
            self._start_result(open_fields[-1], context)
        elif kind == "end" and open_fields:
            self._end_field(context)

    def _start_result(self, found: fields.Field, context: Context) -> None:
        arguments = found.arguments
        found.in_result = True
        found.address = fields.target(arguments) or found.address
        value = fields.form_value(found, arguments[0])
        if value is not None:
            self.emit(value, context, _NO_PROPERTIES)
            found.replaced = True

    def _end_field(self, context: Context) -> None:
        found = self.story.fields.pop()
        if not found.in_result:
            shared = self.story.shared
            if found.arguments[0] == "LISTNUM":
                self._named("number", context, _NO_PROPERTIES)
            self.emit(fields.unstored(found, shared.counters, shared.styles.language), context, _NO_PROPERTIES)

    def _equation(self, element: "_Element", context: Context) -> None:
        mark = display if element.tag == f"{M}oMathPara" else inline
        final, original = to_latex(element), to_latex(element, "original")
        if final == original:
            self.emit(mark(without_noncharacters(final)), context, _NO_PROPERTIES)
            return
        versions: tuple[tuple[str, Change], ...] = ((original, "deleted"), (final, "inserted"))
        for latex, change in versions:
            self.emit(
                mark(without_noncharacters(latex)),
                context._replace(change=within(context.change, change)),
                _NO_PROPERTIES,
            )

    def _drawing(self, element: "_Element", context: Context, style: RunProperties) -> None:
        story = self.story
        if not story.visible or not story.shared.shows(context.change):
            return
        found = drawings.read(element, story)
        if style.vanish or found.hidden:
            context = context._replace(hidden=context.hidden or "formatted as hidden")
        self.emit(found.text, context, _NO_PROPERTIES, raw=True)
        self.after += [(context, item) for item in found.after]

    def _note(self, reference: "_Element", context: Context, style: RunProperties) -> None:
        story = self.story
        if not story.visible or not story.shared.shows(context.change) or style.vanish:
            return
        own_mark = reference.get(f"{W}customMarkFollows") in ("1", "true", "on")
        following = ""
        if own_mark:
            for later in reference.itersiblings(_T, f"{W}sym"):
                following += later.text or _symbol(later.get(f"{W}font", ""), later.get(f"{W}char", ""))
                later.text = ""  # it is in the mark
                later.attrib.clear()
        mark = story.shared.notes.referred(reference, following, story)
        if mark:
            self.emit(mark, context, _NO_PROPERTIES, raw=True)

    def _comment(self, reference: "_Element", context: Context, style: RunProperties) -> None:
        story = self.story
        if story.visible and story.shared.shows(context.change) and (text := story.shared.notes.comment(reference)):
            space = "" if not self.spans or self.spans[-1].text[-1:].isspace() else " "
            self.emit(space + text, context._replace(link=""), _NO_PROPERTIES, raw=True)


def _symbol(font: str, code: str) -> str:
    try:
        return symbol(font, int(code, 16))
    except ValueError:
        return ""


def _text_of(element: "_Element | None") -> str:
    if element is None:
        return ""
    return without_noncharacters("".join(t.text or "" for t in element.iter(_T)))
