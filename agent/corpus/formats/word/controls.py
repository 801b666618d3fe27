"""Content controls (w:sdt; 17.5.2) whose value is not simply their content."""

import re
from functools import cached_property
from typing import TYPE_CHECKING

from .. import markup
from ..office.package import Package
from .pages import without_noncharacters
from .styles import Styles
from .xml import W14, W, has, value

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_PATH = re.compile(r"(?:/(?:[\w.-]+:)?[\w.-]+(?:\[\d{1,6}\])?)+(?:/@(?:[\w.-]+:)?[\w.-]+)?\Z")
"""The paths that Word writes. Others could take any time to follow."""
_PREFIX = re.compile(r"xmlns:([\w.-]+)\s*=\s*[\"']([^\"']*)[\"']")
_CORE = "{6C3C8BC8-F283-45AE-878A-BAB7291924A1}"
"""The identifier that Word has for the core properties as a store of values."""


class Controls:
    """The content controls of a document.

    Args:
        main: the name of the main part.
    """

    def __init__(self, package: Package, main: str, styles: Styles):
        self._package = package
        self._main = main
        self._styles = styles

    def value(self, control: "_Element") -> str | None:
        """What Word shows in place of the content; None of a control that shows its content.

        A ticked or empty box; the text that asks for a value, marked as such; a value that is stored elsewhere in the
        file, from where Word takes it when it opens the file.
        """
        properties, content = control.find(f"{W}sdtPr"), control.find(f"{W}sdtContent")
        if properties is None:
            return None
        box = properties.find(f"{W14}checkbox")
        if box is not None:
            ticked = box.find(f"{W14}checked")
            return markup.check_box(ticked is not None and ticked.get(f"{W14}val", "1") in ("1", "true", "on"))
        bound = self._bound(properties)
        if bound:
            return bound
        if content is None or not has(properties, "showingPlcHdr") or content.find(f".//{W}tbl") is not None:
            return None
        names = {value(run.find(f"{W}rPr"), "rStyle") for run in content.iter(f"{W}r")}
        if not any(self._styles.is_placeholder(name) for name in names):
            return None  # a program filled it in, and left the flag
        text = " ".join("".join(t.text or "" for t in content.iter(f"{W}t")).split())
        return markup.named("placeholder", without_noncharacters(text)) if text else ""

    def _bound(self, properties: "_Element") -> str:
        """The value of a control for plain text that is bound to one; "" of any other, or without such a value."""
        binding = properties.find(f"{W}dataBinding")
        if binding is None or properties.find(f"{W}text") is None:
            return ""
        path = binding.get(f"{W}xpath", "")
        root = self._stores.get(binding.get(f"{W}storeItemID", "").upper())
        if root is None or len(path) > 1000 or not _PATH.match(path):
            return ""
        from lxml.etree import XPathError

        try:
            prefixes = dict(_PREFIX.findall(binding.get(f"{W}prefixMappings", "")))
            found = root.xpath(path, namespaces=prefixes)
        except XPathError:
            return ""
        first = found[0] if isinstance(found, list) and found else ""
        text = first if isinstance(first, str) else str(getattr(first, "text", None) or "")
        return without_noncharacters(" ".join(text.split()))

    @cached_property
    def _stores(self) -> "dict[str, _Element]":
        """The parts with values, by the identifier that controls name."""
        found: dict[str, _Element] = {}
        names = [(one.target, self._identifier(one.target)) for one in self._package.related(self._main, "customXml")]
        names += [(one.target, _CORE) for one in self._package.related("", "core-properties")]
        for name, identifier in names:
            root = self._package.xml(name) if identifier else None
            if root is not None:
                found[identifier] = root
        return found

    def _identifier(self, part: str) -> str:
        properties = next((one.target for one in self._package.related(part, "customXmlProps")), "")
        root = self._package.xml(properties) if properties else None
        return (
            next((str(v).upper() for k, v in root.items() if str(k).endswith("itemID")), "") if root is not None else ""
        )
