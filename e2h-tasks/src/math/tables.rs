//! The words and commands that the lexer knows.
//!
//! # Source
//! LaTeX and amsmath command names; plain-text spellings that models use.
//! # Deviations
//! None.
//! # Invariants
//! - A name stands in one table only.

use super::ast::Func;
use super::lex::Tok;

/// The function that `name` means, as a LaTeX command or as a plain word.
pub(crate) fn function(name: &str) -> Option<Func> {
    Some(match name {
        "sin" => Func::Sin,
        "cos" => Func::Cos,
        "tan" | "tg" => Func::Tan,
        "cot" | "ctg" => Func::Cot,
        "sec" => Func::Sec,
        "csc" | "cosec" => Func::Csc,
        "arcsin" | "asin" => Func::Asin,
        "arccos" | "acos" => Func::Acos,
        "arctan" | "atan" => Func::Atan,
        "sinh" => Func::Sinh,
        "cosh" => Func::Cosh,
        "tanh" => Func::Tanh,
        "exp" => Func::Exp,
        "ln" => Func::Ln,
        "log" | "lg" => Func::Log,
        "gcd" | "GCD" => Func::Gcd,
        "lcm" | "LCM" => Func::Lcm,
        "min" => Func::Min,
        "max" => Func::Max,
        "abs" => Func::Abs,
        "floor" => Func::Floor,
        "ceil" => Func::Ceil,
        "cis" => Func::Cis,
        _ => return None,
    })
}

/// True for commands that only change looks and are passed over, some with a brace argument that stays.
pub(crate) fn is_decoration(name: &str) -> bool {
    matches!(
        name,
        "displaystyle"
            | "textstyle"
            | "scriptstyle"
            | "limits"
            | "nolimits"
            | "boxed"
            | "fbox"
            | "mathbf"
            | "boldsymbol"
            | "bm"
            | "mathit"
            | "mathsf"
            | "mathcal"
            | "mathscr"
            | "mathfrak"
            | "vec"
            | "hat"
            | "widehat"
            | "tilde"
            | "bar"
            | "underline"
            | "quad"
            | "qquad"
            | "left"
            | "right"
            | "big"
            | "Big"
            | "bigg"
            | "Bigg"
            | "bigl"
            | "bigr"
            | "Bigl"
            | "Bigr"
            | "biggl"
            | "biggr"
            | "Biggl"
            | "Biggr"
            | "middle"
            | "hspace*"
            | "thinspace"
            | "enspace"
            | "noindent"
            | "phantom"
            | "hfill"
            | "strut"
            | "smash"
            | "nonumber"
            | "large"
            | "Large"
            | "overrightarrow"
            | "cancel"
            | "mathop"
            | "mathord"
            | "mathbin"
            | "mathrel"
            | "ensuremath"
            | "hphantom"
            | "centering"
            | "nobreak"
            | "overbrace"
            | "underbrace"
            | "color"
            | "checkmark"
            | "blacksquare"
            | "Box"
            | "qed"
            | "tiny"
            | "small"
            | "normalsize"
    )
}

/// True for commands whose brace argument is words.
pub(crate) fn is_text_command(name: &str) -> bool {
    matches!(
        name,
        "text"
            | "textbf"
            | "textit"
            | "textrm"
            | "textsf"
            | "texttt"
            | "textnormal"
            | "textup"
            | "textsc"
            | "mbox"
            | "hbox"
            | "mathrm"
            | "rm"
            | "emph"
            | "operatorname"
    )
}

/// The token of a command that stands for one sign or constant.
pub(crate) fn command_sign(name: &str) -> Option<Tok> {
    Some(Tok::Sym(match name {
        "cdot" | "times" | "ast" | "bullet" | "star" => '*',
        "div" => '/',
        "pm" => '±',
        "mp" => '∓',
        "le" | "leq" | "leqslant" | "leqq" => '≤',
        "ge" | "geq" | "geqslant" | "geqq" => '≥',
        "lt" => '<',
        "gt" => '>',
        "ne" | "neq" => '≠',
        "approx" | "approxeq" | "sim" | "simeq" | "doteq" => '≈',
        "in" => '∈',
        "cup" | "bigcup" => '∪',
        "cap" | "bigcap" => '∩',
        "setminus" | "backslash" => '∖',
        "infty" | "infinity" => '∞',
        "emptyset" | "varnothing" | "O" => '∅',
        "langle" => '⟨',
        "rangle" => '⟩',
        "lbrace" => '⦃',
        "rbrace" => '⦄',
        "lbrack" => '[',
        "rbrack" => ']',
        "lvert" | "rvert" | "vert" | "lVert" | "rVert" | "Vert" => '|',
        "mid" | "colon" => ':',
        "lfloor" => '⌊',
        "rfloor" => '⌋',
        "lceil" => '⌈',
        "rceil" => '⌉',
        "circ" => '∘',
        "degree" | "degrees" => '°',
        "ldots" | "dots" | "cdots" | "dotsc" | "dotsb" | "dotso" | "dotsm" => '…',
        "equiv" | "cong" | "to" | "rightarrow" | "implies" | "Rightarrow" | "propto" | "mapsto"
        | "iff" | "Leftrightarrow" | "subset" | "subseteq" | "parallel" | "perp" => '≡',
        "prime" => '\'',
        "land" | "wedge" => '∧',
        "lor" | "vee" => '∨',
        "percent" => '%',
        "pi" => 'π',
        "over" => '⨸',
        "choose" => '⨹',
        "cr" => '\n',
        _ => return None,
    }))
}

/// True for the commands that name a letter.
pub(crate) fn is_letter_command(name: &str) -> bool {
    matches!(
        name,
        "alpha"
            | "beta"
            | "gamma"
            | "delta"
            | "epsilon"
            | "varepsilon"
            | "zeta"
            | "eta"
            | "theta"
            | "vartheta"
            | "iota"
            | "kappa"
            | "lambda"
            | "mu"
            | "nu"
            | "xi"
            | "rho"
            | "sigma"
            | "tau"
            | "upsilon"
            | "phi"
            | "varphi"
            | "chi"
            | "psi"
            | "omega"
            | "Gamma"
            | "Delta"
            | "Theta"
            | "Lambda"
            | "Xi"
            | "Pi"
            | "Sigma"
            | "Phi"
            | "Psi"
            | "Omega"
            | "ell"
            | "triangle"
            | "angle"
            | "partial"
            | "hbar"
            | "nabla"
            | "measuredangle"
            | "square"
    )
}

/// One plain character for a Unicode look-alike, or `None` to keep it.
pub(crate) fn plain_char(c: char) -> Option<char> {
    Some(match c {
        '−' | '–' | '—' | '‐' | '‑' | '﹣' => '-',
        '×' | '·' | '⋅' | '∗' | '•' | '∙' => '*',
        '÷' | '⁄' | '∕' => '/',
        '⩽' | '≦' => '≤',
        '⩾' | '≧' => '≥',
        '≅' | '∼' | '≃' => '≈',
        '′' | '’' => '\'',
        'º' | '˚' => '°',
        'ℝ' => 'R',
        '，' | '、' => ',',
        '（' => '(',
        '）' => ')',
        '；' => ';',
        '：' => ':',
        '。' => '.',
        '￥' | '¥' | '£' | '€' => '€',
        '→' | '⇒' | '⟹' => '≡',
        '\u{660}'..='\u{669}' => char::from_u32(u32::from(c) - 0x660 + 0x30).unwrap_or(c),
        '\u{6f0}'..='\u{6f9}' => char::from_u32(u32::from(c) - 0x6f0 + 0x30).unwrap_or(c),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => return None,
    })
}
