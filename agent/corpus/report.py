"""What was read of each document of a corpus, and what was not."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from .corpus import Corpus


class DocumentReport(BaseModel):
    """What was read of one document."""

    model_config = ConfigDict(frozen=True)

    name: str
    source: str
    """The path as the user wrote it."""
    media_type: str
    pages: int
    empty_pages: tuple[int, ...]
    """The numbers of the pages without text."""
    tokens: int
    warnings: tuple[str, ...]
    """`Document.warnings`: one sentence for each thing that was skipped or altered, with its pages."""


class CorpusReport(BaseModel):
    """What was read of a corpus, and what was not. `print(report)` shows it as text, a notebook as a table."""

    model_config = ConfigDict(frozen=True)

    documents: tuple[DocumentReport, ...]
    failures: tuple[str, ...]
    """Files and pages that could not be read."""
    warnings: tuple[str, ...]
    """What concerns no single document, such as skipped files of a folder."""

    @classmethod
    def of(cls, corpus: "Corpus") -> "CorpusReport":
        """The report on a corpus: what `Corpus.report` returns."""
        return cls(
            documents=tuple(
                DocumentReport(
                    name=document.name,
                    source=document.source,
                    media_type=document.media_type,
                    pages=len(document.pages),
                    empty_pages=tuple(page.number for page in document.pages if not page.text),
                    tokens=document.tokens,
                    warnings=document.warnings,
                )
                for document in corpus.documents
            ),
            failures=tuple(map(str, corpus.failures)),
            warnings=corpus.warnings,
        )

    @property
    def pages(self) -> int:
        """Pages of all documents."""
        return sum(document.pages for document in self.documents)

    @property
    def tokens(self) -> int:
        """Tokens of all pages, without the page marks of a prompt."""
        return sum(document.tokens for document in self.documents)

    def __str__(self) -> str:
        lines: list[str] = []
        for document in self.documents:
            lines.append(f"{document.name}: {_counts(document.pages, document.tokens)} ({document.source})")
            lines += [f"  {warning}" for warning in document.warnings]
        lines += [f"Not read: {failure}" for failure in self.failures]
        return "\n".join([*lines, *self.warnings, f"Total: {_counts(self.pages, self.tokens)}"])

    def _repr_markdown_(self) -> str:
        lines = ["| document | pages | tokens | warnings |", "| --- | --- | --- | --- |"]
        for document in self.documents:
            cells = (document.name, f"{document.pages:,}", f"{document.tokens:,}", " ".join(document.warnings))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        said = [*(f"Not read: {failure}" for failure in self.failures), *self.warnings]
        return "\n".join([*lines, *(f"\n{sentence}" for sentence in said)])


def _counts(pages: int, tokens: int) -> str:
    return f"{pages:,} page{'' if pages == 1 else 's'}, {tokens:,} token{'' if tokens == 1 else 's'}"
