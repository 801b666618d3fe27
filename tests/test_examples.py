"""Every example runs, on the embedded model, as its first lines say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
TEXT = """\
One token of the 7B model takes 57,344 bytes of K/V cache in bfloat16.
Prefill is reading the prompt. Decoding is writing the answer.
The source code of longread is published under the Apache-2.0 licence.
"""
QUESTION = "Under which licence is the source code of longread published?"  # which the small model answers shortly


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.md"
    path.write_text(TEXT)
    return path


def run(name: str, *arguments: str | Path) -> str:
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.usefixtures("default_model")
def test_ask_a_book(book: Path) -> None:
    output = run("ask_a_book.py", book, QUESTION)
    assert "Apache-2.0" in output
    assert "[book:1]" in output


@pytest.mark.usefixtures("default_model")
def test_stream(book: Path) -> None:
    output = run("stream.py", book, QUESTION, "What is reading the prompt called?")
    assert output.count("first token after") == 2
    assert f"> {QUESTION}" in output


@pytest.mark.usefixtures("default_model")
def test_custom_agent(book: Path) -> None:
    output = run("custom_agent.py", book, QUESTION)
    assert "longread: " in output
    assert "[book:1]" in output


@pytest.mark.usefixtures("default_model")
def test_embed_in_fastapi(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # httpx's test client would warn about itself; a real server on loopback is the real thing anyway.
    import socket
    import time

    import httpx

    monkeypatch.setenv("BOOK", str(book))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "embed_in_fastapi:app", "--app-dir", str(EXAMPLES), "--port", str(port)]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    )
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(timeout=200) as client:
            for _ in range(600):
                try:
                    client.get(f"{address}/docs")
                    break
                except httpx.ConnectError:
                    assert server.poll() is None, server.stdout and server.stdout.read()
                    time.sleep(0.2)
            question = {"question": QUESTION}
            answer = client.get(f"{address}/ask", params=question).json()
            streamed = client.get(f"{address}/stream", params=question).text
    finally:
        server.terminate()
        server.communicate()
    assert answer["text"] == streamed
    assert answer["citations"][0]["document"] == "book"
    assert answer["usage"]["prompt_tokens"] > 50
