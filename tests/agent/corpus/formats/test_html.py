"""HTML and XHTML: a page as a browser shows it."""

import itertools

import pytest

from longread.agent.corpus.formats import OpenFile, ParseOptions
from longread.agent.corpus.formats.html import Html, convert, to_markdown
from longread.agent.corpus.options import HiddenText


def read(page: str | bytes, *, hidden: HiddenText = "drop", encoding: str = "") -> OpenFile:
    return Html().open(
        page if isinstance(page, bytes) else page.encode(), ParseOptions(hidden=hidden, encoding=encoding)
    )


def text(page: str) -> str:
    return convert(page).text


# Text and its structure


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>one\n  two&nbsp;three</p><p>four", "one two\u00a0three\n\nfour"),
        ("<p>a<br>b<br/>\n c", "a\nb\nc"),
        ("<div>a<div>b</div></div>c", "a\nb\nc"),
        ("a<hr>b", "a\n\n---\n\nb"),
        ("<h2>A <b>b</b></h2>c", "## A b\n\nc"),
        ("<h3><div>1</div><div>Scope</div></h3><p>c", "### 1 Scope\n\nc"),
        ("<h1>Open<ul><li>x</ul><p>y", "# Open\n\n* x\n\ny"),
        ("<p><b>bold</b> <i> leaning </i><code>x_y</code> <kbd>Ctrl</kbd>", "**bold** *leaning* `x_y` `Ctrl`"),
        ("<p><b>H</b>ello w<i>or</i>d x<b>y</b>.", "Hello word xy."),
        ("<p><b>a<p>b</b> c", "**a**\n\n**b** c"),
        ("<b><b><b>deep</b></b></b>", "**deep**"),
        ("<code>a`b</code>", "``a`b``"),
        ("snake_case *x* 1. # [a] \\ <b></b>", "snake_case *x* 1. # [a] \\"),
        ("<pre>  a\n   b\n</pre>", "```\n  a\n   b\n```"),
        ('<pre class="language-py"><code>x\n```\ny</code></pre>', "````py\nx\n```\ny\n````"),
        ('<pre><code class="lang-js">x</code></pre>', "```js\nx\n```"),
        ("<blockquote><p>a<p>b</blockquote>c", "> a\n>\n> b\n\nc"),
        ("<dl><dt>A<dd>b<dd>c<dt>D<dd>e</dl>", "A\n: b\n: c\nD\n: e"),
        ("<figure><img alt=Graph src=x><figcaption>Fig. 1</figcaption></figure>", "[picture: Graph]\nFig. 1"),
        ("<details><summary>Q</summary><p>A</p></details>", "Q\n\nA"),
        ("<p>He said <q>yes, <q>no</q></q>", "He said “yes, ‘no’”"),
        (
            "<abbr title='World Health'>WHO</abbr> and <abbr title='World Health'>WHO</abbr>",
            "WHO (World Health) and WHO",
        ),
        ("<ruby>漢字<rp>(</rp><rt>kanji</rt><rp>)</rp></ruby>", "漢字(kanji)"),
        ("<del>old</del> <ins>new</ins> <s>x</s>", "~~old~~ new ~~x~~"),
        ("e<script>a</script><style>b</style><template>c</template><noscript>d</noscript><!-- f -->", "e"),
        ('<script type="application/ld+json">{"a": 1}</script>x', "x"),
        ("auto\u00admobile", "automobile"),
        ('<span style="display:block">a</span><span style="display:block">b</span>', "a\nb"),
        ('<p style="white-space: pre-wrap">a\n  b', "a\n  b"),
    ],
)
def test_text(page: str, expected: str) -> None:
    assert text(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>", "* a\n* b\n  * c\n* d"),
        ("<ul><li><p>a<p>b<li>c</ul>", "* a\n\n  b\n* c"),
        ("<ol start=4><li>a<li value=9>b<li>c</ol>", "4. a\n9. b\n10. c"),
        ("<ol type=a start=26><li>a<li>b</ol>", "z. a\naa. b"),
        ("<ol type=I start=3><li>a<li>b</ol>", "III. a\nIV. b"),
        ('<ol style="list-style-type: lower-roman"><li>a<li>b</ol>', "i. a\nii. b"),
        ('<ol style="list-style: none"><li>(a) x</ol>', "* (a) x"),
        ("<ol reversed><li>a<li>b<ol reversed><li>c<li>d</ol></ol>", "2. a\n1. b\n   2. c\n   1. d"),
        ("<ol reversed start=10><li>a<li>b</ol>", "10. a\n9. b"),
        ("<ul><li></li><li>a</ul>", "* a"),
        ("<li>stray", "* stray"),
        ("a<ul><li>b</ul>c", "a\n\n* b\n\nc"),
        ("<ol start=x><li value='-3'>a<li>b</ol>", "-3. a\n-2. b"),
    ],
)
def test_lists(page: str, expected: str) -> None:
    assert text(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("10<sup>6</sup> km", "10^6 km"),
        ("5<sup>1/2</sup>", "5^(1/2)"),
        ("log<sub>10</sub>100", "log_(10)100"),
        ("H<sub>2</sub>O", "H_2O"),
        ("1<sup>st</sup>", "1st"),
        ('x<span style="vertical-align: super; font-size: 70%">2</span>', "x^2"),
        ('<style>.s{vertical-align:sub}</style>x<span class="a s">2</span>', "x_2"),
        ("<p>10<sup>6<p>km</sup>", "10^6\n\nkm"),
        ("see<sup><a href='#n3'>3</a></sup> there", "see^3 there"),
        ("see<a href='#n3'><sup>3</sup></a> there", "see^3 there"),
        ("see<a href='#n3'>3</a> there", "see^3 there"),
        ("see <a href='#n3'>3</a> there", "see 3 there"),
        ("see<a href='#n3'>[3]</a> there", "see[3] there"),
        ("see <a role='doc-noteref' href='#n'>*</a>", "see ^(*)"),
    ],
)
def test_scripts_and_marks_of_notes(page: str, expected: str) -> None:
    assert text(page) == expected


