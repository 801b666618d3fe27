"""Prompts that do not fit a server's window: refused in its own words, or cut without a word."""

import pytest
from qwen_agent.llm.schema import USER, Message

from longread.agent.llm.server_errors import too_long
from longread.agent.prompt.tokenizer import qwen
from longread.errors import PromptTooLong
from tests.support.endpoints import QUESTION, Endpoint, failure, server_error
from tests.support.messages import says
from tests.support.scripted_server import Reply, ScriptedServer

PROSE = "It was the best of times, it was the worst of times, it was the age of wisdom.\n"

# As the servers put it, from their sources and from reports of their users.
TOO_LONG = {
    "vllm": (
        "This model's maximum context length is 8192 tokens. However, your prompt contains 9000 input tokens, which "
        "exceeds this limit even without any output tokens. Please reduce the length of the input prompt.",
        9000,
        8192,
    ),
    "vllm, with an answer": (
        "This model's maximum context length is 8192 tokens. However, you requested 100 output tokens and your prompt "
        "contains 8150 input tokens, for a total of 8250 tokens. Please reduce the length of the input prompt.",
        8150,
        8192,
    ),
    "vllm, that stopped counting": (
        "This model's maximum context length is 8192 tokens. However, your prompt contains at least 8193 input tokens.",
        None,
        8192,
    ),
    "vllm, by characters": (
        "This model's maximum context length is 8192 tokens. However, your prompt contains 2000000 characters (more "
        "than 344064 characters, which is the upper bound for 8192 input tokens).",
        None,
        8192,
    ),
    "vllm, older": (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 in the messages, "
        "100 in the completion). Please reduce the length of the messages or completion.",
        4900,
        4096,
    ),
    "vllm, its engine": (
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that "
        "`max_model_len` is no smaller than the number of text tokens.",
        9000,
        8192,
    ),
    "sglang": (
        "The input (691793 tokens) is longer than the model's context length (540000 tokens).",
        691_793,
        540_000,
    ),
    "sglang, with an answer": (
        "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of "
        "9000 tokens: 8900 tokens from the input messages and 100 tokens for the completion.",
        9000,
        8192,
    ),
    "llama.cpp": (
        "request (14429 tokens) exceeds the available context size (8192 tokens), try increasing it",
        14_429,
        8192,
    ),
    "llama-cpp-python": ("Requested tokens (2285) exceed context window of 2048", 2285, 2048),
    "lm studio": (
        "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough.",
        9000,
        4096,
    ),
    "openai": (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens. "
        "Please reduce the length of the messages.",
        150_000,
        128_000,
    ),
    "openai, newer": (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
        300_000,
        272_000,
    ),
    "dashscope": ("Range of input length should be [1, 983616]", None, 983_616),
    "xai": (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        537_812,
        131_072,
    ),
    "tgi": ("`inputs` must have less than 4096 tokens. Given: 5000 `inputs` tokens; must be <= 4096", 5000, 4096),
    "ollama": ("prompt too long; exceeded max context length", None, None),
}


@pytest.mark.parametrize(("text", "tokens", "window"), TOO_LONG.values(), ids=TOO_LONG)
def test_a_prompt_that_is_too_long_gives_both_numbers(
    scripted_server: ScriptedServer, endpoint: Endpoint, text: str, tokens: int | None, window: int | None
):
    scripted_server.script(Reply.error(400, text))
    error = failure(endpoint())
    assert type(error) is PromptTooLong
    assert error.tokens == (tokens or max(qwen().count(QUESTION[0].content), (window or 0) + 1))
    assert error.budget == (window or 0)
    count = f"{tokens:,}" if tokens else f"about {error.tokens:,}"
    assert str(error).startswith(f"The prompt is {count} tokens long, and scripted on {scripted_server.url} ")
    if window:
        assert f" takes {window:,}, answer included. Ask about fewer documents or pages" in str(error)
    else:
        assert f" refuses it ({text}), answer included" in str(error)


def test_llama_cpp_gives_the_numbers_in_fields(scripted_server: ScriptedServer, endpoint: Endpoint):
    fields = {"type": "exceed_context_size_error", "n_prompt_tokens": 14429, "n_ctx": 8192}
    scripted_server.script(Reply.error(400, "the request exceeds the available context size", **fields))
    error = failure(endpoint())
    assert isinstance(error, PromptTooLong)
    assert (error.tokens, error.budget) == (14_429, 8192)


@pytest.mark.parametrize(
    "reply",
    [
        Reply([{"error": {"message": TOO_LONG["sglang"][0], "code": 400}}]),
        Reply.json({"error": {"message": TOO_LONG["sglang"][0], "code": 400}}),
    ],
    ids=["in the stream", "with status 200"],
)
def test_a_prompt_that_is_found_too_long_after_it_was_accepted(
    scripted_server: ScriptedServer, endpoint: Endpoint, reply: Reply
):
    scripted_server.script(reply)
    error = failure(endpoint())
    assert isinstance(error, PromptTooLong)
    assert (error.tokens, error.budget) == (691_793, 540_000)


def test_other_refusals_are_not_about_the_length():
    for text in (
        "max_tokens=9000 cannot be greater than max_model_len=8192. Please request fewer output tokens.",
        "temperature must be non-negative, got -3.0.",
        "The model `gpt` does not exist.",
    ):
        assert too_long(text) is None


def test_a_server_that_drops_most_of_the_prompt_is_found_out(scripted_server: ScriptedServer, endpoint: Endpoint):
    # What Ollama does by default: an answer, and a count that gives it away.
    counts = {"prompt_tokens": 2050, "completion_tokens": 5}
    long = [Message(USER, PROSE * 1000)]
    sent = qwen().count(long[0].content)
    assert sent > 15_000
    for model in ("llama3", "qwen2.5:7b"):
        scripted_server.script(Reply.text("No idea.", usage=counts))
        said = server_error(endpoint(model=model), long)
        assert says(said, scripted_server.url, "read 2,050", f"{sent:,}", "dropped", "OLLAMA_CONTEXT_LENGTH")


@pytest.mark.parametrize(
    ("model", "share", "found"),
    [
        ("qwen2.5:7b", 0.5, True),
        ("qwen2.5:7b", 1.0, False),
        ("gemma4", 0.5, False),  # may be its vocabulary
    ],
)
def test_what_counts_as_dropped(scripted_server: ScriptedServer, endpoint: Endpoint, model, share, found):
    long = [Message(USER, PROSE * 1000)]
    counts = {"prompt_tokens": int(share * qwen().count(long[0].content)), "completion_tokens": 5}
    scripted_server.script(Reply.text("No idea.", usage=counts))
    if found:
        server_error(endpoint(model=model), long)
    else:
        *_, (message,) = endpoint(model=model).chat(long)
        assert message.content == "No idea."
