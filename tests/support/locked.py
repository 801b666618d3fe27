"""The locks in requirements/, read."""

import re

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from tests.support.repository import ROOT

_ENTRY = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+?)(?: ; ([^\\]+?))?(?: \\)?$", flags=re.MULTILINE)


def locked(name: str) -> dict[str, str]:
    """The packages of requirements/NAME.txt that this machine and this Python need, and their versions."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = _ENTRY.findall(text)
    assert len(entries) == len(re.findall("==", re.sub(r"#.*|;.*", "", text))), "an entry that is not understood"
    return {canonicalize_name(name): version for name, version, marker in entries if applies(marker)}


def applies(marker: str) -> bool:
    return not marker or Marker(marker).evaluate()
