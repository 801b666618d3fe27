"""Number formats: displays as those of Excel, and what follows them in brackets."""

import pytest

from longread.agent.corpus.formats.spreadsheet.number_format import BUILT_IN, NumberFormat


def shown(code: str | int, value: float, *, from_1904: bool = False) -> str:
    return NumberFormat(BUILT_IN[code] if isinstance(code, int) else code, from_1904=from_1904).show(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (0, "0"),
        (-0.0, "0"),
        (-12.5, "-12.5"),
        (1e-7, "0.0000001"),
        (1.2345e-7, "1.2345E-07"),
        (0.000123456, "0.000123456"),
        (0.00012345678, "0.000123457"),
        (1234567.8912, "1234567.891"),
        (4403928373.5, "4403928374"),
        (12345678901, "12345678901"),
        (1 / 3, "0.333333333"),
        (1e11, "1E+11 [100000000000]"),
        (4006381333931, "4.00638E+12 [4006381333931]"),
        (1.5e300, "1.5E+300"),
        (-1e-10, "-1E-10"),
    ],
)
def test_general(value: float, text: str) -> None:
    assert shown("General", value) == text
    assert shown("", value) == text
    if "[" not in text:
        assert shown("[Blue]General", value) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("0", 1234.5, "1235"),
        ("0.00", 1.005, "1.01"),  # as a decimal number, not as the double below it
        ("0.00", 2.675, "2.68"),
        ("0.0", -0.25, "-0.3 [-0.25]"),
        ("0.00", -0.0000000000001, "0.00"),
        ("#,##0", 1234567, "1,234,567"),
        ("#,##0.00", -1234.5, "-1,234.50"),
        ("0.00%", 0.0525, "5.25%"),
        ("0.0%", -0.125, "-12.5%"),
        ("00000", 1234, "01234"),
        ("000-00-0000", 123456789, "123-45-6789"),
        ("(###) ###-####", 5551234567, "(555) 123-4567"),
        ("[<=9999999]###-####;(###) ###-####", 5551234, "555-1234"),
        ("[<=9999999]###-####;(###) ###-####", 5551234567, "(555) 123-4567"),
        ("0.##", 1.5, "1.5"),
        ("0.0#", 12.345, "12.35"),
        ("#.00", 0.5, ".50"),
        (".00", 1234, "1234.00"),
        ("?0.0?", 1.5, "1.5"),
        ("0.00E+00", 12345, "1.23E+04"),
        ("0.00E+00", 0.00012345, "1.23E-04"),
        ("0.0E-0", 12000, "1.2E4"),
        ("##0.0E+0", 12345678, "12.3E+6"),
        ("0E+0", 999, "1E+3"),
        ("# ?/?", 1.25, "1 1/4"),
        ("# ??/??", 12.3456789, "12 28/81"),
        ("# ?/?", 2, "2"),
        ("?/?", 1.5, "3/2"),
        ("# ?/8", 1.375, "1 3/8"),
        ("# ??/100", 0.25, "25/100"),
        ("0 ?/?", 0.5, "0 1/2"),
        ('#,##0.00 "€"', 1234.5, "1,234.50 €"),
        ("#,##0.00\\ [$€-407]", 1234.5, "1,234.50 €"),
        ("[$€-2] #,##0.00", 1234.5, "€ 1,234.50"),
        ("[$£-809]#,##0.00;[Red]-[$£-809]#,##0.00", -5, "-£5.00"),
        ("[$CHF] #,##0", 5, "CHF 5"),
        ("$#,##0.00", -5, "-$5.00"),
        ("0.0 kg", 5, "5.0 kg"),
        ('0" Tage"', 3, "3 Tage"),
        ("\\x0\\y", 3, "x3y"),
        ('"a;b"0', 3, "a;b3"),
        ("_(* #,##0.00_);_(* (#,##0.00)", -3, "(3.00)"),
        ("*-0", 3, "3"),
        ("@", 1.5, "1.5"),
    ],
)
def test_numbers(code: str, value: float, text: str) -> None:
    assert shown(code, value) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("0;(0);zero;@", 5, "5"),
        ("0;(0);zero;@", -5, "(5)"),
        ('0;(0);"none"', 0, "none [0]"),
        ('0;-0;"-"', 0, "-"),
        ("[Red][<0]-0.0;[Blue]0.0", -1.5, "-1.5"),
        ('[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', 1500, "1.5K [1500]"),
        ('[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', 15, "15"),
        ('[=1]"yes";[=0]"no";0', 1, "yes [1]"),
        ('[=1]"yes";[=0]"no";0', 7, "7"),
        ("[>100]0", 5, "5"),
        ("0;-0;;@", 0, ""),
        (";;;", 5, ""),
        ("#,###", 0, ""),
    ],
)
def test_sections(code: str, value: float, text: str) -> None:
    assert shown(code, value) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("0%", 0.0525, "5% [0.0525]"),
        ("0%", 1 / 3, "33%"),
        ("0", 3.14159, "3 [3.14159]"),
        ("0", 125.4, "125"),
        ("0.00", 0.004, "0.00 [0.004]"),
        ("0.00", 1e-17, "0.00"),
        ("#,##0,", 48_250_000, "48,250 [48250000]"),
        ("0.0,,", 1_234_567, "1.2 [1234567]"),
        ("0;0", -5, "5 [-5]"),
        ("0;[Red]0", -5, "5 [-5]"),
        ("?/2", 0.3, "1/2 [0.3]"),
        ('"in stock"', 12, "in stock [12]"),
    ],
)
def test_what_means_something_else_has_the_number_in_brackets(code: str, value: float, text: str) -> None:
    assert shown(code, value) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("yyyy-mm-dd", 45352, "2024-03-01"),
        ("DD.MM.YYYY", 45352, "01.03.2024"),
        ("d mmm yyyy", 45352, "1 Mar 2024"),
        ("dddd, mmmm dd, yyyy", 45352, "Friday, March 01, 2024"),
        ("mmmmm yyyy", 45352, "M 2024"),
        ("[$-407]d. mmmm yyyy", 45352, "1. März 2024"),
        ("[$-40C]dddd d mmmm yyyy", 45352, "vendredi 1 mars 2024"),
        ("[$-es-ES]d mmmm yyyy", 45352, "1 marzo 2024"),
        ("[$-F800]dddd, mmmm dd, yyyy", 45352, "Friday, March 01, 2024"),
        ('yyyy"年"m"月"d"日"', 45352, "2024年3月1日"),
        ('[$-411]ggge"年"m"月"d"日"', 45352, "令和6年3月1日"),
        ("[$-411]yyyy/mm/dd(aaa)", 45352, "2024/03/01(金)"),
        ("bbbb-mm-dd", 45352, "2567-03-01"),
        ("h:mm", 0.5, "12:00"),
        ("h:mm AM/PM", 0.7, "4:48 PM"),
        ("hh:mm A/P", 0.25, "06:00 A"),
        ("h:mm:ss", 0.6041666666666666, "14:30:00"),
        ("[h]:mm", 1.253472222222222, "30:05"),
        ("[h]:mm:ss", -0.5, "-12:00:00"),
        ("[mm]:ss", 0.5, "720:00"),
        ("[ss]", 1, "86400"),
        ("mm:ss", 90 / 86400, "01:30"),
        ("mm:ss.0", 75.5 / 86400, "01:15.5"),
        ("ss.00", 5.25 / 86400, "05.25"),
        ("yyyy-mm-dd hh:mm", 45352.5, "2024-03-01 12:00"),
        ("yyyy-mm-dd", 45351.999999999, "2024-03-01"),  # half a second later
        ("yyyy-mm-dd", 1, "1900-01-01"),
        ("yyyy-mm-dd", 59, "1900-02-28"),
        ("yyyy-mm-dd", 60, "1900-02-29"),  # a day that Excel has
        ("yyyy-mm-dd", 61, "1900-03-01"),
        ("yyyy-mm-dd", 2958465, "9999-12-31"),
        ("yyyy-mm-dd", -1, "-1"),
        ("yyyy-mm-dd", 3e6, "3000000"),
        ("mmmm yyyy", 45352, "March 2024"),
        ("yyyy", 45292, "2024"),
    ],
)
def test_dates(code: str, value: float, text: str) -> None:
    assert shown(code, value) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("m/d/yyyy", 45352, "3/1/2024 [2024-03-01]"),
        ("dd/mm/yy", 45352, "01/03/24 [2024-03-01]"),
        ("d-mmm", 45352, "1-Mar [2024-03-01]"),
        ("mmm-yy", 45352, "Mar-24 [2024-03-01]"),
        ("dddd", 45352, "Friday [2024-03-01]"),
        ("mmmm yyyy", 45360, "March 2024 [2024-03-09]"),
        ("h:mm", 45352.5, "12:00 [2024-03-01 12:00]"),
        ("m/d/yyyy h:mm", 45352.5, "3/1/2024 12:00 [2024-03-01 12:00]"),
        ("mm:ss", 1.5 / 24, "30:00 [01:30]"),
    ],
)
def test_dates_that_leave_room_for_doubt(code: str, value: float, text: str) -> None:
    assert shown(code, value) == text


