"""Dates and times as numbers of days, as spreadsheets store them, and their display."""

import datetime
from typing import NamedTuple

from .date_names import ERAS, names_of
from .number_tokens import Section

_DAYS = 2_958_466
"""The first day after 9999-12-31 in the 1900 system."""
_OFFSET_1904 = 1462


class Moment(NamedTuple):
    """A date and time of day. Excel has a day 1900-01-00, and takes 1900 for a leap year, as Lotus 1-2-3 did."""

    year: int
    month: int
    day: int
    weekday: int
    """From 0, Sunday."""
    seconds: float
    """Since midnight."""

    def iso(self, *, date: bool = True, time: bool = False) -> str:
        whole = round(self.seconds)
        clock = f"{whole // 3600:02}:{whole // 60 % 60:02}" + (f":{whole % 60:02}" if whole % 60 else "")
        day = f"{self.year:04}-{self.month:02}-{self.day:02}"
        return " ".join([day] * date + [clock] * time)


def moment(serial: float, *, from_1904: bool, decimals: int = 0) -> Moment | None:
    """The moment that a number stands for; None before the first day and after the year 9999.

    Args:
        decimals: digits of a fraction of a second to round to.
    """
    if from_1904:
        serial += _OFFSET_1904
    if not 0 <= serial < _DAYS:
        return None
    seconds = round(serial * 86400, decimals)
    days = int(seconds // 86400)
    seconds -= days * 86400
    if not from_1904 and days in (0, 60):
        year, month, day = (1900, 1, 0) if days == 0 else (1900, 2, 29)
    elif days >= _DAYS:
        return None
    else:
        shift = 1 if not from_1904 and days < 60 else 0
        found = datetime.date(1899, 12, 30) + datetime.timedelta(days + shift)
        year, month, day = found.year, found.month, found.day
    return Moment(year, month, day, (days - 1) % 7, seconds)


def serial_of(text: str, *, from_1904: bool) -> float | None:
    """The number of an ISO 8601 date, time or both, which cells of the type "d" contain."""
    try:
        if "T" not in text and ":" in text:
            time = datetime.time.fromisoformat(text)
            return (time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6) / 86400
        found = datetime.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
    serial = (found - datetime.datetime(1899, 12, 30)) / datetime.timedelta(1)
    if from_1904:
        return serial - _OFFSET_1904
    return serial - 1 if serial < 61 else serial


def shown_date(section: Section, serial: float, *, from_1904: bool) -> tuple[str, str] | None:
    """A number as a date or time, and the same in ISO 8601 if the display leaves room for doubt, else "".

    There is doubt if the day, month or year is not shown; if only digits show the day and month, and their order is
    neither that of ISO 8601 nor said by points between them; if hours are not shown and there are some. None: the
    number is no date.
    """
    tokens = section.tokens
    decimals = max((len(t.text.partition(".")[2]) for t in tokens if t.kind == "date" and t.text[0] == "s"), default=0)
    elapsed = next((t.text for t in tokens if t.kind == "elapsed"), "")
    if elapsed:
        sign, serial = ("-", -serial) if serial < 0 else ("", serial)
        if serial > 1e9:
            return None
        seconds = round(serial * 86400, decimals)
        at = moment(seconds % 86400 / 86400, from_1904=False, decimals=decimals)
    else:
        sign, seconds = "", 0.0
        at = moment(serial, from_1904=from_1904, decimals=decimals)
    if at is None:
        return None
    parts = [_part(kind, text, at, seconds, section) for kind, text in tokens]
    return (sign + "".join(parts)).strip(), "" if elapsed else _clear(section, at, serial)


def _part(kind: str, text: str, at: Moment, elapsed: float, section: Section) -> str:
    whole = int(at.seconds)
    match kind:
        case "literal":
            return text
        case "half":
            first, second = text.split("/")
            return first if whole < 43200 else second
        case "elapsed":
            unit = {"h": 3600, "m": 60, "s": 1}[text[1]]
            return f"{int(elapsed // unit):0{len(text) - 2}}"
        case "minute":
            return f"{whole // 60 % 60:0{len(text)}}"
        case "date":
            return _date_part(text, at, section)
        case _:
            return ""


def _date_part(text: str, at: Moment, section: Section) -> str:
    names = names_of(section.language)
    size = len(text)
    whole = int(at.seconds)
    match text[0]:
        case "y":
            return f"{at.year:04}" if size > 2 else f"{at.year % 100:02}"
        case "b":
            year = at.year + 543
            return str(year) if size > 2 else f"{year % 100:02}"
        case "g" | "e":
            return _era_part(text, at, in_era=any(t.kind == "date" and t.text[0] == "g" for t in section.tokens))
        case "m":
            if size <= 2:
                return f"{at.month:0{size}}"
            name = names.months[at.month - 1]
            return name[0] if size == 5 else names.short_months[at.month - 1] if size == 3 else name
        case "d":
            if size <= 2:
                return f"{at.day:0{size}}"
            return names.short_days[at.weekday] if size == 3 else names.days[at.weekday]
        case "a":
            asian = names if section.language & 0x3FF in (0x04, 0x11, 0x12) else names_of(0x11)
            return asian.short_days[at.weekday] if size == 3 else asian.days[at.weekday]
        case "h":
            hours = whole // 3600
            if section.has("half"):
                hours = (hours - 1) % 12 + 1
            return f"{hours:0{min(size, 2)}}"
        case _:  # s
            unit, _, fraction = text.partition(".")
            seconds = at.seconds % 60
            if not fraction:
                return f"{int(seconds):0{min(len(unit), 2)}}"
            return f"{seconds:0{len(fraction) + 1 + min(len(unit), 2)}.{len(fraction)}f}"


def _era_part(text: str, at: Moment, *, in_era: bool) -> str:
    era = next((era for era in ERAS if (at.year, at.month, at.day) >= era[:3]), None)
    if text[0] == "g":
        return "" if era is None else era[4] if len(text) == 1 else era[3][0] if len(text) == 2 else era[3]
    year = at.year - era[0] + 1 if era is not None and in_era else at.year
    return f"{year:0{min(len(text), 2)}}"


def _clear(section: Section, at: Moment, serial: float) -> str:
    """Empty if the display is clear, else what it means in ISO 8601."""
    dates = [t.text for t in section.tokens if t.kind == "date"]
    letters = "".join(text[0] for text in dates if text[0] in "ymde" or text[0] == "b")
    hours = any(text[0] == "h" for text in dates)
    timed = hours or section.has("minute") or any(text[0] == "s" for text in dates)
    full_year = any(text[0] in "be" or (text[0] == "y" and len(text) > 2) for text in dates)
    if not any(letter in letters for letter in "ymdeb"):
        if serial >= 1:
            return at.iso(time=True)
        return at.iso(date=False, time=True) if not hours and at.seconds >= 3600 else ""
    if not full_year and "y" not in letters:
        return at.iso(time=timed)
    named = any(text[0] == "m" and len(text) > 2 for text in dates)
    day = any(text in ("d", "dd") for text in dates)
    if not day:  # a month or a year: its first day stands for it
        first = at.day <= 1 and ("m" in letters or at.month == 1)
        return "" if first and full_year else at.iso(time=timed)  # "Mar-24" may be a day
    if named or (full_year and letters.startswith(("ymd", "emd", "bmd"))):
        return ""
    points = any(t.kind == "literal" and "." in t.text for t in section.tokens)
    return "" if full_year and points else at.iso(time=timed)
