"""Numbers as lists, notes and pages write them (ST_NumberFormat; ECMA-376 part 1, 17.18.59)."""

import re
from collections.abc import Callable

_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_MAX_ROMAN = 32_767
_ONES = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
]
_TENS = ["-", "-", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"]
_ORDINALS = {
    "One": "First", "Two": "Second", "Three": "Third", "Five": "Fifth", "Eight": "Eighth", "Nine": "Ninth",
    "Twelve": "Twelfth",
}  # fmt: skip
_CHINESE = "〇一二三四五六七八九"
_CHINESE_LEGAL = "零壹贰叁肆伍陆柒捌玖"
_ALPHABETS = {
    "lowerLetter": "abcdefghijklmnopqrstuvwxyz",
    "upperLetter": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "russianLower": "абвгдежзиклмнопрстуфхцчшщыэюя",
    "russianUpper": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ",
    "arabicAlpha": "أبتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "arabicAbjad": "أبجدهوزحطيكلمنسعفصقرشتثخذضظغ",
    "hebrew2": "אבגדהוזחטיכלמנסעפצקרשת",
    "thaiLetters": "กขคงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ",
    "ganada": "가나다라마바사아자차카타파하",
    "chosung": "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
    "aiueoFullWidth": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン",
    "irohaFullWidth": "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス",
    "ideographTraditional": "甲乙丙丁戊己庚辛壬癸",
    "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥",
    "chicago": "*†‡§",
}
_ALPHABETS["aiueo"], _ALPHABETS["iroha"] = _ALPHABETS["aiueoFullWidth"], _ALPHABETS["irohaFullWidth"]
_DIGITS = {
    "hindiNumbers": "०१२३४५६७८९",
    "thaiNumbers": "๐๑๒๓๔๕๖๗๘๙",
    "decimalFullWidth": "０１２３４５６７８９",
    "decimalFullWidth2": "０１２３４５６７８９",
    "japaneseDigitalTenThousand": _CHINESE,
    "ideographDigital": _CHINESE,
    "taiwaneseDigital": "○一二三四五六七八九",
    "koreanDigital": "영일이삼사오육칠팔구",
    "koreanDigital2": _CHINESE,
}
_COUNTED = {
    **dict.fromkeys(
        ("chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting",
         "taiwaneseCountingThousand"),
        (_CHINESE, "十百千"),
    ),
    **dict.fromkeys(
        ("chineseLegalSimplified", "ideographLegalTraditional", "japaneseLegal"), (_CHINESE_LEGAL, "拾佰仟")
    ),
    "koreanCounting": ("영일이삼사오육칠팔구", "십백천"),
}  # fmt: skip
_ENCLOSED = {
    # First character, and how many numbers there are such characters for.
    **dict.fromkeys(("decimalEnclosedCircle", "decimalEnclosedCircleChinese"), ("①", 20)),
    "decimalEnclosedFullstop": ("⒈", 20),
    "decimalEnclosedParen": ("⑴", 20),
    "ideographEnclosedCircle": ("㊀", 10),
}
_ORDINAL_SIGNS = {
    "de": ".",
    "da": ".",
    "nb": ".",
    "no": ".",
    "fi": ".",
    "pl": ".",
    "cs": ".",
    "es": "º",
    "it": "º",
    "pt": "º",
    "nl": "e",
}
_CUSTOM = re.compile(r"\d+")


def written(number: int, kind: str, *, custom: str = "", language: str = "en") -> str:
    """A number in a format such as "lowerRoman"; in decimal if the format is not known or has no such number.

    Args:
        custom: the first numbers of the format "custom": "001, 002, 003, ...".
        language: for ordinals, as in "en-GB".
    """
    if kind in ("none", "bullet"):
        return ""
    if kind == "decimal" or number < 0:
        return str(number)
    if kind == "custom":
        first = _CUSTOM.search(custom)
        return str(number).zfill(len(first.group())) if first else str(number)
    if kind == "ordinal":
        return f"{number}{_ordinal_sign(number, language)}"
    if kind in _DIGITS:
        return "".join(_DIGITS[kind][int(digit)] for digit in str(number))
    if kind in _COUNTED and 0 < number < 10_000:
        return _counted(number, *_COUNTED[kind])
    if kind in _ENCLOSED and 0 < number <= _ENCLOSED[kind][1]:
        return chr(ord(_ENCLOSED[kind][0]) + number - 1)
    if kind in _ALPHABETS and number > 0:
        alphabet = _ALPHABETS[kind]
        times, at = divmod(number - 1, len(alphabet))
        if times < 30:
            return alphabet[at] * (times + 1)
    found = _FUNCTIONS.get(kind)
    return found(number) if found else str(number)


def _roman(number: int) -> str:
    if not 0 < number <= _MAX_ROMAN:
        return str(number)
    parts: list[str] = []
    for size, letters in _ROMAN:
        times, number = divmod(number, size)
        parts.append(letters * times)
    return "".join(parts)


def _cardinal(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones].lower()}" if ones else "")
    if number < 1_000_000:
        size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
        high, rest = divmod(number, size)
        return f"{_cardinal(high)} {name}" + (f" {_cardinal(rest).lower()}" if rest else "")
    return str(number)


def _ordinal(number: int) -> str:
    text = _cardinal(number)
    at = max(text.rfind(" "), text.rfind("-")) + 1
    last = text[at:]
    if last.isdigit():
        return written(number, "ordinal")
    key = last.capitalize()
    changed = _ORDINALS.get(key) or (f"{key[:-1]}ieth" if key.endswith("y") else f"{key}th")
    return text[:at] + (changed if last[:1].isupper() else changed.lower())


def _ordinal_sign(number: int, language: str) -> str:
    code = language.partition("-")[0].lower()
    if code == "fr":
        return "er" if number == 1 else "e"
    if code == "sv":
        return ":a" if number % 10 in (1, 2) and number % 100 not in (11, 12) else ":e"
    if code in _ORDINAL_SIGNS:
        return _ORDINAL_SIGNS[code]
    return "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _counted(number: int, digits: str, powers: str) -> str:
    parts: list[str] = []
    text = str(number)
    zero = False
    for at, digit in enumerate(text):
        power = len(text) - at - 1
        if digit == "0":
            zero = True
            continue
        if zero and parts:
            parts.append(digits[0].replace("〇", "零"))
        zero = False
        one_ten = digit == "1" and power == 1 and len(text) == 2
        parts.append(("" if one_ten else digits[int(digit)]) + (powers[power - 1] if power else ""))
    return "".join(parts)


def _hebrew(number: int) -> str:
    if not 0 < number < 400:
        return str(number)
    hundreds, rest = divmod(number, 100)
    if rest in (15, 16):
        return "קרש"[hundreds - 1 : hundreds] * (hundreds > 0) + ("טו" if rest == 15 else "טז")
    tens, ones = divmod(rest, 10)
    return "".join(
        ("קרש"[hundreds - 1] * (hundreds > 0), "יכלמנסעפצ"[tens - 1] * (tens > 0), "אבגדהוזחט"[ones - 1] * (ones > 0))
    )


_FUNCTIONS: dict[str, Callable[[int], str]] = {
    "upperRoman": _roman,
    "lowerRoman": lambda number: _roman(number).lower(),
    "cardinalText": _cardinal,
    "ordinalText": _ordinal,
    "decimalZero": lambda number: f"{number:02d}",
    "numberInDash": lambda number: f"- {number} -",
    "hex": lambda number: f"{number:X}",
    "hebrew1": _hebrew,
}
