"""The models that can be asked: `agent models`."""

from ..serving import models
from . import terminal
from .config import Settings
from .errors import without_login


def show(settings: Settings) -> None:
    """Print the catalogue, and what the server has if one is set.

    Raises:
        ServerError: a server is set and does not answer.
    """
    if settings.server:
        from .llm.server import list_models

        served = list_models(settings.server, settings.api_key)
        terminal.out.print(
            terminal.rows(
                (f"served by {without_login(settings.server)}", "window"),
                ((model.id, f"{model.window:,}" if model.window else "not said") for model in served),
            )
        )
        terminal.out.print()
    here = models.installed()
    terminal.out.print(
        terminal.rows(
            ("name", "window", "parameters", "licence", "here", "what it is"),
            (
                (
                    entry.name,
                    f"{entry.window:,}",
                    _short(entry.parameters),
                    entry.licence,
                    "yes" if entry.name in here else "-",
                    entry.description,
                )
                for entry in models.CATALOGUE.values()
            ),
        )
    )
    terminal.note(
        f"Run one here with --model NAME (the default is {models.DEFAULT_MODEL}); a folder, a GGUF file or a hub id "
        "will do as well. Any OpenAI-compatible server: --server URL."
    )


def _short(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
