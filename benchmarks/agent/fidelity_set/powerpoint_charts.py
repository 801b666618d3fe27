"""PowerPoint documents: charts of every kind, with values that are missing."""

import re
from typing import Any

from pptx.chart.data import BubbleChartData, CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from .archive import repacked, unpacked
from .facts import Cell, Contains
from .powerpoint import box, deck
from .samples import sample


def _chart(kind: Any, data: Any) -> bytes:
    def fill(slide: Any) -> None:
        box(slide, "Figures of the depot", 1, 0.3)
        slide.shapes.add_chart(kind, Inches(1), Inches(1), Inches(7), Inches(4), data)
        box(slide, "Source: own count", 1, 6)

    return deck(fill)


def _by_year() -> Any:
    data = CategoryChartData()
    data.categories = ["Anna Quay", "Berta Quay"]
    data.add_series("Ships", (614, 377))
    data.add_series("Barges", (58, 93))
    return data


_BARS = (
    Contains("Figures of the depot"),
    Contains("614", named=r"\bchart"),
    Contains("93", named=r"\bchart"),
    Contains("Berta Quay", named=r"\bchart"),
    Contains("Barges", named=r"\bchart"),
    Contains("Source: own count"),
)


@sample("bar_chart.pptx", _BARS, Cell("377", "Ships", "Berta Quay", named=r"\bchart"))
def bars() -> bytes:
    return _chart(XL_CHART_TYPE.COLUMN_CLUSTERED, _by_year())


@sample("bar_chart_3d.pptx", _BARS)
def solid_bars() -> bytes:
    plain = bars()
    name = next(name for name in unpacked(plain) if re.match(r"ppt/charts/chart\d+\.xml", name))
    xml = unpacked(plain)[name].replace(b"c:barChart>", b"c:bar3DChart>").replace(b"<c:barChart>", b"<c:bar3DChart>")
    return repacked(plain, {name: xml})


@sample("radar_chart.pptx", _BARS)
def radar() -> bytes:
    return _chart(XL_CHART_TYPE.RADAR, _by_year())


@sample(
    "scatter_chart.pptx",
    Contains("Figures of the depot"),
    Contains("2.75", named=r"\bchart"),
    Contains("41.5", named=r"\bchart"),
    Contains("Calibration", named=r"\bchart"),
    Contains("Source: own count"),
)
def scatter() -> bytes:
    data = XyChartData()
    series = data.add_series("Calibration")
    series.add_data_point(2.75, 41.5)
    series.add_data_point(3.5, 55.25)
    return _chart(XL_CHART_TYPE.XY_SCATTER, data)


@sample(
    "bubble_chart.pptx",
    Contains("Figures of the depot"),
    Contains("8.125", named=r"\bchart"),
    Contains("Source: own count"),
)
def bubbles() -> bytes:
    data = BubbleChartData()
    data.add_series("Towns").add_data_point(1.5, 8.125, 30)
    return _chart(XL_CHART_TYPE.BUBBLE, data)


@sample(
    "missing_values_chart.pptx",
    Contains("Figures of the depot"),
    Contains("Gauge north", named=r"\bchart"),
    Contains("7.31", named=r"\bchart"),
    Contains("#N/A", ("n/a", "N/A"), named=r"\bchart"),
    Contains("Source: own count"),
)
def missing_values() -> bytes:
    data = CategoryChartData()
    data.categories = ["May", "June"]
    data.add_series("Gauge north", (7.31, 8.44))
    plain = _chart(XL_CHART_TYPE.LINE, data)
    name = next(name for name in unpacked(plain) if re.match(r"ppt/charts/chart\d+\.xml", name))
    return repacked(plain, {name: unpacked(plain)[name].replace(b"<c:v>8.44</c:v>", b"<c:v>#N/A</c:v>")})
