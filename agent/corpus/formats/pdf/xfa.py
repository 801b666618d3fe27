"""XFA forms: what was filled in, which is in a packet of XML that the pages of the PDF do not show."""

import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING
from xml.parsers.expat import ExpatError

if TYPE_CHECKING:
    import pymupdf

_LARGEST = 32 << 20
"""Bytes of a packet that are read at most."""
_DATA = "{http://www.xfa.org/schema/xfa-data/1.0/}"


def is_dynamic(document: "pymupdf.Document") -> bool:
    """Whether the pages are made by the program that shows the form, so that those in the file say nothing.

    Other XFA forms have their fields on the pages, too.
    """
    catalog = document.pdf_catalog()
    if document.xref_get_key(catalog, "AcroForm/XFA")[0] in ("null", ""):
        return False
    fields = document.xref_get_key(catalog, "AcroForm/Fields")[1].strip("[] \n")
    return document.xref_get_key(catalog, "NeedsRendering")[1] == "true" or fields in ("", "null")


def form_data(document: "pymupdf.Document") -> list[str]:
    """What was filled in, as lines with the names of fields and their values.

    Raises:
        ValueError: it cannot be read.
    """
    packet = _packet(document)
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise ValueError("it has a DTD")
    if len(packet) > _LARGEST or not packet.strip():
        raise ValueError("it is too large" if packet else "it is missing")
    try:
        root = ElementTree.fromstring(packet)
    except (ElementTree.ParseError, ExpatError, ValueError) as error:
        raise ValueError(str(error)) from error
    data = root if root.tag == f"{_DATA}data" else root.find(f".//{_DATA}data")
    lines: list[str] = []
    pending = list(reversed(list(data if data is not None else root)))
    while pending:
        element = pending.pop()
        children = list(element)
        value = " ".join((element.text or "").split()) if not children else ""
        if value:
            lines.append(f"{_local(element.tag)}: {value}")
        pending += reversed(children)
    return lines


def _packet(document: "pymupdf.Document") -> bytes:
    """The packet with the data, or the whole form where it is one."""
    from pymupdf import mupdf

    pdf = mupdf.pdf_document_from_fz_document(document.this)
    form = mupdf.pdf_dict_getp(mupdf.pdf_trailer(pdf), "Root/AcroForm/XFA")
    if mupdf.pdf_is_stream(form):
        return _bytes(form)
    for number in range(0, mupdf.pdf_array_len(form) - 1, 2):
        if mupdf.pdf_to_text_string(mupdf.pdf_array_get(form, number)) == "datasets":
            return _bytes(mupdf.pdf_array_get(form, number + 1))
    return b""


def _bytes(stream: object) -> bytes:
    from pymupdf import mupdf

    return bytes(mupdf.fz_buffer_extract(mupdf.pdf_load_stream(stream)))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