def test_links_and_pictures() -> None:
    page = (
        "<p><a href='https://e.org/x'>there</a> <a href='/rel'>rel</a> <a href='javascript:x()'>js</a> "
        "<a href='https://e.org'>https://e.org</a> <a href='mailto:a@e.org'>a@e.org</a> "
        "<img src='data:image/png;base64,AAAA' alt='a  curve'></p><a href='https://e.org/y'><div>one</div><div>two</div></a>"
    )
    assert text(page) == (
        "[there](https://e.org/x) rel js https://e.org a@e.org [picture: a curve]\n\n[one](https://e.org/y)\ntwo"
    )
    based = "<base href='https://e.org/a/'><a href='b?c'>x</a> <a href='#d'>y</a> <a href='//[bad'>z</a>"
    assert text(based) == "[x](https://e.org/a/b?c) y z"
    counted = convert(
        "<img src=a><img src=b alt=''><img src=c width=1 height=1><img src=d alt='' width=16 height=16>"
        "<img src=e aria-hidden=true><img src=f alt=named><svg width=300 height=200><path d=''/></svg>"
    )
    assert counted.text == "[picture: named]"
    assert counted.notes[0].startswith("3 pictures were not read")


def test_the_page_of_a_picture_is_named() -> None:
    filler = "<p>" + "word " * 500
    book = read(f"<h1>One</h1>{filler}<h1>Two</h1><img src=x>{filler}<h1>Three</h1>{filler}<b hidden>a b</b>")
    assert [page.label for page in map(book.page, range(book.pages))] == ["One", "Two", "Three"]
    assert not book.page(0).notes
    assert book.page(1).notes[0].startswith("1 picture was not read")
    assert book.page(2).notes[0].startswith("2 hidden words")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("Name <input value=Ada> <input type=number value=7>", "Name Ada 7"),
        ("<label>City <input aria-label=Town value=Bonn></label>", "City Town: Bonn"),
        ("<input type=checkbox checked> yes <input type=checkbox> no", "[x] yes [ ] no"),
        ("<input type=radio> a <input type=RADIO CHECKED>b", "[ ] a [x] b"),
        ("<input type=hidden value=secret><input type=password value=secret><input type=file>x", "x"),
        ("<textarea>\n<b>one\ntwo</textarea>", "<b>one\ntwo"),
        ("<select><option>A<option selected>B<option>C</select>", "B"),
        ("<select><option>A<option>B</select>", "A"),
        ("<select multiple><option selected>A<optgroup label=g><option>B</optgroup></select>", "[x] A, [ ] B"),
        ("<select size=3><option>A<option selected label=Bee>b</select>", "[ ] A, [x] Bee"),
        ("<input list=l value=v><datalist id=l><option>no</datalist>", "v"),
        ("<button>Go</button> <input type=submit value=Send>", "Go Send"),
        ("<fieldset><legend>Pay</legend>x</fieldset>", "Pay\nx"),
        ("<progress value=3 max=10></progress> <meter value=.5>half</meter>", "[progress: 3 of 10] half"),
    ],
)
def test_forms(page: str, expected: str) -> None:
    assert text(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ('<iframe src="https://v.org/1" title="A film"></iframe>', "[frame: A film (https://v.org/1)]"),
        ('<iframe srcdoc="&lt;p&gt;inner &lt;b&gt;x&lt;/b&gt;"></iframe>', "inner **x**"),
        ("<video src='a/film%201.mp4'>no video</video>", "[video: film 1.mp4]"),
        ("<audio><source src='https://e.org/s.ogg'></audio>", "[audio: https://e.org/s.ogg]"),
        ("<object data='a.pdf'></object> <object data=b>instead</object>", "[object: a.pdf] instead"),
        ("<canvas></canvas>", "[canvas]"),
        ("<embed src='data:x' title='Game'>", "[object: Game]"),
        (
            "<svg><title>Sales</title><g><text>2021 <tspan>10</tspan></text><text>2022</text></g></svg>",
            "[picture: Sales]\n2021 10\n2022",
        ),
        ("<svg><style>.a{}</style><defs><text>no</text></defs><text>yes</text></svg>", "yes"),
        ("<svg aria-hidden=true><title>icon</title></svg>x", "x"),
        ("<svg><foreignObject><p>inside</p></foreignObject></svg>", "inside"),
        ("<svg><switch><foreignObject><div>a</div><div>b</div></foreignObject><text>a b</text></switch></svg>", "a b"),
        ("<frameset><frame src='a.html' name=left></frameset>", "[frame: left]"),
    ],
)
def test_what_is_embedded(page: str, expected: str) -> None:
    assert text(page) == expected


