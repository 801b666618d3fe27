"""What is said about a slide beside its text."""

from collections import Counter
from dataclasses import dataclass, field

from .. import markup


@dataclass
class Findings:
    """Notes on a slide, and its hidden words by how they are hidden."""

    keep_hidden: bool
    notes: list[str] = field(default_factory=list)
    hidden: Counter[str] = field(default_factory=Counter)

    def conceal(self, text: str, why: str) -> str:
        """Count text that is hidden; returns what of it goes into the page."""
        self.hidden[why] += len(text.split())
        return markup.hidden(text) if self.keep_hidden else ""

    def all_notes(self) -> tuple[str, ...]:
        hidden = (markup.hidden_note(words, why, kept=self.keep_hidden) for why, words in self.hidden.items() if words)
        return tuple(dict.fromkeys([*hidden, *self.notes]))
