"""Byte-for-byte comparison of longread's benchmark prompts with those of the original generators.

    python -m benchmarks.agent.parity --ruler CLONE --infinitebench CLONE --python PYTHON

The clones are of github.com/NVIDIA/RULER and github.com/OpenBMB/InfiniteBench; PYTHON is an interpreter with the
packages they import (wonderwords, nltk, scipy, numpy, tqdm, tenacity, transformers; jsonlines, rouge, jieba). Their
code runs unchanged, with the tokenizer of the default model; RULER's Git LFS files are needed. The hashes are written
to tests/agent/evals/parity.json, with which a test compares longread's prompts without the clones.
"""

import argparse
import hashlib
import json
import random
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from benchmarks import report
from longread.agent.evals import infinitebench, infinitebench_reasoning, passkey
from longread.agent.evals.sample import Counter, Sample, Wish
from longread.agent.evals.tasks import TASKS
from longread.serving.models.catalog import DEFAULT_MODEL, obtain

HASHES = report.ROOT / "tests" / "agent" / "evals" / "parity.json"
RULER = ("niah_single_1", "niah_multikey_2", "niah_multikey_3", "vt", "cwe", "fwe")
SETTINGS = tuple((length, seed) for length in (2048, 4096, 8192) for seed in (42, 7))
"""(length, seed) for RULER."""
SEEDS = (42, 7)
"""Seeds for InfiniteBench."""
SAMPLES = 3
CHOSEN = 6
"""Samples of each InfiniteBench series, evenly spaced: a series has up to 590 prompts of 500 KB."""
NUMBERS, RECORDS, FUNCTIONS = 1000, 40, 550
"""Numbers in a list, records for kv_retrieval to choose from, functions in a module."""


def digest(prompt: str, answers: Iterable[Any]) -> str:
    return hashlib.sha256(json.dumps([prompt, [str(answer) for answer in answers]]).encode()).hexdigest()[:16]


def ours(sample: Sample) -> str:
    return digest(sample.prompt, sample.answers)


def our_ruler(task: str, length: int, seed: int, count: Counter) -> list[str]:
    return [ours(sample) for sample in TASKS[task].make(Wish(length, SAMPLES, seed, count))]


def our_infinitebench(task: str, seed: int) -> list[str]:
    """Generated like the original, without counting tokens."""
    wish = Wish(131072 if task == "number_string" else 8192, CHOSEN, seed, len)
    if task in ("passkey", "number_string"):
        series = infinitebench.hidden_number(f"infinitebench_{task}", wish)
    elif task == "kv_retrieval":
        drawn = (records(index) for index in range(CHOSEN))
        series = infinitebench.kv_series(task, wish, drawn, random.Random(seed), RECORDS - 2)
    elif task == "math_find":
        series = infinitebench_reasoning.find_series(task, wish, NUMBERS)
    else:
        series = infinitebench_reasoning.code_series(task, wish, FUNCTIONS)
    return [ours(sample) for sample in series]


def records(index: int) -> list[tuple[str, str]]:
    return passkey.records(RECORDS, index)


def counter() -> Counter:
    """Counts tokens like RULER with `--tokenizer_type hf`."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(obtain(DEFAULT_MODEL))
    return lambda text: len(tokenizer.tokenize(text))


def their_ruler(clone: Path, python: Path, task: str, length: int, seed: int) -> list[str]:
    """Run the task's script with the arguments of RULER's prepare.py."""
    data = clone / "scripts" / "data" / "synthetic"
    settings = yaml.safe_load((clone / "scripts" / "synthetic.yaml").read_text())[task]
    constants = runpy.run_path(str(data / "constants.py"))["TASKS"][settings["task"]]
    with tempfile.TemporaryDirectory() as folder:
        arguments = {
            "save_dir": folder, "save_name": task, "subset": "validation", "tokenizer_path": obtain(DEFAULT_MODEL),
            "tokenizer_type": "hf", "max_seq_length": length, "tokens_to_generate": constants["tokens_to_generate"],
            "num_samples": SAMPLES, "random_seed": seed, **settings["args"],
            "template": constants["template"] + constants["answer_prefix"],
        }  # fmt: skip
        options = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
        subprocess.run([python, data / f"{settings['task']}.py", *options], check=True, capture_output=True)
        lines = (Path(folder) / task / "validation.jsonl").read_text().splitlines()
    made = [json.loads(line) for line in lines]
    return [digest(row["input"] + row["answer_prefix"], row["outputs"]) for row in made]


_THEIRS = """
import json, random, sys
clone, seed, numbers, shown, asked = sys.argv[1], *map(int, sys.argv[2:])
sys.path[:0] = [clone + "/data", clone + "/src"]
import jsonlines
made = {}
class Writer:
    def __init__(self, name): self.name = name
    def write_all(self, rows):
        made[self.name] = rows
        random.seed(seed)  # each file from the seed
    def close(self): pass