# Tables


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("<tr><th>A<th>B<tr><td rowspan=2>x<td>1<tr><td>2", "A B / x 1 / x 2"),
        ("<tr><th>A<th>B<th>C<tr><td colspan=2>x<td>1", "A B C / x x 1"),
        ("<tr><th>A<th>B<tr><td rowspan=0>x<td>1<tr><td>2<tr><td>3", "A B / x 1 / x 2 / x 3"),
        ("<tr><th>A<th>B<tr><td rowspan=99999>x<td>1<tr><td>2", "A B / x 1 / x 2"),
        ("<tr><th>A<th>B<tr><td colspan=x rowspan=-1>x<td>1", "A B / x 1"),
        ("<tr><th>A<th>B<tr><td rowspan=2>x<td>1<tr><td colspan=2>y<td>2", "A B - - / x 1 - - / x y y 2"),
        ("<thead><tr><th>A<th>B<tfoot><tr><td>f<td>9<tbody><tr><td>x<td>1", "A B / x 1 / f 9"),
        ("<tbody><tr><th>A<th>B<tr><td rowspan=5>x<td>1<tbody><tr><td>y<td>2", "A B / x 1 / y 2"),
        ("<tr><th>A<th>B<tr><td><p>x</p><p>y</p><td><ul><li>1<li>2</ul>", "A B / x_y •_1_•_2"),
        ("<tr><th>A<th>B<tr><td><h2>x</h2><td>a|b", "A B / x a\\|b"),
        ("<tr><th>A<th><th>B<tr><td>x<td><td>1", "A B / x 1"),
        ("<tr><td>x<td><table><tr><td>p<td>q<tr><td>r<td>s</table><tr><th>y<td>z", "x p,_q;_r,_s / y z"),
    ],
)
def test_tables(rows: str, expected: str) -> None:
    lines = text(f"<table>{rows}</table>").split("\n")
    assert set(lines.pop(1)) <= set("| -")
    cells = [[c.strip().replace(" ", "_") or "-" for c in line[1:-1].replace("\\|", "¦").split("|")] for line in lines]
    assert " / ".join(" ".join(row) for row in cells).replace("¦", "\\|") == expected


