"""Pages of the web for the tool `web_fetch`."""

from .page import to_markdown


def web_page(data: bytes, charset: str | None, address: str) -> str:
    """The text of a page, with its title before it, and what of it a browser does not show counted after it.

    Args:
        charset: the encoding that the server declares.
        address: of the page.
    """
    page = to_markdown(data, served_as=charset, address=address)
    words = sum(mark.count for _, mark in page.marks if mark.kind == "hidden")
    parts = [f"Title: {page.title}" if page.title else "", page.text.strip()]
    parts.append(f"({words:,} words of the page, which a browser does not show, were left out.)" if words else "")
    return "\n\n".join(part for part in parts if part)
