"""How files are to be read."""

from pydantic import BaseModel, ConfigDict, Field

_GIB = 1 << 30
OCR_LANGUAGES = r"^\w+(\+\w+)*$"


class LoadOptions(BaseModel):
    """Settings of `Corpus.load`. The defaults read every supported format at full speed."""

    model_config = ConfigDict(frozen=True)

    layout: bool = False
    """PDF as Markdown with headings and tables, found by a layout model. About a page a second and core."""
    ocr: bool = False
    """Read the PDF pages that are only pictures. Needs tesseract's language data."""
    ocr_language: str = Field(default="eng", pattern=OCR_LANGUAGES)
    """Tesseract's name of the language; several are joined by '+'."""
    password: str | None = Field(default=None, repr=False)
    """For the encrypted files among the sources."""
    jobs: int | None = Field(default=None, ge=1)
    """Parser processes. None: one a core, and no more than there is work for."""
    timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """Seconds without progress after which a parser counts as hung: for one page, or for a file that has no pages."""
    memory: int = Field(default=2 * _GIB, ge=_GIB // 4)
    """Bytes of address space a parser process may have."""
    cache: bool = True
    """Keep what was parsed, under the hash of the file's bytes, and take it from there."""