def test_tables_that_arrange_a_page_are_text() -> None:
    assert text("<table role=presentation><tr><td>a<td>b</table>") == "a\nb"
    assert text("<table><tr><td>a<tr><td>b</table>") == "a\n\nb"
    inner = "<table><tr><th>A<th>B<tr><td>1<td>2</table>"
    nested = f"<table><tr><td><h2>Left</h2><td><p>x{inner}</table>"
    assert text(nested) == "## Left\n\nx\n\n| A | B |\n| --- | --- |\n| 1 | 2 |"
    assert [title for _, title, _ in read(nested).outline] == ["Left"]
    code = "<table><tr><td><pre>1\n2</pre><td><pre>a\nb</pre></table>"
    assert text(code) == "```\n1\n2\n```\n\n```\na\nb\n```"


def test_a_caption_stands_before_its_table() -> None:
    assert text("<table><caption>Cap</caption><tr><td>a<td>b</table>").startswith("Cap\n\n| a | b |")


def test_a_table_in_a_list_and_a_quotation_is_indented() -> None:
    page = "<blockquote><ul><li>x<table><tr><th>A<th>B<tr><td>1<td>2</table></ul></blockquote>"
    assert text(page) == "> * x\n>\n>   | A | B |\n>   | --- | --- |\n>   | 1 | 2 |"


# Hidden text

HIDDEN = [
    "<p hidden>{}</p>",
    '<p style="display:none">{}</p>',
    '<p style="DISPLAY : None !important">{}</p>',
    '<div style="visibility:hidden"><p>{}</p></div>',
    '<p style="opacity:0">{}</p>',
    '<p style="font-size:0">{}</p>',
    '<p style="font-size: 0.5pt">{}</p>',
    '<p style="position:absolute;left:-9999px">{}</p>',
    '<p style="text-indent:-1000em">{}</p>',
    '<p style="position:absolute;clip:rect(0 0 0 0)">{}</p>',
    '<p style="clip-path: inset(50%)">{}</p>',
    '<p style="width:1px;height:1px;overflow:hidden">{}</p>',
    '<p style="color:#fff">{}</p>',
    '<p style="color:white;background:#ffffff">{}</p>',
    '<table bgcolor="#000"><tr><td><font color=black>{}</font></table>',
    '<p style="color:rgb(254, 254, 254)">{}</p>',
    '<p style="color: rgba(0,0,0,0)">{}</p>',
    '<p style="color:transparent">{}</p>',
    "<style>.x1 {{ display: none }}</style><p class='a x1'>{}</p>",
    "<style>#y, p.z {{ visibility: hidden }}</style><p class=z>{}</p>",
    "<style>/* c */ @media screen {{ #y {{ display: none }} }}</style><p id=y>{}</p>",
    "<dialog>{}</dialog>",
    "<p style='display:none'><table><tr><td><ul><li>{}</table>",
    "<div style='display:none'><table><tr><td><ul><li>{}</table></div>",
]


