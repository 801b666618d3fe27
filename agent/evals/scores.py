"""Score answers from 0 to 1, by the rules of each benchmark."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from . import lveval_scores
from .sample import Sample
from .segment import normalized

Metric = Callable[[str, tuple[str, ...], Mapping[str, Any]], float]
"""(answer, expected, facts) -> score from 0 to 1."""
QuoteCheck = Callable[[str, str, int, str], bool]
"""(answer, document, page, text of the page) -> whether a quote in the answer appears verbatim on that page."""


def score(sample: Sample, answer: str, quoted: QuoteCheck) -> tuple[float, dict[str, float]]:
    """The score of an answer, and its parts, if it has several."""
    if sample.metric == "cited":
        parts = cited(answer, sample.answers, sample.facts, quoted)
        return sum(parts.values()) / len(parts), parts
    return METRICS[sample.metric](answer, sample.answers, sample.facts), {}


def cited(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any], quoted: QuoteCheck) -> dict[str, float]:
    """Of this project: the word before the quote (which contains it too), the page, and the quote."""
    document, page = facts["document"], facts["page"]
    before = re.split(r'["“]', answer, maxsplit=1)[0] or answer.strip('"“” ').split('"')[0]
    return {
        "answer": float(re.search(rf"\b{re.escape(expected[0])}\b", before, re.IGNORECASE) is not None),
        "page": float(f"[{document}:{page}]" in answer),
        "quote": float(quoted(answer, document, page, facts["text"])),
    }


def _printable(answer: str) -> str:
    """RULER: stripped, with control characters as newlines."""
    return re.sub(r"[\x00-\x1f]", "\n", answer.strip()).strip()


def string_match_all(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """RULER: the fraction of the expected strings that the answer contains, ignoring case."""
    said = _printable(answer).lower()
    return sum(one.lower() in said for one in expected) / len(expected)


def string_match_part(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """RULER, for questions about documents: whether the answer contains any of the expected strings."""
    said = _printable(answer).lower()
    return float(any(one.lower() in said for one in expected))


def first_number(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """InfiniteBench, for pass keys: whether the first digits of the answer are the number."""
    found = re.search(r"[0-9]+", answer)
    return float(found is not None and found[0] == expected[0])


def infinitebench_kv(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """Whether the value is a word of the answer, between spaces or punctuation."""
    return float(expected[0] in re.sub(r"[\n:\"'.,?!{}]", " ", answer).split())


def infinitebench_find(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """Whether the first number is the expected one, truncated to an integer if that is one."""
    found = re.search(r"\d+\.\d+|\d+", answer)
    if found is None:
        return 0.0
    if "." in expected[0]:
        return float(float(found[0]) == float(expected[0]))
    return float("." not in found[0] and int(found[0]) == int(expected[0]))


def infinitebench_code(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """Whether the last word is the number."""
    words = re.sub(r"[\n.`'\":]", " ", answer).split()
    return float(
        bool(words) and re.fullmatch(r"[+-]?\d+", words[-1]) is not None and int(words[-1]) == int(expected[0])
    )


def contains(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """NoLiMa: whether the answer contains one of the expected strings."""
    return float(any(one in answer for one in expected))


def substring_exact_match(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """HELMET: whether the answer contains one of them, ignoring case, punctuation and articles."""
    said = normalized(answer)
    return float(any(normalized(one) in said for one in expected))


METRICS: dict[str, Metric] = {
    "string_match_all": string_match_all,
    "string_match_part": string_match_part,
    "first_number": first_number,
    "infinitebench_kv": infinitebench_kv,
    "infinitebench_find": infinitebench_find,
    "infinitebench_code": infinitebench_code,
    "contains": contains,
    "substring_exact_match": substring_exact_match,
    "lveval_english_f1": lveval_scores.english_f1,
    "lveval_chinese_f1": lveval_scores.chinese_f1,
    "lveval_chinese_rouge": lveval_scores.chinese_rouge,
}
"""All metrics except `cited`, which looks up quotes, and `judged`, which needs a model."""
