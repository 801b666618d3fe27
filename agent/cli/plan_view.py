"""The output of `agent plan`: a table of layouts and the commands, or JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from longread.serving.planning.forecast import describe_forecast
from longread.serving.planning.planner import Layout, Plan, layout_table
from longread.serving.vllm_server.command import ServerCommand

from .console import note, out
from .tables import rows


def show(plan: Plan, commands: Sequence[ServerCommand]) -> None:
    """Print the layouts, and the commands or the changes that would make the model fit."""
    request = plan.request
    each = "" if request.gpus.is_cpu else " on the GPU that holds most"
    out.print(Text(f"{request.model}, {request.tokens:,} tokens, on {request.gpus}. GiB{each}:"))
    columns, body = layout_table(plan)
    out.print(rows(columns, body, numbers=range(len(columns) - 1)))
    out.print()
    if plan.chosen is None:
        longest = f"The longest prompt that fits is {plan.longest:,} tokens."
        out.print(
            Text(f"{request.tokens:,} tokens do not fit. {longest if plan.longest else 'Not even the weights fit.'}")
        )
        for remedy in plan.remedies:
            out.print(Text(f"They would fit with {remedy.change}."))
        return
    for command in commands:
        if command.node:
            out.print(Text(f"{command.node}:"))
        out.print(Text(command.shell_line(), style="bold"), soft_wrap=True)
    for hint in commands[0].hints:
        note(hint)
    if forecast := describe_forecast(plan):
        note(forecast)
    if plan.longest > request.tokens:
        note(f"Up to {plan.longest:,} tokens would fit.")


def as_json(plan: Plan, commands: Sequence[ServerCommand]) -> str:
    """The plan for other programs."""

    def layout(one: Layout) -> dict[str, Any]:
        return {**asdict(one), "total": one.need.total, "headroom": one.headroom, "fits": one.fits}

    return json.dumps(
        {
            "model": plan.request.model,
            "tokens": plan.request.tokens,
            "gpus": asdict(plan.request.gpus),
            "precision": asdict(plan.request.precision),
            "chosen": None if plan.chosen is None else layout(plan.chosen),
            "layouts": [layout(one) for one in plan.layouts],
            "longest": plan.longest,
            "remedies": [remedy.change for remedy in plan.remedies],
            "commands": [{"where": command.node, "command": command.shell_line()} for command in commands],
        },
        indent=2,
    )
