"""Comments on the cells of an Excel sheet: notes, and threads of comments with replies."""

from typing import TYPE_CHECKING

from .. import markup
from ..office.package import Package
from .rich_text import rich_text, unescaped
from .sheet import cell_of

if TYPE_CHECKING:
    pass  # lxml has no public name for this class

Comments = dict[tuple[int, int], list[str]]


def read_comments(package: Package, part: str, persons: dict[str, str]) -> Comments:
    """The comments on a sheet by cell, each as it is written into the page.

    Args:
        persons: the names of the authors of threads by id.
    """
    found: Comments = {}
    for related in package.related(part, "threadedComment"):
        root = package.xml(related.target)
        for element in root.iterfind("{*}threadedComment") if root is not None else ():
            body = element.find("{*}text")
            text = unescaped(body.text or "") if body is not None else ""
            author = persons.get(element.get("personId", "").lower(), "")
            _add(found, element.get("ref", ""), text, author)
    threads = set(found)  # Excel stores a note with an apology for older programs beside each thread
    for related in package.related(part, "comments"):
        root = package.xml(related.target) if not related.target.lower().endswith(".bin") else None
        if root is None:
            continue
        authors = [author.text or "" for author in root.iterfind("{*}authors/{*}author")]
        for element in root.iterfind("{*}commentList/{*}comment"):
            if cell_of(element.get("ref", "")) in threads:
                continue
            body = element.find("{*}text")
            index = element.get("authorId", "")
            author = authors[int(index)] if index.isdigit() and int(index) < len(authors) else ""
            _add(found, element.get("ref", ""), rich_text(body) if body is not None else "", author)
    return found


def read_persons(package: Package, workbook: str) -> dict[str, str]:
    """The names of the authors of threads by id."""
    persons: dict[str, str] = {}
    for related in package.related(workbook, "person"):
        root = package.xml(related.target)
        for element in root.iterfind("{*}person") if root is not None else ():
            persons[element.get("id", "").lower()] = element.get("displayName", "")
    return persons


def _add(found: Comments, reference: str, text: str, author: str) -> None:
    cell = cell_of(reference)
    author = author.strip()
    text = text.strip()
    if author:  # Excel puts the author's name in front of a note
        text = text.removeprefix(f"{author}:").strip()
    if cell and all(cell) and text:
        found.setdefault(cell, []).append(
            markup.comment(text, "" if author.lower() == "none" or author.startswith("tc={") else author)
        )
