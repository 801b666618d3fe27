"""Encodings of text files: marked, declared, guessed; and what becomes of bytes that do not fit."""

import codecs

import pytest

from longread.agent.corpus.formats import ParseOptions, WrongFormat
from longread.agent.corpus.formats.charset_guess import guess
from longread.agent.corpus.formats.plain import Text
from longread.agent.corpus.formats.registry import looks_like_text
from longread.agent.corpus.formats.text_encoding import decode

TEXTS = [
    ("cp1252", "Les factures à payer avant le 1er août sont déposées à la mairie. L’élève a reçu une lettre."),
    ("cp1252", "Rødgrød med fløde er en dansk ret. Årsregnskabet blev godkendt på generalforsamlingen."),
    ("cp1252", "The board’s decision – which nobody expected – was “unanimous”. It cost £3.2m (€3.7m)."),
    ("cp1252", "Der Geschäftsführer überprüft die Größe der Räume, gemäß § 433 BGB, für 1.250,00 €."),
    ("cp1252", "El año pasado la compañía facturó más. ¿Cuándo llegará el niño? ¡Qué sorpresa!"),
    ("cp1252", "La società è già stata costituita; l’attività comincerà lunedì. Perché no?"),
    ("cp1252", "A situação não é fácil: as ações da companhia caíram. Amanhã haverá reunião às três."),
    ("cp1252", "Det här är årsredovisningen för räkenskapsåret. Räksmörgås äts på öar."),
    ("cp1252", "Það er gott veður í dag á Íslandi. Ársreikningur félagsins var samþykktur."),
    ("cp1252", "MÜNCHEN\nKÖLN\nDÜSSELDORF\n"),
    ("cp1252", "GARÇON DÉJÀ ÉTÉ\n"),
    ("cp1252", "• Point one\n• Point two – with a dash\n"),
    ("cp1252", "Temperature 20 °C ± 2 µm\n"),
    ("cp1252", "It costs £100 or 5 €\n"),
    ("cp1252", "don’t\n"),
    ("cp1252", "café\n"),
    ("cp1252", "à payer\n"),
    ("cp1252", "Århus\n"),
    ("cp1252", "Nom;Prénom;Ville\nLefèvre;Zoé;Orléans\n"),
    ("cp1252", "id;name\n1;Ålesund\n2;Bodø\n"),
    ("cp1250", "Zażółć gęślą jaźń. Spółka złożyła sprawozdanie finansowe za rok obrotowy."),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy. Společnost předložila účetní závěrku."),
    ("iso8859-2", "Příliš žluťoučký kůň úpěl ďábelské ódy. Společnost předložila účetní závěrku."),
    ("cp1250", "Árvíztűrő tükörfúrógép. A fizetendő összeg 1250 forint, később Győrött."),
    ("cp1250", "Čovjek živi u Šibeniku, a žena u Đakovu; sljedeći put ćemo razgovarati više."),
    ("cp1254", "Şirketin yıllık hesapları onaylandı. İstanbul’da yağmur yağıyor, ışık söndü."),
    ("cp1257", "Bendrovė patvirtino metines ataskaitas. Ačiū už jūsų atsakymą, žmonės džiaugiasi."),
    ("cp1251", "Общество с ограниченной ответственностью утвердило годовой отчёт."),
    ("koi8-r", "Общество с ограниченной ответственностью утвердило годовой отчёт."),
    ("cp866", "Общество с ограниченной ответственностью утвердило годовой отчет."),
    ("cp1251", "ДОГОВОР АРЕНДЫ КВАРТИРЫ\n"),
    ("cp1253", "Η εταιρεία ενέκρινε τις ετήσιες οικονομικές καταστάσεις."),
    ("cp1255", "החברה אישרה את הדוחות הכספיים השנתיים. תודה רבה על התשובה שלך."),
    ("cp1256", "وافقت الشركة على البيانات المالية السنوية. شكرا جزيلا على الرد السريع."),
    ("cp874", "บริษัทได้อนุมัติงบการเงินประจำปี ขอบคุณมาก"),
    ("cp932", "会社は年次決算を承認しました。お支払い金額は月末までに1250円です。"),
    ("euc_jp", "会社は年次決算を承認しました。お支払い金額は月末までに1250円です。"),
    ("gbk", "公司批准了年度财务报表。应付金额为1250元,请在月底之前支付。"),
    ("big5", "公司批准了年度財務報表。應付金額為1250元,請在月底之前支付。"),
    ("cp949", "회사는 연간 재무제표를 승인했습니다. 지불 금액은 월말까지 1250원입니다."),
    ("mac_roman", "L’été à la plage, où le garçon déjà bronzé dort. « Ça va ? » C’était très bien."),
    ("cp850", "Übersicht über die Größe der Räume, gemäß § 5, für die Übergabe"),
    ("cp437", "┌──────┬─────┐\n│ Name │ 5   │\n└──────┴─────┘\n"),
]


