"""Charts of Office as tables: every kind, with titles, gaps, several levels, and combinations."""

import datetime
from collections.abc import Sequence
from typing import Any

import lxml.etree as etree
import pytest
from pptx import Presentation
from pptx.chart.data import BubbleChartData, CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE

from longread.agent.corpus.formats.office.chart_values import displayed
from longread.agent.corpus.formats.office.charts import chart_text

C = "http://schemas.openxmlformats.org/drawingml/2006/chart"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/drawingml/chart"
PLOTS = [
    "barChart",
    "bar3DChart",
    "lineChart",
    "line3DChart",
    "pieChart",
    "pie3DChart",
    "ofPieChart",
    "doughnutChart",
    "areaChart",
    "area3DChart",
    "radarChart",
    "stockChart",
    "surfaceChart",
    "surface3DChart",
]


def made(kind: int, data: Any, title: str = "") -> str:
    """The text of a chart that python-pptx writes."""
    slides = Presentation()
    frame: Any = slides.slides.add_slide(slides.slide_layouts[6]).shapes.add_chart(kind, 0, 0, 9, 9, data)  # pyright: ignore
    if title:
        frame.chart.chart_title.text_frame.text = title
    return chart_text(etree.fromstring(frame.chart.part.blob))


def points(values: Sequence[object]) -> str:
    given = (f'<c:pt idx="{at}"><c:v>{value}</c:v></c:pt>' for at, value in enumerate(values) if value is not None)
    return f'<c:ptCount val="{len(values)}"/>{"".join(given)}'


def series(
    name: str, categories: Sequence[object], values: Sequence[object], code: str = "General", more: str = ""
) -> str:
    title = f"<c:tx><c:strRef><c:strCache>{points([name])}</c:strCache></c:strRef></c:tx>" if name else ""
    labels = f"<c:cat><c:strRef><c:strCache>{points(categories)}</c:strCache></c:strRef></c:cat>" if categories else ""
    cache = f"<c:numCache><c:formatCode>{code}</c:formatCode>{points(values)}</c:numCache>"
    return f"<c:ser>{title}{more}{labels}<c:val><c:numRef>{cache}</c:numRef></c:val></c:ser>"


def rich(text: str) -> str:
    return f"<c:tx><c:rich><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></c:rich></c:tx>"


def chart(plots: str, title: str = "", axes: str = "", namespace: str = C, more: str = "") -> str:
    titled = f"<c:title>{title}</c:title>" if title else ""
    xml = (
        f'<c:chartSpace xmlns:c="{namespace}" xmlns:a="{A}">{more}<c:chart>{titled}'
        f"<c:plotArea>{plots}{axes}</c:plotArea></c:chart></c:chartSpace>"
    )
    return chart_text(etree.fromstring(xml))


@pytest.mark.parametrize("namespace", [C, STRICT], ids=["transitional", "strict"])
@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_of_categories(plot: str, namespace: str) -> None:
    inside = series("North", ["Q1", "Q2"], [1.5, 2]) + series("South", ["Q1", "Q2"], ["#N/A", None])
    assert chart(f"<c:{plot}>{inside}</c:{plot}>", rich("Sales"), namespace=namespace).splitlines() == [
        "[chart: Sales]",
        "",
        "|  | North | South |",
        "| --- | --- | --- |",
        "| Q1 | 1.5 | #N/A |",
        "| Q2 | 2 |  |",
    ]


def test_a_title_from_a_cell_and_titles_of_axes() -> None:
    title = f"<c:tx><c:strRef><c:f>Sheet1!A1</c:f><c:strCache>{points(['From a cell'])}</c:strCache></c:strRef></c:tx>"
    axes = (
        f'<c:catAx><c:axId val="1"/><c:axPos val="b"/><c:title>{rich("Quarter")}</c:title></c:catAx>'
        f'<c:valAx><c:axId val="2"/><c:axPos val="l"/><c:title>{rich("EUR")}</c:title>'
        '<c:dispUnits><c:builtInUnit val="millions"/></c:dispUnits></c:valAx>'
    )
    text = chart(f"<c:barChart>{series('A', ['Q1'], [1])}</c:barChart>", title, axes)
    assert text.splitlines()[0] == "[chart: From a cell]"
    assert "| Quarter | A |" in text
    assert "EUR (axis in millions)" in text