@pytest.mark.parametrize("page", HIDDEN[:-2] + HIDDEN[-1:])
def test_hidden_text_is_left_out_and_counted(page: str) -> None:
    page = "<p>seen before</p>" + page.format("tell <b>the</b> user") + "<p>seen after</p>"
    dropped = convert(page)
    assert dropped.text == "seen before\n\nseen after"
    assert [note.split(" (")[0] for note in dropped.notes] == ["3 hidden words"]
    kept = convert(page, hidden="keep")
    assert "[hidden: tell **the** user]" in kept.text
    assert "kept" in kept.notes[0]


@pytest.mark.parametrize(
    "page",
    [
        "<style>@media print {{ p {{ display: none }} }}</style><p>{}</p>",
        "<style>.menu p {{ display: none }}</style><p>{}</p>",
        "<style>.x {{ display: none }} .x {{ display: block }}</style><p class=x>{}</p>",
        "<style>.x {{ display: none }}</style><p class=x style='display: inline'>{}</p>",
        "<style>.x {{ display: none }} #y {{ display: block }}</style><p class=x id=y>{}</p>",
        '<link rel=stylesheet href=a.css><p style="color:#fff">{}</p>',
        '<div style="background:#123456"><p style="color:#fff">{}</p></div>',
        '<div style="background:url(x.png)"><p style="color:#fff">{}</p></div>',
        '<p style="visibility:hidden"><span style="visibility:visible">{}</span></p>',
        '<div style="font-size:0"><p style="font-size:14px">{}</p></div>',
        '<p style="color:transparent;background-clip:text">{}</p>',
        "<p aria-hidden=true>{}</p>",
        "<dialog open>{}</dialog>",
        "<details><p>{}</p></details>",
        '<p style="opacity:0;animation:show 1s">{}</p>',
    ],
)
def test_text_that_is_seen_stays(page: str) -> None:
    found = convert(page.format("the words"))
    assert found.text == "the words"
    assert not found.notes


# Documents


def test_all_of_several_documents_are_read() -> None:
    page = "<html><body><p>first</p></body></html>\n<html><body><p>second</p></body></html><p>after"
    assert text(page) == "first\n\nsecond\n\nafter"


def test_title_and_metadata() -> None:
    book = read(
        "<head><title> A\n title </title><meta name=Author content=Ada><meta property='og:x' content=y></head>"
        "<body><h1>H</h1><svg><title>no</title></svg>text"
    )
    assert (book.title, book.metadata) == ("A title", {"author": "Ada"})
    assert read("<p>x<title>late</title>").title == "late"
    assert book.outline == [(1, "H", 1)]


DECLARATION = '<?xml version="1.0"?>\n'
DOCTYPES = [
    "",
    "<!DOCTYPE html>",
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">',
    "<!doctype html [<!ENTITY x 'y'> <!-- ]> -->]>",
]


@pytest.mark.parametrize(("doctype", "declared"), list(itertools.product(DOCTYPES, ["", DECLARATION])))
def test_named_entities_with_any_document_type(doctype: str, declared: str) -> None:
    body = "<p>Caf&eacute; &rsquo;s &mdash; 5&nbsp;&euro; &lt;b&gt; &amp;amp; &nosuch; &#8364;&#x20AC;</p>"
    page = (
        f'{declared}{doctype}<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'
    )
    if not declared and "xhtml" not in doctype.lower():
        page = page.replace("<title/>", "<title></title>")
    assert text(page) == "Café ’s — 5\u00a0€ <b> &amp; &nosuch; €€"


