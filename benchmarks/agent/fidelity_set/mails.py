# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""Mails and web archives, with and without attachments."""

import base64
from email.message import EmailMessage
from email.mime.base import MIMEBase
from email.policy import SMTP

from . import pictures
from .facts import Contains, Fact, Hidden, Order, cells
from .samples import sample
from .word_tables import price_list


def _mail(subject: str, text: str = "", page: str = "") -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "Jörg Paulsen <j.paulsen@mills.example>"
    mail["To"] = "orders@grain.example"
    mail["Date"] = "Tue, 04 Mar 2025 08:15:00 +0100"
    mail["Subject"] = subject
    mail["Message-ID"] = "<17@mills.example>"
    if text:
        mail.set_content(text, cte="quoted-printable")
    if page and text:
        mail.add_alternative(page, subtype="html", cte="base64")
    elif page:
        mail.set_content(page, subtype="html", cte="quoted-printable")
    return mail


def _written(mail: EmailMessage) -> bytes:
    """The mail with boundaries that do not change from run to run."""
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=====part{number}=====")
    return mail.as_bytes()


@sample(
    "order.eml",
    Contains("Order of 40 sacks of rye – März"),
    Contains("Jörg Paulsen"),
    Contains("We need 40 sacks for 1.200 € by Friday, delivered to the mill at the weir"),
    Contains("Grüße aus Husum"),
    Hidden("=C3=BC"),
)
def order() -> bytes:
    return _written(
        _mail(
            "Order of 40 sacks of rye – März",
            "We need 40 sacks for 1.200 € by Friday, delivered to the mill at the weir\nGrüße aus Husum\n",
        )
    )


@sample(
    "newsletter.eml",
    Contains("Open day at the farm"),
    cells(("Time", "Event"), ("10:30", "Milking"), ("14:00", "Tractor ride")),
    Contains("2^3 calves", wrong=("23 calves",)),
    Hidden("tracking-id-99381"),
)
def newsletter() -> bytes:
    page = (
        "<html><body><h1>Open day at the farm</h1><table><tr><th>Time</th><th>Event</th></tr><tr><td>10:30</td><td>Milking</td></tr>"
        "<tr><td>14:00</td><td>Tractor ride</td></tr></table><p>See 2<sup>3</sup> calves</p><p style='display:none'>tracking-id-99381</p></body></html>"
    )
    return _written(_mail("Open day", page=page))


@sample(
    "alternative.eml",
    Contains("Your parcel leaves on Monday"),
    Contains("https://post.example/track/8812"),
    Order("Dear customer", "Your parcel leaves on Monday"),
)
def alternative() -> bytes:
    text = "Dear customer\n\nYour parcel leaves on Monday\nhttps://post.example/track/8812\n"
    return _written(
        _mail(
            "Parcel",
            text,
            '<p>Dear customer</p><p>Your parcel leaves on Monday</p><a href="https://post.example/track/8812">https://post.example/track/8812</a>',
        )
    )


_ATTACHED = "attach|embedded"
_INSIDE: tuple[Fact, ...] = (
    Contains("Please find the price list enclosed"),
    Contains("prices.docx", named=_ATTACHED),
    Contains("Hinge 60", named=_ATTACHED),
    Contains("4.75", named=_ATTACHED),
    Hidden("UEsDB"),
)


@sample("with_attachment.eml", _INSIDE)
def with_attachment() -> bytes:
    mail = _mail("Prices", "Please find the price list enclosed\n")
    mail.add_attachment(
        price_list(),
        maintype="application",
        subtype="vnd.openxmlformats-officedocument.wordprocessingml.document",
        filename="prices.docx",
    )
    return _written(mail)


@sample(
    "forwarded.eml",
    Contains("See the mail below"),
    Contains("The roof leaks again"),
    Contains("Fwd: Roof"),
    Order("See the mail below", "The roof leaks again"),
)
def forwarded() -> bytes:
    mail = _mail("Fwd: Roof", "See the mail below\n")
    mail.add_attachment(_mail("Roof", "The roof leaks again\n"))
    return _written(mail)


@sample("koi8.eml", Contains("Счёт за апрель"), Contains("Сумма к оплате 5400 рублей"))
def koi8() -> bytes:
    body = "Сумма к оплате 5400 рублей\r\n".encode("koi8-r")
    subject = f"=?koi8-r?B?{base64.b64encode('Счёт за апрель'.encode('koi8-r')).decode()}?="
    head = f"From: a@b.example\r\nTo: c@d.example\r\nDate: Tue, 04 Mar 2025 08:15:00 +0100\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
    return (
        head + "Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ).encode() + body


def web_archive(page: str) -> bytes:
    archive = MIMEBase("multipart", "related", boundary="----MultipartBoundary--x7")
    archive["From"] = "<Saved by Blink>"
    archive["Snapshot-Content-Location"] = "https://news.example/dam"
    archive["Subject"] = "Dam"
    archive["MIME-Version"] = "1.0"
    html = EmailMessage()
    html.set_content(page, subtype="html", charset="utf-8", cte="quoted-printable")
    html["Content-Location"] = "https://news.example/dam"
    image = EmailMessage()
    image.set_content(pictures.shape(), maintype="image", subtype="png", cte="base64")
    image["Content-Location"] = "https://news.example/dam.png"
    for part in (html, image):
        archive.attach(part)
    return archive.as_bytes()


_NEWS = (
    Contains("The dam at Möhne was raised by 3 m"),
    cells(("Year", "Level"), ("1911", "209.9"), ("2024", "213.7")),
    Contains("Reported by L. Brandt – 5 May"),
    Hidden("iVBORw0KGgo"),
)
_PAGE = (
    "<html><body><p>The dam at Möhne was raised by 3 m</p><table><tr><th>Year</th><th>Level</th></tr><tr><td>1911</td><td>209.9</td></tr>"
    "<tr><td>2024</td><td>213.7</td></tr></table><img src='https://news.example/dam.png'><p>Reported by L. Brandt – 5 May</p></body></html>"
)


@sample("news.mht", _NEWS)
def news() -> bytes:
    return web_archive(_PAGE)


@sample("news_page.mhtml", _NEWS)
def news_page() -> bytes:
    return web_archive(_PAGE.replace("<html>", "<!DOCTYPE html><html>"))
