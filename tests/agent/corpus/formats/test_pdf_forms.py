"""PDF: fields of forms with names and values, comments with authors, targets of links, XFA, attachments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymupdf

from longread.agent.corpus.formats.base import OpenFile, ParseOptions
from longread.agent.corpus.formats.pdf import Pdf

CHECK_BOX, COMBO_BOX, LIST_BOX, TEXT = 2, 3, 4, 7
"""MuPDF's numbers of kinds of fields."""


def opened(data: bytes, **options: object) -> OpenFile:
    return Pdf().open(data, ParseOptions(**options))  # pyright: ignore[reportArgumentType]


def text_of(data: bytes, **options: object) -> str:
    return opened(data, **options).page(0).text


def form(*fields: dict[str, Any], labels: tuple[tuple[tuple[float, float], str], ...] = ()) -> "pymupdf.Document":
    """A form with its fields below each other."""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 60), "Application form")
    for at, words in labels:
        page.insert_text(at, words)
    for number, values in enumerate(fields):
        widget: Any = pymupdf.Widget()
        widget.rect = pymupdf.Rect(200, 90 + 40 * number, 220 if "tick" in values else 400, 110 + 40 * number)
        if values.pop("tick", False):
            widget.rect = pymupdf.Rect(200, 90 + 40 * number, 218, 108 + 40 * number)
        for name, value in values.items():
            setattr(widget, name, value)
        page.add_widget(widget)
    return document


def test_values_stand_beside_their_labels() -> None:
    labels = (((72, 104), "Surname"), ((72, 144), "Amount in EUR"), ((72, 184), "Remarks"))
    with form(
        {"field_type": TEXT, "field_name": "surname", "field_value": "Mustermann"},
        {"field_type": TEXT, "field_name": "f1_02[0]", "field_value": "12,345.67"},
        {"field_type": TEXT, "field_name": "remarks", "field_value": ""},
        labels=labels,
    ) as document:
        lines = text_of(document.tobytes()).split("\n")
    assert "Surname Mustermann" in lines  # the name is there already
    assert "Amount in EUR f1_02: 12,345.67" in lines
    assert "Remarks [empty field: remarks]" in lines


def test_a_value_in_a_script_that_the_font_of_the_field_lacks() -> None:
    with form({"field_type": TEXT, "field_name": "city", "field_value": "東京, Київ"}) as document:
        assert "city: 東京, Київ" in text_of(document.tobytes())


def test_ticks() -> None:
    box = {"field_type": CHECK_BOX, "tick": True}
    with form(
        {**box, "field_name": "agree", "field_value": True},
        {**box, "field_name": "newsletter", "field_value": False},
        labels=(((226, 104), "I accept the terms"),),
    ) as document:
        lines = text_of(document.tobytes()).split("\n")
    assert "[x] agree I accept the terms" in lines
    assert "[ ] newsletter" in lines
    assert "3" not in lines
    assert "4" not in lines


def test_radio_buttons_and_lists() -> None:
    with form(
        {"field_type": COMBO_BOX, "field_name": "country", "field_value": "NO",
         "choice_values": [("NO", "Norway"), ("TD", "Chad")]},
        {"field_type": LIST_BOX, "field_name": "size", "field_value": "large",
         "choice_values": ["small", "large"]},
    ) as document:  # fmt: skip
        text = text_of(document.tobytes())
    assert "country: Norway" in text
    assert "size: large" in text
    assert "small" not in text


def test_real_radio_buttons(pypdf: Callable[[str], Path]) -> None:
    text = text_of(pypdf("libreoffice-form.pdf").read_bytes())
    assert "[ ] female: 1 Female" in text
    assert "First Name Alice" in text
    assert "[empty field: Birthday]" in text


def test_hidden_fields_are_counted() -> None:
    with form({"field_type": TEXT, "field_name": "code", "field_value": "secret value"}) as document:
        widget = next(iter(document[0].widgets()))
        document.xref_set_key(widget.xref, "F", "2")
        data = document.tobytes()
    page = opened(data).page(0)
    assert page.text == "Application form"
    assert "hidden" in page.notes[0]
    assert "[hidden: code: secret value]" in text_of(data, hidden="keep")


def test_signature_fields() -> None:
    with form({"field_type": TEXT, "field_name": "sign here", "field_value": ""}) as document:
        widget = next(iter(document[0].widgets()))
        document.xref_set_key(widget.xref, "FT", "/Sig")
        unsigned = document.tobytes()
        value = document.get_new_xref()
        document.update_object(value, "<</Type/Sig/Name(Ada Lovelace)/Contents<00>>>")
        document.xref_set_key(widget.xref, "V", f"{value} 0 R")
        signed = document.tobytes()
    assert "sign here: not signed" in text_of(unsigned)
    assert "[signature: sign here, signed by Ada Lovelace]" in text_of(signed)


