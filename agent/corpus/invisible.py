"""Characters that no reader sees: tags, zero-width characters and controls of the writing direction.

They say nothing, but can carry text past a reader: tag characters are ASCII that is not shown, runs of zero-width
characters or variation selectors encode anything, and overrides of the direction show text in another order than it is
stored in (Unicode Technical Standard 55, "Unicode Source Code Handling").
"""

import re

_ANY = re.compile(
    "[\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffb\U0001bca0-\U0001bca3\U000e0000-\U000e0fff]"
)
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,8}\U000e007f"
_TAGS = re.compile(f"({_FLAG})|[\U000e0000-\U000e007f]+")
"""The flags of Wales and the like are a black flag with tags."""
_OVERRIDDEN = re.compile("[\u202d\u202e]([^\u202a-\u202e\n]*)\u202c?")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_RUN = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u180e]{8,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}")
_JOINED = (
    "\u0600-\u08ff\u0900-\u0dff\u0e80-\u109f\u1780-\u18af\ua840-\uabff\u00a9\u00ae\u2190-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff"
)
"""Scripts that are written with joiners, and emoji."""
_STRAY = re.compile(f"(?<![{_JOINED}\ufe0f])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])")
_SILENT = re.compile(
    "[\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U000e0080-\U000e00ff\U000e01f0-\U000e0fff]"
)


def without_invisible(text: str, *, keep: bool = False) -> tuple[str, list[str]]:
    """The text without such characters, and notes where they carried something.

    Joiners stay where a script or an emoji needs them. Tags are decoded: `keep` puts them in, marked as hidden.
    """
    if text.isascii() or not _ANY.search(text):
        return text, []
    from .formats import markup  # which imports the module that normalizes text

    notes: list[str] = []
    words = 0

    def tags(match: re.Match[str]) -> str:
        nonlocal words
        if match[1]:
            return match[1]
        said = "".join(chr(ord(char) - 0xE0000) for char in match[0] if "\U000e0020" <= char <= "\U000e007e")
        words += len(said.split())
        return markup.hidden(said) if keep else ""

    text = _TAGS.sub(tags, text)
    if words:
        notes.append(markup.hidden_note(words, "in characters for tags, which nothing shows", kept=keep))
    text, shown = _OVERRIDDEN.subn(_as_shown, text)
    if shown:
        notes.append(f"the direction of {shown:,} pieces of text was overridden; they are given as they are shown")
    text, runs = _RUN.subn("", text)
    if runs:
        notes.append(f"{runs:,} runs of characters without width, which may carry a hidden message, were left out")
    before = ""
    selectors = 0
    while before != text:
        before = text
        text = _STRAY.sub("", _SILENT.sub("", text))
        text, count = _SELECTORS.subn("", text)
        selectors += count
    if selectors:
        notes.append(f"{selectors:,} runs of variation selectors, which may carry a hidden message, were left out")
    return text, notes


def _as_shown(match: re.Match[str]) -> str:
    """Overridden text in the order in which it is shown; from right to left unless it is written so anyway."""
    text = match[1]
    from_right = match[0][0] == "\u202e"
    return text[::-1] if from_right != bool(_RIGHT_TO_LEFT.search(text)) else text
