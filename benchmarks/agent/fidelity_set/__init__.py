"""Generated documents with facts about them, for `benchmarks.agent.fidelity`.

They are made as the programs of each format write them. A fact says what the program shows.
The generators know nothing of any reader: add a document when a real file of its kind is read wrongly, and state what
its program shows.
"""

from .samples import Sample, collected


def samples() -> tuple[Sample, ...]:
    """All documents, in the order of their formats."""
    from . import (  # noqa: F401 - importing them adds their documents
        bundles,
        epub,
        excel,
        excel_parts,
        legacy,
        mails,
        opendocument,
        opendocument_office,
        other,
        pdf_hidden,
        pdf_layout,
        pdf_parts,
        pdf_text,
        plain,
        powerpoint,
        powerpoint_charts,
        web,
        word_numbering,
        word_review,
        word_tables,
    )

    return tuple(sorted(collected(), key=lambda sample: (sample.format, sample.name)))
