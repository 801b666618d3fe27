"""Words and addresses that a line end divides.

The hyphen of a divided word goes, the hyphen of a compound stays, and which it is, is decided by evidence: how the page
and the document spell the word elsewhere, then whether the parts and the whole are known words.
"""

import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from .words import is_one_word, is_word

HYPHENS = "-\u2010\u2011\u00ad"
DIVISION = re.compile(rf"[{HYPHENS}]\n[ \t]*(?=\S)")
_INSIDE = re.compile("[^\\W\\d_]+(?:\u00ad[^\\W\\d_]+)+")
_CHAIN = re.compile(r"[^\W_]+(?:[-\u2010\u2011'’][^\W_]+)*\Z")
_START = re.compile(r"[^\W_]+")
_TOKEN = re.compile(r"\S+")
_REACH = 120
"""Characters before a line end that are looked at: the longest address that is recognised by its start."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SUSPENDED = _words(
    # "Vor- und Nachteile", "pre- and post-treatment"
    "und oder bis sowie bzw beziehungsweise respektive noch wie als and or nor to through versus vs but "
    "et ou ni y o e u i ed od en of tot och eller samt til og ja tai sekä a nebo či oraz lub és vagy sau ve veya või "
    "ir ar и или та або і й"
)
_LONGEST = 2000
"""Characters of an address that goes on over line ends at most."""
_BRIEF = 3
"""Letters of the shortest word that a conjunction of one letter may follow."""
_PREFIXES = _words("non self ex quasi pseudo all half cross vice ultra semi mid pro neo")
_CLOSED = _words(
    "sub inter over under super trans micro macro hyper bio geo hydro electro photo thermo tele un dis mis out"
)
"""Prefixes of which English makes one word."""
_PRONOUNS = _words("nous vous elle elles moi toi lui leur même mêmes")
_ENCLITICS = _words(
    # French, Portuguese, Catalan: "donne-le", "celle-ci", "encontra-se"
    "je tu il ils on ce ci là y en se me te lhe lhes lo la le les los las na nas no nos vos"
)
_ENGLISH = _words("the of and is in that to for with")
_URL = re.compile(r"(?:[a-z][a-z0-9+.]*://|www\.|\bdoi:|\b10\.\d{4,9}/)\S*\Z", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+%-]+@[\w.-]*\Z")
_EMAIL_AFTER = re.compile(r"[\w.+%-]*@[\w-]+(?:\.[\w-]+)+")
_NAME_AFTER = re.compile(
    r"[\w-]+(?:\.[\w-]+)*\.(?:pdf|txt|csv|tsv|docx?|xlsx?|pptx?|odt|html?|xml|json|jsonl|ya?ml|toml|ini|conf|cfg|log|md"
    r"|rst|tex|py|js|ts|c|h|cpp|java|rs|go|rb|sh|bat|exe|dll|so|zip|tar|gz|tgz|whl|png|jpe?g|gif|svg|tiff?|mp[34]|db|sql)"
    r"(?![\w])",
)
_PATH = re.compile(
    r"[(\[{\"'`“]*(?:[\w.~-]*[/\\_][\w./\\~-]*|[\w-]*\d[\w.-]*[-.][\w.-]*|--?[a-z][\w-]*)\Z"  # a/b, v1.2-rc, --flag
)
_DOMAIN = re.compile(
    r"(?:com|org|net|edu|gov|int|io|ai|dev|info|eu|de|fr|uk|at|ch|es|it|nl|be|se|no|dk|fi|pl|cz|us|ca|au|jp"
    r"|cn|co|ac)(?![\w])(?:[./]\S*)?",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[\w%~#?=&./]")
_URL_GOES_ON = re.compile(
    r"[\w%~+.,#?=&/-]*(?:[/=%&?#_~]|\.(?:html?|pdf|php|aspx?|txt|xml|json|md)\b|\d)[\w%~+.,#?=&/-]*"
)
_OPEN_END = re.compile(r"[/_=&?#%~+:@]\Z")
_IDENTIFIER = re.compile(r"(?<![^\s(\[{\"'`“])[A-Za-z]\w*_\Z")

Document = Callable[[], Counter[str]]
"""Counts the words of the other pages; called only when the page itself does not decide."""


def joined(text: str, document: Document | None = None) -> str:
    """The text with words and addresses put together that a line end divides.

    A hyphen that is kept before a conjunction is followed by a space ("Vor- und"), any other by the rest of the word.
    The line end that divided it is gone.
    """
    evidence = _Evidence(text, document)
    parts: list[str] = []
    done = 0
    divided = any(f"{hyphen}\n" in text for hyphen in HYPHENS)  # much faster than the expression
    for division in DIVISION.finditer(text) if divided else ():
        between = _between(text, division, evidence)
        if between is not None:
            parts += [text[done : division.start()], between]
            done = division.end()
    text = "".join([*parts, text[done:]])
    if "\u00ad" in text:
        text = _INSIDE.sub(lambda found: _inside(found, evidence), text).replace("\u00ad", "")
    return _addresses(text)


class _Evidence:
    """How a page and its document spell words."""

    def __init__(self, text: str, document: Document | None):
        self._text, self._document = text, document
        self._page = ""
        self._english: bool | None = None

    def hyphenated(self, before: str, after: str) -> bool | None:
        """Whether the text spells the word with a hyphen; None if it has it in neither way, or in both alike."""
        if not self._page:
            self._page = DIVISION.sub("- ", self._text.lower().replace("\u2010", "-").replace("\u2011", "-"))
        before, after = before.lower(), after.lower()
        spelled = f"{before}-{after}", before + after
        found = _more(*(_count(self._page, word) for word in spelled))
        if found is None and self._document is not None:
            words = self._document()
            found = _more(*(words[word] for word in spelled))
        return found

    @property
    def english(self) -> bool:
        if self._english is None:
            words = _START.findall(self._text.lower())
            self._english = sum(word in _ENGLISH for word in words) >= 0.08 * len(words)
        return self._english


def _more(with_hyphen: int, without: int) -> bool | None:
    return None if with_hyphen == without else with_hyphen > without


def _count(text: str, word: str) -> int:
    """How often a text contains a word, as a whole or as a part of one with hyphens."""
    count, at = 0, text.find(word)
    while at >= 0:
        end = at + len(word)
        count += not text[at - 1 : at].isalpha() and not text[end : end + 1].isalpha()
        at = text.find(word, end)
    return count


def _between(text: str, division: re.Match[str], evidence: _Evidence) -> str | None:
    """What takes the place of a hyphen and the line end after it; None: both stay."""
    start, end = division.span()
    soft = text[start] == "\u00ad"
    chain = _CHAIN.search(text, max(0, start - _REACH), start)
    after = _START.match(text, end)
    token = text[max(0, start - _REACH) : start].split(" ")[-1].split("\n")[-1]
    rest = _TOKEN.match(text, end)
    if not token or rest is None:
        return None
    if not soft and _in_address(token, rest[0]):
        return "-"
    if chain is None or after is None:
        return "" if soft else None
    before = re.split("[-\u2010\u2011'’]", chain[0])[-1]
    word = after[0]
    if before[-1].isdigit() or word[0].isdigit():
        # 1990-2000, COVID-19, 5-bis; not a word above the number of a page, nor "§ 5-" above a capital.
        line = text[end : (text.find("\n", end) + 1 or len(text) + 1) - 1]
        if word[0].isdigit():
            fits = len(line.split()) > 1 and len(chain[0]) > 1 and before.lower() != before
            return "-" if fits or (before[-1].isdigit() and len(line) > len(rest[0])) else None
        return "-" if word[0].islower() else None
    if soft:
        return ""
    letters = re.match(r"[^\W\d_]+", word)
    word = letters[0] if letters else word
    if word[0].islower():
        # Not a part of a longer thing: "- und Nachteile", but not "-und-"
        if word in _SUSPENDED and text[end + len(word) : end + len(word) + 1].isspace():
            joins = is_word(before + word) and not is_word(before)
            brief = len(word) == 1 and len(before) < _BRIEF
            if not joins and not brief and evidence.hyphenated(before, word) is not False:
                return "- "
        return "-" if _keeps(chain[0], before, word, evidence) else ""
    if not word[0].isupper():  # a script without case
        return "" if not word.isascii() and before[-1:].isalpha() else None
    if before.isupper() and word.isupper() and len(before) > 1 and len(word) > 1:
        return "-" if _keeps(chain[0], before, word, evidence) else ""
    if len(before) < 2 or len(word) < 2:
        return None
    return "" if evidence.hyphenated(before, word) is False else "-"  # North-South, but AutoScholarQuery


def _keeps(chain: str, before: str, after: str, evidence: _Evidence) -> bool:
    """Whether a hyphen between parts of a word belongs to the word."""
    decided = evidence.hyphenated(before, after)
    if decided is not None:
        return decided
    if len(before) == 1:
        return True  # x-axis, e-mail: nobody divides a word after one letter
    lower, rest = before.lower(), after.lower()
    if is_one_word(lower, rest):
        return False
    if lower in _PREFIXES and is_word(rest):
        return True
    if lower in _CLOSED:
        return False
    if not evidence.english:
        return rest in _PRONOUNS or (rest in _ENCLITICS and is_word(lower))
    return len(rest) > 1 and is_word(lower) and is_word(rest)


def _inside(found: re.Match[str], evidence: _Evidence) -> str:
    """A word with soft hyphens within a line: they are drawn, and some fonts have no other hyphen."""
    first, *others = found[0].split("\u00ad")
    if is_word(first + "".join(others)):
        return first + "".join(others)
    text = first
    for before, after in pairwise((first, *others)):
        text += f"-{after}" if _keeps(text, before, after, evidence) else after
    return text


def _in_address(before: str, after: str) -> bool:
    """Whether a hyphen is within a URL, an e-mail address, a file name, or an identifier."""
    return bool(
        _URL.search(before)
        or _EMAIL.search(before)
        or _EMAIL_AFTER.match(after)
        or _NAME_AFTER.match(after)
        or (_PATH.match(before) and re.match(r"[\w.]", after) and not after[0].isupper())
    )


def _addresses(text: str) -> str:
    """Put addresses together that a line end divides without a hyphen of its own."""
    if not any(sign in text for sign in ("://", "www.", "@", "_\n", "10.", "doi:")):
        return text
    rows = text.split("\n")
    whole = [rows[0]]
    for row in rows[1:]:
        before = whole[-1].rpartition(" ")[2]
        if any(sign in before for sign in ("://", "www.", "@", "10.", "doi:")) or before[-1:] == "_":
            after = row.lstrip().partition(" ")[0]
            if len(before) < _LONGEST and _ADDRESS.match(after) and _goes_on(before, after):
                whole[-1] += row.lstrip()
                continue
        whole.append(row)
    return "\n".join(whole)


def _goes_on(before: str, after: str) -> bool:
    if _IDENTIFIER.search(before):
        return after[0].isalnum()
    if _EMAIL.search(before):
        return bool(before[-1] == "@" or (before[-1] == "." and _DOMAIN.match(after)))
    if not _URL.search(before):
        return False
    if before[-1] == ".":
        return bool(_DOMAIN.match(after)) or (after[0].isdigit() and "10." in before)
    if after.startswith(("http:", "https:", "www.", "doi:")):
        return False
    bare = after.rstrip(".,;:)]")
    if _OPEN_END.search(before) and not after[0].isupper():
        return bare.lower() not in _SUSPENDED | _ENGLISH
    return bool(_URL_GOES_ON.fullmatch(bare)) and not bare.isdigit() and not bare[0].isupper()
