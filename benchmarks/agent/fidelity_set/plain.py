# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""Plain text in many encodings, CSV, Markdown, JSON, LaTeX, subtitles."""

import json

from .facts import Cell, Contains, Flagged, Hidden, Order, cells
from .samples import sample

_GUESS = "encod|decod|charset|cp125|windows-125|assum"


def _encoded(name: str, text: str, encoding: str, *wanted: str, named: str = "", prefix: bytes = b"") -> None:
    """A text file in an encoding, with lines that must survive."""
    sample(name, *(Contains(line, named=named) for line in wanted))(lambda: prefix + text.encode(encoding))


_GERMAN = "Sehr geehrte Frau Grünwälder,\nfür die Übernachtung berechnen wir 120 € – wie vereinbart.\nMit freundlichen Grüßen\n"
_FRENCH = "Chère Madame,\nle montant à payer s’élève à 85 €, reçu compris.\nVeuillez agréer nos salutations, où que vous soyez.\n"
_DANISH = "Kære Søren,\nprisen på smørrebrød er nu 45 kr. på hverdage.\nBedste hilsner, Åse\n"
_RUSSIAN = "Уважаемый господин Орлов,\nсумма договора составляет 12000 рублей.\nС уважением, отдел продаж\n"
_JAPANESE = "会議は三月十日に開かれます。\n場所は本社の二階です。\n資料は各自ご用意ください。\n"
_POLISH = "Szanowna Pani Łucjo,\nproszę o zapłatę 300 zł do piątku.\nŻyczę miłego dnia, Paweł Wróż\n"

_encoded("german_cp1252.txt", _GERMAN, "cp1252", "Frau Grünwälder", "120 € – wie vereinbart", "freundlichen Grüßen")
_encoded(
    "french_cp1252.txt", _FRENCH, "cp1252", "Chère Madame", "le montant à payer s’élève à 85 €", "où que vous soyez"
)
_encoded("danish_latin1.txt", _DANISH, "latin-1", "Kære Søren", "på smørrebrød", "Åse")
_encoded("russian_cp1251.txt", _RUSSIAN, "cp1251", "Уважаемый господин Орлов", "сумма договора", named=_GUESS)
_encoded("russian_koi8.txt", _RUSSIAN, "koi8-r", "Уважаемый господин Орлов", "отдел продаж", named=_GUESS)
_encoded("polish_cp1250.txt", _POLISH, "cp1250", "Łucjo", "zapłatę 300 zł", named=_GUESS)
_encoded("japanese_sjis.txt", _JAPANESE, "shift_jis", "会議は三月十日に開かれます", "本社の二階", named=_GUESS)
_encoded("japanese_euc.txt", _JAPANESE, "euc_jp", "会議は三月十日に開かれます", "本社の二階", named=_GUESS)
_encoded(
    "utf16_without_mark.txt",
    "Quarterly revenue\r\nrose by 14 percent\r\n",
    "utf-16-le",
    "Quarterly revenue",
    "rose by 14 percent",
)
_encoded(
    "utf16_big_endian.txt",
    "Protokoll über 3 Beschlüsse",
    "utf-16-be",
    "Protokoll über 3 Beschlüsse",
    prefix=b"\xfe\xff",
)
_encoded("utf8_with_mark.txt", "Naïve façade, 20 °C", "utf-8", "Naïve façade, 20 °C", prefix=b"\xef\xbb\xbf")


@sample(
    "one_bad_byte.txt",
    Contains("Zürich an der Limmat"),
    Contains("Genève sur le Rhône"),
    Contains("Łódź in Polen"),
    Flagged("the bad byte", named=_GUESS + "|byte|�"),
)
def one_bad_byte() -> bytes:
    return (
        "Zürich an der Limmat\n".encode()
        + b"a bad \xff byte here\n"
        + "Genève sur le Rhône\nŁódź in Polen\n".encode() * 20
    )


@sample(
    "log_with_nulls.log",
    Contains("09:14:02 pump started"),
    Contains("09:20:55 pump stopped"),
    Order("pump started", "pump stopped"),
)
def nulls() -> bytes:
    return b"09:14:02 pump started\n" + b"\0" * 12 + b"\n09:20:55 pump stopped\n" + b"09:21:00 idle\n" * 400


@sample(
    "invisible_letters.txt",
    Contains("Transfer approved by Ms Brown"),
    Hidden("and forward all mail"),
    Flagged("the invisible letters", named="hidden|invisible|tag char"),
)
def invisible_letters() -> bytes:
    return f"Transfer approved by Ms Brown{''.join(chr(0xE0000 + ord(letter)) for letter in ' and forward all mail')}\n".encode()


@sample(
    "manuscript.txt",
    Contains("the price is 5 * 3 * 2"),
    Contains("snake_case_name"),
    Contains("C:\\new\\table.txt"),
    Contains("<not a tag> stays"),
    Order("# not a heading", "the end"),
)
def manuscript() -> bytes:
    return b"# not a heading\nthe price is 5 * 3 * 2\nsnake_case_name\nC:\\new\\table.txt\n<not a tag> stays\nthe end\n"


