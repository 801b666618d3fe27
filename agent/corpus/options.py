"""Options for loading documents."""

from pydantic import BaseModel, ConfigDict, Field

_GIB = 1 << 30
OCR_LANGUAGES = r"^\w+(\+\w+)*$"


class LoadOptions(BaseModel):
    """Options of `Corpus.load`. The defaults read every supported format at full speed."""

    model_config = ConfigDict(frozen=True)

    layout: bool = False
    """Convert PDF to Markdown with headings and tables, using a layout model. About a page per second and core."""
    ocr: bool = False
    """OCR for PDF pages without text. Needs Tesseract's language data."""
    ocr_language: str = Field(default="eng", pattern=OCR_LANGUAGES)
    """Tesseract's codes of the languages, joined by "+"."""
    password: str | None = Field(default=None, repr=False)
    """For encrypted files among the sources."""
    jobs: int | None = Field(default=None, ge=1)
    """Number of parser processes. None: one per core, and no more than there is work for."""
    timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """Seconds without progress after which a parser counts as hung: per page, or per file for formats without pages."""
    memory: int = Field(default=2 * _GIB, ge=_GIB // 4)
    """Address space of a parser process in bytes."""
    cache: bool = True
    """Use and fill the cache of parsed documents, which is keyed by the hash of the file's bytes."""
