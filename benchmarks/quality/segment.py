"""Texts as the words that answers are compared by, in English and in Chinese."""

import re
import string
import warnings
from collections.abc import Callable
from functools import cache

from .errors import QualityError


def normalized(text: str) -> str:
    """Lower case, without punctuation, articles and surplus white space: SQuAD's way of comparing answers."""
    words = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", words).split())


@cache
def segmenter() -> Callable[[str], list[str]]:
    """What cuts a Chinese text into words and all that is between them: jieba, with its own dictionary.

    Raises:
        QualityError: jieba or rouge, without which nothing Chinese is scored, is not installed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of its import of pkg_resources, and its escapes in strings
            import jieba
            import rouge  # noqa: F401
    except ModuleNotFoundError:
        raise QualityError(
            "LV-Eval's Chinese files are scored with jieba and rouge, which are not installed: "
            "pip install 'longread[lveval]'."
        ) from None
    one = jieba.Tokenizer()
    # What its `initialize` does, without notes on standard error and without a cache that all users of a machine share.
    one.FREQ, one.total = one.gen_pfdict(one.get_dict_file())
    one.initialized = True
    return one.lcut


_SIGNS = frozenset(
    string.punctuation
    + "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】"
    + "〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
)
"""Punctuation in Chinese, for LV-Eval."""


def bare(word: str) -> str:
    """A Chinese word in lower case, without punctuation and white space; empty if it is nothing else."""
    return "".join(character for character in word.lower() if character not in _SIGNS and not character.isspace())


def chinese(text: str) -> list[str]:
    """The words of a Chinese text. Raises as `segmenter` does."""
    return [word for piece in segmenter()(text) if (word := bare(piece))]
