"""Segment texts into words for comparing answers, in English and in Chinese."""

import re
import string
import warnings
from collections.abc import Callable
from functools import cache

from longread.errors import QualityError


def normalized(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space, as in SQuAD."""
    words = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", words).split())


@cache
def segmenter() -> Callable[[str], list[str]]:
    """The function that splits a Chinese text into words and the text between them: jieba, with its own dictionary.

    Raises:
        QualityError: jieba or rouge, which scores of Chinese need, is not installed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # from its import of pkg_resources, and its string escapes
            import jieba
            import rouge  # noqa: F401
    except ModuleNotFoundError:
        raise QualityError(
            "LV-Eval's Chinese files are scored with jieba and rouge, which are not installed: "
            "pip install 'longread[lveval]'."
        ) from None
    one = jieba.Tokenizer()
    # Like `initialize`, but without output to standard error, and without a cache shared by all users.
    one.FREQ, one.total = one.gen_pfdict(one.get_dict_file())
    one.initialized = True
    return one.lcut


_SIGNS = frozenset(
    string.punctuation
    + "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】"
    + "〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
)
"""Chinese punctuation, for LV-Eval."""


def bare(word: str) -> str:
    """A Chinese word in lower case, without punctuation and white space; empty if nothing else remains."""
    return "".join(character for character in word.lower() if character not in _SIGNS and not character.isspace())


def chinese(text: str) -> list[str]:
    """The words of a Chinese text. Raises as `segmenter` does."""
    return [word for piece in segmenter()(text) if (word := bare(piece))]
