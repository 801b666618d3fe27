"""Mails: headers, the text in one form, attachments; as .eml, .mht, .mbox and .msg."""

import email.message
import struct
from email.message import EmailMessage
from pathlib import Path

import pytest

from longread.agent.corpus import Corpus, LoadOptions
from longread.agent.corpus.formats import ParseError, ParseOptions
from longread.agent.corpus.formats.mail import Mail, Mailbox, Outlook
from longread.agent.corpus.formats.mail_headers import decoded
from longread.agent.corpus.formats.mail_reader import MailFile
from longread.agent.corpus.formats.outlook import unpacked
from tests.agent.corpus.formats.compound_files import Tree, compound_file

OPTIONS = ParseOptions()


def opened(data: bytes) -> MailFile:
    file = Mail().open(data, OPTIONS)
    assert isinstance(file, MailFile)
    return file


def text_of(file: MailFile) -> str:
    return "\n".join(page.text for page in file.sections)


def written(message: email.message.Message) -> bytes:
    return message.as_bytes()


def simple(text: str = "The text.") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Jörg Müller <joerg@example.org>"
    message["To"] = "a@example.org, b@example.org"
    message["Date"] = "Tue, 06 Oct 2020 09:57:46 +0000"
    message["Subject"] = "Änderung des Vertrags"
    message.set_content(text)
    return message


def test_headers_come_first() -> None:
    file = opened(written(simple("Grüße, die Zahlung ist fällig.")))
    assert text_of(file).split("\n")[:6] == [
        "From: Jörg Müller <joerg@example.org>",
        "To: a@example.org, b@example.org",
        "Date: Tue, 06 Oct 2020 09:57:46 +0000",
        "Subject: Änderung des Vertrags",
        "",
        "Grüße, die Zahlung ist fällig.",
    ]
    assert file.title == "Änderung des Vertrags"
    assert file.metadata["from"].startswith("Jörg")
    assert file.sections[0].label == "message"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("=?iso-8859-1?Q?J=F6rg_M=FCller?= <a@b>", "Jörg Müller <a@b>"),
        ("=?UTF-8?B?R3LDvMM=?= =?UTF-8?B?n2U=?=", "Grüße"),  # a character over two words
        ("=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c"),
        ("=?iso-8859-1?q?=93x=94?=", "“x”"),  # as browsers read it
        ("=?gb2312?B?xOO6w6Op?=", "你好)".replace(")", "）")),
        ("=?iso-2022-jp?B?GyRCRWw1fhsoQg==?=", "東京"),
        ("=?nonsense?q?caf=C3=A9?=", "café"),
        ("=?utf-8*en?q?language?=", "language"),
        ("=?utf-8?B?broken", "=?utf-8?B?broken"),
    ],
)
def test_encoded_words(raw: str, expected: str) -> None:
    assert decoded(raw) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_headers_with_bytes_that_should_not_be_there(encoding: str) -> None:
    data = b"Subject: caf\xc3\xa9 \xc3\xbc\n" if encoding == "utf-8" else "Subject: Größe für Köln\n".encode(encoding)
    file = opened(data + b"From: a@b\n\ntext\n")
    assert file.title == ("café ü" if encoding == "utf-8" else "Größe für Köln")


def test_of_several_forms_the_richer_one_is_read_once() -> None:
    message = simple("Revenue of 2022 was 48 million.")
    html = "<p>Revenue of 2022 was 48 million.</p><table><tr><th>year<th>m</tr><tr><td>2022<td>48</tr></table>"
    message.add_alternative(html, subtype="html")
    text = text_of(opened(written(message)))
    assert "| 2022 | 48 |" in text
    assert text.count("Revenue of 2022") == 1
    bare = simple("A long text with all that there is to say about the matter at hand.")
    bare.add_alternative("<p>Your program cannot show this.</p>", subtype="html")
    text = text_of(opened(written(bare)))
    assert "all that there is to say" in text
    assert "cannot show" not in text


def test_parts_that_follow_each_other_are_all_read() -> None:
    data = (
        b"From: a@b\nContent-Type: multipart/mixed; boundary=X\n\n--X\nContent-Type: text/plain\n\nfirst\n"
        b"--X\nContent-Type: text/html\n\n<p>second</p>\n--X\nContent-Type: text/plain\n\nthird\n--X--\n"
    )
    text = text_of(opened(data))
    assert text.index("first") < text.index("second") < text.index("third")


