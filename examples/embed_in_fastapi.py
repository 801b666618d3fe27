"""A long-document assistant inside your own web application.

BOOK=examples/handbook.pdf uvicorn embed_in_fastapi:app --app-dir examples
curl 'http://127.0.0.1:8000/ask?question=What+is+the+window+of+the+built-in+model?'
curl -N 'http://127.0.0.1:8000/stream?question=What+is+the+window+of+the+built-in+model?'
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse

from longread import Answer, Corpus, Delta, LongReader
from longread.errors import LongreadError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the book once. All requests share it, and the model's prefix cache."""
    app.state.reader = LongReader(Corpus.load([os.environ["BOOK"]]), max_tokens=150)
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/ask")
async def ask(question: str) -> Answer:
    try:
        return await app.state.reader.aask(question)
    except LongreadError as error:
        raise HTTPException(502, str(error)) from error


@app.get("/stream")
def stream(question: str) -> StreamingResponse:
    def text() -> Iterator[str]:
        for event in app.state.reader.stream(question):
            if isinstance(event, Delta) and not event.reasoning:
                yield event.text

    return StreamingResponse(text(), media_type="text/plain; charset=utf-8")