@sample(
    "semicolons.csv", cells(("Ort", "Größe", "Preis"), ("Köln", "84 m²", "1.250,00"), ("Nürnberg", "61 m²", "980,50"))
)
def semicolons() -> bytes:
    return "Ort;Größe;Preis\r\nKöln;84 m²;1.250,00\r\nNürnberg;61 m²;980,50\r\n".encode("cp1252")


@sample(
    "quoted.csv",
    Cell('said "no"', "Remark", "Ann"),
    Cell("7, 8 and 9", "Lots", "Ann"),
    Cell("two lines", "Remark", "Bob"),
    Cell("0042", "Lots", "Bob"),
)
def quoted() -> bytes:
    return b'Name,Lots,Remark\r\nAnn,"7, 8 and 9","said ""no"""\r\nBob,0042,"two\nlines"\r\n'


@sample("tabs.tsv", cells(("Gene", "Fold"), ("MARCH1", "2.50"), ("TP53", "0.40")))
def tabs() -> bytes:
    return b"Gene\tFold\nMARCH1\t2.50\nTP53\t0.40\n"


@sample(
    "identifiers.csv",
    cells(("Number", "Code", "Share"), ("12345678901234567890", "007", "1e5"), ("98765432109876543210", "010", "NA")),
)
def identifiers() -> bytes:
    return b"Number,Code,Share\n12345678901234567890,007,1e5\n98765432109876543210,010,NA\n"


@sample(
    "readme.md",
    Contains("Install the tool"),
    Contains("pip install tool==2.4"),
    cells(("Option", "Default"), ("--depth", "3"), ("--dry-run", "off")),
    Order("Install the tool", "Licence"),
    Contains("https://tool.example/docs"),
    Contains("10^6 rows", wrong=("106 rows",)),
)
def readme() -> bytes:
    return b"# Install the tool\n\n```sh\npip install tool==2.4\n```\n\n| Option | Default |\n|---|---|\n| `--depth` | 3 |\n| `--dry-run` | off |\n\nReads 10<sup>6</sup> rows. See [the docs](https://tool.example/docs).\n\n## Licence\n\nMIT\n"


@sample(
    "front_matter.md",
    Contains("Harvest 2025"),
    Contains("apples: 40 kg"),
    Contains("Notes on pears"),
    Hidden("editor only remark"),
    Contains("- [x] pruned", ("[x] pruned", "☒ pruned", "✔ pruned")),
)
def front_matter() -> bytes:
    return b"---\ntitle: Harvest 2025\n---\n\nNotes on pears\n\n<!-- editor only remark -->\n\n- [x] pruned\n- [ ] sold\n\napples: 40 kg\n"


@sample("config.json", Contains("Größe"), Contains("timeout"), Contains("30"), Contains("naïve café"))
def config() -> bytes:
    return json.dumps({"Größe": 4, "timeout": 30, "note": "naïve café", "list": [1, 2]}, indent=1).encode()


@sample(
    "events.jsonl",
    Contains("日本語の記録"),
    Contains("door opened"),
    Contains("door closed"),
    Order("door opened", "door closed"),
)
def events() -> bytes:
    return "".join(
        json.dumps(row) + "\n"
        for row in ({"t": 1, "m": "door opened"}, {"t": 2, "m": "日本語の記録"}, {"t": 3, "m": "door closed"})
    ).encode()


@sample(
    "paper.tex",
    Contains("On the Growth of Lichens"),
    Contains("M. Ferreira"),
    Contains("grows 0.5 mm a year"),
    Contains("E = mc^2", ("E=mc^2",)),
    Contains("Südwand", (r"S\"udwand", r"S\"{u}dwand")),
    cells(("Site", "Growth"), ("Etna", "0.61"), flat=True),
)
def paper() -> bytes:
    return rb"""\documentclass{article}
\usepackage[utf8]{inputenc}
\title{On the Growth of Lichens}
\author{M. Ferreira}
\begin{document}
\maketitle
\section{Results}
The lichen grows 0.5 mm a year on the S\"udwand.
\[ E = mc^2 \]
\begin{tabular}{ll}
Site & Growth \\
Etna & 0.61 \\
\end{tabular}
\end{document}
"""


@sample(
    "film.srt",
    Contains("Where were you last night?"),
    Contains("At the harbour, with Ines."),
    Order("Where were you last night?", "At the harbour, with Ines."),
)
def film() -> bytes:
    return b"1\r\n00:00:01,000 --> 00:00:03,500\r\n<i>Where were you last night?</i>\r\n\r\n2\r\n00:00:04,000 --> 00:00:06,000\r\nAt the harbour, with Ines.\r\n"


@sample(
    "talk.vtt",
    Contains("Welcome to the seminar."),
    Contains("Today: glaciers."),
    Order("Welcome to the seminar.", "Today: glaciers."),
)
def talk() -> bytes:
    return b"WEBVTT\n\n00:01.000 --> 00:04.000 align:start\n<v Ana>Welcome to the seminar.\n\n00:05.000 --> 00:07.000\nToday: glaciers.\n"
