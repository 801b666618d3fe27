"""The protocol between this process and its parser processes: JSON objects, each after its length in four bytes.

Not pickle: a parser that was taken over by a malicious file must not be able to run code in this process.
"""

import json
import os
import struct
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct(">I")


def send(fd: int, message: Message) -> None:
    """Write a message to a blocking descriptor."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    data = memoryview(_LENGTH.pack(len(body)) + body)
    while data:
        data = data[os.write(fd, data) :]


def receive(fd: int) -> Message | None:
    """Read the next message from a blocking descriptor; None at the end."""
    head = _read_exactly(fd, _LENGTH.size)
    body = _read_exactly(fd, _LENGTH.unpack(head)[0]) if head else None
    return json.loads(body) if body else None


def _read_exactly(fd: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = os.read(fd, size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Decoder:
    """Assembles messages from the chunks that a pipe delivers."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete."""
        self._buffer += data
        messages: list[Message] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            end = start + _LENGTH.size + _LENGTH.unpack_from(self._buffer, start)[0]
            if len(self._buffer) < end:
                break
            messages.append(json.loads(self._buffer[start + _LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return messages
