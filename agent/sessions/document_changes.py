"""Detects documents that changed since a conversation was last used."""

import os
from collections.abc import Callable, Sequence

from .records import DocumentRef

_Pairs = list[tuple[DocumentRef, DocumentRef]]


def changes(then: Sequence[DocumentRef], now: Sequence[DocumentRef]) -> list[str]:
    """One sentence for each document that has changed, is gone, is new, has other pages, or another name."""
    pairs, gone, new = _match(then, now, by_name=True)
    sentences = [sentence for before, after in pairs for sentence in _difference(before, after)]
    sentences += [f"{_label(one)}, which this conversation was about, is not among the documents now." for one in gone]
    sentences += [f"{_label(one)} is new in this conversation." for one in new]
    return sentences


def same(then: Sequence[DocumentRef], now: Sequence[DocumentRef]) -> bool:
    """Whether these are the same files, whatever has changed in them: equal by content or by path."""
    _, gone, new = _match(then, now, by_name=False)
    return not gone and not new


def _match(
    then: Sequence[DocumentRef], now: Sequence[DocumentRef], *, by_name: bool
) -> tuple[_Pairs, list[DocumentRef], list[DocumentRef]]:
    """Pairs of the same document, and the rest of both. The most reliable criteria come first."""
    signs: list[Callable[[DocumentRef], object]] = [
        lambda one: (one.id, one.path, one.name),
        lambda one: one.id,
        lambda one: one.path,
    ]
    if by_name:
        signs.append(lambda one: one.name)
    pairs: _Pairs = []
    gone, new = list(then), list(now)
    for sign in signs:
        for before in list(gone):
            after = next((one for one in new if sign(one) is not None and sign(one) == sign(before)), None)
            if after is not None:
                pairs.append((before, after))
                gone.remove(before)
                new.remove(after)
    pairs.sort(key=lambda pair: next(i for i, one in enumerate(then) if one is pair[0]))
    return pairs, gone, new


def _difference(then: DocumentRef, now: DocumentRef) -> list[str]:
    sentences = []
    if then.id != now.id:
        pages = (
            f"it has {now.page_count:,} page{'s' * (now.page_count != 1)}, as then"
            if then.page_count == now.page_count
            else f"its pages are now {now.page_count:,}, then {then.page_count:,}"
        )
        sentences.append(f"{_label(now)} has changed since this conversation's last question: {pages}.")
    elif then.pages != now.pages:
        sentences.append(
            f"Of {_label(now)} the pages {now.pages} are read now; at this conversation's last question it was "
            f"{then.pages}."
        )
    if then.name != now.name:
        sentences.append(f"{_label(now)} is cited as [{now.name}:page] now, and was as [{then.name}:page].")
    return sentences


def _label(document: DocumentRef) -> str:
    return "standard input" if document.source == "-" else os.path.basename(document.source) or document.source
