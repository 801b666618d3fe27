"""The document type declaration of a page, and the entities that it and HTML name."""

import re
from html.entities import html5
from typing import NamedTuple

_REFERENCE = re.compile(r"&([A-Za-z_][\w.\-]*);")
_CHARACTER = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,6})|([0-9]{1,7}));")
_BEFORE = re.compile(r"\s*(?:<\?[^>]*>\s*)*")
_ENTITY = re.compile(r"""<!ENTITY\s+([A-Za-z_][\w.\-]*)\s+(?:"([^"]*)"|'([^']*)')\s*>""")
_XML_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*>")
_XML_NAMES = frozenset(("amp", "lt", "gt", "quot", "apos"))
_MAX_ENTITY = 1 << 16
"""Characters that an entity may stand for: ten lines can define one of three thousand million."""
_MAX_ADDED = 1 << 22
"""Characters that all entities of a page may add."""


class Declared(NamedTuple):
    """A page without its document type declaration."""

    text: str
    name: str
    """The declaration up to an internal subset: "<!DOCTYPE html PUBLIC …"."""
    entities: dict[str, str]
    """The entities of the internal subset, as they are written in it."""


def without_doctype(text: str) -> Declared:
    """Take the XML declaration and the document type declaration away: an HTML parser would show an internal subset."""
    text = _XML_DECLARATION.sub("", text.removeprefix("\ufeff"), count=1)
    at = _start(text)
    if text[at : at + 9].upper() != "<!DOCTYPE":
        return Declared(text, "", {})
    closing, opening = text.find(">", at), text.find("[", at)
    if closing < 0:
        return Declared(text, "", {})
    if not 0 <= opening < closing:
        return Declared(text[:at] + text[closing + 1 :], text[at:closing], {})
    end = _subset_end(text, opening + 1)
    if end < 0:
        return Declared(text, "", {})
    entities: dict[str, str] = {}
    for name, double, single in _ENTITY.findall(text, opening, end):
        entities.setdefault(name, double or single)  # the first declaration binds
    after = text.find(">", end)
    return Declared(text[:at] + text[after + 1 if after >= 0 else end + 1 :], text[at:opening], entities)


def expanded(page: Declared, *, xml: bool) -> tuple[str, list[str]]:
    """The page with its entities replaced; returns it with warnings.

    Args:
        xml: for a parser of XML, which knows none of HTML's names. For one of HTML, CDATA sections become text.
    """
    values: dict[str, str] = {}
    large: set[str] = set()
    for name in page.entities:
        _resolve(name, page.entities, values, large)
    added = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal added
        name = match[1]
        if name in values:
            if (added := added + len(values[name])) <= _MAX_ADDED:
                return values[name]
            large.add(name)
        elif xml and name not in _XML_NAMES:
            found = html5.get(f"{name};")
            if found is not None:
                return found.replace("&", "&amp;").replace("<", "&lt;")
        else:
            return match[0]
        return f"&amp;{name};" if xml else match[0]

    if not xml and not values and "<![CDATA[" not in page.text:
        return page.text, []
    parts = page.text.split("<![CDATA[")
    texts = [_REFERENCE.sub(replaced, parts[0])]
    for part in parts[1:]:
        inside, closed, rest = part.partition("]]>")
        if not closed:
            texts.append(_REFERENCE.sub(replaced, f"&lt;![CDATA[{part}"))
            continue
        texts.append(f"<![CDATA[{inside}]]>" if xml else inside.replace("&", "&amp;").replace("<", "&lt;"))
        texts.append(_REFERENCE.sub(replaced, rest))
    names = ", ".join(f"&{name};" for name in sorted(large)[:5])
    warnings = [f"Too long, and left as they are: the entities {names} of the document type."] if large else []
    return "".join(texts), warnings


def _start(text: str) -> int:
    """Where a document type declaration may begin: after processing instructions and comments."""
    at = 0
    while match := _BEFORE.match(text, at):
        at = match.end()
        if not text.startswith("<!--", at):
            break
        closing = text.find("-->", at)
        if closing < 0:
            break
        at = closing + 3
    return at


def _subset_end(text: str, at: int) -> int:
    """The place of the bracket that closes an internal subset; -1 if none does."""
    while at < len(text):
        sign = text[at]
        if sign == "]":
            return at
        if sign in "\"'":
            at = text.find(sign, at + 1)
        elif text.startswith("<!--", at):
            at = text.find("-->", at)
        if at < 0:
            return -1
        at += 1
    return -1


def _resolve(name: str, entities: dict[str, str], values: dict[str, str], large: set[str]) -> None:
    """Expand the entity and those in it, without recursion: a chain may have thousands."""
    waiting, open_ = [name], set[str]()
    while waiting:
        current = waiting[-1]
        if current in values or current in large:
            waiting.pop()
            continue
        text = _CHARACTER.sub(_character, entities[current])
        inner = [n for n in _REFERENCE.findall(text) if n in entities and n not in values and n not in large]
        if current in open_ or not inner:
            if any(n == current or n in open_ for n in inner):
                large.add(current)  # it contains itself
                waiting.pop()
                continue
            size = len(text) + sum(len(values.get(n, "")) for n in _REFERENCE.findall(text))
            if size > _MAX_ENTITY or any(n in large for n in _REFERENCE.findall(text)):
                large.add(current)
            else:
                values[current] = _REFERENCE.sub(lambda m: values.get(m[1], _named(m)), text)
            waiting.pop()
        else:
            open_.add(current)
            waiting.extend(dict.fromkeys(inner))


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16) if match[1] else int(match[2])
    character = chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
    return {"&": "&amp;", "<": "&lt;"}.get(character, character)


def _named(match: re.Match[str]) -> str:
    """HTML's own entity in the text of an entity: these are well-formed in both parsers as characters."""
    found = None if match[1] in _XML_NAMES else html5.get(f"{match[1]};")
    return match[0] if found is None else found.replace("&", "&amp;").replace("<", "&lt;")
