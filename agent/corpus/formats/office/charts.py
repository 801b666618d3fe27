"""Charts of Word, Excel and PowerPoint as the tables of their data, which the file stores beside their formulas.

Both kinds are read: DrawingML charts (c:chartSpace, ECMA-376 part 1, 21.2), and the newer ones such as waterfall,
treemap and funnel (cx:chartSpace, [MS-ODRAWXML] 2.24.3).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import markup, table
from .chart_values import Points, levels, points, text_of
from .drawing_text import paragraphs
from .package import integer, local

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_AXES = ("catAx", "valAx", "dateAx", "serAx")
_HORIZONTAL = ("b", "t")


@dataclass
class Series:
    name: str
    kind: str
    """The plot it belongs to, such as "barChart"."""
    axes: tuple[str, ...] = ()
    labels: list[Points] = field(default_factory=list)
    """The categories, the outermost level first; or the x values."""
    values: dict[str, Points] = field(default_factory=dict)
    """Columns by what they are: "" for the values themselves, "bubble size"."""

    @property
    def by_x(self) -> bool:
        """The labels are x values."""
        return self.kind in ("scatterChart", "bubbleChart")

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for series that share the rows of a table."""
        return self.by_x, *(tuple(level.items()) for level in self.labels)


def chart_text(root: "_Element") -> str:
    """A chart as Markdown: "[chart: TITLE]", titles of axes, and its data as tables with a column per series.

    Call `markup.finished` on the text of the page that it becomes part of.

    Args:
        root: the root element of a chart part, in the transitional or the strict namespace.
    """
    title, axes, series = _new_chart(root) if root.find(".//{*}plotAreaRegion") is not None else _chart(root)
    names = [one.name for one in series]
    parts = [markup.named("chart", title)]
    head, notes = _axis_titles(axes, series)
    parts += notes
    for rows in _tables(series, head, names):
        parts += ["", table.markdown(rows)]
    return "\n".join(parts)


def _chart(root: "_Element") -> tuple[str, list["_Element"], list[Series]]:
    chart = root.find("{*}chart")
    area = root.find(".//{*}plotArea")
    plots = [plot for plot in area if plot.find("{*}ser") is not None] if area is not None else []
    series: list[Series] = []
    for plot in plots:
        axes = tuple(axis.get("val", "") for axis in plot.iterchildren("{*}axId"))
        for element in plot.iterchildren("{*}ser"):
            name = text_of(element.find("{*}tx")) or f"Series {len(series) + 1}"
            one = Series(name, local(plot), axes)
            one.labels = levels(_first(element, "cat", "xVal"))
            for child, what in (("val", ""), ("yVal", ""), ("bubbleSize", "bubble size")):
                if found := points(element.find(f"{{*}}{child}")):
                    one.values[what] = found
            _add_data_labels(one, element)
            series.append(one)
    axes = [axis for axis in area if local(axis) in _AXES] if area is not None else []
    return _title(chart, series), axes, series


def _title(chart: "_Element | None", series: Sequence[Series]) -> str:
    """The title; that of a chart with one series is its name, unless the user removed it."""
    if chart is None:
        return ""
    title = chart.find("{*}title")
    removed = chart.find("{*}autoTitleDeleted")
    if title is not None and (text := text_of(title.find("{*}tx"))):
        return text
    automatic = title is not None or (removed is not None and removed.get("val", "1") in ("0", "false"))
    return series[0].name if automatic and len(series) == 1 else ""


def _add_data_labels(series: Series, element: "_Element") -> None:
    """Put the texts of data labels that are not the values themselves behind the values."""
    texts: dict[int, list[str]] = {}
    for label in element.iterfind("{*}dLbls/{*}dLbl"):
        index, rich = label.find("{*}idx"), label.find("{*}tx")
        if index is not None and rich is not None and (text := " ".join(paragraphs(rich)).strip()):
            texts.setdefault(integer(index.get("val", ""), -1), []).append(text)
    for index, text in points(element.find("{*}extLst/{*}ext/{*}datalabelsRange")).items():
        texts.setdefault(index, []).append(text)
    values = series.values.get("", {})
    for index, added in texts.items():
        if index in values:
            own = [text for text in added if text != values[index]]
            values[index] += f" ({'; '.join(own)})" if own else ""