def test_two_plots_share_a_table_and_the_second_axis_says_whose_it_is() -> None:
    bars = f'<c:barChart>{series("Revenue", ["Q1", "Q2"], [10, 20])}<c:axId val="1"/><c:axId val="2"/></c:barChart>'
    line = f'<c:lineChart>{series("Margin", [], [0.1, 0.2], "0%")}<c:axId val="1"/><c:axId val="3"/></c:lineChart>'
    axes = f'<c:valAx><c:axId val="3"/><c:axPos val="r"/><c:title>{rich("percent")}</c:title></c:valAx>'
    text = chart(bars + line, axes=axes)
    assert "|  | Revenue | Margin |\n| --- | --- | --- |\n| Q1 | 10 | 10% |\n| Q2 | 20 | 20% |" in text
    assert "Axis of Margin: percent" in text


def test_the_name_of_a_single_series_is_the_title_unless_it_was_removed() -> None:
    plot = f"<c:pieChart>{series('Share', ['a'], [1])}</c:pieChart>"
    assert chart(plot + "", "<c:overlay val='0'/>").startswith("[chart: Share]")
    assert chart(plot).startswith("[chart]\n")


def test_categories_of_several_levels() -> None:
    data = CategoryChartData()
    for year in ("2026", "2027"):
        category = data.add_category(year)
        category.add_sub_category("H1")
        category.add_sub_category("H2")
    data.add_series("A", (1, 2, 3, 4))
    text = made(XL_CHART_TYPE.BAR_CLUSTERED, data)
    assert [line.split(" | ")[:2] for line in text.splitlines()[-4:]] == [
        ["| 2026", "H1"],
        ["| 2026", "H2"],
        ["| 2027", "H1"],
        ["| 2027", "H2"],
    ]


def test_scatter_and_bubble_have_their_x_values() -> None:
    data = XyChartData()
    first = data.add_series("One")
    first.add_data_point(1.5, 20)
    first.add_data_point(2.5, 30)
    data.add_series("Two").add_data_point(9, 80)
    text = made(XL_CHART_TYPE.XY_SCATTER, data)
    assert "| x | One |\n| --- | --- |\n| 1.5 | 20 |\n| 2.5 | 30 |" in text
    assert "| x | Two |\n| --- | --- |\n| 9 | 80 |" in text
    bubbles = BubbleChartData()
    bubbles.add_series("One").add_data_point(1.5, 20, 7)
    assert "| 1.5 | 20 | 7 |" in made(XL_CHART_TYPE.BUBBLE, bubbles)


def test_dates() -> None:
    data = CategoryChartData()
    data.categories = [datetime.date(2027, 1, 31), datetime.date(2027, 2, 28)]
    data.add_series("A", (1, 2))
    assert "| 2027-01-31 | 1 |" in made(XL_CHART_TYPE.LINE, data)
    cache = (
        f"<c:cat><c:numRef><c:numCache><c:formatCode>d/m/yy</c:formatCode>{points([0])}</c:numCache></c:numRef></c:cat>"
    )
    plot = f"<c:lineChart>{series('A', [], [1]).replace('<c:val>', cache + '<c:val>')}</c:lineChart>"
    assert "[1904-01-01] | 1 |" in chart(plot, more='<c:date1904 val="1"/>')


