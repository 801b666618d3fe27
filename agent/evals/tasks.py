"""All tasks by name. Each makes a series of samples from a wish."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from longread.errors import QualityError

from . import (
    citing,
    infinitebench,
    infinitebench_reasoning,
    lveval,
    multidoc,
    passkey,
    published,
    ruler_niah,
    ruler_qa,
    ruler_vt,
    ruler_words,
)
from .sample import Sample, Wish


@dataclass(frozen=True)
class Task:
    """A task: its name, its origin, what it asks, and how its series is made."""

    name: str
    origin: str
    about: str
    series: Callable[[str, Wish], Iterator[Sample]]
    data: str | None = None
    """The file it needs, and its origin; None for tasks made from seeds alone."""

    def make(self, wish: Wish) -> Iterator[Sample]:
        """The samples.

        Raises:
            QualityError: it needs data and has none, or the length is too short for it.
        """
        if self.data and wish.data is None and not wish.pages:
            raise QualityError(f"{self.name} needs data: give --data with {self.data}.")
        return self.series(self.name, wish)


_ESSAYS = "PaulGrahamEssays.json, which RULER's scripts/data/synthetic/json/download_paulgraham_essay.py writes"
_QA = "{file}, as RULER's scripts/data/synthetic/json/download_qa_dataset.sh fetches it"

_ALL = (
    Task("passkey", "longread", "five digits in repeated sentences, at each depth of a grid", passkey.passkey),
    Task("kv", "longread", "the value of a key; many questions on one list of UUIDs", passkey.kv),
    Task("multidoc_kv", "longread", "a key's value in the document that is named, among others", multidoc.multidoc_kv),
    Task("citing", "longread", "a question about real pages: the answer, its page, and a verified quote", citing.citing,
         "a JSON Lines file of pages (document, number, text), or --file with documents"),
    Task("niah_single_1", "RULER", "a number for a word, in repeated sentences", ruler_niah.niah),
    Task("niah_single_2", "RULER", "a number for a word, in essays", ruler_niah.niah, _ESSAYS),
    Task("niah_single_3", "RULER", "a UUID for a word, in essays", ruler_niah.niah, _ESSAYS),
    Task("niah_multikey_1", "RULER", "one of four numbers, in essays", ruler_niah.niah, _ESSAYS),
    Task("niah_multikey_2", "RULER", "a number for a word, among nothing but others like it", ruler_niah.niah),
    Task("niah_multikey_3", "RULER", "a UUID for a UUID, among nothing but others like it", ruler_niah.niah),
    Task("niah_multivalue", "RULER", "all four numbers of a word, in essays", ruler_niah.niah, _ESSAYS),
    Task("niah_multiquery", "RULER", "the numbers of four words, in essays", ruler_niah.niah, _ESSAYS),
    Task("vt", "RULER", "all variables with a value, over four assignments", ruler_vt.vt),
    Task("cwe", "RULER", "the ten most common words of a list", ruler_words.cwe),
    Task("fwe", "RULER", "the three most frequent words of a coded text", ruler_words.fwe),
    Task("qa_1", "RULER", "a question on one of many paragraphs: SQuAD", ruler_qa.qa, _QA.format(file="squad.json")),
    Task("qa_2", "RULER", "a question on two of many: HotpotQA", ruler_qa.qa, _QA.format(file="hotpotqa.json")),
    Task("infinitebench_passkey", "InfiniteBench", "five digits in repeated sentences", infinitebench.hidden_number),
    Task("infinitebench_number_string", "InfiniteBench", "ten digits, some repeated", infinitebench.hidden_number),
    Task("infinitebench_kv_retrieval", "InfiniteBench", "the value of a key in JSON", infinitebench.kv_retrieval),
    Task("infinitebench_math_find", "InfiniteBench", "the largest, second largest, … of a list of numbers",
         infinitebench_reasoning.math_find),
    Task("infinitebench_code_run", "InfiniteBench", "what a function returns that calls others",
         infinitebench_reasoning.code_run),
    Task("lveval", "LV-Eval", "questions on long texts, in English and Chinese", lveval.lveval, lveval.LVEVAL),
    Task("longbench_chat", "LongBench-Chat", "open questions on long texts", published.longbench_chat,
         published.LONGBENCH_CHAT),
    Task("nolima", "NoLiMa", "a needle that shares no words with its question", published.nolima, published.NOLIMA),
    Task("helmet", "HELMET", "retrieval with passages: json_kv and the RAG sets", published.helmet, published.HELMET),
)  # fmt: skip

TASKS = {task.name: task for task in _ALL}


def task(name: str) -> Task:
    """The task with a name.

    Raises:
        QualityError: there is none; the message lists all.
    """
    if name not in TASKS:
        raise QualityError(f"there is no task {name!r}; there are {', '.join(TASKS)}.")
    return TASKS[name]
