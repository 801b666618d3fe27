"""The parts of an Office file (Open Packaging Conventions, ECMA-376 part 2) and the relationships between them.

Lenient where programs are: names of parts in the wrong case, with backslashes or "%20"; relationships to parts that do
not exist; Strict Open XML, whose namespaces are replaced by the transitional ones, so that readers need to know only
these; parts that are not well-formed XML.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from ..zip_archive import DAMAGE

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

# ECMA-376 part 1, annex A. Longer prefixes first.
_STRICT = (
    (b"http://purl.oclc.org/ooxml/officeDocument/math", b"http://schemas.openxmlformats.org/officeDocument/2006/math"),
    (b"http://purl.oclc.org/ooxml/officeDocument/", b"http://schemas.openxmlformats.org/officeDocument/2006/"),
    (b"http://purl.oclc.org/ooxml/drawingml/", b"http://schemas.openxmlformats.org/drawingml/2006/"),
    (b"http://purl.oclc.org/ooxml/presentationml/", b"http://schemas.openxmlformats.org/presentationml/2006/"),
    (b"http://purl.oclc.org/ooxml/spreadsheetml/", b"http://schemas.openxmlformats.org/spreadsheetml/2006/"),
    (b"http://purl.oclc.org/ooxml/wordprocessingml/", b"http://schemas.openxmlformats.org/wordprocessingml/2006/"),
)
_DIGITS = 12
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DECLARATION = re.compile(r"\A<\?xml[^>]*\?>")
_PROPERTIES = ("title", "creator", "subject", "keywords", "description", "created", "modified")
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
"""The namespace of attributes such as r:id and r:embed."""


class Relationship(NamedTuple):
    id: str
    kind: str
    """The last part of its type: "slide", "image", "hyperlink", "diagramData"."""
    target: str
    """The name of a part, as it is in the archive if it is there; if `external`, an address."""
    external: bool


class Package:
    """An Office file. Parts are named as in the archive: "word/document.xml"."""

    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive
        self._names = {_key(name): name for name in archive.namelist()}
        self._relationships: dict[str, dict[str, Relationship]] = {}
        self.damaged: dict[str, str] = {}
        """Parts that could not be read completely, and why."""

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.values())

    def main(self, default: str) -> str:
        """The name of the document's main part, which Word Online calls word/document2.xml."""
        found = next((r.target for r in self.relationships("").values() if r.kind == "officeDocument"), default)
        return found if found in self else default

    def read(self, name: str) -> bytes | None:
        """The bytes of a part; None if it is not there, or damaged, which is noted in `damaged`."""
        try:
            return self._archive.read(self._names[_key(name)])
        except KeyError:
            return None
        except DAMAGE as error:
            self.damaged[name] = str(error)
            return None

    def xml(self, name: str) -> "_Element | None":
        """A part, parsed; None if it is not there or has no element.

        Of a part that is not well-formed, what precedes the fault and can be saved after it is returned, and the fault
        noted in `damaged`. Entities are not expanded.
        """
        data = self.read(name)
        if data is None:
            return None
        root, fault = parse(data)
        if fault:
            self.damaged[name] = fault
        return root

    def relationships(self, part: str) -> dict[str, Relationship]:
        """The relationships of a part by id; those of the package itself for ""."""
        if part not in self._relationships:
            self._relationships[part] = dict(self._read_relationships(part))
        return self._relationships[part]

    def related(self, part: str, kind: str) -> Iterator[Relationship]:
        """The relationships of a part that are of one kind, in the order of the file."""
        return (found for found in self.relationships(part).values() if found.kind == kind)

    def properties(self) -> dict[str, str]:
        """The core properties: title, creator, dates. What is empty is left out."""
        part = next((found.target for found in self.relationships("").values() if found.kind == "core-properties"), "")
        root = self.xml(part or "docProps/core.xml")
        found = {local(element): (element.text or "").strip() for element in (root if root is not None else ())}
        return {name: found[name] for name in _PROPERTIES if found.get(name)}

    def _read_relationships(self, part: str) -> Iterator[tuple[str, Relationship]]:
        folder, _, name = part.replace("\\", "/").rpartition("/")
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        for element in root if root is not None else ():
            kind, target = element.get("Type", "").rstrip("/").rpartition("/")[2], element.get("Target", "")
            external = element.get("TargetMode", "").lower() == "external"
            if not external:
                target = self._resolved(folder, target)
            identity = element.get("Id", "")
            yield identity, Relationship(identity, kind, target, external)

    def _resolved(self, folder: str, target: str) -> str:
        target = target.partition("#")[0].replace("\\", "/")
        for written in (target, unquote(target)):
            name = posixpath.normpath(posixpath.join("/", folder, written)).lstrip("/")
            if name in self:
                return self._names[_key(name)]
        return posixpath.normpath(posixpath.join("/", folder, unquote(target))).lstrip("/")


def parse(data: bytes) -> tuple["_Element | None", str]:
    """A part's root element, with the namespaces of transitional Open XML; and what is wrong with it, or ""."""
    import lxml.etree as etree

    if data.startswith(_UTF16):
        data = _DECLARATION.sub("", data.decode("utf-16", "replace")).encode()
    if b"http://purl.oclc.org/ooxml/" in data:
        for strict, transitional in _STRICT:
            data = data.replace(strict, transitional)
    fault = ""
    for recover in (False, True):
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            recover=recover,
            # The archive's size is limited, and entities are not expanded: libxml2's own limits would only lose parts.
            huge_tree=True,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            return etree.fromstring(data, parser), fault
        except etree.XMLSyntaxError as error:
            fault = fault or str(error)
    return None, fault


def integer(text: str, default: int = 0) -> int:
    """A number from 0 in an attribute; `default` of what is none, or longer than files mean."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else default


def local(element: "_Element") -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()