def _new_chart(root: "_Element") -> tuple[str, list["_Element"], list[Series]]:
    data = {one.get("id", ""): one for one in root.iterfind("{*}chartData/{*}data")}
    series: list[Series] = []
    for element in root.iterfind(".//{*}plotAreaRegion/{*}series"):
        source = element.find("{*}dataId")
        stored = data.get(source.get("val", "")) if source is not None else None
        if stored is None or element.get("hidden", "0") in ("1", "true"):
            continue  # the line of a Pareto chart has no data of its own
        one = Series(text_of(element.find("{*}tx")) or f"Series {len(series) + 1}", element.get("layoutId", ""))
        for dimension in stored:
            found = levels(dimension)
            if local(dimension) == "strDim":
                one.labels += found
            elif found:
                what = dimension.get("type", "val")
                one.values["" if what in ("val", "size", "y") and "" not in one.values else what] = found[0]
        series.append(one)
    title = root.find("{*}chart/{*}title")
    return text_of(title), root.findall(".//{*}plotArea/{*}axis"), series


def _axis_titles(axes: Iterable["_Element"], series: Sequence[Series]) -> tuple[str, list[str]]:
    """The head of the column of categories or x values, and a line for each other axis with a title."""
    head, lines = "", []
    scatter = bool(series) and all(one.by_x for one in series)
    for axis in axes:
        units = axis.find("{*}dispUnits")
        text = text_of(axis.find("{*}title"))
        if units is not None and (unit := _unit(units)):
            text = f"{text} ({unit})" if text else unit
        if not text or axis.find("{*}delete[@val='1']") is not None:
            continue
        position = axis.find("{*}axPos")
        across = position is not None and position.get("val") in _HORIZONTAL
        categories = local(axis) in ("catAx", "dateAx") or axis.find("{*}catScaling") is not None
        if not head and (categories or (scatter and across)):
            head = text
            continue
        identity = axis.find("{*}axId")
        own = [one.name for one in series if identity is not None and identity.get("val") in one.axes]
        some = f" of {', '.join(own)}" if own and len(own) < len(series) else ""
        lines.append(f"Axis{some}: {text}")
    return head, lines


def _unit(units: "_Element") -> str:
    """ "millions" for an axis whose numbers are shown divided."""
    built_in, label = units.find("{*}builtInUnit"), units.find("{*}dispUnitsLbl")
    if label is not None and (text := text_of(label.find("{*}tx"))):
        return f"axis in {text}"
    return f"axis in {built_in.get('val', '')}" if built_in is not None else ""


def _tables(series: Sequence[Series], head: str, names: Sequence[str]) -> Iterator[list[list[str]]]:
    """A table for the series that share their labels; usually one for all."""
    groups: list[list[Series]] = []
    labelled = next((one for one in series if one.labels and not one.by_x), None)
    by_key: dict[tuple[object, ...], list[Series]] = {}
    for one in series:
        if not one.labels and labelled is not None and not one.by_x:
            one.labels = labelled.labels  # as they are drawn
        if one.key not in by_key:
            by_key[one.key] = []
            groups.append(by_key[one.key])
        by_key[one.key].append(one)
    for group in groups:
        labels = group[0].labels
        default = "x" if group[0].by_x else ""
        heads = [*[""] * (len(labels) - 1), head or default] if labels else [head or default]
        columns: list[Points] = []
        for one in group:
            for what, values in one.values.items() or [("", {})]:
                heads.append(f"{one.name} ({what})" if what else one.name)
                columns.append(values)
        indices = sorted({index for column in (*labels, *columns) for index in column})
        if not indices and not any(names):
            continue
        outer = [_filled(level, indices) for level in labels[:-1]]
        inner = labels[-1:]
        rows = [heads]
        for at, index in enumerate(indices):
            first = [*(level[at] for level in outer), *(level.get(index, "") for level in inner)]
            rows.append([*(first or [str(index + 1)]), *(column.get(index, "") for column in columns)])
        yield rows


def _filled(level: Points, indices: Sequence[int]) -> list[str]:
    """The texts of an outer level: each covers the categories up to the next."""
    texts, current = [], ""
    for index in indices:
        current = level.get(index, current)
        texts.append(current)
    return texts


def _first(element: "_Element", *names: str) -> "_Element | None":
    return next((found for name in names if (found := element.find(f"{{*}}{name}")) is not None), None)
