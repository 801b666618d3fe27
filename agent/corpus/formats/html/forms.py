"""The values of forms: what is filled in, ticked and chosen."""

from collections.abc import Sequence

from .. import markup
from .tree import Attributes, Event

_BUTTONS = frozenset(("submit", "button", "reset"))
_SILENT = frozenset(("hidden", "password", "file"))


def field(attributes: Attributes) -> str:
    """The value of an `<input>`."""
    kind = attributes.get("type", "text").strip().lower()
    if kind in _SILENT:
        return ""
    label = attributes.get("aria-label", "").strip()
    if kind in ("checkbox", "radio"):
        box = markup.check_box("checked" in attributes)
        return f"{box} {label}" if label else box
    if kind == "image":
        return markup.picture(attributes.get("alt", ""))
    value = attributes.get("value", "")
    if kind in _BUTTONS or not label or not value:
        return value
    return f"{label}: {value}"


def choice(attributes: Attributes, events: Sequence[Event]) -> str:
    """The chosen options of a `<select>`: what a browser shows of it when it is closed."""
    options: list[tuple[bool, str]] = []
    opened = False
    text: list[str] = []
    about: Attributes = {}
    for kind, name, found in events:
        if kind == "text":
            text.append(name)
        elif name == "option":
            if opened:
                options.append(_option(about, text))
            opened, about, text = kind == "start", found, []
    if opened:
        options.append(_option(about, text))
    options = [(chosen, name) for chosen, name in options if name]
    size = attributes.get("size", "")
    if "multiple" in attributes or (size.isdecimal() and int(size) > 1):  # all of them are seen
        return ", ".join(f"{markup.check_box(chosen)} {name}" for chosen, name in options)
    chosen = [name for is_chosen, name in options if is_chosen][-1:] or [name for _, name in options[:1]]
    label = attributes.get("aria-label", "").strip()
    return f"{label}: {chosen[0]}" if label and chosen else "".join(chosen)


def gauge(tag: str, attributes: Attributes) -> str:
    """A `<progress>` or `<meter>` without a text of its own: its value and its maximum."""
    value = attributes.get("value", "").strip()
    return markup.named(tag, f"{value} of {attributes.get('max', '1').strip()}" if value else "")


def _option(attributes: Attributes, text: Sequence[str]) -> tuple[bool, str]:
    return "selected" in attributes, attributes.get("label", "").strip() or " ".join("".join(text).split())
