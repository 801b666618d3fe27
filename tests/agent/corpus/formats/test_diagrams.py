"""SmartArt as an indented list."""

import lxml.etree as etree
import pytest

from longread.agent.corpus.formats.office.diagrams import diagram_text

DGM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"


def point(identity: str, text: str = "", kind: str = "") -> str:
    inside = f"<d:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></d:t>" if text else ""
    return f'<d:pt modelId="{identity}"{_typed(kind)}>{inside}</d:pt>'


def connection(source: str, target: str, order: int = 0, kind: str = "") -> str:
    return f'<d:cxn srcId="{source}" destId="{target}" srcOrd="{order}"{_typed(kind)}/>'


def _typed(kind: str) -> str:
    return f' type="{kind}"' if kind else ""


def read(points: str, connections: str = "", namespace: str = DGM) -> str:
    xml = (
        f'<d:dataModel xmlns:d="{namespace}" xmlns:a="{A}"><d:ptLst>{points}</d:ptLst>'
        f"<d:cxnLst>{connections}</d:cxnLst></d:dataModel>"
    )
    return diagram_text(etree.fromstring(xml))


@pytest.mark.parametrize("namespace", [DGM, "http://purl.oclc.org/ooxml/drawingml/diagram"])
def test_points_in_the_order_of_their_connections(namespace: str) -> None:
    points = (
        point("c", "Third")
        + point("a", "First")
        + point("a1", "Under first", "asst")
        + point("0", kind="doc")
        + point("b", "Second")
        + point("p", "a layout's name", "pres")
    )
    connections = (
        connection("0", "c", 2)
        + connection("0", "b", 1)
        + connection("0", "a", 0)
        + connection("a", "a1", 0, "parOf")
        + connection("b", "p", 0, "presOf")
    )
    assert read(points, connections, namespace).splitlines() == ["- First", "  - Under first", "- Second", "- Third"]


def test_points_that_nothing_leads_to_and_circles() -> None:
    points = point("0", kind="doc") + point("a", "alone") + point("x", "chicken") + point("y", "egg")
    assert read(points, connection("x", "y") + connection("y", "x")).splitlines() == ["- alone", "- chicken", "  - egg"]


def test_a_deep_chain() -> None:
    points = point("0", kind="doc") + "".join(point(str(at), f"n{at}") for at in range(1, 3001))
    connections = "".join(connection(str(at), str(at + 1)) for at in range(3000))
    assert len(read(points, connections).splitlines()) == 3000


def test_a_drawing_without_points() -> None:
    xml = f'<dsp:drawing xmlns:dsp="urn:dsp" xmlns:a="{A}"><a:p><a:r><a:t>one</a:t></a:r></a:p><a:p/></dsp:drawing>'
    assert diagram_text(etree.fromstring(xml)) == "- one"