read = jsonlines.open
jsonlines.open = lambda name, mode="r": Writer(name) if mode == "w" else read(name, mode)
import construct_synthetic_dataset as theirs
from eval_utils import create_prompt
random.seed(seed)
theirs.build_passkey()
theirs.build_number_string()
theirs.build_code_run()
tasks = ["largest number", "second largest number", "third largest number", "smallest number",
         "second smallest number", "third smallest number", "median"]
made["math_find.jsonl"] = theirs.generate_math_qa(numbers, 0, 99, tasks=tasks)
import inspect
source = inspect.getsource(theirs.build_kv_retrieval)  # its numbers of samples and records are constants
source = source.replace("[500, 500]", f"[{asked}, {asked}]").replace("[928, 2500]", f"[{shown}, {shown}]")
exec(source, vars(theirs))
random.seed(seed)
theirs.build_kv_retrieval()
names = {"passkey": "passkey_8192.jsonl"}
for task in ("passkey", "number_string", "kv_retrieval", "math_find", "code_run"):
    rows = made[names.get(task, task + ".jsonl")]
    chosen = [place * len(rows) // asked for place in range(asked)] if asked < len(rows) else range(len(rows))
    for index in chosen:
        row = rows[index]
        print("PROMPT " + json.dumps([task, create_prompt(dict(row), task, "gpt4", "."), row["answer"]]))
"""


def their_infinitebench(clone: Path, python: Path, seed: int) -> dict[str, list[str]]:
    """Run the functions that generate the data, and the one that makes prompts of them, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = [json.dumps({"ordered_kv_records": records(index)}) for index in range(CHOSEN)]
        (Path(folder) / "kv-retrieval-3000_keys.jsonl").write_text("\n".join(drawn) + "\n")
        command = [python, "-c", _THEIRS, clone.resolve(), str(seed), str(NUMBERS), str(RECORDS - 2), str(CHOSEN)]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("PROMPT "):
            task, prompt, answer = json.loads(line.removeprefix("PROMPT "))
            found.setdefault(task, []).append(digest(prompt, [answer]))
    return found


def commit(clone: Path) -> str:
    shown = subprocess.run(["git", "-C", clone, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return shown.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ruler", type=Path, required=True)
    parser.add_argument("--infinitebench", type=Path, required=True)
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    given = parser.parse_args()
    count, kept, rows, equal = counter(), {}, [], True
    ruler: dict[str, Any] = {"commit": commit(given.ruler), "tokenizer": DEFAULT_MODEL, "samples": {}}
    for task in RULER:
        same = asked = 0
        for length, seed in SETTINGS:
            theirs = their_ruler(given.ruler, given.python, task, length, seed)
            same += sum(a == b for a, b in zip(theirs, our_ruler(task, length, seed, count), strict=True))
            asked += len(theirs)
            ruler["samples"][f"{task} {length} {seed}"] = theirs
        rows.append(["RULER", task, asked, same])
        print(*rows[-1], flush=True)
    infinite: dict[str, Any] = {"commit": commit(given.infinitebench), "samples": {}}
    for seed in SEEDS:
        for task, theirs in their_infinitebench(given.infinitebench, given.python, seed).items():
            same = sum(a == b for a, b in zip(theirs, our_infinitebench(task, seed), strict=True))
            infinite["samples"][f"{task} {seed}"] = theirs
            rows.append(["InfiniteBench", f"{task}, seed {seed}", len(theirs), same])
    kept = {"ruler": ruler, "infinitebench": infinite}
    equal = all(asked == same for _, _, asked, same in rows)
    print(report.table(["benchmark", "task", "prompts", "equal to ours"], rows))
    if not equal:
        sys.exit("not all are equal; nothing was written")
    HASHES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