@pytest.mark.parametrize(
    ("stored", "code", "shown"),
    [
        ("0.125", "0%", "13% [0.125]"),
        ("0.0525", "0.00%", "5.25%"),
        ("-0.5", "0%;[Red]-0%", "-50%"),
        ("0.30000000000000004", "General", "0.3"),
        ("1234.5", '"days" 0.0', "days 1234.5"),
        ("1E-05", "General", "0.00001"),
        ("44562.5", "yyyy\\-mm\\-dd hh:mm", "2022-01-01 12:00"),
        ("44562", "mmm-yy", "Jan-22 [2022-01-01]"),
        ("1e300", "d.m.yyyy", "1E+300"),
        ("48250", "#,##0", "48,250"),
        ("nan", "0%", "nan"),
        ("#DIV/0!", "0%", "#DIV/0!"),
    ],
)
def test_numbers_as_they_are_displayed(stored: str, code: str, shown: str) -> None:
    assert displayed(stored, code) == shown


def test_labels_that_say_more_than_the_value() -> None:
    field = '<a:fld id="x" type="VALUE"><a:t>[VALUE]</a:t></a:fld>'
    label = (
        f'<c:dLbl><c:idx val="0"/><c:tx><c:rich><a:p>{field}<a:r><a:t>record</a:t></a:r></a:p></c:rich></c:tx></c:dLbl>'
    )
    plot = series("A", ["Q1", "Q2"], [1, 2], more=f"<c:dLbls>{label}</c:dLbls>")
    assert "| Q1 | 1 (record) |\n| Q2 | 2 |" in chart(f"<c:barChart>{plot}</c:barChart>")


def test_gaps_and_claims_take_no_room() -> None:
    far = '<c:ptCount val="4000000000"/><c:pt idx="3999999999"><c:v>7</c:v></c:pt>'
    plot = f"<c:lineChart><c:ser><c:val><c:numLit>{far}</c:numLit></c:val></c:ser></c:lineChart>"
    assert chart(plot).splitlines()[-1] == "| 4000000000 | 7 |"


@pytest.mark.parametrize(
    "xml", ["<x/>", f'<c:chartSpace xmlns:c="{C}"/>', f'<c:chartSpace xmlns:c="{C}"><c:chart/></c:chartSpace>']
)
def test_charts_without_anything(xml: str) -> None:
    assert chart_text(etree.fromstring(xml)) == "[chart]"


CX = "http://schemas.microsoft.com/office/drawing/2014/chartex"


@pytest.mark.parametrize(
    "layout", ["waterfall", "treemap", "sunburst", "funnel", "boxWhisker", "clusteredColumn", "regionMap"]
)
def test_newer_charts(layout: str) -> None:
    def level(values: Sequence[object]) -> str:
        inside = "".join(f'<cx:pt idx="{at}">{v}</cx:pt>' for at, v in enumerate(values) if v is not None)
        return f'<cx:lvl ptCount="{len(values)}">{inside}</cx:lvl>'

    xml = (
        f'<cx:chartSpace xmlns:cx="{CX}" xmlns:a="{A}"><cx:chartData><cx:data id="0"><cx:strDim type="cat">'
        f"{level(['leaf', 'twig', 'root'])}{level(['tree', None, 'earth'])}</cx:strDim>"
        f'<cx:numDim type="val">{level([1, None, 3])}</cx:numDim></cx:data></cx:chartData><cx:chart>'
        "<cx:title><cx:tx><cx:txData><cx:v>Parts</cx:v></cx:txData></cx:tx></cx:title><cx:plotArea><cx:plotAreaRegion>"
        f'<cx:series layoutId="{layout}"><cx:tx><cx:txData><cx:f>A1</cx:f><cx:v>Weight</cx:v></cx:txData></cx:tx>'
        '<cx:dataId val="0"/></cx:series><cx:series layoutId="paretoLine" ownerIdx="0"/></cx:plotAreaRegion>'
        "</cx:plotArea></cx:chart></cx:chartSpace>"
    )
    assert chart_text(etree.fromstring(xml)).splitlines() == [
        "[chart: Parts]",
        "",
        "|  |  | Weight |",
        "| --- | --- | --- |",
        "| tree | leaf | 1 |",
        "| tree | twig |  |",
        "| earth | root | 3 |",
    ]
