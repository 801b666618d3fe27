"""Fonts of symbols: what their characters look like, in Unicode.

Sources: the "Symbol" encoding of Adobe, and the characters that Unicode 7.0 has for Wingdings (L2/12-368).
"""

from .. import markup

_PRIVATE = 0xF000
"""Word stores a character of a symbol font as U+F000 plus its code."""

_SYMBOL = dict(
    enumerate(" !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼", 0x20)
) | dict(
    enumerate("€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪�⟩∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭", 0xA0)
)

_WINGDINGS = dict(
    enumerate(
        " 🖉✂✁👓🕭🕮🕯🕿✆🖂🖃📪📫📬📭📁📂📄🗏🗐🗄⌛🖮🖰🖲🖳🖴🖫🖬✇✍🖎✌👌👍👎☜☞☝☟🖐☺😐☹💣☠🏳🏱"
        "✈☼💧❄🕆✞🕈✠✡☪☯ॐ☸♈♉♊♋♌♍♎♏♐♑♒♓🙰🙵●🔾■□🞐❑❒⬧⧫◆❖⬥⌧⮹⌘🏵🏶🙶🙷",
        0x20,
    )
) | dict(
    enumerate(
        "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿🙢🙠🙡🙣🙞🙜🙝🙟·•⬝⭘🞆🞈◉◎🔿▪◻🟂✦★✶✴✹✵⯐⌖⟡⌑⯑✪✰🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛⮰⮱⮲⮳⮴⮵⮶⮷🙪🙫🙕🙔🙗🙖🙐🙑🙒🙓⌫⌦⮘⮚⮙⮛⮈⮊⮉⮋🡨🡪🡩🡫🡬🡭🡯🡮🡸🡺🡹🡻🡼🡽🡿🡾⇦⇨⇧⇩⬄⇳⬀⬁⬃⬂🢬🢭🗶✓🗷🗹",
        0x80,
    )
)
# What Word makes of "-->" and the like.
_WINGDINGS |= {0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓"}
# The codes of boxes, empty and ticked, by font.
_BOXES = {
    "wingdings": (frozenset((0x6F, 0x70, 0x71, 0x72, 0xA8)), frozenset((0x78, 0xFD, 0xFE))),
    "wingdings 2": (frozenset((0xA3,)), frozenset((0x51, 0x52, 0x53, 0x54))),
    "webdings": (frozenset((0x63,)), frozenset()),
}
_MORE = {
    "wingdings 2": {0x4F: "✗", 0x50: "✓", 0x56: "✘", 0x57: "✔", 0x58: "✗", 0x97: "●", 0x98: "•", 0xA1: "◻"},
    "webdings": {0x61: "✓", 0x72: "✗", 0x3D: "■", 0x67: "■", 0x6E: "●", 0x34: "▶", 0x76: "♥"},
    "wingdings 3": {0x7D: "▶", 0x22: "↑", 0x67: "→", 0x66: "←", 0x68: "↑", 0x69: "↓", 0x75: "▶", 0x70: "▲", 0x71: "▼"},
}


def symbol(font: str, code: int) -> str:
    """A character of a symbol font as a check box, or as the Unicode character that looks alike.

    A character that is not known of a font of pictures is empty; that of any other font is itself.
    """
    family = font.lower()
    low = code - _PRIVATE if _PRIVATE <= code <= _PRIVATE + 0xFF else code
    if family.startswith("symbol"):
        return _SYMBOL.get(low, chr(code) if code < _PRIVATE else "")
    if family in _BOXES or family in _MORE:
        empty, ticked = _BOXES.get(family, (frozenset[int](), frozenset[int]()))
        if low in empty or low in ticked:
            return markup.check_box(low in ticked)
        return _WINGDINGS.get(low, "") if family == "wingdings" else _MORE[family].get(low, "")
    return "" if 0xE000 <= code <= 0xF8FF or not 0x20 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)


def in_symbol_font(font: str, text: str) -> str:
    """Text in a symbol font. What is beyond its 256 characters stands for itself."""
    return "".join(symbol(font, ord(c)) if ord(c) < 0x100 or _PRIVATE <= ord(c) <= _PRIVATE + 0xFF else c for c in text)


def bullet(font: str, text: str) -> str:
    """A bullet as the sign of Markdown; a box, which lists of things to do have, as a check box."""
    shadowed = text[:1] in ("\uf071", "\uf072", "q", "r")  # a bullet like others
    shown = in_symbol_font(font, text) if font and not shadowed else text
    if shown in ("[ ]", "[x]"):
        return shown
    if text in ("☐", "□"):
        return markup.check_box(False)
    if text in ("☑", "☒"):
        return markup.check_box(True)
    return "*"