def with_annotations() -> bytes:
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 100), "The fee is 500 EUR for the first year.")
        page.insert_text((72, 130), "See the terms and the terms of use, or ask us.")
        note = page.add_text_annot((300, 100), "Please check")
        note.set_info(title="Ada")
        reply = page.add_text_annot((300, 100), "It is right")
        reply.set_info(title="Grace")
        reply.set_irt_xref(note.xref)
        for add, words, comment in (
            (page.add_highlight_annot, "500 EUR", "too much"),
            (page.add_strikeout_annot, "first", ""),
        ):
            mark = add(page.search_for(words))
            mark.set_info(title="Ada", content=comment)
        page.add_freetext_annot((72, 200, 300, 220), "typed on the page")
        hidden = page.add_text_annot((10, 10), "nobody sees this")
        hidden.set_flags(2)
        second = page.search_for("terms")[1]
        page.insert_link({"kind": pymupdf.LINK_URI, "from": second, "uri": "https://example.org/terms.pdf"})
        page.insert_link(
            {"kind": pymupdf.LINK_URI, "from": page.search_for("ask us")[0], "uri": "mailto:a@example.org"}
        )
        page.insert_link({"kind": pymupdf.LINK_GOTO, "from": page.search_for("See")[0], "page": 0})
        return document.tobytes()


def test_comments_have_their_authors() -> None:
    page = opened(with_annotations()).page(0)
    assert "[comment by Ada: Please check]" in page.text
    assert "[comment by Grace in reply to Ada: It is right]" in page.text
    assert "[comment by Ada: “500 EUR”: too much]" in page.text
    assert "[comment by Ada: “first”: struck out]" in page.text
    assert page.text.count("typed on the page") == 1
    assert "nobody" not in page.text
    assert page.notes[0].startswith("4 hidden words")


def test_links_say_where_they_lead() -> None:
    text = text_of(with_annotations())
    assert (
        "See the terms and the [terms](https://example.org/terms.pdf) of use, or [ask us](mailto:a@example.org)."
        in text
    )


def test_an_address_that_is_printed_is_not_repeated() -> None:
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 100), "Read www.example.org/manual before.")
        place = page.search_for("www.example.org/manual")[0]
        page.insert_link({"kind": pymupdf.LINK_URI, "from": place, "uri": "https://www.example.org/manual/"})
        assert text_of(document.tobytes()) == "Read www.example.org/manual before."


def xfa(packet: str, **catalog: str) -> bytes:
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 100), "Please wait...")
        stream = document.get_new_xref()
        document.update_object(stream, "<<>>")
        document.update_stream(stream, packet.encode())
        root = document.pdf_catalog()
        document.xref_set_key(root, "AcroForm", f"<</Fields[]/XFA[(template) null (datasets) {stream} 0 R]>>")
        for key, value in catalog.items():
            document.xref_set_key(root, key, value)
        return document.tobytes()


DATASETS = (
    '<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data><claim><name>Grace Hopper</name>'
    "<items><amount>48,250</amount></items><empty/></claim></xfa:data></xfa:datasets>"
)


def test_what_was_filled_in_in_an_xfa_form() -> None:
    file = opened(xfa(DATASETS, NeedsRendering="true"))
    assert "XFA" in file.warnings[0]
    text = file.page(0).text
    assert "Please wait" in text
    assert "name: Grace Hopper\namount: 48,250" in text


def test_an_xfa_form_that_cannot_be_read() -> None:
    for packet in ("<not closed", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', ""):
        file = opened(xfa(packet))
        assert "XFA" in file.warnings[0]
        assert "could not be read" in file.page(0).notes[0]


def test_attached_files() -> None:
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 100), "see the attachments")
        page.add_file_annot((72, 200), b"c,d", "second.csv")
        document.embfile_add("first.csv", b"a,b")
        document.xref_set_key(document.pdf_catalog(), "Collection", "<</View/D>>")
        data = document.tobytes()
    file = opened(data)
    assert "first.csv" in file.warnings[0]
    assert "portfolio" in file.warnings[1]
    assert "second.csv" in file.page(0).notes[0]
    read = opened(data, attachments=True)
    assert Pdf().holds_files(ParseOptions(attachments=True))
    assert {(one.name, one.data) for one in read.attached_files()} == {("first.csv", b"a,b"), ("second.csv", b"c,d")}
    assert not any("not read" in line for line in (*read.warnings, *read.page(0).notes))


def test_a_file_name_is_not_a_path(tmp_path: Path) -> None:
    with pymupdf.open() as document:
        document.new_page()
        document.embfile_add("../../evil.txt", b"text")
        assert [one.name for one in opened(document.tobytes(), attachments=True).attached_files()] == ["../../evil.txt"]
    assert list(tmp_path.iterdir()) == []
