"""The rule of `--overflow auto`: which strategy a question gets, and why.

In this order:

1. Documents that fit the window are sent whole.
2. A question about everything (summarise, all, every, compare, how many) gets `map`: the pages that contain its words
   are not the answer. So does a question none of whose words is on a page: there is nothing to retrieve by.
3. Everything else gets `retrieve`, which costs one prompt.
4. Where `map` would need more windows than allowed, `retrieve` replaces it, and the reason says what is lost. Where
   there is nothing to retrieve by either, that is an error.

Questions about everything are recognised by words in English, German, French, Spanish and Chinese. In other languages
only the second half of rule 2 applies, which does not depend on a language. The rule knows words, not meaning: "how
many bytes does a token take" gets `map`, which is more expensive and no worse; "what is this about" gets `retrieve`.
"""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from longread.errors import NothingMatches

Overflow = Literal["error", "retrieve", "map", "auto"]
"""The strategy for documents that exceed the context window."""

MAX_WINDOWS = 32
"""Windows that `auto` lets `map` read."""

_EVERYTHING = re.compile(
    r"\b(?:summar(?:y|ies|i[sz]e\w*)|overview|outline|all|every|each|entire|whole|throughout|compar(?:e\w*|isons?)"
    r"|differen(?:t|ces?)|how (?:many|often)|count|list"
    r"|zusammenfass\w*|fass\w*\b.*\bzusammen|überblick|alle[nmrs]?|jede[nmrs]?|sämtliche\w*|vergleich\w*"
    r"|unterschiede?|wie ?(?:viele|oft)|liste"
    r"|résum\w*|tous|toutes?|chaque|compar\w+|différences?|combien|liste[rz]?"
    r"|resum\w*|todos|todas|cada|diferencias?|cuánt[oa]s|lista\w*)\b"
    r"|总结|總結|概括|摘要|概述|所有|全部|每[个個]|各个|各個|比较|比較|对比|對比|区别|區別|多少|几[个次]|幾[個次]|列出",
    re.IGNORECASE | re.DOTALL,
)


class Choice(BaseModel):
    """A strategy, and the reason for it as a sentence for the user."""

    model_config = ConfigDict(frozen=True)

    strategy: Literal["whole", "retrieve", "map"]
    reason: str


def choose(question: str, *, fits: bool, matches: bool, windows: int, max_windows: int = MAX_WINDOWS) -> Choice:
    """Choose the strategy for a question.

    Args:
        fits: whether the documents and the question fit the window.
        matches: whether a page contains a word of the question: see `Retriever.matches`.
        windows: number of windows that `map` would need.
        max_windows: number of windows allowed.

    Raises:
        NothingMatches: no page contains a word of the question, and `map` would need too many windows.
    """
    if fits:
        return Choice(strategy="whole", reason="The documents fit the window.")
    word = _EVERYTHING.search(question)
    if word is None and matches:
        return Choice(
            strategy="retrieve", reason="The documents do not fit the window, and pages have the question's words."
        )
    why = f"the question asks about everything ({word[0]!r})" if word else "no page has a word of the question"
    if windows <= max_windows:
        return Choice(strategy="map", reason=f"The documents do not fit the window, and {why}: they are read in parts.")
    too_many = f"reading them in parts would take {windows:,} windows, more than {max_windows:,}"
    if matches:
        return Choice(
            strategy="retrieve",
            reason=f"The documents do not fit the window; {why}, but {too_many}: only pages that have its words are "
            "read, and the answer may miss what stands elsewhere (--overflow map reads everything).",
        )
    raise NothingMatches(
        f"The documents do not fit the window, {why}, and {too_many}. Ask in the language of the documents, choose "
        "pages (--pages), or allow it with --overflow map."
    )
