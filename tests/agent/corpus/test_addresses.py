"""Addresses as sources: what is downloaded, how it is called, and what is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from longread.agent.cli.answer_view import page_url
from longread.agent.corpus import Corpus, LoadOptions
from longread.agent.corpus.sources import check_existence, download_url, is_address
from longread.errors import DocumentError
from longread.tools.web.download import Downloader
from tests.tools.web.test_fetch import PATIENT, Site, serving

OPTIONS = LoadOptions(cache=False, timeout=300.0)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Every host of the web is this server, at any port."""
    with serving(Site()) as running:
        make = Downloader.__init__

        def here(self: Downloader, **options: Any) -> None:
            limits = PATIENT if options["limits"].size > 1 << 20 else options["limits"]
            local = {"allowed": lambda _: True, "resolve": lambda *_: ["127.0.0.1"], "ports": [running.port]}
            make(self, **{**options, "limits": limits, **local})

        monkeypatch.setattr(Downloader, "__init__", here)
        yield running


@pytest.fixture
def url(site: Site) -> Callable[[str], str]:
    return lambda path: f"http://example.org:{site.port}{path}"


def test_a_file_of_the_web(site: Site, url: Callable[[str], str], pypdf: Callable[[str], Path]) -> None:
    site.page("/papers/report.pdf?v=2", pypdf("crazyones.pdf").read_bytes(), "application/octet-stream")
    address = url("/papers/report.pdf?v=2")
    (document,) = Corpus.load([address], options=OPTIONS)
    assert (document.source, document.name, document.media_type) == (address, "report", "application/pdf")
    assert document.pages[0].text.startswith("The Crazy Ones")
    assert page_url(Corpus(documents=(document,)), "report", 1) == f"{address}#page=1"


@pytest.mark.parametrize(
    ("path", "kind", "body", "media_type"),
    [
        ("/page", "text/html; charset=utf-8", "<h1>Head</h1>", "text/html"),
        ("/README.md", "text/html", "<h1>Head</h1>", "text/html"),
        ("/README.md", "text/plain", "# Head", "text/markdown"),
        ("/data", "application/json", '{"a": 1}', "application/json"),
        ("/data", "text/csv", "a,b\n1,2", "text/csv"),
        ("/", "text/plain", "words", "text/plain"),
    ],
)
def test_the_format_follows_the_content_the_name_and_the_servers_word(
    site: Site, url: Callable[[str], str], path: str, kind: str, body: str, media_type: str
) -> None:
    site.page(path, body, kind)
    (document,) = Corpus.load([url(path)], options=OPTIONS)
    assert document.media_type == media_type
    assert document.source == url(path)


def test_the_servers_name_for_a_file(site: Site, url: Callable[[str], str]) -> None:
    site.page("/get?id=1", "a,b\n", "application/octet-stream", Content_Disposition='attachment; filename="../t.csv"')
    (document,) = Corpus.load([url("/get?id=1")], options=OPTIONS)
    assert document.media_type == "text/csv"


def test_redirects_are_followed(site: Site, url: Callable[[str], str]) -> None:
    site.page("/old", b"", status=302, Location="/new.txt")
    site.page("/new.txt", "moved words", "text/plain")
    (document,) = Corpus.load([url("/old")], options=OPTIONS)
    assert (document.pages[0].text, document.source) == ("moved words", url("/old"))


def test_errors_are_one_line_and_name_the_address(site: Site, url: Callable[[str], str]) -> None:
    site.page("/other", b"", status=302, Location="http://other.example:1/x")
    site.page("/film", bytes(range(256)) * 50, "video/mp4")
    for path, message in (("/gone", "404"), ("/other", "port 1"), ("/film", "neither text")):
        with pytest.raises(DocumentError) as raised:
            Corpus.load([url(path)], options=OPTIONS)
        assert str(raised.value).startswith(f"{url(path)}: ")
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
        assert raised.value.source == url(path)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1/", "https://localhost/x", "http://[::1]/", "http://10.1.2.3/a.pdf"]
)
def test_this_machine_and_its_network_are_refused(address: str) -> None:
    with pytest.raises(DocumentError, match="not on the public internet"):
        Corpus.load([address], options=OPTIONS)


@pytest.mark.parametrize("address", ["ftp://example.org/a.pdf", "file:///etc/passwd", "s3://bucket/key"])
def test_other_schemes_are_not_addresses(address: str) -> None:
    assert not is_address(address)
    with pytest.raises(DocumentError, match="only https"):
        Corpus.load([address], options=OPTIONS)


def test_papers_of_arxiv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert download_url("arxiv:2501.15383") == "https://arxiv.org/pdf/2501.15383"
    assert download_url("arXiv:2501.15383v2") == "https://arxiv.org/pdf/2501.15383v2"
    assert download_url("arxiv:hep-th/9901001") == "https://arxiv.org/pdf/hep-th/9901001"
    assert not is_address("arxiv:../../etc/passwd")
    assert not is_address("arxiv:")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "arxiv:2501.15383").write_text("a file with that name")
    assert not is_address("arxiv:2501.15383")


def test_a_missing_file_is_reported_before_anything_is_fetched() -> None:
    check_existence(["https://example.org/a.pdf", "arxiv:2501.15383"])
    with pytest.raises(DocumentError, match=r"missing\.pdf"):
        check_existence(["https://example.org/a.pdf", "missing.pdf"])


def test_a_document_cannot_make_it_fetch(site: Site, url: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"![x]({url('/leak.png')}) [y]({url('/leak')}) <img src='{url('/leak2')}'>")
    Corpus.load([path], options=OPTIONS)
    assert site.asked == []
