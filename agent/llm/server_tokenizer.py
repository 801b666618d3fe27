"""Count tokens as a model behind a server does."""

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from longread.errors import ServerError

from ..prompt.tokenizer import Tokenizer, qwen
from .openai_server import Server
from .server_errors import one_line, translate

if TYPE_CHECKING:
    import openai

_PARALLEL = 8
# The families that share Qwen's vocabulary. Qwen3.5 has another.
_QWEN = re.compile(r"qwen[-_]?(?:2\.5|2|3)(?![.\d])", re.IGNORECASE)
# Several scripts, digits and white space: vocabularies with the same ids for it count as equal.
_SAMPLE = (
    "Ünïcode 1234567890, naïve café\n\tdef f(x):\n        return x ** 2\n"
    "長い文書を読む 读完整本书 Прочитать книгу कि 🙂 "
)


def server_tokenizer(server: str, api_key: str | None, model: str) -> Tokenizer | None:
    """The tokenizer of a model: the server's `/tokenize` (vLLM, SGLang, llama.cpp), or Qwen's vocabulary.

    Qwen's vocabulary is preferred for a model with a matching name, unless the counts of the server differ: a book
    takes a second instead of one request per page.

    Returns:
        None if neither is available, so that the caller can report whose counts it uses.
    """
    remote = _probe(Server(server, api_key), model)
    if is_qwen(model) and (remote is None or remote.counts([_SAMPLE]) == qwen().counts([_SAMPLE])):
        return qwen()
    return remote


def is_qwen(model: str) -> bool:
    """Whether the name is that of a Qwen2, Qwen2.5 or Qwen3 model, which share one vocabulary."""
    return bool(_QWEN.search(model))


class ServerTokenizer:
    """Counts tokens with requests to the server, eight texts at a time. Exact for plain text, without special tokens
    added."""

    def __init__(self, server: Server, model: str, *, llama_cpp: bool, name: str):
        self._server = server
        self._model = model
        self._llama_cpp = llama_cpp
        self.name = name

    def counts(self, texts: Sequence[str]) -> list[int]:
        with self._server.client() as client, ThreadPoolExecutor(_PARALLEL) as pool:
            return list(pool.map(lambda text: len(self._tokens(client, text)), texts))

    def _tokens(self, client: "openai.OpenAI", text: str) -> list[int]:
        request = _llama_cpp_request(text) if self._llama_cpp else _vllm_request(self._model, text)
        reply = self._server.call(client, "POST", f"{self._server.root}/tokenize", request)
        if not isinstance(reply, dict) or not isinstance(reply.get("tokens"), list):
            raise ServerError(f"{self._server.root}/tokenize did not answer with tokens but with {one_line(reply)!r}.")
        return reply["tokens"]


def _vllm_request(model: str, text: str) -> dict[str, Any]:
    return {"model": model, "prompt": text, "add_special_tokens": False}


def _llama_cpp_request(text: str) -> dict[str, Any]:
    return {"content": text, "add_special": False, "parse_special": False}


def _probe(server: Server, model: str) -> ServerTokenizer | None:
    import openai

    with server.client() as client:
        for llama_cpp, request in ((False, _vllm_request(model, _SAMPLE)), (True, _llama_cpp_request(_SAMPLE))):
            try:
                text = client.post(f"{server.root}/tokenize", cast_to=str, body=request)
            except openai.APIStatusError:
                continue
            except openai.OpenAIError as error:
                raise translate(error, server) from error
            try:
                tokens = json.loads(text).get("tokens")
            except (ValueError, AttributeError):
                continue
            if tokens:
                # By content: the same model on another server uses the same cached counts, and a changed one does not.
                digest = blake2b(repr(tokens).encode(), digest_size=8).hexdigest()
                return ServerTokenizer(server, model, llama_cpp=llama_cpp, name=f"{model}#{digest}")
    return None
