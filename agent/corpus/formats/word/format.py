"""The format of Word."""

from ..base import Format, OpenFile, ParseOptions


class Word(Format):
    name = "Word"
    extensions = (".docx", ".docm", ".dotx", ".dotm")
    media_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    library = "lxml"
    revision = 2
    zip_member = "word/document.xml"
    content_types = (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
        "application/vnd.ms-word.document.macroEnabled.main+xml",
        "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    )
    options = ("changes", "hidden", "encoding")  # the last for text within it

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .document import open_document

        return open_document(data, options)
