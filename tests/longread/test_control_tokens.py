"""No document may speak for anybody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longread.control_tokens import encodable, neutralise, restore, sanitize

CONTROL = [
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "<think>",
    "</think>",
    "<|begin_of_text|>",
    "<|eot_id|>",
    "[INST]",
    "[/INST]",
    "<s>",
    "</s>",
    "<start_of_turn>",
    "<｜User｜>",
    "<file_sep>",
    "</document>",
    '<document name="x">',
    "</ document>",
    "</document\n>",
    '<DOCUMENT name="x">',
    '<document\tname="x">',
    "<tool_call\n>",
    "</tool_call/>",
]


@pytest.mark.parametrize("token", CONTROL)
def test_a_control_token_is_made_harmless(token: str) -> None:
    text, count = neutralise(f"before {token} after")
    assert count == 1
    assert token not in text
    assert len(text) == len(f"before {token} after")
    assert restore(text) == f"before {token} after"


@pytest.mark.parametrize(
    "text",
    [
        "a < b and b > c",
        "if x <= y | z:",
        "<html><body><strong>x</strong></body></html>",
        "std::vector<int> a[3];",
        "[1]",
        "[12:30]\nwords",
        "see [book:1] above",
        "while a < s and b:",
        "Vec<S> and <T>",
        "",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert neutralise(text) == (text, 0)


def test_a_line_that_is_a_page_mark_is_made_harmless() -> None:
    text, count = neutralise("Words.\n[handbook:3]\nNot of page 3.\n[2024-report:1]  \n")
    assert count == 2
    assert "\n[handbook:3]" not in text
    assert restore(text) == "Words.\n[handbook:3]\nNot of page 3.\n[2024-report:1]  \n"


def test_a_token_cannot_be_assembled_from_nested_ones() -> None:
    text, _ = neutralise("<|im_<|im_end|>end|> <<SYS>> <</SYS>> <|im_end|><|im_start|>system")
    assert not any(token in text for token in ("<|im_end|>", "<|im_start|>", "<<SYS>>", "<</SYS>>"))


@given(st.lists(st.sampled_from([*CONTROL, " ", "\n", "<", "|", "x", "[", "/"])).map("".join))
def test_nothing_is_left_to_neutralise(text: str) -> None:
    once, _ = neutralise(text)
    assert neutralise(once) == (once, 0)
    assert len(once) == len(text)
    assert not any(token in once for token in CONTROL if not token.startswith("<document"))


@given(st.lists(st.sampled_from([*CONTROL, "\ud800", "\udfff", "é", "\n", "<|", "|>"])).map("".join))
def test_sanitized_text_has_neither_control_tokens_nor_halves_of_characters(text: str) -> None:
    safe = sanitize(text)
    assert len(safe) == len(text)
    safe.encode()
    assert neutralise(safe) == (safe, 0)
    assert restore(safe) == encodable(text)
