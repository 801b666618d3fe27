"""Subtitles (SubRip, WebVTT): what is said, with the times."""

import html
import re
from collections.abc import Iterator

from ..text import Line, split_sections
from .base import Format, OpenFile, ParseOptions, RawPage, Sections
from .plain import cut, decoded

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[,.](\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_SPEAKER = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>\n]+)>")
_TAG = re.compile(
    r"</?(?:[biucv]|font|ruby|rt|lang|c\.[^>\s]*|\d[\d:.]*)(?:[\s.][^>\n]*)?>|\{\\[^}\n]*\}", re.IGNORECASE
)


class Subtitles(Format):
    name = "subtitles"
    extensions = (".srt", ".vtt")
    media_type = "text/vtt"
    library = None
    textual = True
    options = ("encoding",)

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decoded(data, options)
        cues = list(_cues(text))
        if not cues:
            return cut(text, [*warnings, "No subtitle with its times was found; read as plain text."])
        lines = [Line(at, f"[{start}] {said}\n") for at, (start, said) in enumerate(cues)]
        pages: list[RawPage] = []
        for part in split_sections(lines):
            first, last = (cues[line.number][0] for line in (part[0], part[-1]))
            label = first if first == last else f"{first}-{last}"
            pages.append(RawPage(label, "".join(line.text for line in part)))
        return Sections(len(pages), sections=pages, warnings=warnings)


def _cues(text: str) -> Iterator[tuple[str, str]]:
    """The subtitles as (time at which each begins, text)."""
    start, said = "", list[str]()
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for at, line in enumerate(lines):
        if cue := _CUE.match(line):
            if start and any(said):
                yield start, "\n".join(said).strip()
            hours, minutes, seconds, _ = cue.groups()[:4]
            start, said = f"{int(hours or 0):02}:{int(minutes):02}:{seconds}", []
        elif start:
            following = lines[at + 1] if at + 1 < len(lines) else ""
            is_name = not said[-1:] or not said[-1]
            if is_name and _CUE.match(following) and said:
                continue  # the number or name of the next one
            if line.startswith("NOTE") and said and not said[-1]:
                yield start, "\n".join(said).strip()
                start = ""
                continue
            said.append(html.unescape(_TAG.sub("", _SPEAKER.sub(r"\1: ", line))).strip())
    if start and any(said):
        yield start, "\n".join(said).strip()
