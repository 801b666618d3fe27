"""`agent calibrate`: measures, on this machine, what settings go by."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .faults import errors


def calibrate(
    model: Annotated[str, typer.Argument(help="A name in the catalogue, a folder or a hub id.")],
    length: Annotated[
        int | None, typer.Option("--length", min=1, help="Tokens to read, as many as prompts will have.")
    ] = None,
    text: Annotated[
        list[Path] | None, typer.Option("--text", help="Files of the kind it will read; made-up prose if not given.")
    ] = None,
    method: Annotated[
        Literal["adaptive", "fixed"] | None,
        typer.Option("--method", help="To begin with; what the checkpoint brings, or else adaptive."),
    ] = None,
    recall: Annotated[float, typer.Option("--recall", min=0.1, max=0.999, help="That each head shall have.")] = 0.95,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="The text is read so many times at most.")] = 4,
    threshold: Annotated[int | None, typer.Option("--threshold", min=0, help="Prompts up to this are dense.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder; that of the model's weights if not given.")
    ] = None,
) -> None:
    """Find how sparse a model's attention may be, from what it attends to in a text of the length it is used at.

    agent calibrate smollm2-135m --length 16384 --text novel.txt
    """
    with errors():
        from ..serving.calibration import calibrate as find
        from . import calibration_view, terminal

        if length is None:
            raise typer.BadParameter("say how many tokens the prompts will have: --length.")
        prose = calibration_view.read(text) if text else None
        with terminal.preparing() as show:
            found = find(
                model, prose, length=length, method=method, target=recall, rounds=rounds,
                threshold=threshold, on_event=show, on_step=show.step,
            )  # fmt: skip
        calibration_view.show(found, calibration_view.write(found, out))
