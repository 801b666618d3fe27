"""The tokenizer and chat template of a checkpoint."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from longread.errors import ModelUnusable


class ChatTokenizer:
    """Counts tokens of text, and renders messages to token ids by a model's chat template.

    Args:
        folder: the folder of a checkpoint with tokenizer.json and a chat template.

    Raises:
        ModelUnusable: one of them is missing or damaged.
    """

    def __init__(self, folder: Path):
        from transformers import PreTrainedTokenizerFast

        if not (folder / "tokenizer.json").is_file():
            raise ModelUnusable(f"{folder} has no tokenizer.json, the only format of tokenizers that is supported.")
        # Not AutoTokenizer: for Qwen2 it replaces the rules in tokenizer.json by those of its own Qwen class.
        try:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        except Exception as error:  # tokenizers raises nothing narrower
            why = str(error).partition("\n")[0]
            raise ModelUnusable(
                f"{folder}/tokenizer.json cannot be read ({why}). Delete the folder to download the model again."
            ) from error
        if not tokenizer.chat_template:
            raise ModelUnusable(
                f"{folder} has no chat template: it is not a chat model, or chat_template.jinja is missing."
            )
        self._tokenizer: Any = tokenizer
        self.backend = tokenizer.backend_tokenizer

    @property
    def name(self) -> str:
        """Identifies the vocabulary and its rules: tokenizers of the same name give the same counts."""
        return self._name

    @cached_property
    def _name(self) -> str:
        return hashlib.sha256(self.backend.to_str().encode()).hexdigest()[:16]

    @property
    def knows_tools(self) -> bool:
        """Whether the chat template supports tools."""
        return "tools" in str(self._tokenizer.chat_template)

    @property
    def eos(self) -> int | None:
        return self._tokenizer.eos_token_id

    def counts(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text. Control tokens in a text count as plain text."""
        return [len(encoding) for encoding in self._plain.encode_batch_fast(list(texts), add_special_tokens=False)]

    def render(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None
    ) -> list[int]:
        """Render messages in OpenAI's format (roles, text, tool calls) to a prompt for the assistant to continue.

        Raises:
            ModelUnusable: the template does not support `tools`, or rejects these messages.
        """
        from jinja2 import TemplateError

        declared: Any = list(tools) if tools else None
        template = self._tokenizer.get_chat_template(tools=declared)
        if tools and "tools" not in template:
            raise ModelUnusable(
                "This model's chat template does not support tools. Describe them in the system message."
            )
        try:
            return self._tokenizer.apply_chat_template(
                [_plain_message(message) for message in messages],
                tools=declared,
                add_generation_prompt=True,
                return_dict=False,
            )
        except TemplateError as error:
            raise ModelUnusable(f"This model's chat template rejects the messages: {error}.") from error

    @cached_property
    def _plain(self) -> Any:
        from tokenizers import Tokenizer

        plain = Tokenizer.from_str(self.backend.to_str())
        plain.encode_special_tokens = True
        return plain


def _plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as templates expect it: text instead of a list of parts, and arguments as an object instead of JSON."""
    plain = dict(message)
    content = plain.get("content") or ""
    plain["content"] = content if isinstance(content, str) else "".join(_text(part) for part in content)
    if plain.get("tool_calls"):
        plain["tool_calls"] = [_plain_call(call) for call in plain["tool_calls"]]
    return plain


def _text(part: Mapping[str, Any]) -> str:
    if part.get("type") != "text":
        raise ModelUnusable(f"A message has a part of type {part.get('type')!r}, but this model reads text only.")
    return part["text"]


def _plain_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = dict(call["function"])
    if isinstance(function["arguments"], str):
        function["arguments"] = json.loads(function["arguments"])
    return {**call, "function": function}
