"""Options for loading documents."""

import codecs
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .choices import Changes, HiddenText, OcrMode

_GIB = 1 << 30
OCR_LANGUAGES = r"^\w+(\+\w+)*$"


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f"unknown encoding {name!r}; examples are utf-8, cp1252 and shift_jis") from None
    return name


EncodingName = Annotated[str, AfterValidator(_known_encoding)]


class LoadOptions(BaseModel):
    """Options of `Corpus.load`. The defaults read every supported format at full speed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: bool = False
    """Convert PDF to Markdown with headings and tables, using a layout model. About a page per second and core."""
    ocr: OcrMode | bool = "auto"
    """OCR of pages and pictures whose text is not in the file. "auto": if Tesseract's language data is installed;
    "always" (or True) is an error without it; "never" (or False)."""
    ocr_language: str = Field(default="eng", pattern=OCR_LANGUAGES)
    """Tesseract's codes of the languages, joined by "+"."""
    password: str | None = Field(default=None, repr=False)
    """For encrypted files among the sources."""
    changes: Changes = "marked"
    """What to do with tracked changes of Word: "final" accepts them, "original" rejects them, "marked" keeps both."""
    hidden: HiddenText = "drop"
    """Text that a reader of the file does not see (white on white, `display:none`): "drop" leaves it out, "keep" keeps
    it with a mark. Both say so in a warning."""
    encoding: EncodingName | None = None
    """The encoding of text files that do not name theirs, such as "cp1252". None: UTF-8, or a guess with a warning."""
    attachments: bool = False
    """Read the files that are attached to PDFs as documents of their own. Those of mails always are."""
    jobs: int | None = Field(default=None, ge=1)
    """Number of parser processes. None: one per core, and no more than there is work for."""
    timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """Seconds of its own CPU time without progress, or of doing nothing, after which a parser counts as hung: per page,
    or per file for formats without pages. On a busy machine it may take twenty times as long."""
    memory: int = Field(default=2 * _GIB, ge=_GIB // 4)
    """Address space of a parser process in bytes."""
    cache: bool = True
    """Use and fill the cache of parsed documents, which is keyed by the hash of the file's bytes."""
