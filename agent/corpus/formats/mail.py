"""Mails (.eml, .msg), mailboxes and web archives: headers and text, and what is attached as files of their own.

The formats are apart from `mail_reader`, so that processes that read no mails do not import what it needs.
"""

from .base import Format, OpenFile, ParseOptions


class Mail(Format):
    name = "mail"
    extensions = (".eml", ".mht", ".mhtml")
    media_type = "message/rfc822"
    library = None
    textual = True
    options = ("encoding", "hidden")

    def holds_files(self, options: ParseOptions) -> bool:
        return True

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .mail_reader import open_mail

        return open_mail(data, options)


class Mailbox(Mail):
    """The mails of an mbox file, one after the other."""

    name = "mailbox"
    extensions = (".mbox",)
    media_type = "application/mbox"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .mail_reader import open_mailbox

        return open_mailbox(data, options)


class Outlook(Mail):
    name = "Outlook mail"
    extensions = (".msg",)
    media_type = "application/vnd.ms-outlook"
    library = "olefile"
    textual = False
    streams = ("__properties_version1.0",)

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .outlook import open_outlook

        return open_outlook(data, options)