def test_entities_of_an_internal_subset() -> None:
    page = (
        '<?xml version="1.0"?><!DOCTYPE html [<!ENTITY co "Acme <b>Corp</b> &sign; &hellip;"><!ENTITY sign "&#169;">'
        '<!ENTITY co "no"><!ENTITY % p "q"><!ENTITY out SYSTEM "file:///etc/passwd">]>'
        '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{}&co; &out;</p></body></html>'
    )
    for broken in ("", "<br>"):  # as XML, and as HTML
        assert text(page.replace("{}", broken)) == "Acme **Corp** © … &out;"


def test_entities_that_expand_without_end() -> None:
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
    page = f'<!DOCTYPE html [<!ENTITY e0 "ha">{lines}<!ENTITY a "&b;"><!ENTITY b "&a;">]><p>&e1; &e29; &a; end</p>'
    for xml in (True, False):
        found = convert(page, xml=xml)
        assert "ha" * 10 in found.text
        assert found.text.endswith("end")
        assert len(found.text) < 1000
        assert "e29" in found.warnings[0] or "e10" in found.warnings[0]
    many = f'<!DOCTYPE p [<!ENTITY x "{"x" * 60_000}">]><p>' + "&x;" * 1000
    assert len(convert(many, xml=True).text) < 20 << 20


def test_xhtml_that_is_not_well_formed_is_read_as_html() -> None:
    page = (
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body><p>a<br>b'
        "<a id='x'/>c<![CDATA[1 < 2 & 3]]><script/>d</body>"
    )
    assert text(page) == "a\nbc1 < 2 & 3d"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "cp1252"),
        ("<meta charset=ascii>", "cp1252"),
        ("<meta http-equiv=Content-Type content='text/html; charset=ISO-8859-1'>", "cp1252"),
        ("<!-- <meta charset=utf-16> --><meta charset='windows-1251'>", "cp1251"),
        ("<meta charset=x-sjis>", "cp932"),
        ("<meta charset=gb2312>", "gb18030"),
        ("<meta charset=utf-16>", "utf-8"),
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
    ],
)
def test_declared_encodings(head: str, encoding: str) -> None:
    words = {"cp1251": "Это русский текст", "cp932": "日本語の文章です", "gb18030": "这是中文的文章"}
    body = words.get(encoding, "“smart” – naïve" + (" €" if encoding == "cp1252" else ""))
    book = read(f"<html><head>{head}</head><body><p>{body}</p></body></html>".encode(encoding))
    assert book.page(0).text.strip() == body
    assert not book.warnings


def test_an_xml_declaration_names_the_encoding() -> None:
    page = '<?xml version="1.0" encoding="iso-8859-2"?><html><body><p>Łódź, košile</p></body></html>'
    assert to_markdown(page.encode("iso-8859-2")).text == "Łódź, košile"


def test_an_encoding_that_is_not_declared_or_given() -> None:
    page = "<p>Déjà vu, naïve Straße, Müller und Söhne".encode("cp1252")
    book = read(page)
    assert "naïve Straße" in book.page(0).text
    assert "windows-1252" in book.warnings[0]
    russian = "<meta charset=utf-8><p>Это русский текст, и он довольно длинный".encode("koi8-r")
    assert "русский текст" in read(russian, encoding="koi8-r").page(0).text


# Equations


