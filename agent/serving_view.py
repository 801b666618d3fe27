"""What `agent plan` and `agent serve` print."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ..serving import served
from ..serving.errors import ServerError
from ..serving.expected import says
from ..serving.plan import GIB, Plan, describe
from . import terminal

if TYPE_CHECKING:
    from ..serving.served import Served
    from ..serving.step_costs import Calibration


def show_plan(found: Plan) -> None:
    """The table of what fits, and the command; or what would have to change."""
    request = found.request
    each = "" if request.gpus.is_cpu else " on the GPU that holds most"
    terminal.out.print(Text(f"{request.model}, {request.tokens:,} tokens, on {request.gpus}. GiB{each}:"))
    columns, rows = describe(found)
    terminal.out.print(terminal.rows(columns, rows, numbers=range(len(columns) - 1)))
    terminal.out.print()
    if found.chosen is not None:
        for where, command in found.commands:
            if where:
                terminal.out.print(Text(f"{where}:"))
            terminal.out.print(Text(command, style="bold"), soft_wrap=True)
        if expected := says(found):
            terminal.note(expected)
        if found.longest > request.tokens:
            terminal.note(f"Up to {found.longest:,} tokens would fit.")
        return
    longest = f"The longest prompt that does is {found.longest:,} tokens." if found.longest else "Not even its weights."
    terminal.out.print(Text(f"{request.tokens:,} tokens do not fit. {longest}"))
    for remedy in found.remedies:
        terminal.out.print(Text(f"They would with {remedy.change}."))


def plan_as_json(found: Plan) -> str:
    """A plan for other programs."""

    def layout(one: Any) -> dict[str, Any]:
        return {**asdict(one), "total": one.need.total, "headroom": one.headroom, "fits": one.fits}

    return json.dumps(
        {
            "model": found.request.model,
            "tokens": found.request.tokens,
            "gpus": asdict(found.request.gpus),
            "precision": asdict(found.request.precision),
            "chosen": None if found.chosen is None else layout(found.chosen),
            "layouts": [layout(one) for one in found.layouts],
            "longest": found.longest,
            "remedies": [remedy.change for remedy in found.remedies],
            "commands": [{"where": where, "command": command} for where, command in found.commands],
        },
        indent=2,
    )


def show_calibration(found: "Calibration") -> None:
    """What the steps of each stage cost, and how well that describes what was measured."""
    rows = []
    for index, (stage, layers) in enumerate(zip(found.pipeline.stages, found.engine.layers, strict=True)):
        for name, terms in (("dense", stage.dense), ("sparse", stage.sparse)):
            if terms is not None:
                costs = (1e3 * terms.step, 1e6 * terms.token, 1e6 * terms.length, 1e9 * terms.past, 1e9 * terms.own)
                residual = f"{stage.residual.median:.1%}, {stage.residual.worst:.1%} at worst"
                rows.append((f"{index + 1}", f"{layers}", name, *(f"{cost:.3g}" for cost in costs), residual))
    columns = ("stage", "layers", "attention", "step ms", "token µs", "length µs", "past ns", "own ns", "residual")
    terminal.out.print(terminal.rows(columns, rows, numbers=range(3, 8)))
    steps = sum(map(len, found.samples))
    longest = max(one.prefix + one.chunk for stage in found.samples for one in stage)
    terminal.note(
        f"From {steps} steps on {found.engine.device}, in prompts of up to {longest:,} tokens"
        f"{'' if found.text else ' at random'}; agent serve and agent plan go by it from now on."
    )
    if not found.text and any(stage.sparse for stage in found.pipeline.stages):
        terminal.note(
            "Sparse attention leaves out more of some texts than of others: --text FILE measures it on yours."
        )


def show_served(found: "Served") -> None:
    """Where a server is."""
    terminal.out.print(Text(f"{found.model} answers at {found.url}"))
    cache = f", a K/V cache of {found.kv_tokens:,} tokens" if found.kv_tokens else ""
    terminal.note(f"window {found.window:,} tokens{cache}; process {found.pid}; log {found.log}")


def show_all(servers: "list[Served]", ended: "list[Served]") -> None:
    """The servers that are running, and those that ended by themselves."""
    for one in ended:
        terminal.note(
            f"The server of {one.model} has ended: {one.ending()}. Its log: {one.log}. Start it again with "
            f"agent serve {one.model}, or forget it with agent serve {one.model} --stop."
        )
    if not servers:
        terminal.note("No server is running here: start one with agent serve MODEL.")
        return
    terminal.out.print(
        terminal.rows(
            ("model", "address", "window", "K/V cache", "memory", "process", "log"),
            (
                (
                    one.model,
                    one.url,
                    f"{one.window:,}",
                    f"{one.kv_tokens:,}" if one.kv_tokens else "starting",
                    f"{one.memory() / GIB:.1f} GiB",
                    str(one.pid),
                    str(one.log),
                )
                for one in servers
            ),
        )
    )


def stop(model: str | None) -> None:
    """End a server, the only one if none is named, and what one that was killed left behind.

    Raises:
        ServerError: there is none, or several and none is named.
    """
    found = served.find(model)
    if found is None and (gone := served.ended(model)):
        for one in gone:
            served.stop(one)
            terminal.note(f"{one.model} had ended by itself: {one.ending()}")
        return
    if found is None:
        raise ServerError(f"No server of {model} is running here." if model else "No server is running here.")
    served.stop(found)
    terminal.note(f"stopped {found.model}")
