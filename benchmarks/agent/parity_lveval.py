"""Comparison of longread's prompts and scores for LV-Eval with the original ones, on constructed questions.

    python -m benchmarks.agent.parity_lveval --lveval CLONE

The clone is of github.com/infinigence/LVEval. Its config.py and metrics.py run unchanged, with the packages they import
(jieba and rouge: the extra `lveval`). Their results are written to tests/agent/evals/lveval.json, with which a test
compares longread's without the clone.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import report
from longread.agent.evals.lveval import PROMPTS, lveval
from longread.agent.evals.runner import digest
from longread.agent.evals.sample import Wish
from longread.agent.evals.scores import score

HASHES = report.ROOT / "tests" / "agent" / "evals" / "lveval.json"
TOLERANCE = 1e-12
"""The tolerance of a score: theirs is the harmonic mean of two quotients, longread's is one quotient."""

CHINESE = (  # (the right answer, its keywords, answers)
    ("北京大学图书馆", "北京大学", (
        "北京大学图书馆", "他在北京大学图书馆借了三本书。", "清华大学图书馆", "图书馆", "", "。", "北京大学", "北大",
        "答案是：北京大学的图书馆！",
    )),
    ("1998年5月4日", "", ("1998年5月4日", "1998年", "五月四日", "年月日", "那是在1998年的5月", "2001年3月7日", "年")),
    ("主要通过降低温度以及使用催化剂", "降低温度 催化剂", (
        "降低温度，使用催化剂", "主要通过提高温度以及使用催化剂", "主要通过",
        "首先降低温度，然后使用催化剂，可以提高产量。", "催化剂\n降低 温度", "他们用的是一种新的方法",
    )),
    ("欧阳修与《醉翁亭记》", None, ("《醉翁亭记》是欧阳修写的", "欧阳修", "醉翁之意不在酒", "和", "苏轼")),
    ("GPU 的显存为 80GB，价格约为 3.5万元", "80GB", ("显存80gb", "GPU", "价格是3.5万元。显存是80GB。", "40GB")),
    ("将鸡蛋打散，加入适量的盐和水，用小火蒸十分钟。蒸好后淋上酱油和香油即可。", None, (
        "把鸡蛋打散，加盐和水，小火蒸十分钟，淋酱油。", "鸡蛋打散加入盐，用大火炒。", "先洗菜", "的和是",
        "将鸡蛋打散，加入适量的盐和水，用小火蒸十分钟。蒸好后淋上酱油和香油即可。",
        "水和盐，香油和酱油，鸡蛋。水和盐。",
    )),
    ("的", None, ("的", "是", "他的书")),
    # Meaningless text: jieba segments these words differently when they are alone.
    ("中他过慢，个话女草", None, ("过", "慢和话", "他过慢", "女草个话")),
)  # fmt: skip
ENGLISH = (
    ("In the red house by the sea", "red house", (
        "In the red house by the sea", "the red house.", "A red car", "house", "It is by the sea", "", "in the",
        "The House is RED and it stands by a sea; the sea is blue",
    )),
    ("It was his brother who had the key", "was his", (
        "It was his brother.", "his brother", "the brother had the key",
    )),
    ("42", None, ("42", "It is 42.", "24", "forty-two")),
)  # fmt: skip


def cases(name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows in the form of the published data set, and an answer to each."""
    chinese = PROMPTS[name].startswith("请")
    for truth, keywords, answers in CHINESE if chinese else ENGLISH:
        for answer in answers:
            row = {"input": "在哪里{?}" if chinese else "Where {was} it?", "context": f"1. {{{truth}}}\n2. …"}
            more = {} if keywords is None else {"answer_keywords": keywords}
            language = "zh" if chinese else "en"
            yield {**row, "answers": [truth], "dataset": name, "language": language, "length": 9, **more}, answer


def ours(name: str) -> list[list[Any]]:
    """[hash of the prompt, limit of answer tokens, score] of each case."""
    rows, answers = zip(*cases(name), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}_16k.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        samples = list(lveval("lveval", Wish(8192, len(rows), 0, len, data=path)))
    return [
        [digest(sample.prompt), sample.answer_tokens, score(sample, answer, lambda *_: False)[0]]
        for sample, answer in zip(samples, answers, strict=True)
    ]


_THEIRS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from config import DATASET_MAXGEN, DATASET_METRIC, DATASET_PROMPT
for line in sys.stdin:
    row, answer = json.loads(line)
    name = row["dataset"]
    value = DATASET_METRIC[name](answer, row["answers"][0], row.get("answer_keywords"))
    print(json.dumps([name, DATASET_PROMPT[name].format(**row), DATASET_MAXGEN[name], value]))
"""


def theirs(clone: Path) -> dict[str, list[list[Any]]]:
    """The same for all data sets, by the original code."""
    asked = "\n".join(json.dumps(case) for name in PROMPTS for case in cases(name))
    command = [sys.executable, "-c", _THEIRS, clone.resolve()]
    done = subprocess.run(command, input=asked, check=True, capture_output=True, text=True)
    found: dict[str, list[list[Any]]] = {}
    for line in done.stdout.splitlines():
        name, prompt, *rest = json.loads(line)
        found.setdefault(name, []).append([digest(prompt), *rest])
    return found


def same(one: list[Any], other: list[Any]) -> bool:
    return one[:2] == other[:2] and abs(one[2] - other[2]) <= TOLERANCE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lveval", type=Path, required=True)
    clone = parser.parse_args().lveval
    shown = subprocess.run(["git", "-C", clone, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    kept = theirs(clone)
    rows = []
    for name, made in kept.items():
        equal = sum(same(one, other) for one, other in zip(made, ours(name), strict=True))
        rows.append([name, len(made), len({value for *_, value in made}), equal])
    print(report.table(["data set", "answers", "different scores", "equal to ours"], rows))
    if any(asked != equal for _, asked, _, equal in rows):
        sys.exit("not all are equal; nothing was written")
    lines = ",\n".join(f' "{name}": {json.dumps(made)}' for name, made in kept.items())
    HASHES.write_text(f'{{"commit": "{shown.stdout.strip()}", "made": {{\n{lines}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
