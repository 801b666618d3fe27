"""Writes small compound files (OLE 2), in which Outlook keeps its mails [MS-CFB]."""

import struct
from itertools import pairwise

_SECTOR = 512
_END, _FREE = 0xFFFFFFFE, 0xFFFFFFFF
_CUTOFF = 4096

Tree = dict[str, "bytes | Tree"]


def compound_file(tree: Tree) -> bytes:
    """A file with these streams, and storages of streams. Each stream is padded so that none is a small one."""
    entries: list[tuple[str, int, bytes, list[int]]] = [("Root Entry", 5, b"", [])]

    def add(parent: int, inside: Tree) -> None:
        for name, content in inside.items():
            entries.append(
                (name, 1 if isinstance(content, dict) else 2, b"" if isinstance(content, dict) else content, [])
            )
            at = len(entries) - 1
            entries[parent][3].append(at)
            if isinstance(content, dict):
                add(at, content)

    add(0, tree)
    sectors: list[bytes] = []
    chains: list[int] = []

    def store(data: bytes) -> int:
        first = len(sectors)
        parts = [data[at : at + _SECTOR].ljust(_SECTOR, b"\0") for at in range(0, len(data), _SECTOR)]
        sectors.extend(parts)
        chains.extend([*range(first + 1, first + len(parts)), _END])
        return first

    small = bytearray()
    small_chains: list[int] = []
    placed: list[tuple[int, int]] = []
    for _, kind, content, _ in entries:
        if kind != 2 or not content:
            placed.append((_END, 0))
        elif len(content) >= _CUTOFF:
            placed.append((store(content), len(content)))
        else:
            first, count = len(small) // 64, -(-len(content) // 64)
            small.extend(content.ljust(count * 64, b"\0"))
            small_chains.extend([*range(first + 1, first + count), _END])
            placed.append((first, len(content)))
    if small:
        placed[0] = store(bytes(small)), len(small)
    small_fat = struct.pack(f"<{len(small_chains)}I", *small_chains).ljust(
        -(-max(len(small_chains), 1) * 4 // _SECTOR) * _SECTOR, b"\xff"
    )
    small_fat_at = store(small_fat) if small_chains else _END
    directory = b""
    right: dict[int, int] = {}
    for _, _, _, children in entries:
        right.update(pairwise(children))
    for at, (name, kind, _, children) in enumerate(entries):
        encoded = name.encode("utf-16-le") + b"\0\0"
        first, size = placed[at]
        directory += encoded.ljust(64, b"\0") + struct.pack(
            "<HBBIII16sIQQIQ",
            *(len(encoded), kind, 1, _FREE, right.get(at, _FREE), children[0] if children else _FREE),
            *(bytes(16), 0, 0, 0, first, size),
        )
    directory_at = store(directory)
    fat_at = len(sectors)
    fat_count = 1
    while (fat_at + fat_count) * 4 > fat_count * _SECTOR:
        fat_count += 1
    chains += [0xFFFFFFFD] * fat_count
    fat = struct.pack(f"<{len(chains)}I", *chains).ljust(fat_count * _SECTOR, b"\xff")
    places = [*range(fat_at, fat_at + fat_count)]
    header = struct.pack(
        "<8s16sHHHHH6sIIIIIIIIII",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6, bytes(6), 0, fat_count),
        *(directory_at, 0, _CUTOFF, small_fat_at, len(small_fat) // _SECTOR if small_chains else 0, _END, 0, places[0]),
    )
    header += struct.pack("<108I", *(places[1:] + [_FREE] * (109 - len(places))))
    return header + b"".join(sectors) + fat
