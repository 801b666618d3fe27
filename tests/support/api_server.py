"""The API on a loopback port, in a thread, for tests."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai

from longread.agent.api import ApiLimits, ApiOptions, FileStore, create_app
from longread.agent.cli.api import listen, server
from longread.agent.corpus import Corpus, LoadOptions
from longread.agent.llm.endpoint import EndpointChat
from tests.support.scripted_server import ScriptedServer
from tests.support.waiting import PATIENCE

LOAD = LoadOptions(cache=False, jobs=1)


class Running:
    """An API that answers."""

    def __init__(self, url: str, key: str | None):
        self.url = url
        self.key = key
        self._clients: list[openai.OpenAI] = []

    def client(self, **settings: Any) -> openai.OpenAI:
        self._clients.append(openai.OpenAI(**self._settings(settings)))
        return self._clients[-1]

    def async_client(self, **settings: Any) -> openai.AsyncOpenAI:
        """To be closed by the caller, in its loop."""
        return openai.AsyncOpenAI(**self._settings(settings))

    def request(self, method: str, path: str, **settings: Any) -> httpx.Response:
        """Without the official client."""
        return httpx.request(method, self.url + path, timeout=PATIENCE, **settings)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _settings(self, given: dict[str, Any]) -> dict[str, Any]:
        ours = {"base_url": f"{self.url}/v1", "api_key": self.key or "none", "max_retries": 0, "timeout": PATIENCE}
        return {**ours, **given}


@contextmanager
def api(
    scripted: ScriptedServer,
    folder: Path,
    *,
    corpus: Corpus | None = None,
    limits: ApiLimits | None = None,
    generate_cfg: dict[str, Any] | None = None,
    **options: Any,
) -> Iterator[Running]:
    """Serves until left. `scripted` is the model's server."""
    limits = limits or ApiLimits()
    settings = {"max_retries": 0, **(generate_cfg or {})}
    llm = EndpointChat({"server": scripted.url, "model": "scripted", "generate_cfg": settings})
    wanted = ApiOptions(**{"load": LOAD, "limits": limits, **options})
    with closing(FileStore(folder, limits)) as store:
        app = create_app(llm, store, corpus=corpus, options=wanted)
        listening = listen("127.0.0.1", 0)
        log = logging.getLogger("longread.api")
        before = log.handlers, log.propagate
        running = server(app)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        answers = Running(f"http://127.0.0.1:{listening.getsockname()[1]}", wanted.key)
        try:
            thread.start()
            while not running.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield answers
        finally:
            answers.close()
            running.should_exit = True
            thread.join()
            listening.close()
            log.handlers, log.propagate = before
