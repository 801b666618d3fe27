"""LV-Eval in its published format: six data sets in English and five in Chinese, with its own prompts."""

from collections.abc import Iterator
from pathlib import Path

from longread.errors import QualityError

from .published import fitting, lines
from .sample import Sample, Wish
from .segment import segmenter

LVEVAL = (
    "a file such as factrecall_en_16k.jsonl, out of the archives at huggingface.co/datasets/Infinigence/LVEval/resolve/"
    "main/NAME.zip"
)

_ONLY = "Only give me the answer and do not output any other explanation and evidence.\n\n"
_PASSAGES = (
    "{first} based on the given passages. {relevant}Article: {{context}}\n\nPlease answer the following question based "
    "on the above passages. {relevant}Question: {{input}}\nAnswer:"
)
_ENGLISH = _PASSAGES.format(
    first="Please answer the following question",
    relevant=f"Questions and answers are only relevant to one passage. {_ONLY}",
)
_ONE = "问题和答案只与其中一篇文章有关。"
_JUST = "只需要直接给出问题的答案，不要输出其他任何解释和证据。"
_CHINESE = (
    f"请根据下面给定的文章回答问题，{_ONE}\n\n文章：{{context}}\n\n{{now}}基于上述文章回答下面的问题，{_ONE}\n\n"
    "问题：{input}\n回答："
)

PROMPTS = {
    "hotpotwikiqa_mixup": _PASSAGES.format(
        first="Answer the question", relevant=f"Questions and answers are only relevant to some passages. {_ONLY}"
    ),
    "loogle_SD_mixup": _ENGLISH,
    "loogle_CR_mixup": _ENGLISH,
    "loogle_MIR_mixup": _ENGLISH,
    "multifieldqa_en_mixup": _ENGLISH,
    "factrecall_en": (
        "Please answer the following questions based on the given article.\n\nArticle: {context}\n\nPlease answer the "
        "following questions based on the above article.\n\nQuestion: {input}\nAnswer:"
    ),
    "multifieldqa_zh_mixup": (
        f"请阅读以下文章并用中文回答问题，{_ONE}{_JUST}\n\n文章：{{context}}\n\n"
        f"请基于上面的文章回答下面的问题，{_ONE}{_JUST}\n\n问题：{{input}}\n回答："
    ),
    "factrecall_zh": (
        "请基于给定的文章回答下述问题。\n\n文章：{context}\n\n现在请基于上述文章回答下面的问题。\n\n"
        "问题：{input}\n回答："
    ),
    "cmrc_mixup": _CHINESE.replace("{now}", "现在请"),
    "lic_mixup": _CHINESE.replace("{now}", "请现在"),
    "dureader_mixup": _CHINESE.replace("{now}", "现在请"),
}
"""Prompts by the name of the data set."""
_ARE_CHINESE = {"multifieldqa_zh_mixup", "factrecall_zh", "cmrc_mixup", "lic_mixup", "dureader_mixup"}


def lveval(task: str, wish: Wish) -> Iterator[Sample]:
    """One of LV-Eval's files. The score is F1 if enough of the answer's keywords are present, or ROUGE-L.

    Raises:
        QualityError: it is not one of LV-Eval's data sets, or it is Chinese and the libraries for its score are
            missing.
    """
    assert wish.data is not None
    for index, row in enumerate(lines(wish.data, "LV-Eval", "input", "context", "answers", "dataset")):
        name = _dataset(wish.data, row["dataset"])
        if chinese := name in _ARE_CHINESE:
            segmenter()  # fails before any request if it is missing
        before, after = PROMPTS[name].split("{context}")
        answer = row["answers"][0]
        keywords = row.get("answer_keywords") or (answer if chinese else "")
        fact = name.startswith("factrecall")  # its keywords do not count
        metric = "rouge" if name == "dureader_mixup" else "f1"
        yield from fitting(wish, Sample(
            task=task, seed=wish.seed, index=index, length=wish.length, context=before + row["context"],
            question=after.replace("{input}", row["input"]), answers=(answer,),
            metric=f"lveval_{'chinese' if chinese else 'english'}_{metric}", answer_tokens=16 if fact else 64,
            facts={"keywords": "" if fact else keywords},
        ))  # fmt: skip


def _dataset(path: Path, said: str) -> str:
    """The name of the data set, from the name of the file, or else from its rows."""
    for text in (path.name, said):
        for name in PROMPTS:
            if text.startswith(name):
                return name
    raise QualityError(f"{path} is of {said!r}, which is none of LV-Eval's data sets: {', '.join(PROMPTS)}.")
