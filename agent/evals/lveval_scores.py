"""LV-Eval's scores: F1 of common words if enough keywords are present, and ROUGE-L."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .segment import bare, chinese, normalized, segmenter


def english_f1(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """F1 of the words, or 0 if the answer contains less than a fifth of the keywords."""
    said, wanted, keywords = (normalized(text).split() for text in (answer, expected[0], facts["keywords"]))
    return _f1(said, wanted) if _found(said, keywords, _UNTELLING) >= 0.2 else 0.0


def chinese_f1(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """F1 of the words, or 0 if the answer contains less than two fifths of the keywords."""
    said, wanted, keywords = map(chinese, (answer, expected[0], facts["keywords"]))
    return _f1(said, wanted) if _found(said, keywords, _UNTELLING_CHINESE) >= 0.4 else 0.0


def chinese_rouge(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """ROUGE-L of the content words, as the package `rouge` computes it. 0 where that fails: on answers without content
    words, and on texts of about a thousand words, which exceed its recursion."""
    said, wanted = (" ".join(_telling(text)) for text in (answer, expected[0]))
    from rouge import Rouge

    rouge: Any = Rouge(metrics=["rouge-l"], stats=["f"])
    try:
        return rouge.get_scores([said], [wanted], avg=True)["rouge-l"]["f"]
    except (ValueError, RecursionError):
        return 0.0


def _telling(text: str) -> list[str]:
    """LV-Eval segments twice, the second time with spaces between the words."""
    cut = segmenter()
    return [word for piece in cut(" ".join(cut(text))) if (word := bare(piece)) not in _UNTELLING_CHINESE]


def _f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    same = (Counter(said) & Counter(wanted)).total()
    return 2 * same / (len(said) + len(wanted)) if same else 0.0


def _found(said: Sequence[str], keywords: Sequence[str], untelling: frozenset[str]) -> float:
    """The fraction of the keywords that the answer contains; 1 if there are none."""
    if not keywords:
        return 1.0
    common = Counter(said) & Counter(keywords)
    return sum(count for word, count in common.items() if word not in untelling) / len(keywords)


_UNTELLING = frozenset(
    re.findall(
        r"\w+",
        "and to of in her was with for it from is that his he by she they or at because be on are their what as had "
        "were about being this who but have has when which does",
    )
)
"""Words that do not count as found keywords."""
_UNTELLING_CHINESE = frozenset(
    re.findall(
        r"\S+",
        "的 和 是 等 在 年 可以 为 与 ‰ 了 或 一种 月 c 至 日 有 进行 于 不 中 × 根据 小 由 亩 也 要 指 法 会 元 "
        "主要 以及 通过 首先 对 然后 号 以 所 后 丁 包括 无 将 用 能 形 方面 因素 位于 而 从 到 一定 用于 但 使用 "
        "让 具有 并 亿元 万元 上 类 基于 才 来 地 片 其他 个 或者 变得 时 给 你 使 条 受 已经 带 度",
    )
)
"""The same in Chinese, also left out for ROUGE."""
