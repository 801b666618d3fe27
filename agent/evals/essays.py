"""Paul Graham's essays as RULER's haystack, from the file that RULER's script downloads."""

import json
import re

from longread.errors import QualityError

from .sample import Wish


def read_essays(wish: Wish, task: str) -> list[str]:
    """The words of `PaulGrahamEssays.json`.

    Raises:
        QualityError: the file is missing, or has another format.
    """
    if wish.data is None:
        raise QualityError(
            f"{task} hides its needles in essays: give --data PaulGrahamEssays.json, which RULER's "
            "scripts/data/synthetic/json/download_paulgraham_essay.py writes."
        )
    try:
        text = json.loads(wish.data.read_text(encoding="utf-8"))["text"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise QualityError(f"{wish.data} is no PaulGrahamEssays.json, an object with the field text: {error}") from None
    return re.sub(r"\s+", " ", text).split(" ")


def sentences(text: str) -> list[str]:
    """Split a text into sentences with NLTK's Punkt, which RULER uses.

    Raises:
        QualityError: NLTK or its data is not installed.
    """
    try:
        from nltk.tokenize import sent_tokenize
    except ModuleNotFoundError:
        raise QualityError("RULER cuts essays into sentences with NLTK: pip install 'longread[quality]'.") from None
    try:
        return sent_tokenize(text)
    except LookupError:
        raise QualityError(
            "NLTK has not its model of English sentences: python -c \"import nltk; nltk.download('punkt_tab')\"."
        ) from None
