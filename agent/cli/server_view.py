"""The output of `agent serve`: the server that was started, and the list of servers."""

from rich.text import Text

from longread.serving.planning.gpus import GIB
from longread.serving.vllm_server import registry
from longread.serving.vllm_server.registry import RunningServer

from .console import note, out
from .tables import rows


def show_server(server: RunningServer) -> None:
    """Print the address of a server."""
    out.print(Text(f"{server.model} answers at {server.url}"))
    cache = f", a K/V cache of {server.kv_tokens:,} tokens" if server.kv_tokens else ""
    note(f"window {server.window:,} tokens{cache}; process {server.pid}; log {server.log}")


def show_servers() -> None:
    """Print the running servers, and those that exited by themselves."""
    for server in registry.exited_servers():
        note(
            f"The server of {server.model} has exited: {server.exit_reason()}. Its log: {server.log}. Restart it with "
            f"agent serve {server.model}, or remove it from this list with agent serve {server.model} --stop."
        )
    servers = registry.running_servers()
    if not servers:
        note("No server is running here. Start one with agent serve MODEL.")
        return
    out.print(
        rows(
            ("model", "address", "window", "K/V cache", "memory", "process", "log"),
            (
                (
                    server.model,
                    server.url,
                    f"{server.window:,}",
                    f"{server.kv_tokens:,}" if server.kv_tokens else "starting",
                    f"{server.memory() / GIB:.1f} GiB",
                    str(server.pid),
                    str(server.log),
                )
                for server in servers
            ),
        )
    )
