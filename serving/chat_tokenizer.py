"""A checkpoint's own tokenizer and chat template."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from .errors import ModelUnusable


class ChatTokenizer:
    """Counts text, and turns messages into the token ids that a model was trained on.

    Args:
        folder: a checkpoint with tokenizer.json and a chat template.
    """

    def __init__(self, folder: Path):
        from transformers import PreTrainedTokenizerFast

        if not (folder / "tokenizer.json").is_file():
            raise ModelUnusable(f"{folder} has no tokenizer.json, and only such tokenizers are used here")
        # Not AutoTokenizer: for a Qwen2 it puts Qwen's own rules in the place of those that tokenizer.json states.
        try:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        except Exception as error:  # tokenizers raises nothing narrower
            why = str(error).partition("\n")[0]
            raise ModelUnusable(
                f"{folder}/tokenizer.json cannot be read ({why}): delete the folder to fetch the model anew"
            ) from error
        if not tokenizer.chat_template:
            raise ModelUnusable(
                f"{folder} has no chat template: it is not a chat model, or chat_template.jinja is missing"
            )
        self._tokenizer: Any = tokenizer
        self.backend = tokenizer.backend_tokenizer

    @property
    def name(self) -> str:
        """Identifies the vocabulary and its rules: equal names count equally."""
        return self._name

    @cached_property
    def _name(self) -> str:
        return hashlib.sha256(self.backend.to_str().encode()).hexdigest()[:16]

    @property
    def knows_tools(self) -> bool:
        """Whether the chat template has a place for tools."""
        return "tools" in str(self._tokenizer.chat_template)

    @property
    def eos(self) -> int | None:
        return self._tokenizer.eos_token_id

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text. Control tokens in it count as plain text."""
        return [len(encoding) for encoding in self._plain.encode_batch_fast(list(texts), add_special_tokens=False)]

    def render(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None
    ) -> list[int]:
        """Messages in the API's form (roles, text, tool calls) as a prompt that the assistant is to continue.

        Raises:
            ModelUnusable: the template has no place for `tools`, or refuses these messages.
        """
        from jinja2 import TemplateError

        declared: Any = list(tools) if tools else None
        template = self._tokenizer.get_chat_template(tools=declared)
        if tools and "tools" not in template:
            raise ModelUnusable(
                "this model's chat template has no place for tools: describe them in the system message"
            )
        try:
            return self._tokenizer.apply_chat_template(
                [_plain_message(message) for message in messages],
                tools=declared,
                add_generation_prompt=True,
                return_dict=False,
            )
        except TemplateError as error:
            raise ModelUnusable(f"this model's chat template refuses the messages: {error}") from error

    @cached_property
    def _plain(self) -> Any:
        from tokenizers import Tokenizer

        plain = Tokenizer.from_str(self.backend.to_str())
        plain.encode_special_tokens = True
        return plain


def _plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Templates take text where the API takes a list of parts, and arguments as an object where it has their JSON."""
    plain = dict(message)
    content = plain.get("content") or ""
    plain["content"] = content if isinstance(content, str) else "".join(_text(part) for part in content)
    if plain.get("tool_calls"):
        plain["tool_calls"] = [_plain_call(call) for call in plain["tool_calls"]]
    return plain


def _text(part: Mapping[str, Any]) -> str:
    if part.get("type") != "text":
        raise ModelUnusable(f"a message has a part of type {part.get('type')!r}, and this model reads text only")
    return part["text"]


def _plain_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = dict(call["function"])
    if isinstance(function["arguments"], str):
        function["arguments"] = json.loads(function["arguments"])
    return {**call, "function": function}
