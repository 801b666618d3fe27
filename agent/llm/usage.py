"""The usage of a request, and whether the server truncated the prompt."""

from collections.abc import Sequence

from longread.events import Usage

from ..prompt.tokenizer import qwen
from .server_tokenizer import is_qwen
from .streaming import StreamedReply

# A prompt with more characters per token than prose has in any vocabulary is checked.
_DENSE = 5.5
# The minimum of a complete prompt as a fraction of Qwen's count: in the same vocabulary, and in any other (the newest
# ones write some Indian scripts in a quarter of Qwen's tokens).
_UNCUT_QWEN, _UNCUT = 0.9, 0.2


def usage(answer: StreamedReply, texts: Sequence[str], *, ttft: float, seconds: float) -> Usage:
    """The server's counts, or estimates from `texts`, the messages sent, if there are none."""
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


def detect_truncation(usage: Usage, texts: Sequence[str], model: str) -> int | None:
    """The approximate number of tokens sent, if the server read clearly fewer; else None.

    Some servers (Ollama by default) drop the start of a prompt that is too long, and answer all the same.
    """
    if usage.estimated or sum(map(len, texts)) < _DENSE * usage.prompt_tokens:
        return None
    sent = estimate(texts)
    return sent if usage.prompt_tokens < sent * (_UNCUT_QWEN if is_qwen(model) else _UNCUT) else None


def estimate(texts: Sequence[str]) -> int:
    """Number of tokens in Qwen's vocabulary, without those of the chat template."""
    return sum(qwen().counts(texts))
