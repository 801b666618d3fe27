"""The parts of an OpenDocument file: an archive of XML, or one XML file ("flat")."""

from typing import TYPE_CHECKING

from ..base import ParseError, SecretNeeded, WrongFormat
from ..office.package import Package, parse
from ..zip_archive import open_archive
from .names import attribute, child, children, name, text_in

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_METADATA = {
    "dc:title": "title",
    "meta:initial-creator": "creator",
    "dc:creator": "creator",
    "dc:subject": "subject",
    "meta:keyword": "keywords",
    "dc:description": "description",
    "meta:creation-date": "created",
    "dc:date": "modified",
}


class Parts:
    """The parts of a document. Raises ParseError if there is no content that can be read."""

    def __init__(self, data: bytes, kind: str):
        self._package = Package(open_archive(data, kind)) if data.startswith(b"PK") else None
        self.warnings: list[str] = []
        if self._package is None:
            root, fault = parse(data)
            if root is None or name(root) != "office:document":
                raise WrongFormat(f"not an {kind} file, or a damaged one")
            self.content = self.styles = self.meta = root
            if fault:
                self.warnings.append(f"The file is damaged ({fault}): what can be read of it is kept.")
            return
        self._check_encryption(self._package)
        content = self._package.xml("content.xml")
        if content is None:
            fault = self._package.damaged.get("content.xml", "it is missing")
            raise ParseError(f"damaged: content.xml in it cannot be read ({fault})")
        self.content: _Element = content
        self.styles: _Element | None = self._package.xml("styles.xml")
        self.meta: _Element | None = self._package.xml("meta.xml")

    @property
    def flat(self) -> bool:
        return self._package is None

    def damage(self) -> list[str]:
        """Warnings of the parts that could not be read completely."""
        damaged = self._package.damaged if self._package is not None else {}
        return self.warnings + [
            f"{part} in the file is damaged ({fault}): what can be read of it is kept."
            for part, fault in list(damaged.items())[:20]
        ]

    def object(self, element: "_Element") -> "_Element | None":
        """The root of the document that a draw:object contains or refers to."""
        inside = next((found for found in element if name(found) in ("math:math", "office:document")), None)
        if inside is not None or self._package is None:
            return inside
        target = attribute(element, "xlink:href").removeprefix("./").rstrip("/")
        if not target or "://" in target:
            return None
        for part in (f"{target}/content.xml", target):
            if part in self._package and not part.lower().endswith((".png", ".svm", ".emf", ".bin")):
                return self._package.xml(part)
        return None

    def metadata(self) -> dict[str, str]:
        meta = child(self.meta, "office:meta") if self.meta is not None else None
        found: dict[str, str] = {}
        for element in meta if meta is not None else ():
            key, text = _METADATA.get(name(element)), text_in(element)
            if key and text:
                found[key] = f"{found[key]}, {text}" if key == "keywords" and key in found else found.get(key) or text
        return found

    @staticmethod
    def _check_encryption(package: Package) -> None:
        manifest = package.xml("META-INF/manifest.xml")
        encrypted = "encrypted-package" in package or any(
            children(entry, "manifest:encryption-data") for entry in (manifest if manifest is not None else ())
        )
        if encrypted:
            raise SecretNeeded("encrypted, which is not supported for OpenDocument; save it without a password")