@pytest.mark.parametrize(
    ("charset", "body", "expected"),
    [
        ("iso-8859-1", b"\x93smart\x94 \x80", "“smart” €"),
        ("us-ascii", "Grüße".encode(), "Grüße"),
        ("utf-8", "Größe und Übermut für Köln".encode("cp1252"), "Größe und Übermut für Köln"),
        ("x-unknown", "für Köln".encode("cp1252"), "für Köln"),
        ("iso-2022-jp", "東京".encode("iso2022_jp"), "東京"),
        ("gb2312", "镕基你好".encode("gbk"), "镕基你好"),
        ("utf-7", b"caf+AOk-", "café"),
    ],
)
def test_wrong_and_odd_encodings(charset: str, body: bytes, expected: str) -> None:
    data = b"From: a@b\nContent-Type: text/plain; charset=%s\n\n%s\n" % (charset.encode(), body)
    assert expected in text_of(opened(data))


def test_flowed_lines_are_joined() -> None:
    body = "A paragraph that \nflows.\n> quoted \n> words\n-- \nAda\n"
    data = b"From: a@b\nContent-Type: text/plain; format=flowed\n\n" + body.encode()
    assert "A paragraph that flows.\n> quoted words\n-- \nAda" in text_of(opened(data))


def test_attachments_are_files() -> None:
    message = simple()
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="Verträge 2024.pdf")
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="table.csv")
    inner = simple("inner words")
    inner.replace_header("Subject", "Re: the/inner one")
    message.add_attachment(inner)
    file = opened(written(message))
    files = list(file.attached_files())
    assert [one.name for one in files] == ["Verträge 2024.pdf", "table.csv", "Re the inner one.eml"]
    assert files[0].data == b"%PDF-"
    assert files[1].data.replace(b"\r\n", b"\n") == b"a,b\n1,2\n"
    assert "inner words" in text_of(opened(files[2].data))
    text = text_of(file)
    assert "Attachments: Verträge 2024.pdf, table.csv, Re the inner one.eml\n" in text
    assert "inner words" not in text


def test_attachments_become_documents(tmp_path: Path) -> None:
    message = simple()
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="../../table.csv")
    inner = simple("inner words")
    inner.add_attachment("deep words", filename="note.txt")
    message.add_attachment(inner)
    message.add_attachment(bytes(300), maintype="application", subtype="octet-stream", filename="x.bin")
    path = tmp_path / "mail.eml"
    path.write_bytes(written(message))
    corpus = Corpus.load([path], options=LoadOptions(cache=False, timeout=300.0))
    subject = "Änderung des Vertrags.eml"
    assert [document.source for document in corpus] == [
        str(path),
        f"{path}/table.csv",
        f"{path}/{subject}",
        f"{path}/{subject}/note.txt",
    ]
    assert [document.name for document in corpus] == ["mail", "table", "änderung-des-vertrags", "note"]
    assert corpus["table"].pages[0].text == "a,b\n1,2"
    assert corpus["note"].pages[0].text == "deep words"
    (warning,) = corpus["mail"].warnings
    assert "x.bin" in warning


def test_pictures_in_a_mail_are_counted() -> None:
    message = simple()
    message.add_alternative('<p>The text.</p><img src="cid:one" alt="the logo">', subtype="html")
    part = message.get_payload(1)
    assert isinstance(part, EmailMessage)
    part.add_related(b"\x89PNG", "image", "png", cid="<one>")
    file = opened(written(message))
    assert file.files == []
    assert any("picture" in note for page in file.sections for note in page.notes)


def test_a_web_archive_is_its_page() -> None:
    data = (
        b'From: <Saved by Blink>\nSubject: A page\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary="X"\n\n'
        b"--X\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\nContent-Location: https://e.org/\n\n"
        b"<h1>Head</h1><p>caf=C3=A9 and=\n more</p>\n--X\nContent-Type: text/css\n\np {}\n--X\n"
        b"Content-Type: image/png\nContent-Transfer-Encoding: base64\nContent-Location: https://e.org/a.png\n\niVBORw0KGgo=\n--X--\n"
    )
    file = opened(data)
    text = text_of(file)
    assert "# Head" in text
    assert "café and more" in text
    assert "p {}" not in text
    assert (file.files, file.title) == ([], "A page")


def test_a_bounce_and_a_sealed_mail() -> None:
    data = (
        b"From: a@b\nContent-Type: multipart/report; boundary=X\n\n--X\nContent-Type: message/delivery-status\n\n"
        b"Reporting-MTA: dns; e.org\n\nAction: failed\nStatus: 5.1.1\n\n--X--\n"
    )
    assert "Status: 5.1.1" in text_of(opened(data))
    sealed = opened(b"From: a@b\nContent-Type: application/pkcs7-mime; name=smime.p7m\n\nAAAA\n")
    assert "pkcs7" in sealed.warnings[0]


