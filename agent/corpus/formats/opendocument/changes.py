"""Tracked changes of a text (ISO/IEC 26300-1, 5.5)."""

from collections import Counter
from typing import TYPE_CHECKING

from longread.agent.corpus.choices import Changes as Mode

from .names import attribute, descendants, name, text_in

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_KINDS = {"text:insertion": "insertion", "text:deletion": "deletion", "text:format-change": "change of format"}
_PLURALS = {"insertion": "insertions", "deletion": "deletions", "change of format": "changes of format"}
_TREATED = {
    "marked": "both versions are in the text, with marks",
    "final": "the text is the one after accepting them; what they delete is left out",
    "original": "the text is the one before them; what they insert is left out",
}


class Changes:
    """The changes of a document, and which of them the text that is being read is in."""

    def __init__(self, content: "_Element", mode: "Mode"):
        self.mode = mode
        self._regions: dict[str, _Element] = {}
        self._open: set[str] = set()
        self._counts: Counter[str] = Counter()
        for region in descendants(content, "text:changed-region"):
            change = next((found for found in region if name(found) in _KINDS), None)
            if change is not None:
                self._counts[_KINDS[name(change)]] += 1
                for key in (attribute(region, "text:id"), attribute(region, "xml:id")):
                    self._regions[key] = change

    @property
    def inserting(self) -> bool:
        return bool(self._open)

    @property
    def leaves_out(self) -> bool:
        """Whether the text at this place is inserted, and the user wants the original."""
        return self.inserting and self.mode == "original"

    def meet(self, element: "_Element") -> str:
        """Take notice of a text:change-start, text:change-end or text:change; returns the text deleted there."""
        identity = attribute(element, "text:change-id")
        change = self._regions.get(identity)
        if change is None:
            return ""
        match name(element), name(change):
            case "text:change-start", "text:insertion":
                self._open.add(identity)
            case "text:change-end", _:
                self._open.discard(identity)
            case "text:change", "text:deletion" if self.mode != "final":
                parts = [text_in(part) for part in change if name(part) != "office:change-info"]
                return " ".join(part for part in parts if part)
            case _:
                pass
        return ""

    def warnings(self) -> list[str]:
        """A warning that counts the changes."""
        counts = [f"{count:,} {kind if count == 1 else _PLURALS[kind]}" for kind, count in self._counts.items()]
        if not counts:
            return []
        listed = f"{', '.join(counts[:-1])} and {counts[-1]}" if len(counts) > 1 else counts[0]
        return [f"Tracked changes: {listed}; {_TREATED[self.mode]}."]
