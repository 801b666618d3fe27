"""The characters of equations as LaTeX."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby

_COMMANDS = """
α alpha β beta γ gamma δ delta ε varepsilon ϵ epsilon ζ zeta η eta θ theta ϑ vartheta ι iota κ kappa ϰ varkappa λ lambda
μ mu ν nu ξ xi π pi ϖ varpi ρ rho ϱ varrho σ sigma ς varsigma τ tau υ upsilon φ varphi ϕ phi χ chi ψ psi ω omega
Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega ∇ nabla ∂ partial ℏ hbar ℓ ell ℘ wp
ℵ aleph ℶ beth ı imath ȷ jmath ∞ infty ∅ emptyset ∀ forall ∃ exists ∄ nexists ¬ neg ∠ angle ∡ measuredangle △ triangle
□ square ◇ diamond ⋄ diamond ⊤ top ⊥ bot † dagger ‡ ddagger ° circ ′ prime
± pm ∓ mp × times ÷ div ∗ ast ⋆ star ∘ circ ∙ bullet • bullet ⋅ cdot · cdot ⊕ oplus ⊖ ominus ⊗ otimes ⊘ oslash ⊙ odot
∩ cap ∪ cup ⊎ uplus ⊓ sqcap ⊔ sqcup ∨ vee ∧ wedge ∖ setminus ≀ wr ⊻ veebar ⋈ bowtie ⋉ ltimes ⋊ rtimes
≤ leq ≥ geq ≠ neq ≡ equiv ≢ not\\equiv ≈ approx ≉ not\\approx ≅ cong ≃ simeq ∼ sim ≁ nsim ∝ propto ≪ ll ≫ gg ≺ prec
≻ succ ⪯ preceq ⪰ succeq ≲ lesssim ≳ gtrsim ≐ doteq ≔ coloneqq ≝ overset{\\text{def}}{=} ≜ triangleq ≟ overset{?}{=}
∈ in ∉ notin ∋ ni ⊂ subset ⊃ supset ⊆ subseteq ⊇ supseteq ⊄ not\\subset ⊈ nsubseteq ⊊ subsetneq ⊏ sqsubset ⊑ sqsubseteq
⊢ vdash ⊣ dashv ⊨ models ∣ mid ∤ nmid ∥ parallel ∦ nparallel ‖ Vert ≍ asymp ⌢ frown ⌣ smile ∴ therefore ∵ because
← leftarrow → rightarrow ↔ leftrightarrow ⇐ Leftarrow ⇒ Rightarrow ⇔ Leftrightarrow ↑ uparrow ↓ downarrow ↕ updownarrow
⟵ longleftarrow ⟶ longrightarrow ⟷ longleftrightarrow ⟸ Longleftarrow ⟹ Longrightarrow ⟺ Longleftrightarrow ↦ mapsto
↗ nearrow ↘ searrow ↙ swarrow ↖ nwarrow ↪ hookrightarrow ↩ hookleftarrow ⇌ rightleftharpoons ⇋ leftrightharpoons
⇀ rightharpoonup ⇁ rightharpoondown ↼ leftharpoonup ↽ leftharpoondown ↠ twoheadrightarrow ↛ nrightarrow ⇏ nRightarrow
∑ sum ∏ prod ∐ coprod ∫ int ∬ iint ∭ iiint ∮ oint ∯ oiint ∰ oiiint ⋀ bigwedge ⋁ bigvee ⋂ bigcap ⋃ bigcup ⨀ bigodot
⨁ bigoplus ⨂ bigotimes ⨄ biguplus ⨆ bigsqcup √ surd … ldots ⋯ cdots ⋮ vdots ⋱ ddots
⟨ langle ⟩ rangle 〈 langle 〉 rangle ⌈ lceil ⌉ rceil ⌊ lfloor ⌋ rfloor ⟦ llbracket ⟧ rrbracket
"""
_words = _COMMANDS.split()
COMMANDS: dict[str, str] = dict(zip(_words[::2], (f"\\{word}" for word in _words[1::2]), strict=True))
"""Characters to commands: "α" to "\\alpha"."""

FUNCTIONS = frozenset(
    [
        "arccos",
        "arcsin",
        "arctan",
        "arg",
        "cos",
        "cosh",
        "cot",
        "coth",
        "csc",
        "deg",
        "det",
        "dim",
        "exp",
        "gcd",
        "hom",
        "inf",
        "ker",
        "lg",
        "lim",
        "liminf",
        "limsup",
        "ln",
        "log",
        "max",
        "min",
        "Pr",
        "sec",
        "sin",
        "sinh",
        "sup",
        "tan",
        "tanh",
    ]
)
"""Functions that are commands of LaTeX."""

ACCENTS: dict[str, tuple[str, str]] = {
    **dict.fromkeys("\u0302^ˆ", ("hat", "widehat")),
    **dict.fromkeys("\u0303~˜", ("tilde", "widetilde")),
    **dict.fromkeys("\u0304\u0305¯‾ˉ_", ("bar", "overline")),
    **dict.fromkeys("\u0307˙", ("dot", "dot")),
    **dict.fromkeys("\u0308¨", ("ddot", "ddot")),
    "\u20db": ("dddot", "dddot"),
    **dict.fromkeys("\u20d7\u20d1→⃑", ("vec", "overrightarrow")),
    **dict.fromkeys("\u20d6\u20d0←", ("overleftarrow", "overleftarrow")),
    **dict.fromkeys("\u20e1↔", ("overleftrightarrow", "overleftrightarrow")),
    **dict.fromkeys("\u030cˇ", ("check", "check")),
    **dict.fromkeys("\u0301´", ("acute", "acute")),
    **dict.fromkeys("\u0300`", ("grave", "grave")),
    **dict.fromkeys("\u0306˘", ("breve", "breve")),
    **dict.fromkeys("\u030a˚", ("mathring", "mathring")),
    "⏞": ("overbrace", "overbrace"),
    "⏟": ("underbrace", "underbrace"),
    "⏜": ("overparen", "overparen"),
    "⏝": ("underparen", "underparen"),
}
"""An accent to the commands for one letter and for more."""

_ESCAPED: dict[str, str] = {
    **{sign: f"\\{sign}" for sign in "#$%&_{}"},
    "\\": "\\backslash",
    "~": "\\sim",
    "^": "\\hat{}",
}
_SIGNS: dict[str, str] = {
    "−": "-",
    "∕": "/",
    "⁄": "/",
    "∶": ":",
    "＝": "=",
    "\u00a0": " ",
    "\u2061": "",
    "\u2062": "",
    "\u2063": "",
}
_STYLES = {
    "BOLD": "mathbf",
    "BOLD ITALIC": "boldsymbol",
    "DOUBLE-STRUCK": "mathbb",
    "SCRIPT": "mathcal",
    "BOLD SCRIPT": "mathcal",
    "FRAKTUR": "mathfrak",
    "BLACK-LETTER": "mathfrak",
    "BOLD FRAKTUR": "mathfrak",
    "SANS-SERIF": "mathsf",
    "SANS-SERIF ITALIC": "mathsf",
    "SANS-SERIF BOLD": "mathsf",
    "SANS-SERIF BOLD ITALIC": "mathsf",
    "MONOSPACE": "mathtt",
}
_LETTER = re.compile(r"(?:MATHEMATICAL )?(.*?) ?(?:CAPITAL|SMALL|DIGIT|PARTIAL|NABLA)\b")
_IN_LINES = {"&": "&", "#": "\\quad "}
_COMMAND_AT_END = re.compile(r"\\[A-Za-z]+\Z")
_IN_TEXT: dict[str, str] = {**{sign: f"\\{sign}" for sign in "#$%&_{}"}, "\\": "\\textbackslash{}"}


def text(characters: str) -> str:
    """Ordinary text within an equation."""
    if not characters.strip():
        return " " * bool(characters)
    return f"\\text{{{''.join(_IN_TEXT.get(sign, sign) for sign in characters)}}}"


def math(characters: str, *, aligned: bool = False) -> str:
    """The characters of an equation as LaTeX.

    Args:
        aligned: a "&" is where lines are aligned, and a "#" stands before the number of the equation.
    """
    if characters.isascii() and characters.isalnum():
        return characters
    parts: list[str] = []
    for style, signs in groupby(map(_styled, characters), key=lambda pair: pair[0]):
        if style:
            parts.append(f"\\{style}{{{joined([letter for _, letter in signs])}}}")
            continue
        for _, sign in signs:
            if aligned and sign in _IN_LINES:
                parts.append(_IN_LINES[sign])
            elif (found := COMMANDS.get(sign) or _ESCAPED.get(sign)) or (found := _SIGNS.get(sign)) is not None:
                parts.append(found)
            else:
                parts.append(sign)
    return joined(parts)


def joined(parts: Iterable[str]) -> str:
    """Parts of an equation in a row; a space ends a command before a letter."""
    found: list[str] = []
    for part in parts:
        if found and part[:1].isascii() and part[:1].isalpha() and _COMMAND_AT_END.search(found[-1]):
            found.append(" ")
        if part:
            found.append(part)
    return "".join(found)


def _styled(sign: str) -> tuple[str, str]:
    """A letter of a mathematical alphabet as its style and the letter: "ℝ" as "mathbb", "R". Else the sign itself."""
    if sign.isascii() or sign in COMMANDS:
        return "", sign
    plain = unicodedata.normalize("NFKC", sign)
    match = _LETTER.match(unicodedata.name(sign, "")) if len(plain) == 1 and plain != sign else None
    if match is None:
        return "", sign
    style = _STYLES.get(match[1], "")
    return style, COMMANDS.get(plain, plain) if style else plain
