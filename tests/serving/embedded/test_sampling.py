"""Decoding of logits to text, with the real model's tokenizer where one is needed."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from longread.serving.embedded.sampling import Sampler, TextStream


@pytest.fixture(scope="module")
def tokenizer(small_model: Path) -> Tokenizer:
    return Tokenizer.from_file(str(small_model / "tokenizer.json"))


@pytest.fixture(scope="module")
def thinking(small_model: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(small_model / "tokenizer.json"))
    tokenizer.add_tokens(["<think>", "</think>"])
    return tokenizer


def pieces(stream: TextStream, tokens: Iterable[int]) -> list[tuple[str, bool]]:
    out = []
    for token in tokens:
        out.append(stream.push(token))
        if stream.stopped:
            break
    out.append(stream.finish())
    return [piece for piece in out if piece]


class TestSampler:
    def test_greedy_takes_the_largest(self) -> None:
        assert Sampler([0])(torch.tensor([0.1, 3.0, 2.9])) == 1

    def test_the_distribution_is_that_of_transformers(self) -> None:
        torch.manual_seed(0)
        logits, prompt = 3 * torch.randn(50), [3, 3, 17, 41]
        theirs = logits[None]
        for process in (
            RepetitionPenaltyLogitsProcessor(1.3),
            TemperatureLogitsWarper(0.7),
            TopPLogitsWarper(0.8),
        ):
            theirs = process(torch.tensor([prompt]), theirs)
        expected = torch.softmax(theirs[0], 0)
        drawn = torch.zeros(50)
        sampler = Sampler(prompt, temperature=0.7, top_p=0.8, repetition_penalty=1.3, seed=1)
        seen = sampler._seen
        for _ in range(4000):
            sampler._seen = seen  # each draw as if it were the first
            drawn[sampler(logits)] += 1
        assert drawn[expected == 0].sum() == 0
        torch.testing.assert_close(drawn / 4000, expected, atol=0.03, rtol=0)

    def test_the_penalty_counts_what_was_generated(self) -> None:
        sampler = Sampler([0], repetition_penalty=10.0)
        logits = torch.tensor([0.0, 3.0, 2.0, 1.0])
        assert [sampler(logits) for _ in range(3)] == [1, 2, 3]
        assert logits.tolist() == [0.0, 3.0, 2.0, 1.0], "the logits are the caller's"

    def test_equal_seeds_draw_alike(self) -> None:
        torch.manual_seed(0)
        logits = torch.randn(20, 1000)

        def draw(seed: int | None) -> list[int]:
            sampler = Sampler([0], temperature=1.0, seed=seed)
            return [sampler(row) for row in logits]

        assert draw(7) == draw(7)
        assert draw(7) != draw(8)
        assert draw(None) != draw(None)

    def test_a_tiny_top_p_is_greedy(self) -> None:
        logits = torch.tensor([1.0, 2.0, 1.5])
        assert {Sampler([0], temperature=5.0, top_p=1e-6)(logits) for _ in range(20)} == {1}

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"temperature": -1}, "temperature is -1; it is 0 .greedy. or more"),
            ({"top_p": 0}, "top_p is 0; it is more than 0 and at most 1"),
            ({"top_p": 1.5}, "top_p is 1.5"),
            ({"repetition_penalty": 0}, "repetition_penalty is 0; it is more than 0, and 1 changes nothing"),
        ],
    )
    def test_senseless_settings(self, settings: dict[str, float], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Sampler([0], **settings)


class TestTextStream:
    TEXT = "naïve café — 日本語のテキスト 😀👩‍👩‍👧 ½ ‘quoted’\n\n  indented 12345\ttab  end "

    def test_pieces_add_up_and_no_character_is_split(self, tokenizer: Tokenizer) -> None:
        tokens = tokenizer.encode(self.TEXT, add_special_tokens=False).ids
        found = pieces(TextStream(tokenizer, []), tokens)
        assert "".join(text for text, _ in found) == self.TEXT
        assert len(found) > 20
        assert not any("\ufffd" in text for text, _ in found)

    def test_an_unfinished_character_is_not_shown(self, tokenizer: Tokenizer) -> None:
        tokens = tokenizer.encode("ok 😀", add_special_tokens=False).ids
        assert pieces(TextStream(tokenizer, []), tokens[:-1]) == [("ok", False), (" ", False)] or pieces(
            TextStream(tokenizer, []), tokens[:-1]
        ) == [("ok", False)]

    def test_control_tokens_are_not_text(self, tokenizer: Tokenizer) -> None:
        tokens = [1, *tokenizer.encode("Hello", add_special_tokens=False).ids, 2]
        assert pieces(TextStream(tokenizer, []), tokens) == [("Hello", False)]

    @pytest.mark.parametrize(
        ("stop", "expected", "stopped"),
        [
            ([" four"], "one two three", True),
            (["three fo"], "one two ", True),
            (["two", "one two"], "", True),
            (["five!"], "one two three four five", False),
            (["e five"], "one two three four five", False),
            ([], "one two three four five", False),
        ],
    )
    def test_stop_strings(self, tokenizer: Tokenizer, stop: list[str], expected: str, stopped: bool) -> None:
        tokens = tokenizer.encode("one two three four five", add_special_tokens=False).ids
        stream = TextStream(tokenizer, [], stop)
        assert "".join(text for text, _ in pieces(stream, tokens)) == expected
        assert stream.stopped == stopped

    def test_no_part_of_a_stop_string_is_ever_shown(self, tokenizer: Tokenizer) -> None:
        stream = TextStream(tokenizer, [], ["\nObservation:"])
        tokens = tokenizer.encode("Thought\nObs\nObservation: x", add_special_tokens=False).ids
        shown = "".join(text for text, _ in pieces(stream, tokens))
        assert shown == "Thought\nObs"
        assert stream.stopped

    def test_an_empty_stop_string(self, tokenizer: Tokenizer) -> None:
        with pytest.raises(ValueError, match="an empty stop string would stop every answer"):
            TextStream(tokenizer, [], ["x", ""])

    def test_reasoning_between_its_tags(self, thinking: Tokenizer) -> None:
        tokens = thinking.encode("<think>\nA stop? No.\n</think>\n\nThe answer stop here", add_special_tokens=False).ids
        stream = TextStream(thinking, [], [" stop"])
        found = pieces(stream, tokens)
        assert "".join(text for text, reasoning in found if reasoning) == "A stop? No.\n"
        assert "".join(text for text, reasoning in found if not reasoning) == "The answer"
        assert stream.stopped

    def test_reasoning_that_the_template_opened(self, thinking: Tokenizer) -> None:
        prompt = thinking.encode("<|im_start|>assistant\n<think>\n", add_special_tokens=False).ids
        tokens = thinking.encode("because</think>so", add_special_tokens=False).ids
        found = pieces(TextStream(thinking, prompt), tokens)
        assert found == [("because", True), ("so", False)]

    def test_reasoning_that_the_template_closed(self, thinking: Tokenizer) -> None:
        prompt = thinking.encode("<think>\n\n</think>\n\n", add_special_tokens=False).ids
        tokens = thinking.encode("so", add_special_tokens=False).ids
        assert pieces(TextStream(thinking, prompt), tokens) == [("so", False)]
