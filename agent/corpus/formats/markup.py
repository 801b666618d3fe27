"""Marks in the text of a page for what formatting says in the file: scripts, check boxes, changes, hidden text.

Every format uses these, so that the same thing looks the same to the model whatever file it is in, and the
documentation lists them once (docs/formats.md).
"""

import re

# Noncharacters (Unicode 23.7): no text contains them, and they are gone from a page when it is finished.
_SUPERSCRIPT, _SUBSCRIPT, _END = "\ufdd0", "\ufdd1", "\ufdd2"
_MARKERS = re.compile(f"[{_SUPERSCRIPT}{_SUBSCRIPT}{_END}]")
_SPLIT = re.compile(f"([{_SUPERSCRIPT}{_SUBSCRIPT}])([^{_SUPERSCRIPT}{_SUBSCRIPT}{_END}]*){_END}\\1")
_SCRIPT = re.compile(f"([{_SUPERSCRIPT}{_SUBSCRIPT}])([^{_SUPERSCRIPT}{_SUBSCRIPT}{_END}]*){_END}(?=(.?))", re.DOTALL)
_PLAIN = re.compile(r"[+\-−–]?[^\W_]+\Z")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|e|ème|o|a|º|ª|TM|SM|®|™|©)\Z", re.IGNORECASE)
_SCHEME = re.compile(r"\A(?:https?://|mailto:|tel:)?(?:www\.)?", re.IGNORECASE)
_BLANK = re.compile(r"\A(\s*)(.*?)(\s*)\Z", re.DOTALL)


def superscript(text: str) -> str:
    """Mark a superscript. `finished` must be called on the text of the page that it becomes part of."""
    return _script(_SUPERSCRIPT, text)


def subscript(text: str) -> str:
    """Mark a subscript. `finished` must be called on the text of the page that it becomes part of."""
    return _script(_SUBSCRIPT, text)


def finished(text: str) -> str:
    """Write the scripts of a page out: "10^6 km", "H_2O", "5^(1/2)", "log_(10)100"; "1st" and "X™" as they are.

    Parentheses mark where a script ends, if what follows could be taken for a part of it. Neighbouring scripts of one
    kind, which a file may store as several runs, are one.
    """
    if not _MARKERS.search(text):
        return text
    done = -1
    while done:
        text, done = _SPLIT.subn(r"\1\2", text)
    done = -1
    while done:  # the innermost first
        text, done = _SCRIPT.subn(_written, text)
    return _MARKERS.sub("", text)


def check_box(ticked: bool) -> str:
    """A check box or a radio button: "[x]" or "[ ]"."""
    return "[x]" if ticked else "[ ]"


def inserted(text: str) -> str:
    """Text that a tracked change inserts."""
    return _bracketed("inserted", text)


def deleted(text: str) -> str:
    """Text that a tracked change deletes."""
    return _bracketed("deleted", text)


def hidden(text: str) -> str:
    """Text that a reader of the file does not see, kept because the user asked for it."""
    return _bracketed("hidden", text)


def comment(text: str, author: str = "") -> str:
    """A comment or annotation."""
    return _bracketed(f"comment by {author}" if author else "comment", text)


def link(text: str, address: str) -> str:
    """Text that leads to an address: "[text](address)"; the text alone if it says the address itself."""
    match = _BLANK.match(text)
    assert match is not None  # it matches every text
    before, inner, after = match.groups()
    if not inner or not address or _bare(inner) == _bare(address):
        return text
    return f"{before}[{inner}]({address}){after}"


def picture(description: str = "") -> str:
    """A picture at its place, by its alternative text; empty without one: the note of the page counts the picture."""
    return _bracketed("picture", description) if description.strip() else ""


def named(kind: str, name: str = "") -> str:
    """Something that cannot be written as text, at its place: "[chart: Sales by region]", "[video]"."""
    return _bracketed(kind, name) if name.strip() else f"[{kind}]"


def hidden_note(words: int, why: str, *, kept: bool) -> str:
    """The note of a page with hidden text. `why` says how it is hidden: "white on white", "display: none"."""
    count = "1 hidden word" if words == 1 else f"{words:,} hidden words"
    return f"{count} ({why}) {'kept, and marked' if kept else 'left out; --hidden keep puts them in, marked'}"


def picture_note(width: float, height: float, unit: str = "pt") -> str:
    """The note of a page with a picture whose content is not in the text."""
    return f"a picture of {width:,.0f}×{height:,.0f} {unit} was not read"


def _bare(address: str) -> str:
    """An address as people write it."""
    return _SCHEME.sub("", address).rstrip("/").lower()


def _bracketed(kind: str, text: str) -> str:
    """The mark around the text, outside of white space at its ends."""
    match = _BLANK.match(text)
    assert match is not None  # it matches every text
    before, inner, after = match.groups()
    return f"{before}[{kind}: {inner}]{after}" if inner else text


def _script(mark: str, text: str) -> str:
    match = _BLANK.match(text)
    assert match is not None  # it matches every text
    before, inner, after = match.groups()
    return f"{before}{mark}{inner}{_END}{after}" if inner else text


def _written(match: re.Match[str]) -> str:
    mark, inner, following = match.groups()
    if mark == _SUPERSCRIPT and _ORDINAL.match(inner):
        return inner
    sign = "^" if mark == _SUPERSCRIPT else "_"
    # H_2O is clear; in log_10100 and x^2y nobody sees the end.
    ambiguous = bool(following) and (
        (following.isdigit() and inner[-1:].isdigit()) or (following.isalpha() and inner[-1:].isalpha())
    )
    return f"{sign}{inner}" if _PLAIN.match(inner) and not ambiguous else f"{sign}({inner})"
