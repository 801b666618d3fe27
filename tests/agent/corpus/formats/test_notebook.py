"""Jupyter notebooks: cells, outputs of every kind, and no bytes of pictures."""

import base64
import json
import struct
from typing import Any

import pytest

from longread.agent.corpus.formats import OpenFile, ParseOptions
from longread.agent.corpus.formats.notebook import Notebook

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 640, 480) + bytes(3000)).decode()


def code(source: str, *outputs: dict[str, Any], count: int | None = 1) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "execution_count": count}


def opened(*cells: dict[str, Any], **metadata: Any) -> OpenFile:
    data = {"cells": cells, "metadata": {"kernelspec": {"language": "python"}, **metadata}, "nbformat": 4}
    return Notebook().open(json.dumps(data).encode(), ParseOptions())


def text_of(*cells: dict[str, Any]) -> str:
    file = opened(*cells)
    return "\n".join(file.page(index).text for index in range(file.pages))


def display(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {name.replace("_", "/"): value for name, value in data.items()}}


def test_cells_are_shown_with_their_outputs() -> None:
    stream = {"output_type": "stream", "name": "stdout", "text": ["10%\r50%\r100%\n", "done\n"]}
    assert text_of({"cell_type": "markdown", "source": ["# Head\n", "words"]}, code("print(1)", stream, count=7)) == (
        "# Head\nwords\n\n\nIn [7]:\n```python\nprint(1)\n```\nOutput:\n```\n100%\ndone\n```\n\n\n"
    )


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (display(text_plain="   a\n0  1"), "Output:\n```\n   a\n0  1\n```"),
        (display(text_markdown=["**bold**\n", "text"], text_plain="x"), "Output:\n**bold**\ntext"),
        (display(text_latex="$x^2$", text_plain="x**2"), "Output:\n$x^2$"),
        (display(application_json={"a": "é"}), '{"a": "é"}'),
        (display(text_html="<b>only</b> HTML"), "only HTML"),
        (
            {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "by zero", "traceback": []},
            "Error:\n```\nZeroDivisionError: by zero\n```",
        ),
        (
            {"output_type": "error", "traceback": ["\x1b[0;31mValueError\x1b[0m", "\x1b[1;32m----> 1\x1b[0m x"]},
            "Error:\n```\nValueError\n----> 1 x\n```",
        ),
    ],
)
def test_outputs(output: dict[str, Any], expected: str) -> None:
    text = text_of(code("x", output))
    assert expected in text.replace("**only**", "only")
    assert "\x1b" not in text


def test_tables_of_data_frames_are_tables() -> None:
    html = "<style>.x{}</style><table><tr><th></th><th>year</th></tr><tr><th>0</th><td>2022</td></tr></table>"
    text = text_of(code("df", display(text_html=[html], text_plain="   year\n0  2022")))
    assert "| 0 | 2022 |" in text
    assert ".x{}" not in text


def test_pictures_are_named_and_noted() -> None:
    file = opened(
        code("plot()", display(image_png=PNG, text_plain="<Figure size 640x480 with 1 Axes>")),
        {
            "cell_type": "markdown",
            "source": f"![a curve](data:image/png;base64,{PNG})\n![](attachment:image.png)\n"
            f'<img src="data:image/png;base64,{PNG}" alt="B">\n[kept](https://e.org)',
        },
        code("show()", display(**{"application_vnd.plotly.v1+json": {"data": []}, "text_html": "<div></div>"})),
    )
    page = file.page(0)
    assert PNG[:40] not in page.text
    assert "[picture: <Figure size 640x480 with 1 Axes>]" in page.text
    assert "[picture: a curve]\n[picture]\n[picture: B]\n[kept](https://e.org)" in page.text
    assert any("640" in note for note in page.notes)
    assert any("chart" in note for note in page.notes)


def test_a_data_address_in_code_is_shortened() -> None:
    text = text_of(code(f"img = 'data:image/png;base64,{PNG}'"))
    assert "data:image/png;base64,…" in text
    assert len(text) < 200


def test_pages_consist_of_whole_cells_and_headings_are_the_outline() -> None:
    cells = [
        cell for n in range(30) for cell in ({"cell_type": "markdown", "source": f"## Part {n}"}, code("x = 1\n" * 60))
    ]
    file = opened(*cells)
    assert file.pages > 3
    assert file.page(0).label.startswith("cells 1-")
    for level, title, page in file.outline:
        assert level == 2
        assert f"## {title}\n" in file.page(page - 1).text
    assert len(file.outline) == 30
    assert all(file.page(index).text.startswith(("##", "In [")) for index in range(file.pages))
    comment = opened(code("# no heading\n```\n# none"))
    assert comment.outline == []


def test_notebooks_of_version_3() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Old"]},
        {
            "cell_type": "code",
            "language": "python",
            "prompt_number": 3,
            "input": ["1/0"],
            "outputs": [
                {"output_type": "pyout", "text": ["<Figure>"], "png": PNG},
                {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["trace"]},
                {"output_type": "stream", "stream": "stdout", "text": "said"},
            ],
        },
    ]
    data = {"worksheets": [{"cells": cells}], "metadata": {}, "nbformat": 3}
    page = Notebook().open(json.dumps(data).encode(), ParseOptions()).page(0)
    for part in ("## Old", "In [3]:\n```python\n1/0\n```", "[picture: <Figure>]", "trace", "said"):
        assert part in page.text
    assert page.notes


@pytest.mark.parametrize("data", [b"no JSON at all", b'{"a": 1}', b"[1, 2]"])
def test_what_is_no_notebook_is_text(data: bytes) -> None:
    file = Notebook().open(data, ParseOptions())
    assert file.page(0).text.strip() == data.decode()
    assert "Not a notebook" in file.warnings[0]


def test_odd_cells_do_not_lose_a_notebook() -> None:
    odd = [None, 5, {"cell_type": "code"}, {"cell_type": "code", "outputs": [None, {"data": 3}]}, {"source": None}]
    data = json.dumps({"cells": [*odd, {"cell_type": "markdown", "source": "kept"}], "metadata": None}).encode()
    file = Notebook().open(data, ParseOptions())
    assert "kept" in file.page(file.pages - 1).text
