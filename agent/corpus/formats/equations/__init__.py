"""Equations of documents as LaTeX: `omml` for Office, `mathml` for HTML and EPUB.

Both return LaTeX without delimiters; `inline` and `display` add these.
"""


def inline(latex: str) -> str:
    """An equation in a line of text: `$…$`; nothing of nothing."""
    return f"${' '.join(latex.split())}$" if latex.strip() else ""


def display(latex: str) -> str:
    """An equation on a line of its own: `$$…$$`; nothing of nothing."""
    return f"$${' '.join(latex.split())}$$" if latex.strip() else ""