def test_deep_and_many_parts() -> None:
    data = b"From: a@b\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(60)
    )
    assert "innermost" in text_of(opened(data + b"Content-Type: text/plain\n\ninnermost\n"))
    with pytest.raises(ParseError):
        Mail().open(b"just words\nwithout headers\n", OPTIONS)


def test_mailbox() -> None:
    one, other = written(simple("first mail\n>From here on")), written(simple("second mail"))
    data = b"From a@b Tue Oct  6 09:57:46 2020\n" + one + b"\nFrom c@d Wed Oct  7 09:57:46 2020\n" + other
    file = Mailbox().open(data, OPTIONS)
    assert file.pages == 2
    assert "first mail\nFrom here on" in file.page(0).text
    assert "second mail" in file.page(1).text
    assert [page for _, _, page in file.outline] == [1, 2]


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def properties(header: int, **numbers: int) -> bytes:
    entries = (struct.pack("<HHIQ", 0x0003, int(name[1:], 16), 6, value) for name, value in numbers.items())
    return bytes(header) + b"".join(entries)


def outlook(**streams: "bytes | Tree") -> bytes:
    tree: Tree = {
        "__properties_version1.0": properties(32, p0039=132464518660000000, p3FFD=1252, p3FDE=65001),
        "__substg1.0_0037001F": wide("Re: Änderung"),
        "__substg1.0_0C1A001F": wide("Jörg Müller"),
        "__substg1.0_0C1F001F": wide("joerg@example.org"),
        "__recip_version1.0_#00000000": {
            "__properties_version1.0": properties(8, p0C15=1),
            "__substg1.0_3001001F": wide("Ada"),
            "__substg1.0_39FE001F": wide("ada@example.org"),
        },
        "__recip_version1.0_#00000001": {
            "__properties_version1.0": properties(8, p0C15=2),
            "__substg1.0_3001001F": wide("Bob"),
        },
        **streams,
    }
    return compound_file(tree)


def test_outlook() -> None:
    attached: Tree = {
        "__properties_version1.0": properties(8),
        "__substg1.0_3707001F": wide("Verträge.csv"),
        "__substg1.0_37010102": b"a,b\n" * 3000,
        "__substg1.0_370E001F": wide("text/csv"),
    }
    inner: Tree = {
        "__properties_version1.0": properties(8),
        "__substg1.0_3701000D": {
            "__properties_version1.0": properties(24),
            "__substg1.0_0037001F": wide("The inner one"),
            "__substg1.0_1000001F": wide("inner words"),
        },
    }
    data = outlook(
        **{
            "__substg1.0_1000001F": wide("Grüße € words"),
            "__attach_version1.0_#00000000": attached,
            "__attach_version1.0_#00000001": inner,
        }
    )
    file = Outlook().open(data, OPTIONS)
    assert isinstance(file, MailFile)
    assert text_of(file).strip().split("\n") == [
        "From: Jörg Müller <joerg@example.org>",
        "To: Ada <ada@example.org>",
        "Cc: Bob",
        "Date: Tue, 06 Oct 2020 09:57:46 +0000",
        "Subject: Re: Änderung",
        "Attachments: Verträge.csv, The inner one.eml",
        "",
        "Grüße € words",
    ]
    csv, mail = file.attached_files()
    assert csv.data == b"a,b\n" * 3000
    assert "inner words" in text_of(opened(mail.data))


def test_outlook_in_html_in_an_old_encoding_and_in_rtf() -> None:
    html = outlook(**{"__substg1.0_10130102": "<p>Größe <b>x</b></p>".encode()})
    assert "Größe" in text_of(Outlook().open(html, OPTIONS))  # pyright: ignore[reportArgumentType]
    old = outlook(**{"__substg1.0_1000001E": "Größe, für 5 €".encode("cp1252")})
    assert "Größe, für 5 €" in text_of(Outlook().open(old, OPTIONS))  # pyright: ignore[reportArgumentType]
    rtf = b"{\\rtf1\\ansi caf\\'e9}"
    stored = struct.pack("<IIII", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf
    only = outlook(**{"__substg1.0_10090102": stored})
    assert "café" in text_of(Outlook().open(only, OPTIONS))  # pyright: ignore[reportArgumentType]


def test_compressed_rtf() -> None:
    """The example of [MS-OXRTFCP] 4.1.1."""
    packed = "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    data = bytes.fromhex(packed)
    assert unpacked(data) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def test_a_damaged_outlook_mail() -> None:
    with pytest.raises(ParseError):
        Outlook().open(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), OPTIONS)
    whole = outlook(**{"__substg1.0_1000001F": wide("words " * 50)})
    for size in range(600, len(whole), 700):
        try:
            Outlook().open(whole[:size], OPTIONS)
        except ParseError:
            continue
