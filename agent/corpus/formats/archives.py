"""ZIP and tar archives and compressed files, as folders: what is in them are documents of their own."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO, BinaryIO, cast

from .base import AttachedFile, Format, OpenFile, ParseError, ParseOptions, RawPage, WrongFormat
from .zip_archive import MAX_RATIO, Contents

MAX_MEMBER = 256 << 20
"""Maximum size in bytes of a file in an archive."""
MAX_STREAM = 1 << 30
"""Bytes of a compressed stream that are unpacked at most."""
_PLAUSIBLE = 16 << 20
"""Size in bytes up to which a file may be packed to any fraction of it."""
_BOMB = f"packed more than {MAX_RATIO:,} times; a decompression bomb?"
_TOO_LARGE = f"larger than the limit of {MAX_MEMBER >> 20} MiB"
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, tarfile.TarError)
_UNNAMED = "of another program's bookkeeping"


class Zip(Format):
    name = "ZIP archive"
    extensions = (".zip",)
    media_type = "application/zip"
    library = None
    options = ()

    def matches(self, archive: Contents) -> bool:
        """Office files and books that no other format knows are archives of XML that means nothing to a reader."""
        return not archive.content_types and not archive.has("META-INF/container.xml")

    def holds_files(self, options: ParseOptions) -> bool:
        return True

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        try:
            archive = zipfile.ZipFile(BytesIO(data))
        except zipfile.BadZipFile as error:
            raise WrongFormat(f"not a ZIP archive, or a damaged one ({error})") from None
        secret = bool(options.password) and any(member.flag_bits & 1 for member in archive.infolist())
        return ZipFolder(0, secret=secret, archive=archive, password=options.password)


@dataclass
class Folder(OpenFile):
    """An archive: it has no page of its own."""

    def page(self, index: int) -> RawPage:
        raise IndexError(index)


@dataclass
class ZipFolder(Folder):
    archive: zipfile.ZipFile = field(kw_only=True)
    password: str = ""

    def attached_files(self) -> Iterator[AttachedFile]:
        for member in self.archive.infolist():
            if not member.is_dir():
                name = _name(member)
                problem = _hidden(name) or self._problem(member)
                yield AttachedFile(name, problem=problem) if problem else self._read(member, name)

    def _problem(self, member: zipfile.ZipInfo) -> str:
        if member.flag_bits & 1 and not self.password:
            return "encrypted; give the password with --password"
        if member.file_size > MAX_MEMBER:
            return _TOO_LARGE
        if member.file_size > max(_PLAUSIBLE, MAX_RATIO * member.compress_size):
            return _BOMB
        return ""

    def _read(self, member: zipfile.ZipInfo, name: str) -> AttachedFile:
        try:
            return AttachedFile(name, self.archive.read(member, self.password.encode() or None))
        except NotImplementedError as error:  # AES, or a method of packing that Python lacks
            reason = "encrypted in a way that is not supported" if member.flag_bits & 1 else str(error)
            return AttachedFile(name, problem=reason)
        except RuntimeError:
            return AttachedFile(name, problem="encrypted, and the password is wrong")
        except _DAMAGED:
            return AttachedFile(name, problem="damaged")


def _name(member: zipfile.ZipInfo) -> str:
    """The name of a member, which many programs write as UTF-8 without saying so."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _hidden(name: str) -> str:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if "__MACOSX" in parts or parts[-1:] == ("Thumbs.db",):
        return _UNNAMED
    return "hidden" if any(part.startswith(".") and part not in (".", "..") for part in parts) else ""


class Tar(Format):
    name = "tar archive"
    extensions = (".tar",)
    media_type = "application/x-tar"
    library = None

    def holds_files(self, options: ParseOptions) -> bool:
        return True

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        return TarFolder(0, stream=BytesIO(data))


class Gzip(Tar):
    """A compressed file, which may be a tar archive."""

    name = "gzip"
    extensions = (".gz", ".tgz")
    media_type = "application/gzip"
    magic = b"\x1f\x8b\x08"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        return TarFolder(0, stream=cast(BinaryIO, self.unpack(BytesIO(data))), compressed=True)

    def unpack(self, data: BinaryIO) -> IO[bytes]:
        return cast(IO[bytes], gzip.GzipFile(fileobj=data))


class Bzip2(Gzip):
    name = "bzip2"
    extensions = (".bz2", ".tbz2")
    media_type = "application/x-bzip2"
    magic = b"BZh"

    def unpack(self, data: BinaryIO) -> IO[bytes]:
        return cast(IO[bytes], bz2.BZ2File(data))


class Xz(Gzip):
    name = "xz"
    extensions = (".xz", ".txz")
    media_type = "application/x-xz"
    magic = b"\xfd7zXZ\x00"

    def unpack(self, data: BinaryIO) -> IO[bytes]:
        return cast(IO[bytes], lzma.LZMAFile(data))


class _Bounded:
    """A stream that ends with an error at a limit: a megabyte can unpack to a thousand gigabytes."""

    def __init__(self, stream: IO[bytes], start: bytes):
        self._stream = stream
        self._start = start
        self._room = MAX_STREAM

    def read(self, size: int) -> bytes:
        if self._start:
            data, self._start = self._start[:size], self._start[size:]
            return data
        data = self._stream.read(size)
        self._room -= len(data)
        if self._room < 0:
            raise ParseError(f"it unpacks to more than {MAX_STREAM >> 30} GiB; a decompression bomb?")
        return data


_BLOCK = 512


@dataclass
class TarFolder(Folder):
    stream: BinaryIO = field(kw_only=True)
    compressed: bool = False

    def attached_files(self) -> Iterator[AttachedFile]:
        try:
            start = self.stream.read(_BLOCK)
        except _DAMAGED as error:
            raise ParseError(f"damaged ({error})") from None
        if self.compressed and start[257:262] != b"ustar":
            yield self._only_file(start)
            return
        try:
            with tarfile.open(fileobj=cast(IO[bytes], _Bounded(self.stream, start)), mode="r|") as archive:
                for member in archive:
                    if member.isfile():
                        yield self._member(archive, member)
                    elif not member.isdir():
                        yield AttachedFile(member.name, problem="links or special files")
        except _DAMAGED as error:
            raise ParseError(f"damaged ({error})") from None

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> AttachedFile:
        problem = _hidden(member.name) or (_TOO_LARGE if member.size > MAX_MEMBER else "")
        file = None if problem else archive.extractfile(member)
        return AttachedFile(member.name, file.read() if file else b"", problem=problem)

    def _only_file(self, start: bytes) -> AttachedFile:
        name = getattr(self.stream, "name", "") or ""
        try:
            data = start + self.stream.read(MAX_MEMBER + 1 - len(start))
        except _DAMAGED as error:
            raise ParseError(f"damaged ({error})") from None
        return AttachedFile(str(name), data, problem=_TOO_LARGE if len(data) > MAX_MEMBER else "")
