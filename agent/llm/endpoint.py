"""The chat model "longread-endpoint": behind an OpenAI-compatible server, and for any Qwen-Agent agent."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qwen_agent.llm.base import register_llm
from qwen_agent.llm.function_calling import BaseFnCallModel
from qwen_agent.llm.schema import Message

from longread.errors import ConfigError, LongreadError, ServerError
from longread.serving.models.catalog import calls_tools

from ..prompt.tokenizer import Tokenizer
from .openai_messages import text_content, to_openai, to_tool_choice, to_tools
from .openai_server import ServedModel, Server, list_models, only_model
from .prefill_progress import PrefillProgress
from .protocol import DEFAULT_RETRIES, DEFAULT_TIMEOUT
from .server_errors import broken_off, message, no_stream, one_line, reason, silence, translate
from .server_tokenizer import server_tokenizer
from .streaming import StreamedReply, arrivals
from .usage import detect_truncation, estimate, usage
from .vision import reads_pictures

if TYPE_CHECKING:
    import openai

__all__ = ["EndpointChat", "ServedModel", "list_models", "server_tokenizer"]

_TICK_SECONDS = 0.25


@register_llm("longread-endpoint")
class EndpointChat(BaseFnCallModel):
    """Streams from vLLM, SGLang, llama.cpp, Ollama, LM Studio, OpenAI, DashScope, and other compatible servers.

    `cfg`:
        server: its address, with or without `/v1`; see `Server`.
        model: its name on the server; "" for the only model of a server.
        api_key: sent as a bearer token. The environment is not read.
        vision: whether the model reads pictures. None: the server is asked, and else its name tells.
        timeout: seconds without a token, the first one included: see `DEFAULT_TIMEOUT`.
        generate_cfg: sent as it is, and nothing else: `max_tokens`, `temperature`, `top_k`, `seed`, …; `extra_body` for
            names that Qwen-Agent uses itself. `max_retries`: see `DEFAULT_RETRIES`. `fncall_prompt_type` ("nous" or
            "qwen") describes tools in the prompt, as Qwen-Agent does for servers without tool calls; without it, tools
            are sent as the API has them. `max_input_tokens` turns on Qwen-Agent's truncation, which is off by default.

    See `longread.agent.llm.protocol` for what `chat` yields. It yields several times a second. Closing the iterator
    closes the connection, which stops the server.

    Raises:
        ConfigError: no server, an invalid address, or a server with several models and no `model`.
        PromptTooLong: in `chat`: the prompt exceeds the server's window.
        ServerError: in `chat`: the server did not answer for any other reason.
    """

    def __init__(self, cfg: dict[str, Any] | None = None):
        cfg = dict(cfg or {})
        cfg["model"] = cfg.get("model") or ""
        settings = cfg.get("generate_cfg") or {}
        cfg["generate_cfg"] = settings
        super().__init__(cfg)
        if not cfg.get("server"):
            raise ConfigError("longread-endpoint needs the address of a server, such as http://localhost:8000/v1.")
        self.server = Server(cfg["server"], cfg.get("api_key"))
        self.timeout = float(cfg.get("timeout") or DEFAULT_TIMEOUT)
        self.max_retries = int(settings.get("max_retries", DEFAULT_RETRIES))
        self._native = "fncall_prompt_type" not in settings
        self._vision: bool | None = cfg.get("vision")
        self.use_raw_api = False
        # Qwen-Agent would truncate the prompt without notice, and add a random seed to every request.
        self.generate_cfg.setdefault("max_input_tokens", -1)
        self.generate_cfg.setdefault("seed", None)
        self._address = cfg["server"]
        self.model = self.model or only_model(self._address, self.server.api_key)

    concurrent = True
    """Servers process several requests at once."""
    structured_output = True
    """`response_format` is sent to the server."""

    @cached_property
    def calls_tools(self) -> bool:
        """Whether the model was trained to call tools. A model that is not in the catalogue is assumed to be."""
        return calls_tools(self.model)

    @property
    def native_tools(self) -> bool:
        """Whether tools are sent as the API has them, and not described in the prompt."""
        return self._native

    def write_tools_into_prompt(self) -> None:
        """From now on, describe tools in the prompt."""
        self._native = False

    @cached_property
    def vision(self) -> bool:
        """Whether the model reads pictures. See `longread.agent.llm.vision`."""
        return reads_pictures(self.server, self.model) if self._vision is None else self._vision

    @property
    def support_multimodal_input(self) -> bool:
        """Pictures in messages are sent, and not dropped without a word: the server knows what its model takes."""
        return True

    @cached_property
    def window(self) -> int | None:
        """Tokens of prompt and answer together; None if the server does not report it."""
        try:
            served = list_models(self._address, self.server.api_key)
        except ServerError:  # a server need not list its models, and `chat` reports any other problem
            return None
        return next((model.window for model in served if model.id == self.model), None)

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        """Counts as the model does; None if the server does not report it. See `server_tokenizer`."""
        return server_tokenizer(self._address, self.server.api_key, self.model)

    def _preprocess_messages(
        self,
        messages: list[Message],
        lang: Any,
        generate_cfg: dict[str, Any],
        functions: list[dict[str, Any]] | None = None,
        use_raw_api: bool = False,
    ) -> list[Message]:
        if not self._native:
            return super()._preprocess_messages(messages, lang, generate_cfg, functions, use_raw_api)
        choice = generate_cfg.pop("function_choice", None)
        parallel = generate_cfg.pop("parallel_function_calls", None)
        if functions:
            # Also with 'none': in most templates tools precede the documents, and the prefix must not change.
            generate_cfg["tools"] = to_tools(functions)
            generate_cfg["tool_choice"] = to_tool_choice(choice) if choice else None
            generate_cfg["parallel_tool_calls"] = parallel
        # Without the functions: with some, Qwen-Agent would write the addresses of pictures into the text.
        return super(BaseFnCallModel, self)._preprocess_messages(messages, lang, generate_cfg)

    def _postprocess_messages(
        self, messages: list[Message], fncall_mode: bool, generate_cfg: dict[str, Any]
    ) -> list[Message]:
        if self._native:  # the server has stopped at stop words, and parsed the calls
            unstopped = {**generate_cfg, "skip_stopword_postproc": True}
            return super(BaseFnCallModel, self)._postprocess_messages(messages, fncall_mode, unstopped)
        # Qwen-Agent's parser drops messages without content, and with them usage.
        return super()._postprocess_messages(messages, fncall_mode, generate_cfg) or messages[:1]

    def _chat_no_stream(self, messages: list[Message], generate_cfg: dict[str, Any]) -> list[Message]:
        *_, answer = self._chat_stream(messages, delta_stream=False, generate_cfg=generate_cfg)
        return answer

    def _chat_stream(
        self, messages: list[Message], delta_stream: bool, generate_cfg: dict[str, Any]
    ) -> Iterator[list[Message]]:
        if delta_stream:
            raise NotImplementedError("delta_stream=True is deprecated in Qwen-Agent: take the cumulative messages")
        body = self._body(messages, generate_cfg)
        texts = [text_content(turn["content"]) for turn in body["messages"]]
        answer = StreamedReply()
        started = latest = time.perf_counter()
        first: float | None = None
        meter = PrefillProgress(self.server)
        try:
            with closing(arrivals(lambda: self._chunks(body), min(_TICK_SECONDS, self.timeout / 4))) as batches:
                for batch in batches:
                    for latest, chunk in batch:
                        if answer.add(chunk) and first is None:
                            first = latest
                    waited = time.perf_counter() - latest
                    if not batch and waited > self.timeout:
                        raise silence(self.server, answer.characters, self.timeout)
                    if first is None:
                        yield answer.messages(waiting=time.perf_counter() - started, read=meter.poll())
                    else:
                        yield answer.messages()
        except LongreadError:
            raise
        except Exception as error:
            raise self._failure(error, answer, texts) from error
        if answer.finish_reason is None:
            raise broken_off(self.server, answer.characters, "the connection was closed before its end")
        cost = usage(answer, texts, ttft=(first or latest) - started, seconds=latest - started)
        if sent := detect_truncation(cost, texts, self.model):
            raise ServerError(
                f"{self.server.shown} read {cost.prompt_tokens:,} of about {sent:,} tokens of the prompt and dropped "
                "the rest without saying so. Start it with a longer window (Ollama: OLLAMA_CONTEXT_LENGTH)."
            )
        yield answer.messages(usage=cost.model_dump(), finish_reason=answer.finish_reason)

    def _body(self, messages: list[Message], generate_cfg: dict[str, Any]) -> dict[str, Any]:
        settings = {name: value for name, value in generate_cfg.items() if value is not None}
        settings |= settings.pop("extra_body", {})
        settings.pop("skip_stopword_postproc", None)
        return {"messages": to_openai(messages), "stream_options": {"include_usage": True}, **settings}

    async def _chunks(self, body: dict[str, Any]) -> AsyncGenerator[Any, None]:
        import openai

        body = dict(body)
        messages = body.pop("messages")
        async with self.server.async_client(retries=self.max_retries) as client:
            while True:
                try:
                    stream = await client.chat.completions.create(
                        model=self.model, messages=messages, stream=True, extra_body=body
                    )
                    break
                except openai.APIStatusError as error:
                    if not _drop_unsupported(error, body):
                        raise
            async with stream:
                content_type = stream.response.headers.get("content-type", "")
                if "html" in content_type or "json" in content_type:
                    text = (await stream.response.aread()).decode(errors="replace")
                    raise no_stream(self.server, content_type, text, model=self.model)
                async for chunk in stream:
                    if not hasattr(chunk, "choices"):
                        raise ValueError(f"{chunk!r:.200} is no chunk of a chat completion")
                    yield chunk

    def _failure(self, error: Exception, answer: StreamedReply, texts: list[str]) -> LongreadError:
        import openai

        if isinstance(error, ValueError) and not isinstance(error, openai.OpenAIError):
            return broken_off(self.server, answer.characters, f"the server sent garbage ({one_line(str(error))})")
        if not isinstance(error, openai.OpenAIError):
            raise error
        if answer.characters:
            connection = isinstance(error, openai.APIConnectionError)
            body = getattr(error, "body", None)
            detail = reason(error) if connection else message(body if isinstance(body, str) else str(error))
            return broken_off(self.server, answer.characters, detail)
        if isinstance(error, openai.APIStatusError) and error.status_code == 404:
            served = self._served()
            if served and self.model not in served:
                return ServerError(
                    f"{self.server.shown} has no model {self.model!r} (404): choose one of {', '.join(served)}."
                )
        return translate(error, self.server, model=self.model, estimate=lambda: estimate(texts))

    def _served(self) -> list[str]:
        try:
            return [model.id for model in list_models(self._address, self.server.api_key)]
        except ServerError:  # the original error is the one to report
            return []


def _drop_unsupported(error: "openai.APIStatusError", body: dict[str, Any]) -> bool:
    """Remove from `body` what the server does not support, if it is optional. Returns whether anything was removed."""
    if error.status_code not in (400, 422):
        return False
    detail = error.response.text
    if "stream_options" in detail and body.pop("stream_options", None):
        return True
    if "max_completion_tokens" in detail and "max_tokens" in body:  # OpenAI's reasoning models
        body["max_completion_tokens"] = body.pop("max_tokens")
        return True
    return False
