"""The encoding of a page of HTML, as browsers find it."""

import re

from ..text_encoding import decode, known

_SEARCHED = 4096
"""Bytes in which a declaration is looked for. Browsers look at 1,024, and generators write more before it."""
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_XML = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"'>]+)["']""", re.IGNORECASE)
_META = re.compile(rb"<meta\s[^>]*>", re.IGNORECASE)
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([^\s"'/>;]+)""", re.IGNORECASE)
_ALIASES = {  # labels of the WHATWG Encoding Standard that Python does not know
    **dict.fromkeys(("x-sjis", "windows-31j", "ms_kanji", "csshiftjis"), "cp932"),
    **dict.fromkeys(("x-gbk", "gb_2312-80", "csgb2312", "chinese"), "gb18030"),
    **dict.fromkeys(("ks_c_5601-1987", "ks_c_5601-1989", "korean", "windows-949", "csksc56011987"), "cp949"),
    **dict.fromkeys(("x-x-big5", "cn-big5", "csbig5"), "big5hkscs"),
    **dict.fromkeys(("x-mac-roman", "macintosh", "csmacintosh"), "mac_roman"),
    **dict.fromkeys(("x-mac-cyrillic", "x-mac-ukrainian"), "mac_cyrillic"),
    **dict.fromkeys(("unicode-1-1-utf-8", "x-unicode20utf8", "utf8"), "utf-8"),
    **dict.fromkeys(("windows-874", "dos-874"), "cp874"),
    **dict.fromkeys(("x-euc-jp", "cseucpkdfmtjapanese"), "euc_jp"),
    "x-user-defined": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "visual": "iso8859-8",
    "logical": "iso8859-8",
    **{f"x-cp125{digit}": f"cp125{digit}" for digit in range(9)},
}


def decoded(data: bytes, encoding: str = "", served_as: str = "") -> tuple[str, list[str]]:
    """Decode a page; returns it with warnings about its encoding.

    Args:
        encoding: what the user says that it is.
        served_as: what a server or a mail says that it is.
    """
    return decode(data, _python(encoding), known(_python(served_as)) or declared(data))


def declared(data: bytes) -> str:
    """The encoding that the page declares: in an XML declaration, or in `<meta>`. Empty if it does not."""
    head = data[:_SEARCHED]
    if match := _XML.match(head):
        return _python(match[1].decode("ascii", "replace"))
    for meta in _META.findall(_COMMENT.sub(b"", head)):
        if match := _CHARSET.search(meta):
            name = _python(match[1].decode("ascii", "replace"))
            # Found by reading ASCII, so that it cannot be true.
            return "utf-8" if name.lower().startswith(("utf-16", "utf16")) else name
    return ""


def _python(label: str) -> str:
    name = label.strip().lower()
    return _ALIASES.get(name, name)
