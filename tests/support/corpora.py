"""Small corpora made by hand, for tests that need exact pages."""

import hashlib

from longread.agent.corpus import Corpus
from longread.agent.prompt.tokenizer import qwen
from longread.control_tokens import neutralise
from longread.documents import Document, Page


def document(name: str, *texts: str, title: str | None = None) -> Document:
    pages = tuple(
        Page(
            number=number,
            label=str(number),
            text=text,
            tokens=qwen().count(neutralise(text)[0] + "\n") if text else 0,
        )
        for number, text in enumerate(texts, 1)
    )
    return Document(
        id=hashlib.sha256(repr((name, texts)).encode()).hexdigest(),
        name=name,
        title=title or name,
        source=f"{name}.pdf",
        media_type="application/pdf",
        pages=pages,
        tokenizer="qwen",
    )


def corpus(*documents: Document) -> Corpus:
    return Corpus(documents=documents)