@pytest.mark.parametrize(("encoding", "text"), TEXTS)
@pytest.mark.parametrize("kind", ["alone", "long", "late"])
def test_what_people_have_is_read_as_they_wrote_it(encoding: str, text: str, kind: str) -> None:
    if kind == "long":
        text *= 50
    elif kind == "late":
        text = "Plain words, one after the other, without any accent.\n" * 200 + text
    read, warnings = decode(text.encode(encoding))
    assert read == text
    (warning,) = warnings
    assert "guess" in warning
    assert "--encoding" in warning
    assert f"line {text[: next(i for i, c in enumerate(text) if not c.isascii())].count(chr(10)) + 1}" in warning


def test_the_option_decides_and_a_mark_before_it() -> None:
    data = "Größe".encode("cp1252")
    assert decode(data, "cp1251")[0] == "GrцЯe"
    assert decode("é".encode("cp437"), "cp437") == ("é", [])
    assert decode(codecs.BOM_UTF8 + "Größe".encode(), "cp1252") == ("Größe", [])
    assert "encoding" in Text.options
    opened = Text().open(data, ParseOptions(encoding="cp1252"))
    assert (opened.page(0).text, opened.warnings) == ("Größe\n", [])
    with pytest.raises(WrongFormat, match="--encoding says cp932"):
        decode("äöü ".encode("cp1252") * 10, "cp932")


def test_names_mean_what_browsers_take_them_for() -> None:
    data = b"\x93smart\x94 \x80"
    for name in ("iso-8859-1", "latin1", "ASCII", "windows-1252"):
        assert decode(data, declared=name) == ("“smart” €", [])
    assert decode("①".encode("cp932"), declared="shift_jis")[0] == "①"
    assert decode("镕".encode("gbk"), declared="gb2312")[0] == "镕"
    assert decode("é".encode("cp1252"), declared="no such thing")[0] == "é"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("# -*- coding: koi8-r -*-\n", "koi8-r"),
        ('<?xml version="1.0" encoding="cp866"?>\n', "cp866"),
        ("\\usepackage[cp1251]{inputenc}\n", "cp1251"),
        ('@charset "koi8-r";\n', "koi8-r"),
        ('"Content-Type: text/plain; charset=KOI8-R\\n"\n', "koi8-r"),
    ],
)
def test_files_that_name_their_encoding(head: str, encoding: str) -> None:
    opened = Text().open((head + "Да").encode(encoding), ParseOptions())
    assert opened.page(0).text.endswith("Да\n")
    assert opened.warnings == []
    # What is UTF-8 is UTF-8, whatever it says.
    assert Text().open((head + "Да").encode(), ParseOptions()).page(0).text.endswith("Да\n")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["the revenue of the year\n", "Привет, мир\nкак дела\n", "Grüße — 你好\nok ok\n"])
def test_wide_characters_without_a_mark(encoding: str, text: str) -> None:
    data = text.encode(encoding)
    assert looks_like_text(data)
    read, (warning,) = decode(data)
    assert read == text
    assert encoding.upper() in warning


def test_a_cut_wide_character_costs_one_character() -> None:
    text = "some text here, in wide characters"
    for data in (codecs.BOM_UTF16_LE + text.encode("utf-16-le"), text.encode("utf-16-le")):
        read, warnings = decode(data[:-1])
        assert read == text[:-1] + "\ufffd"
        assert warnings


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("Müller wohnt in Köln\n".encode() + b"caf\xe9 \x93x\x94\n", "Müller wohnt in Köln\ncafé “x”\n"),
        ("Müller in Köln\n".encode() + b"lost \xff here\n", "Müller in Köln\nlost ÿ here\n"),
        ("Müller in Köln\n".encode() + b"lost \xa0\xa0 here\n", "Müller in Köln\nlost \ufffd\ufffd here\n"),
        ("Müller in Köln\n".encode() + "ü".encode()[:1], "Müller in Köln\n\ufffd"),
    ],
)
def test_a_few_bad_bytes_do_not_lose_a_file_in_utf_8(data: bytes, expected: str) -> None:
    read, (warning,) = decode(data)
    assert read == expected
    assert "not UTF-8" in warning
    assert "line 2" in warning


def test_many_bad_bytes_are_counted_and_their_lines_limited() -> None:
    data = ("ü ü ü".encode() + b" \xe9\n") * 40
    read, (warning,) = decode(data)
    assert read == "ü ü ü é\n" * 40
    assert "40 bytes" in warning
    assert "lines 1-10 and more" in warning


def test_nuls() -> None:
    log = b"line one\n" + bytes(4000) + b"line two, after a crash of the machine\n"
    assert looks_like_text(log)
    read, (warning,) = decode(log)
    assert read == "line one\nline two, after a crash of the machine\n"
    assert "4,000 NUL" in warning
    assert not looks_like_text(b"\x7fELF\x02\x01\x01" + bytes(500) + b"text and more text, for long enough")


def test_escape_sequences_of_japanese_mails() -> None:
    text = "東京は日本の首都です。"
    assert decode(text.encode("iso2022_jp")) == (text, [])


def test_a_large_text_is_guessed_from_a_part_of_it() -> None:
    assert guess("Größe und Übermut; ".encode("cp1252") * 500_000) == "cp1252"
