"""Whether a model behind a server reads pictures, and what a picture costs in its tokens."""

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from longread.errors import LongreadError

if TYPE_CHECKING:
    import openai

    from .openai_server import Server

_SEES = re.compile(
    r"gpt-4o|gpt-4\.1|gpt-4-turbo|gpt-[5-9]|chatgpt|\bo[134](?:-|$)|claude-(?:3|[a-z]+-[4-9])|claude-[4-9]|gemini|gemma-?3"
    r"|[-_]vl\b|[-_]vl[-_]|qwen\d?(?:\.\d)?-?vl|qwen3\.[5-9]|llava|pixtral|internvl|minicpm-?v|smolvlm|idefics|molmo|paligemma"
    r"|phi-[34](?:\.5)?-(?:vision|multimodal)|llama-?3\.2-(?:11b|90b)|llama-?4|mistral-small-?3|mistral-medium-3|vision|grok-[4-9]"
    r"|glm-4(?:\.\d)?v|deepseek-vl|nova-(?:lite|pro|premier)",
    re.IGNORECASE,
)
_BLIND = re.compile(r"gpt-[5-9].*codex-mini|o1-mini|o3-mini|gemini-embedding|embed|gemma-3-(?:1b|270m)", re.IGNORECASE)


def reads_pictures(server: "Server", model: str) -> bool:
    """Whether the model takes images: as the server says (OpenRouter, LM Studio, llama.cpp, Ollama), else by its name.

    vLLM and OpenAI do not say.
    """
    try:
        with server.client() as client:
            for said in _statements(server, client, model):
                if said is not None:
                    return said
    except LongreadError:  # `chat` reports what is wrong with the server
        pass
    return bool(_SEES.search(model)) and not _BLIND.search(model)


def _statements(server: "Server", client: "openai.OpenAI", model: str) -> Iterator[bool | None]:
    """What each kind of server says; None for nothing."""
    reply = server.call(client, "GET", "/models")
    entries = [*_items(reply, "data"), *_items(reply, "models")]
    entry = next((entry for entry in entries if model in (entry.get("id"), entry.get("model"), entry.get("name"))), {})
    architecture = entry.get("architecture")
    if isinstance(architecture, dict) and isinstance(architecture.get("input_modalities"), list):  # OpenRouter
        yield "image" in architecture["input_modalities"]
    if isinstance(entry.get("capabilities"), list):  # llama.cpp
        yield "multimodal" in entry["capabilities"] or "vision" in entry["capabilities"]
    if entry.get("type") in ("llm", "vlm"):  # LM Studio
        yield entry["type"] == "vlm"
    if entry.get("owned_by") in ("library", "ollama"):  # Ollama
        shown = server.call(client, "POST", f"{server.root}/api/show", {"model": model})
        if isinstance(shown, dict) and isinstance(shown.get("capabilities"), list):
            yield "vision" in shown["capabilities"]


def _items(reply: Any, key: str) -> list[dict[str, Any]]:
    entries = reply.get(key) if isinstance(reply, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def picture_tokens(model: str, width: int, height: int) -> int:
    """Tokens of a picture, by the rule that the provider of the model publishes; for others, Qwen2-VL's.

    Args:
        width, height: pixels.

    Sources: OpenAI, "Images and vision" (a short side of 768 pixels, 170 tokens a tile of 512, and 85); Anthropic,
    "Vision" (pixels / 750); Google, "Understand and count tokens" (258 for each tile of 768 pixels); Qwen2-VL,
    arXiv:2409.12191 (a token for each 28 x 28 pixels, and two marks).
    """
    if re.search(r"gpt|chatgpt|\bo[134]\b", model, re.IGNORECASE):
        scale = min(1.0, 2048 / max(width, height))
        scale *= min(1.0, 768 / (min(width, height) * scale))
        return 85 + 170 * math.ceil(width * scale / 512) * math.ceil(height * scale / 512)
    if re.search("claude", model, re.IGNORECASE):
        return math.ceil(width * height / 750)
    if re.search("gemini|gemma", model, re.IGNORECASE):
        return 258 * math.ceil(width / 768) * math.ceil(height / 768)
    return math.ceil(width / 28) * math.ceil(height / 28) + 2
