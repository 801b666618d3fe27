"""The ASGI application: routes, error handlers and middleware."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from qwen_agent.llm.base import BaseChatModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from ..corpus import Corpus
from ..llm.protocol import capabilities
from ..prompt.tokenizer import Tokenizer, qwen
from . import file_routes
from .completions import CompletionsEndpoint, unknown_model
from .errors import as_api_error, refused
from .file_store import FileStore
from .ingest import UploadParser
from .middleware import Guard, Rules
from .options import ApiOptions
from .reader_cache import ReaderCache

_DEFAULTS = ApiOptions()


def create_app(
    llm: BaseChatModel, store: FileStore, *, corpus: Corpus | None = None, options: ApiOptions = _DEFAULTS
) -> FastAPI:
    """Make an ASGI application with OpenAI's API, which answers with `LongReader`.

    Args:
        llm: answers all requests, several at once.
        store: stores the files that clients upload. It is closed when the application ends.
        corpus: documents of every request, before the files that the request names.
    """
    limits = options.limits
    model = options.name or llm.model or "longread"
    tokenizer: Tokenizer = capabilities(llm).tokenizer or qwen()
    files = UploadParser(options.load, tokenizer, at_once=limits.parsing)
    corpora = ReaderCache(llm, corpus, store, files, tokenizer, options)
    chat = CompletionsEndpoint(llm, model, store, corpora, options)
    window = options.window or capabilities(llm).window
    started = int(time.time())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await chat.settled()  # their threads need the event loop
        store.close()

    # No documentation pages: they load scripts from other servers.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(file_routes.routes(store, files, corpora, limits))
    app.add_api_route("/v1/chat/completions", chat.__call__, methods=["POST"])

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    entry: dict[str, Any] = {"id": model, "object": "model", "created": started, "owned_by": "longread"}
    if window:
        entry["max_model_len"] = window  # as vLLM names it; agent chat --server looks for it

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [entry]}

    @app.get("/v1/models/{name:path}")
    async def retrieve(name: str) -> dict[str, Any]:
        if name != model:
            raise unknown_model(name, model)
        return entry

    @app.exception_handler(HTTPException)
    async def explain(_: Request, error: HTTPException) -> Response:
        return as_api_error(error).response

    @app.exception_handler(RequestValidationError)
    async def explain_parameter(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = str(first["loc"][-1])
        return refused(f"{name}: {first['msg']}.", param=name).response

    rules = Rules(options.key, frozenset(options.cors), limits)
    app.add_middleware(Guard, rules=rules)
    if options.cors:  # outside the guard: preflight requests of browsers have no key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(options.cors),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
        )
    return app
