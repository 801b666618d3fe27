"""ZIP archives whose bytes depend on nothing but their content: Office files, OpenDocument, EPUB."""

import io
import re
import zipfile
from collections.abc import Mapping

_DATE = (2024, 3, 1, 12, 0, 0)
_STAMP = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")


def packed(parts: Mapping[str, str | bytes], *, stored: tuple[str, ...] = ()) -> bytes:
    """An archive of the parts, in that order; those in `stored` are not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content.encode() if isinstance(content, str) else content)
    return out.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """The parts of an archive, in their order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(data: bytes, changes: Mapping[str, str | bytes] | None = None) -> bytes:
    """The archive with parts changed or added, and without the time at which a library wrote it."""
    parts: dict[str, str | bytes] = {**unpacked(data), **(changes or {})}
    for name, content in parts.items():
        if name.endswith("docProps/core.xml") and isinstance(content, bytes):
            parts[name] = _STAMP.sub(rb"\g<1>2024-03-01T12:00:00Z\2", content)
        elif name.endswith(".xlsx") and isinstance(content, bytes):
            parts[name] = repacked(content)
    return packed(parts)
