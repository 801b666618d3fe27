"""The chat model "longread-embedded": runs in this process, and works in any Qwen-Agent agent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from weakref import WeakValueDictionary

from qwen_agent.llm.base import register_llm
from qwen_agent.llm.function_calling import BaseFnCallModel
from qwen_agent.llm.schema import ASSISTANT, ContentItem, Message

from longread.errors import ConfigError
from longread.events import Delta, Finish, ObtainEvent, Prefill
from longread.serving.embedded.engine import Engine
from longread.serving.models.catalog import DEFAULT_MODEL, calls_tools
from longread.serving.prefix_cache import DEFAULT_BYTES, PrefixStore

from .openai_messages import to_openai

_SETTINGS = ("max_tokens", "temperature", "top_p", "repetition_penalty", "stop", "seed")
_CFG = (
    "model",
    "model_type",
    "device",
    "dtype",
    "window",
    "prefix_cache_bytes",
    "on_event",
    "generate_cfg",
    "cache_dir",
)
_DEFAULT_MAX_TOKENS = 512

_engines: WeakValueDictionary[tuple[Any, ...], Engine] = WeakValueDictionary()
_loading = threading.Lock()


@register_llm("longread-embedded")
class EmbeddedChat(BaseFnCallModel):
    """Runs a model with `longread.serving.embedded.engine`. Instances with equal settings share one engine.

    `cfg`:
        model: a name in the catalogue (`agent models`), a folder, a GGUF file or a hub id. Default: smollm2-135m.
        device, dtype, window: see `Engine.load`.
        prefix_cache_bytes: maximum size of the prefix cache on disk; 0 disables it.
        on_event: called with `Download` and `Convert` events while the model is prepared.
        generate_cfg: `max_tokens` (default 512); `temperature`, `top_p`, `repetition_penalty` (default: the values of
            the model card); `stop`, `seed`. `max_input_tokens` turns on Qwen-Agent's truncation, which is off by
            default. `fncall_prompt_type` is Qwen-Agent's.

    See `longread.agent.llm.protocol` for what `chat` yields. Closing the iterator stops the model.

    Raises:
        ConfigError: a setting that this model does not have.
        ModelNotFound, ModelUnusable: the model cannot be found, or cannot run here.
        PromptTooLong: in `chat`: the prompt and `max_tokens` together exceed the window.
    """

    def __init__(self, cfg: dict[str, Any] | None = None):
        cfg = dict(cfg or {})
        cfg["model"] = cfg.get("model") or DEFAULT_MODEL
        cfg["generate_cfg"] = cfg.get("generate_cfg") or {}
        if unknown := sorted(set(cfg) - set(_CFG)):
            raise ConfigError(f"longread-embedded has no setting {unknown[0]!r}; it has {', '.join(_CFG)}.")
        super().__init__(cfg)
        self.use_raw_api = False
        # Qwen-Agent would truncate the prompt without notice.
        self.generate_cfg.setdefault("max_input_tokens", -1)
        self.engine = _engine(
            self.model,
            cfg.get("device"),
            cfg.get("dtype"),
            cfg.get("window"),
            cfg.get("prefix_cache_bytes", DEFAULT_BYTES),
            on_event=cfg.get("on_event"),
        )
        self.window = self.engine.window
        self.calls_tools = calls_tools(self.model, template=self.engine.tokenizer.knows_tools)
        self.tokenizer = self.engine.tokenizer

    def _chat_stream(
        self, messages: list[Message], delta_stream: bool, generate_cfg: dict[str, Any]
    ) -> Iterator[list[Message]]:
        if delta_stream:
            raise NotImplementedError("delta_stream=True is deprecated in Qwen-Agent: take the cumulative messages")
        events = self.engine.stream(to_openai(messages), **self._settings(generate_cfg))
        return _cumulative(events)

    def _chat_no_stream(self, messages: list[Message], generate_cfg: dict[str, Any]) -> list[Message]:
        *_, answer = self._chat_stream(messages, delta_stream=False, generate_cfg=generate_cfg)
        return answer

    def _postprocess_messages(
        self, messages: list[Message], fncall_mode: bool, generate_cfg: dict[str, Any]
    ) -> list[Message]:
        # The engine has stopped at stop words already. Qwen-Agent would also remove half a stop word at the end, and
        # its parser of tool calls drops messages without text, and with them prefill and usage.
        unstopped = {**generate_cfg, "skip_stopword_postproc": True}
        parsed = super()._postprocess_messages(messages, fncall_mode, unstopped)
        return parsed or [Message(ASSISTANT, [ContentItem(text="")], extra=messages[-1].extra)]

    def _settings(self, generate_cfg: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in generate_cfg.items() if value is not None}
        given.pop("skip_stopword_postproc", None)
        if unknown := sorted(set(given) - set(_SETTINGS)):
            raise ConfigError(
                f"generate_cfg has {unknown[0]!r}, which the embedded engine cannot do; it has {', '.join(_SETTINGS)}."
            )
        return {"max_tokens": _DEFAULT_MAX_TOKENS, **self.engine.sampling.model_dump(), **given}


def _cumulative(events: Iterator[Any]) -> Iterator[list[Message]]:
    text = reasoning = ""
    extra: dict[str, Any] | None = None
    with closing(events):  # type: ignore[type-var]
        for event in events:
            match event:
                case Prefill():
                    extra = {"prefill": event.model_dump()}
                case Delta(text=piece, reasoning=thought):
                    text, reasoning, extra = text + piece * (not thought), reasoning + piece * thought, None
                case Finish(usage=usage, reason=reason):
                    extra = {"usage": usage.model_dump(), "finish_reason": reason}
            yield [Message(ASSISTANT, text, reasoning_content=reasoning or None, extra=extra)]


def _engine(
    model: str,
    device: str | None,
    dtype: str | None,
    window: int | None,
    prefix_bytes: int,
    *,
    on_event: Callable[[ObtainEvent], None] | None,
) -> Engine:
    """The engine with these settings: an existing one, or a new one."""
    key = (model, device, dtype, window, prefix_bytes)
    with _loading:
        engine = _engines.get(key)
        if engine is None or engine.closed:
            store = PrefixStore(max_bytes=prefix_bytes) if prefix_bytes else None
            engine = Engine.load(
                model, device=device, dtype=dtype, window=window, prefix_store=store, on_event=on_event
            )
            _engines[key] = engine
        return engine
