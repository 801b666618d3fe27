"""`agent models`: the models of the catalogue and of a server."""

from .exit_codes import exit_on_error
from .options import ApiKey, Server


def models(server: Server = None, api_key: ApiKey = None) -> None:
    """List the models in the catalogue, and those of a server."""
    with exit_on_error():
        from longread.serving.models import catalog

        from . import console, tables
        from .config import load

        settings = load({"server": server, "api_key": api_key}).settings
        if settings.server:
            from ..llm.openai_server import list_models, redact_url

            served = list_models(settings.server, settings.api_key)
            rows = ((model.id, f"{model.window:,}" if model.window else "unknown") for model in served)
            console.out.print(tables.rows((f"served by {redact_url(settings.server)}", "window"), rows))
            console.out.print()
        rows = (
            (
                entry.name,
                f"{entry.window:,}",
                _short_number(entry.parameters),
                entry.licence,
                "yes" if catalog.local_folder(entry.name) else "-",
                entry.description,
            )
            for entry in catalog.CATALOGUE.values()
        )
        console.out.print(tables.rows(("name", "window", "parameters", "licence", "here", "description"), rows))
        console.note(
            f"Run one here with --model NAME (the default is {catalog.DEFAULT_MODEL}); a folder, a GGUF file or a hub "
            "id works as well. For an OpenAI-compatible server: --server URL."
        )


def _short_number(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
