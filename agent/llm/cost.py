"""What an answer cost, and whether the server read what it was sent."""

from collections.abc import Sequence

from ...serving.events import Usage
from ..tokens import qwen
from .served_tokenizer import is_qwen
from .streaming import Answer

# A prompt with more characters a token than prose has in any vocabulary is looked at again.
_DENSE = 5.5
# The least share of Qwen's count that an uncut prompt can have: in the same vocabulary, and in any other (the newest
# ones write some Indian scripts in a quarter of Qwen's tokens).
_UNCUT_QWEN, _UNCUT = 0.9, 0.2


def usage(answer: Answer, texts: Sequence[str], *, ttft: float, seconds: float) -> Usage:
    """The server's counts, or an estimate from `texts`, what was sent, where it gives none."""
    sent = answer.usage
    prompt, output = getattr(sent, "prompt_tokens", None), getattr(sent, "completion_tokens", None) or 0
    if not prompt or not isinstance(prompt, int) or not isinstance(output, int):
        written = [answer.text, answer.reasoning, *(call.arguments for call in answer.calls.values())]
        return Usage(
            prompt_tokens=estimate(texts),
            cached_tokens=None,
            output_tokens=estimate(written),
            ttft=ttft,
            seconds=seconds,
            estimated=True,
        )
    cached = getattr(getattr(sent, "prompt_tokens_details", None), "cached_tokens", None)
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=cached if isinstance(cached, int) else None,
        output_tokens=output,
        ttft=ttft,
        seconds=seconds,
    )


def dropped(usage: Usage, texts: Sequence[str], model: str) -> int | None:
    """About how many tokens were sent, if the server read clearly fewer; else None.

    Some servers (Ollama by default) drop the start of a prompt that is too long, and answer all the same.
    """
    if usage.estimated or sum(map(len, texts)) < _DENSE * usage.prompt_tokens:
        return None
    sent = estimate(texts)
    return sent if usage.prompt_tokens < sent * (_UNCUT_QWEN if is_qwen(model) else _UNCUT) else None


def estimate(texts: Sequence[str]) -> int:
    """Tokens by Qwen's vocabulary, without the chat template's own."""
    return sum(qwen().counts(texts))