def test_equations() -> None:
    tex = '<annotation encoding="application/x-tex">x^{2}</annotation>'
    math = f"<math><semantics><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow>{tex}</semantics></math>"
    assert text(f"<p>so {math} is") == "so $x^{2}$ is"
    assert text(f"a{math.replace('<math', '<math display=block')}b") == "a\n$$x^{2}$$\nb"
    assert text("<p><math><mfrac><mi>a</mi><mi>b</mi></mfrac></math>") == "$\\frac{a}{b}$"
    drawn = '<span class="katex-html" aria-hidden="true">x2</span>'
    katex = f'<span class="katex"><span class="katex-mathml">{math}</span>{drawn}</span>'
    assert text(f"<p>K {katex}.") == "K $x^{2}$."
    wikipedia = (
        f'<span class="mwe-math-element"><span class="mwe-math-mathml-a11y" style="display:none">{math}</span>'
        '<img class="mwe-math-fallback-image-inline" alt="x^{2}" src="x.svg"></span>'
    )
    assert text(f"<p>W {wikipedia}.") == "W $x^{2}$."
    plain = "<math><msup><mi>x</mi><mn>2</mn></msup></math>"
    mathjax_2 = (
        '<span class="MathJax_Preview"></span><span class="MathJax"><nobr aria-hidden=true>x2</nobr>'
        f'<span class="MJX_Assistive_MathML">{plain}</span></span><script type="math/tex">x^{{2}}</script>'
    )
    assert text(f"<p>J {mathjax_2}.") == "J $x^{2}$."
    assert text('<p>J <script type="math/tex; mode=display">y</script>k') == "J\n$$y$$\nk"
    drawn = "<mjx-math aria-hidden=true>x2</mjx-math>"
    mathjax_3 = f"<mjx-container>{drawn}<mjx-assistive-mml>{plain}</mjx-assistive-mml></mjx-container>"
    assert text(f"<p>J {mathjax_3}.") == "J $x^{2}$."
    assert text('<p><img class=latex alt="e^{i\\pi}" src=x>') == "$e^{i\\pi}$"


# Large and odd pages


@pytest.mark.parametrize("tag", ["<div>", "<ul><li>", "<blockquote>", "<table><tr><td>", "<span>x", "<sup>"])
def test_nesting_without_end(tag: str) -> None:
    for size in (1_200, 20_000):
        found = convert("<p>before</p>" + tag * size + "deep")
        assert found.text.startswith("before")
        assert found.text.rstrip("*) \n").endswith("deep")
        assert any("levels" in warning for warning in found.warnings)


@pytest.mark.parametrize("tag", ["<b id={}>x", "<font size={}><p>x", "<a href={}>x<p>", "<i><b>x"])
def test_formats_that_are_never_closed(tag: str) -> None:
    found = convert("".join(tag.format(number) for number in range(5000)) + "<p>end")
    assert found.text.strip("*\n").endswith("end")
    assert found.text.count("x") == 5000
    assert not found.warnings


def test_what_ends_with_a_cell_is_no_level() -> None:
    rows = "<tr><td><font size=2><b>a<div>b<td><span>c</tr>" * 3000
    script = "<script>" + "'<div>' + " * 3000 + "</script>"
    found = convert(f"{script}<table>{rows}</table><div>end</div>")
    assert found.text.count("\n| ") == 3000
    assert found.text.endswith("end")
    assert not found.warnings


def test_755_levels_of_tags_are_read_as_they_are() -> None:
    found = convert("".join(f"<font size={n % 7}>{n} " for n in range(755)))
    assert found.text.split() == [str(n) for n in range(755)]
    assert not found.warnings


def test_deep_xhtml_is_read() -> None:
    page = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">' + "<div>" * 5000 + "x" + "</div>" * 5000
    assert convert(f"{page}</html>").text == "x"


def test_a_table_of_many_cells() -> None:
    row = "<tr>" + "".join(f"<td>{n}</td>" for n in range(20)) + "</tr>\n"
    lines = text(f"<table>{row * 3000}</table>").split("\n")
    assert len(lines) == 3001
    assert lines[-1] == "| " + " | ".join(map(str, range(20))) + " |"


@pytest.mark.parametrize(
    "page",
    ["<", "<!DOCTYPE", "<!DOCTYPE html [", "<?xml", "<!--", "</p></table>", "<![CDATA[", "&", "<p a=b c='>", "\0<p>x"],
)
def test_fragments(page: str) -> None:
    convert(page)
    convert(page, xml=True)
    convert(f'<?xml version="1.0"?>{page}')


def test_an_empty_page_has_no_pages() -> None:
    assert read("<html><body><script>x</script></body></html>").pages == 0
