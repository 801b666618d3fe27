"""Compound files (MS-CFB), the container of Office's formats before 2007 and of Outlook's mails."""

import struct
from collections.abc import Mapping

_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF


def _padded(data: bytes, size: int) -> bytes:
    return data + b"\0" * (-len(data) % size)


def _chained(counts: list[int]) -> tuple[list[int], list[int]]:
    """The allocation table of consecutive streams, and the first sector of each."""
    table: list[int] = []
    starts = []
    for count in counts:
        starts.append(len(table) if count else _END)
        table += [len(table) + i + 1 for i in range(count - 1)] + [_END] * bool(count)
    return table, starts


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file with these streams in its root, in folders where a name has slashes."""
    entries: list[tuple[str, int, bytes]] = [("Root Entry", 5, b"")]
    children: dict[int, list[int]] = {0: []}
    folders = {"": 0}
    for path, data in streams.items():
        above, _, name = path.rpartition("/")
        if above not in folders:
            folders[above] = len(entries)
            children[0].append(len(entries))
            children[len(entries)] = []
            entries.append((above, 1, b""))
        children[folders[above]].append(len(entries))
        entries.append((name, 2, data))
    small = [data for _, kind, data in entries if kind == 2 and len(data) < _CUTOFF]
    large = [data for _, kind, data in entries if kind == 2 and len(data) >= _CUTOFF]
    mini = b"".join(_padded(data, _MINI) for data in small)
    mini_table, mini_starts = _chained([-(-len(data) // _MINI) for data in small])
    directory_size = -(-len(entries) // 4)
    mini_table += [_FREE] * (-len(mini_table) % 128)
    mini_fat = struct.pack(f"<{len(mini_table)}I", *mini_table)
    parts = [mini_fat, mini, *large]
    counts = [directory_size, *(-(-len(part) // _SECTOR) for part in parts)]
    fat_size = -(-(sum(counts) + 1) // 127)
    table, starts = _chained(counts)
    fat = [*table, *[_FAT] * fat_size]
    fat += [_FREE] * (fat_size * 128 - len(fat))
    places = iter(starts[3:]), iter(mini_starts)
    directory = b""
    for number, (name, kind, data) in enumerate(entries):
        below = sorted(children.get(number, ()), key=lambda child: (len(entries[child][0]), entries[child][0].upper()))
        sibling = _next(number, children, entries)
        size = len(mini) if kind == 5 else len(data)
        start = starts[2] if kind == 5 else 0 if kind == 1 else next(places[0] if len(data) >= _CUTOFF else places[1])
        raw = name.encode("utf-16-le")
        first = below[0] if below else _NONE
        directory += struct.pack("<64sHBBIII", raw, len(raw) + 2, kind, 1, _NONE, sibling, first)
        directory += struct.pack("<16sIQQIQ", b"", 0, 0, 0, start, size)
    directory = _padded(directory, _SECTOR)
    first_fat = sum(counts)
    header = struct.pack("<8s16sHHHHH6s", _MAGIC, b"", 0x3E, 3, 0xFFFE, 9, 6, b"")
    header += struct.pack("<IIIIIIIII", 0, fat_size, starts[0], 0, _CUTOFF, starts[1], counts[1], _END, 0)
    header += struct.pack("<109I", *range(first_fat, first_fat + fat_size), *[_FREE] * (109 - fat_size))
    body = directory + b"".join(_padded(part, _SECTOR) for part in parts)
    return header + body + struct.pack(f"<{len(fat)}I", *fat)


def _next(number: int, children: dict[int, list[int]], entries: list[tuple[str, int, bytes]]) -> int:
    """The right sibling: entries of a folder are a tree ordered by length and name; here it leans to the right."""
    for below in children.values():
        if number in below:
            ordered = sorted(below, key=lambda child: (len(entries[child][0]), entries[child][0].upper()))
            place = ordered.index(number) + 1
            return ordered[place] if place < len(ordered) else _NONE
    return _NONE
