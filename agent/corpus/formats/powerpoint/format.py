"""PowerPoint files: a page per slide."""

from ..base import Format, OpenFile, ParseOptions
from ..zip_archive import open_archive


class Pptx(Format):
    name = "PowerPoint"
    extensions = (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm")
    media_type = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    library = "lxml"
    revision = 2
    zip_member = "ppt/presentation.xml"
    content_types = (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
        "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
        "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
        "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
    )
    options = ("hidden",)

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .deck import read

        return read(open_archive(data, self.name), options)
