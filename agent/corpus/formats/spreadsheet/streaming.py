"""Large XML parts of archives, an element at a time, in bounded memory."""

import zipfile
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

from ..zip_archive import DAMAGE

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class


def elements(
    archive: zipfile.ZipFile, name: str, tags: tuple[str, ...], damaged: Callable[[str], None]
) -> "Iterator[_Element]":
    """The elements with these names, such as "{*}row", when they are complete; each is emptied after its turn.

    Args:
        damaged: called with what is wrong if the part is damaged; what can be read is returned all the same.
    """
    import lxml.etree as etree

    try:
        with archive.open(name) as stream:
            # The archive's size is limited, and entities are not expanded: libxml2's own limits would only lose rows.
            context = etree.iterparse(
                Tolerant(stream, damaged),
                events=("end",),
                tag=tags,
                resolve_entities=False,
                no_network=True,
                remove_comments=True,
                remove_pis=True,
                recover=True,
                huge_tree=True,
            )
            for _, element in context:
                yield element
                element.clear()
                parent = element.getparent()
                while element.getprevious() is not None and parent is not None:
                    del parent[0]
            if len(context.error_log):
                damaged(context.error_log[0].message)
    except etree.XMLSyntaxError as error:
        damaged(str(error))
    except (*DAMAGE, KeyError) as error:
        damaged(str(error))


class Tolerant:
    """A stream that ends where it is damaged, so that what is parsed before is not lost."""

    def __init__(self, stream: IO[bytes], damaged: Callable[[str], None]):
        self._stream = stream
        self._damaged = damaged

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except DAMAGE as error:
            self._damaged(str(error))
            return b""
