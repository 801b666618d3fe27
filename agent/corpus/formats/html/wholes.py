"""Elements that are read as a whole: form fields, drawings, equations, films and frames."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import equations, markup
from . import embedded, forms
from .element import Closer, Handler, text_of
from .styles import Declarations
from .tree import Attributes, Event, events
from .writer import Mark

if TYPE_CHECKING:
    from .convert import Converter as Page

WHOLES = frozenset(("title", "textarea", "select", "svg", "math", "progress", "meter", "video", "audio", "iframe"))
"""Elements whose events are collected."""
_RENDERED = frozenset(
    (
        *("katex", "katex-display", "MathJax_Display", "MathJax", "MathJax_CHTML", "MathJax_SVG", "mjx-chtml"),
        "mwe-math-element",
    )
)
"""Classes of equations that a script has drawn, with their MathML beside."""
_DISPLAYED = frozenset(("katex-display", "MathJax_Display", "mwe-math-element-block"))
_MAX_FRAMES = 2
"""Pages within each other that are read."""


def reader(page: "Page", tag: str, attributes: Attributes) -> Callable[[list[Event]], None]:
    """What writes the element when its events are there."""
    writer = page.writer

    def textarea(found: list[Event]) -> None:
        writer.verbatim(text_of(found).strip("\n"))

    def select(found: list[Event]) -> None:
        writer.text(forms.choice(attributes, found))

    def svg(found: list[Event]) -> None:
        text, unread = embedded.drawing(attributes, found)
        if unread and not page.concealed:
            writer.mark(Mark("picture"))
        if "\n" in text and not writer.frame.heading:
            writer.flush()
            writer.verbatim(text)
            writer.flush()
        else:
            writer.text(text)

    def math(found: list[Event]) -> None:
        equation(page, *embedded.equation([("start", "math", attributes), *found, ("end", "math", {})]))

    def gauge(found: list[Event]) -> None:
        writer.text(" ".join(text_of(found).split()) or forms.gauge(tag, attributes))

    def frame(found: list[Event]) -> None:
        inside = attributes.get("srcdoc", "")
        if inside and page.frames < _MAX_FRAMES:
            page.frames += 1
            writer.flush()
            page.feed(events(inside)[0])
            writer.flush()
            page.frames -= 1
        elif not page.concealed and not {attributes.get("width"), attributes.get("height")} & {"0", "1"}:
            writer.text(embedded.medium(tag, attributes))

    def title(found: list[Event]) -> None:
        page.title = page.title or " ".join(text_of(found).split())

    def medium(found: list[Event]) -> None:
        source = next((a["src"] for _, name, a in found if name == "source" and "src" in a), "")
        writer.text(embedded.medium(tag, {"src": source, **attributes}))

    readers: dict[str, Callable[[list[Event]], None]] = {
        "textarea": textarea,
        "select": select,
        "svg": svg,
        "math": math,
        "progress": gauge,
        "meter": gauge,
        "iframe": frame,
        "title": title,
        "video": medium,
        "audio": medium,
    }
    return readers[tag]


def is_rendered(page: "Page", tag: str, attributes: Attributes) -> bool:
    names = attributes.get("class", "").split() if attributes else ()
    page.shown = not _DISPLAYED.isdisjoint(names)
    return tag == "mjx-container" or not _RENDERED.isdisjoint(names)


def rendered(page: "Page", attributes: Attributes, found: list[Event], shown: bool) -> None:
    """An equation that a script has drawn: its MathML, and not the drawing."""
    latex, display = embedded.equation(found)
    if not latex and (source := attributes.get("data-mathml")):
        latex, display = embedded.equation(events(source)[0])
    if not latex:
        drawn = next((about for kind, name, about in found if kind == "start" and name == "img"), None)
        if drawn is not None:
            picture_of(page, drawn)
        elif text := embedded.glyphs(found) or " ".join(text_of(found).split()):
            page.writer.text(markup.named("equation", text))
        return
    equation(page, latex, display or shown)


def equation(page: "Page", latex: str, display: bool) -> None:
    page.last_equation = latex
    if display and not page.writer.frame.heading and not page.tables.inside:
        page.writer.flush()
        page.writer.verbatim(equations.display(latex))
        page.writer.flush()
    else:
        page.writer.text(equations.inline(latex))


def picture_of(page: "Page", attributes: Attributes) -> None:
    text, unread = embedded.picture(attributes)
    alt = attributes.get("alt", "")
    if page.last_equation and "".join(alt.split()) == "".join(page.last_equation.split()):
        return  # for browsers that cannot draw the equation before it
    page.writer.text(text)
    if unread and not page.concealed:
        page.writer.mark(Mark("picture"))


def picture(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    picture_of(page, attributes)


def media(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    """An object or a drawing by a script: what is in it is for those that cannot show it; else its name."""
    frame, items, pieces = page.writer.frame, len(page.writer.frame.items), len(page.writer.frame.pieces)

    def end() -> None:
        if page.writer.frame is frame and (len(frame.items), len(frame.pieces)) == (items, pieces):
            page.writer.text(embedded.medium(tag, attributes))

    closers.append(end)


def frame(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.writer.flush()
    page.writer.text(embedded.medium(tag, attributes))
    page.writer.flush()


def tex(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    """The source of an equation, for MathJax 2 to draw."""
    display = "display" in attributes.get("type", "")
    before = page.last_equation

    def finish(found: list[Event]) -> None:
        if not before or page.writer.frame.last != "$":
            equation(page, text_of(found).strip(), display)

    page.collect(tag, finish, closers)


EMBEDDED: dict[str, Handler] = {
    **dict.fromkeys(("object", "canvas"), media),
    **dict.fromkeys(("frame", "embed"), frame),
    **dict.fromkeys(("img", "image"), picture),
    "script": tex,
}
