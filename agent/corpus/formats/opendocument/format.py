"""The formats of OpenDocument (ISO/IEC 26300) for texts and for slides."""

from typing import TYPE_CHECKING, ClassVar

from ..base import Format, OpenFile, ParseOptions

if TYPE_CHECKING:
    from ..zip_archive import Contents


class _OpenDocument(Format):
    library = "lxml"
    revision = 1
    options = ("changes", "hidden")
    kinds: ClassVar[tuple[str, ...]]
    """What follows "application/vnd.oasis.opendocument." in the file `mimetype` of the archive."""

    def matches(self, archive: "Contents") -> bool:
        kind = archive.media_type.rpartition("opendocument.")[2]
        return "opendocument." in archive.media_type and kind.startswith(self.kinds)

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .document import read

        return read(data, options, self.name)


class Odt(_OpenDocument):
    name = "OpenDocument text"
    extensions = (".odt", ".ott", ".odm", ".fodt")
    media_type = "application/vnd.oasis.opendocument.text"
    kinds = ("text",)

    def matches(self, archive: "Contents") -> bool:
        # Programs that pack the files themselves may leave out `mimetype`.
        unnamed = not archive.media_type and archive.has("content.xml") and archive.has("meta-inf/manifest.xml")
        return unnamed or super().matches(archive)


class Odp(_OpenDocument):
    name = "OpenDocument presentation"
    extensions = (".odp", ".otp", ".fodp", ".odg", ".otg", ".fodg")
    media_type = "application/vnd.oasis.opendocument.presentation"
    kinds = ("presentation", "graphics")
