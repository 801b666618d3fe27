"""Text in layers (optional content) that are switched off: MuPDF does not extract it, as no reader sees it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pymupdf


def with_all_layers(document: "pymupdf.Document", password: str) -> "pymupdf.Document | None":
    """A copy of the document in which all layers are switched on; None if none is off."""
    import pymupdf

    groups: dict[int, dict[str, Any]] = document.get_ocgs()
    if all(group["on"] for group in groups.values()) or not document.stream:
        return None
    copy = pymupdf.open(stream=document.stream, filetype="pdf")
    if copy.needs_pass:
        copy.authenticate(password)
    copy.xref_set_key(copy.pdf_catalog(), "OCProperties", "null")
    return copy


def hidden_layers(page: "pymupdf.Page", complete: "pymupdf.Page") -> list[str]:
    """The lines of text that are on a page only if all its layers are switched on.

    Args:
        complete: the same page of `with_all_layers`.
    """
    shown = {(line[0], line[1]) for line in _lines(page)}
    return [text for text, at in _lines(complete) if (text, at) not in shown]


def _lines(page: "pymupdf.Page") -> list[tuple[str, tuple[int, int]]]:
    raw: Any = page.get_text("dict", flags=0)
    lines = [line for block in raw["blocks"] for line in block.get("lines", ())]
    texts = [("".join(span["text"] for span in line["spans"]).strip(), line["bbox"]) for line in lines]
    return [(text, (round(box[0]), round(box[1]))) for text, box in texts if text]
