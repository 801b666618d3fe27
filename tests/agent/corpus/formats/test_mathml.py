"""MathML as LaTeX."""

import lxml.etree as etree
import pytest

from longread.agent.corpus.formats.equations.mathml import to_latex


def latex(inner: str, namespace: str = ' xmlns="http://www.w3.org/1998/Math/MathML"') -> str:
    return to_latex(etree.fromstring(f"<math{namespace}>{inner}</math>"))


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("<mi>x</mi><mo>=</mo><mfrac><mi>a</mi><mn>12</mn></mfrac>", r"x=\frac{a}{12}"),
        ("<msqrt><mi>a</mi><mo>−</mo><mn>1</mn></msqrt><mroot><mi>x</mi><mn>3</mn></mroot>", r"\sqrt{a-1}\sqrt[3]{x}"),
        ("<msup><mn>10</mn><mn>6</mn></msup><msub><mi>x</mi><mi>i</mi></msub>", r"10^{6}x_{i}"),
        ("<msup><mrow><mi>x</mi><mi>y</mi></mrow><mn>2</mn></msup>", r"{xy}^{2}"),
        ("<msup><msup><mi>x</mi><mn>2</mn></msup><mn>3</mn></msup>", r"{x^{2}}^{3}"),
        ("<msubsup><mo>∫</mo><mn>0</mn><mi>∞</mi></msubsup>", r"\int_{0}^{\infty}"),
        ("<munderover><mo>∑</mo><mi>i</mi><mi>n</mi></munderover>", r"\sum_{i}^{n}"),
        ("<munder><mo>lim</mo><mi>n</mi></munder>", r"\lim_{n}"),
        ("<munder><mi>x</mi><mi>y</mi></munder><mover><mi>a</mi><mi>b</mi></mover>", r"\underset{y}{x}\overset{b}{a}"),
        (
            "<mover><mi>x</mi><mo>¯</mo></mover><mover><mi>AB</mi><mo>→</mo></mover>",
            r"\bar{x}\overrightarrow{\mathrm{AB}}",
        ),
        (
            "<mi>sin</mi><mi>α</mi><mo>&#8290;</mo><mi>km</mi><mi mathvariant='bold'>v</mi>",
            r"\sin\alpha\mathrm{km}\mathbf{v}",
        ),
        ("<mi>ℝ</mi><mo>≤</mo><mo>{</mo><mo>%</mo>", r"\mathbb{R}\leq\{\%"),
        ("<mtext>if x_1</mtext><mspace width='1em'/><mi>y</mi>", r"\text{if x\_1}\quad y"),
        ("<mfenced open='[' close=')'><mi>a</mi><mi>b</mi></mfenced>", r"[a,b)"),
        ("<menclose notation='box'><mi>k</mi></menclose><mphantom><mi>z</mi></mphantom>", r"\boxed{k}"),
        (
            "<mmultiscripts><mi>C</mi><none/><mn>2</mn><mprescripts/><mn>6</mn><mn>14</mn></mmultiscripts>",
            r"{}_{6}^{14}C^{2}",
        ),
        ("<mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac>", r"\genfrac{}{}{0pt}{}{n}{k}"),
        ("<mfrac bevelled='true'><mi>a</mi><mn>10</mn></mfrac>", r"a/10"),
        ("<semantics><mi>x</mi><annotation encoding='application/x-tex'> y^{2} </annotation></semantics>", r"y^{2}"),
        ("<semantics><mi>x</mi><annotation encoding='StarMath 5.0'>x</annotation></semantics>", r"x"),
        ("<msub><mi>x</mi></msub><mfrac/><munknown><mi>q</mi></munknown><mo/>", r"x\frac{}{}q"),
        ("", ""),
    ],
)
def test_elements(inner: str, expected: str) -> None:
    assert latex(inner) == expected
    assert latex(inner, "") == expected


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("(", ")", r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}"),
        ("[", "]", r"\begin{bmatrix}1 & 2 \\ 3 & 4\end{bmatrix}"),
        ("{", "", r"\{\begin{matrix}1 & 2 \\ 3 & 4\end{matrix}"),
    ],
)
def test_matrices(begin: str, end: str, expected: str) -> None:
    rows = "".join(f"<mtr><mtd><mn>{a}</mn></mtd><mtd><mn>{b}</mn></mtd></mtr>" for a, b in ((1, 2), (3, 4)))
    assert latex(f"<mo>{begin}</mo><mtable>{rows}</mtable><mo>{end}</mo>") == expected


def test_the_source_of_wikipedia_is_without_its_style() -> None:
    source = "<annotation encoding='application/x-tex'>{\\displaystyle E=mc^{2}}</annotation>"
    assert latex(f"<semantics><mi>E</mi>{source}</semantics>") == "E=mc^{2}"


def test_deep_equations() -> None:
    math = etree.Element("math")
    inner = math
    for _ in range(3000):
        inner = etree.SubElement(inner, "mrow")
    etree.SubElement(inner, "mi").text = "x"
    assert to_latex(math) == "x"
