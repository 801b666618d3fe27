"""Equations of Office as LaTeX."""

import lxml.etree as etree
import pytest

from longread.agent.corpus.formats.equations import display, inline
from longread.agent.corpus.formats.equations.omml import to_latex

_NAMESPACES = (
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
)


def latex(content: str, root: str = "oMath") -> str:
    return to_latex(etree.fromstring(f"<m:{root} {_NAMESPACES}>{content}</m:{root}>"))


def t(characters: str, properties: str = "") -> str:
    return f"<m:r><m:rPr>{properties}</m:rPr><m:t>{characters}</m:t></m:r>"


def e(*content: str) -> str:
    return f"<m:e>{''.join(content)}</m:e>"


def part(name: str, *content: str) -> str:
    return f"<m:{name}>{''.join(content)}</m:{name}>"


def of(name: str, properties: str, *content: str) -> str:
    """An object with its properties."""
    return f"<m:{name}><m:{name}Pr>{properties}</m:{name}Pr>{''.join(content)}</m:{name}>"


def with_value(name: str, value: str) -> str:
    return f'<m:{name} m:val="{value}"/>'


FRACTION = part("f", part("num", t("a")), part("den", t("b+1")))
UNDER = part("limLow", e(t("lim")), part("lim", t("n→∞")))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (FRACTION, "\\frac{a}{b+1}"),
        (of("f", with_value("type", "lin"), part("num", t("a")), part("den", t("b"))), "a/b"),
        (of("f", with_value("type", "lin"), part("num", t("a+1")), part("den", t("b"))), "{a+1}/b"),
        (part("d", e(of("f", with_value("type", "noBar"), part("num", t("n")), part("den", t("k"))))), "\\binom{n}{k}"),
        (part("sSup", e(t("x")), part("sup", t("2"))), "x^{2}"),
        (part("sSup", e(t("ab")), part("sup", t("2"))), "{ab}^{2}"),
        (part("sSup", e(t("f")), part("sup", t("′"))), "f'"),
        (part("sSub", e(t("x")), part("sub", t("ij"))), "x_{ij}"),
        (part("sSubSup", e(t("x")), part("sub", t("i")), part("sup", t("2"))), "x_{i}^{2}"),
        (part("sPre", part("sub", t("2")), part("sup", t("4")), e(t("He"))), "{}_{2}^{4}He"),
        (of("rad", with_value("degHide", "1"), part("deg"), e(t("x"))), "\\sqrt{x}"),
        (part("rad", part("deg", t("3")), e(t("x"))), "\\sqrt[3]{x}"),
        (
            of("nary", with_value("chr", "∑"), part("sub", t("i=1")), part("sup", t("n")), e(t("i"))),
            "\\sum_{i=1}^{n} i",
        ),
        (part("nary", part("sub", t("0")), part("sup", t("∞")), e(t("f"))), "\\int_{0}^{\\infty} f"),
        (
            of(
                "nary", with_value("chr", "⋃") + with_value("supHide", "1"), part("sub", t("i")), part("sup"), e(t("A"))
            ),
            "\\bigcup_{i} A",
        ),
        (of("d", with_value("begChr", "[") + with_value("endChr", ")"), e(t("0")), e(t("1"))), "[0 | 1)"),
        (of("d", with_value("sepChr", ","), e(t("x")), e(t("y"))), "(x, y)"),
        (of("d", with_value("begChr", "|") + with_value("endChr", "|"), e(t("x"))), "|x|"),
        (of("d", with_value("begChr", "⌊") + with_value("endChr", "⌋"), e(t("x"))), "\\lfloor x\\rfloor"),
        (part("d", e(FRACTION)), "\\left( \\frac{a}{b+1} \\right)"),
        (
            of("d", with_value("begChr", "{") + with_value("endChr", ""), e(part("eqArr", e(t("x")), e(t("y"))))),
            "\\begin{cases} x \\\\ y \\end{cases}",
        ),
        (
            of(
                "d",
                with_value("begChr", "[") + with_value("endChr", "]"),
                e(part("m", part("mr", e(t("1")), e(t("2"))))),
            ),
            "\\begin{bmatrix} 1 & 2 \\end{bmatrix}",
        ),
        (part("m", part("mr", e(t("1"))), part("mr", e(t("2")))), "\\begin{matrix} 1 \\\\ 2 \\end{matrix}"),
        (
            part("eqArr", e(t("a&amp;=b#(1)")), e(t("&amp;=c"))),
            "\\begin{aligned} a&=b\\quad (1) \\\\ &=c \\end{aligned}",
        ),
        (part("acc", e(t("x"))), "\\hat{x}"),
        (of("acc", with_value("chr", "⃗"), e(t("AB"))), "\\overrightarrow{AB}"),
        (of("bar", with_value("pos", "top"), e(t("x"))), "\\overline{x}"),
        (part("bar", e(t("x"))), "\\underline{x}"),
        (part("limLow", e(part("groupChr", e(t("a+b")))), part("lim", t("k"))), "\\underbrace{a+b}_{k}"),
        (of("groupChr", with_value("chr", "→") + with_value("pos", "top"), e(t("f"))), "\\overset{\\rightarrow}{f}"),
        (part("func", part("fName", UNDER), e(t("a"))), "\\lim_{n\\rightarrow\\infty} a"),
        (part("func", part("fName", t("argmax")), e(t("x"))), "\\operatorname{argmax} x"),
        (part("limUpp", e(t("=")), part("lim", t("!"))), "\\overset{!}{=}"),
        (part("borderBox", e(t("x"))), "\\boxed{x}"),
        (of("phant", with_value("show", "0"), e(t("x"))) + t("y"), "y"),
        (t("α≤β×∂ℝ"), "\\alpha\\leq\\beta\\times\\partial\\mathbb{R}"),
        (t("αx"), "\\alpha x"),
        (t("𝑎𝒃𝔸𝔹"), "a\\boldsymbol{b}\\mathbb{AB}"),
        (t("50% of $5", "<m:nor/>"), "\\text{50\\% of \\$5}"),
        (t("L", with_value("scr", "script")), "\\mathcal{L}"),
        (t("x", with_value("sty", "b")), "\\mathbf{x}"),
        (t("{a}_1"), "\\{a\\}\\_1"),
        ("<m:future><m:e><m:r><m:t>kept</m:t></m:r></m:e></m:future>", "kept"),
        (f"<w:ins>{t('q')}</w:ins><w:del>{t('r')}</w:del>", "q"),
        ("", ""),
    ],
)
def test_objects(content: str, expected: str) -> None:
    assert latex(content) == expected


def test_paragraphs_of_equations() -> None:
    one, two = part("oMath", t("a")), part("oMath", t("b"))
    assert latex(one, "oMathPara") == "a"
    assert latex(one + two, "oMathPara") == "\\begin{gathered} a \\\\ b \\end{gathered}"
    assert (inline("a\n b"), display("a"), inline(" ")) == ("$a b$", "$$a$$", "")


@pytest.mark.parametrize("levels", [5, 1000])
def test_nesting_without_end(levels: int) -> None:
    inner = "<m:sSup><m:e>" * levels + t("x") + "</m:e></m:sSup>" * levels
    parser = etree.XMLParser(huge_tree=True)
    assert "x" in to_latex(etree.fromstring(f"<m:oMath {_NAMESPACES}>{inner}</m:oMath>", parser))
