"""A million tokens: load, count, assemble and post a third-party corpus, with longread and with Qwen-Agent.

    python -m benchmarks.agent.million [PDF ...]

Without arguments it reads R's reference manual, 2,415 pages, from Debian's package r-doc-pdf. The server is scripted
and runs in its own process on this machine, so the figures cover the client only. Each side runs in a fresh process;
peak memory is the high-water mark of that process at the end of the stage, and of its largest child.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from benchmarks import report

QUESTION = "Which function fits a linear model?"
TOKENS = 1_000_000


class Stages:
    """Measures seconds and peak memory of each stage of one side."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def run(self, name: str, work: Callable[[], Any], detail: Callable[[Any], str]) -> Any:
        start = time.perf_counter()
        result = work()
        self.rows.append(
            {
                "stage": name,
                "seconds": round(time.perf_counter() - start, 2),
                "peak_mib": _peak(resource.RUSAGE_SELF),
                "worker_mib": _peak(resource.RUSAGE_CHILDREN),
                "result": detail(result),
            }
        )
        return result


def ours(paths: list[str], url: str, cache: str) -> list[dict[str, Any]]:
    os.environ["LONGREAD_CACHE_DIR"] = cache
    from longread import Corpus, LongReader
    from longread.agent.prompt.tokenizer import qwen
    from longread.control_tokens import neutralise

    stages = Stages()
    corpus = stages.run("load, cold (parsed and counted)", lambda: Corpus.load(paths), _corpus)
    stages.run("load, warm", lambda: Corpus.load(paths), _corpus)
    texts = [neutralise(page.text)[0] + "\n" for document in corpus.documents for page in document.pages]
    stages.run("count again, all pages", lambda: sum(qwen().counts(texts)), lambda n: f"{n:,} tokens")
    llm = {"model_type": "longread-endpoint", "server": url, "model": "scripted"}
    reader = stages.run("start the agent", lambda: LongReader(corpus, llm, window=4_000_000), lambda _: "")
    conversation = [{"role": "user", "content": QUESTION}]
    stages.run("assemble the prompt", lambda: reader.prompt(conversation), lambda prompt: f"{prompt.tokens:,} tokens")
    stages.run("ask (assemble, post, answer)", lambda: reader.ask(QUESTION), lambda answer: repr(answer.text))
    for row in stages.rows:
        row["pages"] = sum(len(document.pages) for document in corpus.documents)
    stages.rows[-1]["page_texts"] = [f"[{d.name}:{p.number}]\n{neutralise(p.text)[0]}" for d in corpus for p in d.pages]
    return stages.rows


def theirs(paths: list[str], url: str, cache: str, limit: int | None) -> list[dict[str, Any]]:
    """Qwen-Agent's parser, message and chat model, with its default limit or the given one."""
    os.environ["QWEN_AGENT_DEFAULT_WORKSPACE"] = cache
    from qwen_agent.agents import BasicAgent
    from qwen_agent.tools.simple_doc_parser import SimpleDocParser
    from qwen_agent.utils.tokenization_qwen import count_tokens

    stages = Stages()
    parsed = Path(cache) / "parsed.json"
    if parsed.exists():
        text = parsed.read_text()
    else:
        parser = SimpleDocParser({"path": cache})
        text = stages.run(
            "parse, cold",
            lambda: "\n".join(str(parser.call({"url": path})) for path in paths),
            lambda text: f"{len(text):,} characters",
        )
        parsed.write_text(text)
        stages.run(
            "parse, warm",
            lambda: "\n".join(str(parser.call({"url": path})) for path in paths),
            lambda t: f"{len(t):,} characters",
        )
        stages.run("count", lambda: count_tokens(text), lambda n: f"{n:,} tokens")
    generate = {} if limit is None else {"max_input_tokens": limit}
    llm = {"model": "scripted", "model_server": url, "api_key": "EMPTY", "model_type": "oai", "generate_cfg": generate}
    agent = BasicAgent(llm=llm)
    messages: list[Any] = [{"role": "user", "content": f"{text}\n\n{QUESTION}"}]
    name = "ask, with its default limit" if limit is None else f"ask, with its limit set to {limit:,}"
    stages.run(name, lambda: agent.run_nonstream(messages), lambda answer: repr(answer[-1]["content"]))
    return stages.rows


def serve(connection: Any) -> None:
    """Run the scripted server. It sends its address, and then for each request of the parent the last chat received."""
    from tests.support.scripted_server import ScriptedServer

    with ScriptedServer() as server:
        connection.send(server.url)
        while connection.recv():
            connection.send(server.chats[-1].json["messages"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdf", nargs="*")
    parser.add_argument("--ours-only", action="store_true", help="skip Qwen-Agent, whose parser takes minutes")
    arguments = parser.parse_args()
    folder = user_cache_path("longread-benchmarks", appauthor=False)
    paths = arguments.pdf or [
        str(path) for path in report.debian_pdfs(["r-doc-pdf"], folder) if path.name == "refman.pdf"
    ]

    context = multiprocessing.get_context("spawn")
    connection, far = context.Pipe()
    server = context.Process(target=serve, args=(far,), daemon=True)
    server.start()
    url = connection.recv()

    def last_chat() -> list[dict[str, str]]:
        connection.send(True)
        return connection.recv()

    with tempfile.TemporaryDirectory() as cache:
        rows = [{"side": "longread", **row} for row in report.apart(ours, paths, url, f"{cache}/ours")]
        texts = rows[-1].pop("page_texts")
        content = last_chat()[1]["content"]
        missing = [text[:40] for text in texts if text not in content]
        if missing:
            sys.exit(f"{len(missing)} of {len(texts)} pages did not reach the server: {missing[:5]}")
        arrived = _tokens(content)
        if arrived < TOKENS:
            sys.exit(f"the corpus has {arrived:,} tokens; give more PDFs, for at least {TOKENS:,}")
        rows[-1]["result"] += f"; {arrived:,} tokens arrived, all {len(texts):,} pages among them"
        if not arguments.ours_only:
            for limit in (None, 4_000_000):
                found = report.apart(theirs, paths, url, f"{cache}", limit)
                content = last_chat()[-1]["content"]
                found[-1]["result"] += f"; {_tokens(content):,} tokens arrived"
                rows += [{"side": "Qwen-Agent", **row} for row in found]
    connection.send(False)
    server.join()

    headings = ("side", "stage", "seconds", "peak MiB", "largest worker MiB", "result")
    keys = ("side", "stage", "seconds", "peak_mib", "worker_mib", "result")
    print(report.table(headings, [[row[key] for key in keys] for row in rows]))
    machine = report.machine("qwen-agent", "pymupdf", "tiktoken")
    files = [{"file": Path(path).name, "bytes": Path(path).stat().st_size} for path in paths]
    kept = report.keep("million", {"machine": machine, "files": files, "rows": rows})
    print(f"\n{machine['cpu']}, {machine['cores']} cores; {kept}")


def _corpus(corpus: Any) -> str:
    return f"{sum(len(document.pages) for document in corpus.documents):,} pages, {corpus.tokens:,} tokens"


def _tokens(text: str) -> int:
    from longread.agent.prompt.tokenizer import qwen

    return qwen().count(text)


def _peak(who: int) -> int:
    return resource.getrusage(who).ru_maxrss // 1024


if __name__ == "__main__":
    main()
