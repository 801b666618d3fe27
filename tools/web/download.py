"""Download a file of the public internet, with the same restrictions as the tool `web_fetch`."""

import re
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from .fetch import Page, WebFetch, WebLimits

if TYPE_CHECKING:
    import httpx

LIMITS = WebLimits(seconds=300.0, size=256 << 20)
_SLASHES = re.compile(r"[/\\\x00]")


@dataclass(frozen=True)
class Download(Page):
    """A file as the server sent it."""

    data: bytes = b""
    name: str = ""
    """The file's name: from the server, or from the address; may be empty."""


class Downloader(WebFetch):
    """Fetches files of any kind. See `WebFetch` for what is not fetched, and for the arguments."""

    def get(self, url: str) -> Download:
        """Fetch a file by GET.

        Raises:
            ToolError: it could not be fetched, or must not be. The message names the address.
        """
        page: Future[Page] = Future()
        threading.Thread(target=self._work, args=(url, page), name="longread-download", daemon=True).start()
        try:
            found = page.result()
        except KeyboardInterrupt:
            self.cancel()
            raise
        assert isinstance(found, Download)
        return found

    async def _read(self, url: "httpx.URL", response: "httpx.Response") -> Download:
        shown = str(url)[:300]
        self._check_status(shown, response)
        data = await self._body(shown, response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Download(
            url=str(url),
            kind=kind,
            text="",
            data=data,
            name=_name(str(url), response.headers.get("content-disposition")),
        )


def _name(url: str, disposition: str | None) -> str:
    header = Message()
    header["Content-Disposition"] = disposition or "inline"
    name = header.get_filename() or unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return _SLASHES.sub("_", name)[-200:]
