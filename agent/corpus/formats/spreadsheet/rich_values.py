"""Cells of Excel with rich values: pictures in cells, and errors that older programs do not know."""

from .. import markup
from ..office.package import Package

_ERRORS = {
    "3": "#VALUE!",
    "4": "#REF!",
    "5": "#NAME?",
    "6": "#NUM!",
    "7": "#N/A",
    "8": "#SPILL!",
    "9": "#CONNECT!",
    "10": "#BLOCKED!",
    "11": "#UNKNOWN!",
    "12": "#FIELD!",
    "13": "#CALC!",
}
"""[MS-XLSX] 2.3.6.1.3."""


def value_names(package: Package, workbook: str) -> dict[int, str]:
    """What cells with a rich value show, by the index in their attribute `vm`, as far as #VALUE! stands for it."""
    metadata = next((r.target for r in package.related(workbook, "sheetMetadata")), "")
    root = package.xml(metadata) if metadata else None
    values = next((r.target for r in package.related(workbook, "rdRichValue")), "")
    rich = package.xml(values) if values else None
    structures = next((r.target for r in package.related(workbook, "rdRichValueStructure")), "")
    kinds = package.xml(structures) if structures else None
    if root is None or rich is None or kinds is None:
        return {}
    shown: list[str] = []
    listed = kinds.findall("{*}s")
    for value in rich.iterfind("{*}rv"):
        index = value.get("s", "")
        kind = listed[int(index)] if index.isdigit() and int(index) < len(listed) else None
        keys = [key.get("n", "") for key in kind.iterfind("{*}k")] if kind is not None else []
        texts = dict(zip(keys, (v.text or "" for v in value.iterfind("{*}v")), strict=False))
        name = kind.get("t", "") if kind is not None else ""
        if "image" in name.lower():
            shown.append(markup.picture(texts.get("Text", "")) or markup.named("picture"))
        elif name == "_error":
            shown.append(_ERRORS.get(texts.get("errorType", ""), "#VALUE!"))
        else:
            shown.append(texts.get("_DisplayString", ""))
    blocks = [
        rvb.get("i", "")
        for future in root.iterfind("{*}futureMetadata")
        if future.get("name") == "XLRICHVALUE"
        for rvb in future.iter("{*}rvb")
    ]
    found: dict[int, str] = {}
    for at, record in enumerate(root.iterfind("{*}valueMetadata/{*}bk/{*}rc"), start=1):
        index = record.get("v", "")
        block = blocks[int(index)] if index.isdigit() and int(index) < len(blocks) else ""
        if block.isdigit() and int(block) < len(shown) and shown[int(block)]:
            found[at] = shown[int(block)]
    return found