def test_the_1904_system() -> None:
    assert shown("yyyy-mm-dd", 0, from_1904=True) == "1904-01-01"
    assert shown("yyyy-mm-dd", 43890, from_1904=True) == "2024-03-01"
    assert shown("dddd", 43890, from_1904=True) == "Friday [2024-03-01]"


@pytest.mark.parametrize(
    ("number", "value", "text"),
    [
        (9, 0.25, "25%"),
        (14, 45352, "3/1/2024 [2024-03-01]"),
        (15, 45352, "1-Mar-24"),
        (18, 0.75, "6:00 PM"),
        (37, -1234, "(1,234)"),
        (38, -1234, "(1,234)"),
        (39, 1234.5, "1,234.50"),
        (40, -1234.5, "(1,234.50)"),
        (41, -1234, "(1,234)"),
        (42, 1234, "$1,234"),
        (43, 0, "-"),
        (44, -1234.5, "$(1,234.50)"),
        (45, 90 / 86400, "01:30"),
        (46, 1.5, "36:00:00"),
        (47, 90.5 / 86400, "01:30.5"),
        (48, 12345, "12.3E+3"),
        (49, 12, "12"),
    ],
)
def test_built_in_formats(number: int, value: float, text: str) -> None:
    assert shown(number, value) == text


def test_texts() -> None:
    assert NumberFormat('"Mr. "@').show_text("Smith") == "Mr. Smith"
    assert NumberFormat('0;-0;0;"<"@">"').show_text("x") == "<x>"
    assert NumberFormat(";;;").show_text("secret") == ""
    assert NumberFormat("0.00").show_text("12") == "12"
    assert not NumberFormat("_(* #,##0_);_(* (#,##0);_(@_)").changes_text


@pytest.mark.parametrize(
    "code", ["[", '"', "\\", "0.0.0", "/", "0/0/0", "E+", "[$-", "[<]0", "%%", "0" * 5000, "y" * 999]
)
def test_ill_formed_codes_show_something(code: str) -> None:
    for value in (0, 1.5, -1234567.891, 45352.5):
        assert isinstance(shown(code, value), str)
