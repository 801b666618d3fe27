"""The routes for files, as in OpenAI's API. Files are parsed on upload, and stored until they are deleted."""

import asyncio
import shutil
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse

from .errors import ApiError, refused
from .file_store import FileStore, safe_name
from .ingest import UploadParser
from .options import ApiLimits
from .reader_cache import ReaderCache

_PURPOSES = ("user_data", "assistants")
_FIELDS = 8


def routes(store: FileStore, files: UploadParser, corpora: ReaderCache, limits: ApiLimits) -> APIRouter:
    """The routes under /v1/files."""
    router = APIRouter(prefix="/v1/files")

    @router.post("")
    async def upload(request: Request) -> dict[str, Any]:
        async with request.form(max_files=1, max_fields=_FIELDS) as form:
            file, purpose = form.get("file"), form.get("purpose")
            for name in form:
                if name not in ("file", "purpose"):
                    raise refused(f"Unrecognized parameter: {name}.", param=name, code="unknown_parameter")
            if not isinstance(file, UploadFile):
                raise refused("No file: send a form (multipart/form-data) with a field 'file'.", param="file")
            if purpose not in _PURPOSES:
                raise refused(f"purpose is {purpose!r}: files here are for {' or '.join(_PURPOSES)}.", param="purpose")
            size = file.size or 0
            if size > limits.file_bytes:
                message = f"The file has {size:,} bytes, and a file may have {limits.file_bytes:,}."
                raise ApiError(413, message, param="file", code="too_large")
            store.check_room(size)
            with store.scratch() as folder:
                path = folder / safe_name(file.filename)
                await asyncio.to_thread(_copy, file, path)
                document = await files.read(path)
                return (await asyncio.to_thread(store.add, path, path.name, str(purpose), document)).public

    @router.get("")
    async def index(
        purpose: str | None = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
    ) -> dict[str, Any]:
        found = store.files() if order == "asc" else store.files()[::-1]
        if after is not None:
            last = store.get(after)
            found = found[found.index(last) + 1 :]
        chosen = [file for file in found if purpose in (None, file.purpose)]
        data = [file.public for file in chosen[:limit]]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
        return {"object": "list", "data": data, **ends, "has_more": len(chosen) > limit}

    @router.get("/{file_id}")
    async def retrieve(file_id: str) -> dict[str, Any]:
        return store.get(file_id).public

    @router.get("/{file_id}/content")
    async def content(file_id: str) -> FileResponse:
        file = store.get(file_id)
        # Never with its own media type: an uploaded HTML page could run scripts in the name of this server.
        return FileResponse(
            store.content(file),
            filename=file.filename,
            media_type="application/octet-stream",
            headers={"X-Content-Type-Options": "nosniff"},
        )

    @router.delete("/{file_id}")
    async def delete(file_id: str) -> dict[str, Any]:
        file = await asyncio.to_thread(store.delete, file_id)
        corpora.forget(file.sha256)
        return {"id": file.id, "object": "file", "deleted": True}

    return router


def _copy(file: UploadFile, path: Any) -> None:
    file.file.seek(0)
    with open(path, "wb") as copy:
        shutil.copyfileobj(file.file, copy)
