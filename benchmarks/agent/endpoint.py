"""Check of an OpenAI-compatible server: `python -m benchmarks.agent.endpoint URL [--model NAME]`.

Tests everything that longread relies on, prints a table, and writes the results as JSON with the name and version of
the server. The prompts are new in each run, so that a prefix cache starts cold.
"""

import argparse
import random
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx

from benchmarks import report
from longread.agent.llm.endpoint import EndpointChat, list_models
from longread.agent.llm.openai_server import Server
from longread.errors import LongreadError, PromptTooLong

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
# The paths at which vLLM, llama.cpp, Ollama and SGLang report their version.
VERSIONS = {"/version": "version", "/props": "build_info", "/api/version": "version", "/get_server_info": "version"}
Row = dict[str, Any]


def pages(tokens: int) -> str:
    """About `tokens` tokens that no cache has, with a fact to ask for in each line."""
    draw = random.Random(time.time_ns())
    return "\n".join(f"Shelf {i} holds {draw.randrange(1000, 9999)} boxes of tea." for i in range(1, tokens // 12 + 1))


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


class Checks:
    def __init__(self, llm: EndpointChat, prompt_tokens: int):
        self.llm = llm
        self.prompt_tokens = prompt_tokens

    def ask(self, messages: list[Any], functions: list[dict[str, Any]] | None = None, **generate: Any) -> Any:
        *_, answer = self.llm.chat(messages, functions=functions, extra_generate_cfg=generate)
        return answer

    def start(self, messages: list[Any], **generate: Any) -> Generator[Any, None, None]:
        answer: Any = self.llm.chat(messages, extra_generate_cfg=generate)
        return answer

    def stream(self) -> Row:
        shown = [out[0] for out in self.start(user("What is the capital of France?"))]
        usage, growing = shown[-1]["extra"]["usage"], [message["content"] for message in shown]
        grew = all(after.startswith(before) for before, after in pairwise(growing))
        return {
            "ok": grew and len(set(growing)) > 2 and bool(growing[-1]),
            "steps": len(set(growing)) - 1,
            "answer": growing[-1],
            "counts": "estimated" if usage["estimated"] else "the server's",
            "seconds": usage["seconds"],
        }

    def tokens(self) -> Row:
        tokenizer = self.llm.tokenizer
        if tokenizer is None:
            return {"ok": None, "tokenizer": "not known: Qwen's counts are used"}
        texts = [pages(600) + "\n", pages(300) + "\n"]
        long, short = (self.ask(user(text), max_tokens=1)[0]["extra"]["usage"]["prompt_tokens"] for text in texts)
        ours = tokenizer.counts(texts)
        difference = (long - short) - (ours[0] - ours[1])
        return {"ok": difference == 0, "tokenizer": tokenizer.name, "difference in tokens": difference}

    def prefix_cache(self) -> Row:
        text = pages(self.prompt_tokens)
        first, second = (
            self.ask(user(f"{text}\n\n{question}"), max_tokens=8)[0]["extra"]["usage"]
            for question in ("How many boxes are on shelf 3?", "What do the boxes hold?")
        )
        return {
            "ok": None if second["cached_tokens"] is None else second["cached_tokens"] > 0,
            "prompt tokens": first["prompt_tokens"],
            "cached tokens": second["cached_tokens"],
            "ttft, first": first["ttft"],
            "ttft, second": second["ttft"],
        }

    def too_long(self) -> Row:
        window = self.llm.window
        if window is None:
            return {"ok": None, "window": "not known"}
        try:
            self.ask(user(pages(2 * window)), max_tokens=1)
        except PromptTooLong as error:
            return {"ok": error.budget == window and error.tokens > window, "error": str(error)}
        return {"ok": False, "error": f"{2 * window:,} tokens were answered by a window of {window:,}"}

    def unknown_model(self) -> Row:
        other = EndpointChat({"server": self.llm.server.api, "api_key": self.llm.server.api_key, "model": "no-such"})
        try:
            *_, _ = other.chat(user("Hello"))
        except LongreadError as error:
            return {"ok": True, "error": str(error)}
        return {"ok": None, "error": "answered all the same"}

    def tool_calls(self) -> Row:
        """Two calls in parallel, with results. A model without training for tools is asked to write out the calls."""
        spelled = "\n".join(
            f'<tool_call>\n{{"name": "get_weather", "arguments": {{"city": "{city}"}}}}\n</tool_call>'
            for city in ("Paris", "Rome")
        )
        example = [*user(f"Repeat exactly: {spelled}"), {"role": "assistant", "content": spelled}]
        row: Row = {"ok": None}
        for how, question in (
            ("asked", user("What is the weather in Paris and in Rome?")),
            ("spelled out", [*example, *user(f"Again, repeat exactly: {spelled}")]),
        ):
            answer = self.ask(question, functions=[WEATHER], max_tokens=100)
            calls = [message for message in answer if message.get("function_call")]
            row[how] = len(calls)
            if calls:
                return row | self._results(question[-1:], answer, calls)
        return row

    def forced_tool_call(self) -> Row:
        question = user("What is the weather in Paris?")
        answer = self.ask(question, functions=[WEATHER], function_choice="get_weather")
        calls = [message for message in answer if message.get("function_call")]
        return self._results(question, answer, calls) if calls else {"ok": False, "answer": answer[0]["content"]}

    def _results(self, question: list[Any], answer: list[Any], calls: list[Any]) -> Row:
        results = [
            {
                "role": "function",
                "name": call["function_call"]["name"],
                "content": "Sunny.",
                "extra": {"function_id": call["extra"]["function_id"]},
            }
            for call in calls
        ]
        after = self.ask([*question, *answer, *results], functions=[WEATHER])
        return {
            "ok": all(call["function_call"]["name"] == "get_weather" for call in calls),
            "arguments": [call["function_call"]["arguments"] for call in calls],
            "answer": after[-1]["content"],
        }

    def cancel_answer(self) -> Row:
        """Close a long answer after a few words. How long until the server starts the next question?"""
        answer = self.start(user("Write a very long story about a dog."), max_tokens=2000)
        until = next(out for out in answer if len(out[0]["content"]) > 20)
        return {"read": until[0]["content"], **self._after_close(answer, limit=5)}

    def cancel_prefill(self) -> Row:
        """Close while the prompt is being read: the next question must not wait for the rest of it."""
        whole = self.ask(user(pages(self.prompt_tokens)), max_tokens=1)[0]["extra"]["usage"]["ttft"]
        answer = self.start(user(pages(self.prompt_tokens)))
        started = time.perf_counter()
        next(out for out in answer if out[0]["content"] or time.perf_counter() - started > whole / 8)
        return {"ttft of the whole prompt": whole, **self._after_close(answer, limit=0.75 * whole)}

    def _after_close(self, answer: Generator[Any, None, None], *, limit: float) -> Row:
        started = time.perf_counter()
        answer.close()
        closed = time.perf_counter() - started
        row: Row = {"seconds to close": closed}
        if (running := self._running()) is not None:
            while running and time.perf_counter() - started < 30:
                time.sleep(0.05)
                running = self._running()
            row["seconds until the server is idle"] = time.perf_counter() - started
        ttft = self.ask(user("Hello"), max_tokens=1)[0]["extra"]["usage"]["ttft"]
        row["ttft of the next question"] = ttft
        row["ok"] = closed < 1 and not running and ttft < limit
        return row

    def _running(self) -> float | None:
        """The number of running requests, from vLLM's metrics; None for other servers."""
        reply = httpx.get(f"{self.llm.server.root}/metrics")
        lines = [line for line in reply.text.splitlines() if line.startswith("vllm:num_requests_running")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines) if lines else None


def identify(server: Server) -> str:
    """The server's name and version, as far as it reports them."""
    headers = {"Authorization": f"Bearer {server.api_key}"}
    entries = httpx.get(f"{server.api}/models", headers=headers).json()["data"]
    name = next((str(entry["owned_by"]) for entry in entries if entry.get("owned_by")), "unknown")
    for path, key in VERSIONS.items():
        reply = httpx.get(f"{server.root}{path}", headers=headers)
        if reply.status_code == 200 and "json" in reply.headers.get("content-type", ""):
            return f"{name} {reply.json().get(key)}"
    return name


def shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = " ".join(str(value).split())
    return text if len(text) <= 90 else f"{text[:90]}…"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--model", default="")
    parser.add_argument("--api-key")
    parser.add_argument("--prompt-tokens", type=int, default=2000, help="the length of the long prompts; default 2000")
    options = parser.parse_args()

    llm = EndpointChat(
        {
            "server": options.url,
            "model": options.model,
            "api_key": options.api_key,
            "generate_cfg": {"max_tokens": 48, "temperature": 0},
        }
    )
    checks = Checks(llm, options.prompt_tokens)
    rows: dict[str, Row] = {}
    plan: dict[str, Callable[[], Row]] = {
        "models": lambda: {"ok": True, "listed": [str(m) for m in list_models(options.url, options.api_key)]},
        "streaming": checks.stream,
        "token counts": checks.tokens,
        "prefix cache": checks.prefix_cache,
        "prompt too long": checks.too_long,
        "unknown model": checks.unknown_model,
        "tool calls": checks.tool_calls,
        "forced tool call": checks.forced_tool_call,
        "cancel an answer": checks.cancel_answer,
        "cancel a prefill": checks.cancel_prefill,
    }
    for check, run in plan.items():
        try:
            rows[check] = run()
        except LongreadError as error:
            rows[check] = {"ok": False, "error": str(error)}
    name = identify(llm.server)
    print(f"{name}, {llm.model}, window {llm.window}\n")
    verdict = {True: "yes", False: "NO", None: "-"}
    table = [
        (check, verdict[row["ok"]], "; ".join(f"{key}: {shown(value)}" for key, value in row.items() if key != "ok"))
        for check, row in rows.items()
    ]
    print(report.table(("check", "", "figures"), table))
    results = {
        "server": name,
        "model": llm.model,
        "window": llm.window,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "client": report.machine("openai", "qwen-agent"),
        "checks": rows,
    }
    print(f"\n{report.keep('endpoint', results)}")
    raise SystemExit(any(row["ok"] is False for row in rows.values()))


if __name__ == "__main__":
    main()
