"""Comments on slides: those of PowerPoint up to 2019, and the threads of newer ones ([MS-PPTX] 2.16)."""

from typing import TYPE_CHECKING

from .. import markup
from ..office.drawing_text import paragraphs
from ..office.package import Package

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class


def authors(package: Package, main: str) -> dict[str, str]:
    """The names of the authors of comments by their ids. `main` is the presentation's part."""
    found: dict[str, str] = {}
    for kind, name in (("commentAuthors", "{*}cmAuthor"), ("authors", "{*}author")):
        for relation in package.related(main, kind):
            root = package.xml(relation.target)
            for author in root.iter(name) if root is not None else ():
                found[author.get("id", "")] = author.get("name", "")
    return found


def comments(package: Package, slide: str, names: dict[str, str]) -> list[str]:
    """The comments on a slide, each with its replies indented below it."""
    lines: list[str] = []
    for relation in package.related(slide, "comments"):
        root = package.xml(relation.target)
        if root is not None:
            old = [comment for comment in root.iterchildren("{*}cm") if comment.find("{*}txBody") is None]
            lines += _old(old, names)
            for comment in root.iterchildren("{*}cm"):
                if comment.find("{*}txBody") is not None:
                    lines += _thread(comment, names)
    return lines


def _old(found: "list[_Element]", names: dict[str, str]) -> list[str]:
    """Comments with replies that name the comment they answer."""
    below: dict[tuple[str, str], list[_Element]] = {}
    first: list[_Element] = []
    known = {(comment.get("authorId", ""), comment.get("idx", "")) for comment in found}
    for comment in found:
        parent = comment.find(".//{*}parentCm")
        key = (parent.get("authorId", ""), parent.get("idx", "")) if parent is not None else None
        if key in known and key is not None:
            below.setdefault(key, []).append(comment)
        else:
            first.append(comment)
    lines: list[str] = []
    for comment in first:
        replies = below.pop((comment.get("authorId", ""), comment.get("idx", "")), [])
        lines += [_old_comment(comment, names), *(f"  {_old_comment(reply, names)}" for reply in replies)]
    # Replies to replies.
    lines += [_old_comment(reply, names) for replies in below.values() for reply in replies]
    return [line for line in lines if line.strip()]


def _old_comment(comment: "_Element", names: dict[str, str]) -> str:
    text = " ".join((comment.findtext("{*}text") or "").split())
    return markup.comment(text, names.get(comment.get("authorId", ""), ""))


def _thread(comment: "_Element", names: dict[str, str]) -> list[str]:
    lines = []
    for indent, element in [("", comment), *(("  ", reply) for reply in comment.iterfind("{*}replyLst/{*}reply"))]:
        body = element.find("{*}txBody")
        text = " ".join(paragraphs(body)) if body is not None else ""
        if text:
            lines.append(indent + markup.comment(text, names.get(element.get("authorId", ""), "")))
    return lines
