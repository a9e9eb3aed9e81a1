//! The tree of an answer: numbers, expressions, collections, relations and texts in one type.
//!
//! # Source
//! Own work.
//! # Deviations
//! None.
//! # Invariants
//! - A tree is never deeper than [`MAX_DEPTH`](super::limits::MAX_DEPTH) times a small constant, so
//!   recursive walks are safe.

use num_rational::BigRational;

use super::units::Unit;

/// One node of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A number without sign, with the decimal places that it was written with.
    Num(BigRational, u32),
    /// A named constant.
    Const(Const),
    /// A variable, subscripts included: `x`, `a_1`, `\theta`.
    Var(String),
    /// A sum of terms.
    Sum(Vec<Node>),
    /// A product of factors.
    Prod(Vec<Node>),
    /// Minus the node.
    Neg(Box<Node>),
    /// Plus or minus the node; `true` for `\mp`, whose sign is the other one.
    PlusMinus(Box<Node>, bool),
    /// A quotient.
    Div(Box<Node>, Box<Node>),
    /// A power.
    Pow(Box<Node>, Box<Node>),
    /// A root: radicand and index.
    Root(Box<Node>, Box<Node>),
    /// A known function of its arguments.
    Call(Func, Vec<Node>),
    /// A function that only has a name: `f(x)`.
    Apply(String, Vec<Node>),
    /// So many hundredths.
    Percent(Box<Node>),
    /// So many degrees of arc.
    Degree(Box<Node>),
    /// A number written in a base other than ten: its digits, base and value.
    Based(String, u32, BigRational),
    /// Things between brackets, in order; a pair may be an interval. `true` marks a square bracket.
    Tuple(Vec<Node>, bool, bool),
    /// Things between braces.
    Set(Vec<Node>),
    /// Things side by side without brackets.
    List(Vec<Node>, Joint),
    /// A union of sets.
    Union(Vec<Node>),
    /// An intersection of sets.
    Intersection(Vec<Node>),
    /// The first set without the second.
    Without(Box<Node>, Box<Node>),
    /// The empty set.
    Empty,
    /// The real numbers.
    Reals,
    /// A matrix or column, row by row.
    Matrix(Vec<Vec<Node>>),
    /// A chain of relations, one sign fewer than terms.
    Rel(Vec<Node>, Vec<Sign>),
    /// A ratio `a : b : c`, or a time of day.
    Ratio(Vec<Node>),
    /// A value with a unit.
    Unit(Box<Node>, Unit),
    /// Words.
    Text(String),
}

/// How the things of a list are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    /// By commas or semicolons.
    Comma,
    /// By `and`.
    And,
    /// By `or`.
    Or,
}

/// A constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Const {
    /// The circle number.
    Pi,
    /// The base of natural logarithms.
    E,
    /// The imaginary unit.
    I,
    /// Positive infinity.
    Infinity,
}

/// A relation sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `=`
    Equal,
    /// `\ne`
    NotEqual,
    /// `<`
    Less,
    /// `\le`
    LessEqual,
    /// `>`
    Greater,
    /// `\ge`
    GreaterEqual,
    /// `\approx`
    About,
    /// `\in`
    In,
    /// `\equiv` and other signs that are compared by form alone.
    Other,
}

impl Sign {
    /// The sign read from right to left.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            other => other,
        }
    }

    /// True for `<`, `\le`, `>`, `\ge` and `\ne`.
    pub(crate) fn is_inequality(self) -> bool {
        !matches!(self, Self::Equal | Self::About | Self::In | Self::Other)
    }
}

/// A function with a known meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Func {
    Sin,
    Cos,
    Tan,
    Cot,
    Sec,
    Csc,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Exp,
    Ln,
    /// Without a base: 10, or e where the other side says so.
    Log,
    /// Base first, then argument.
    LogBase,
    Abs,
    Floor,
    Ceil,
    Factorial,
    DoubleFactorial,
    Binomial,
    Gcd,
    Lcm,
    Min,
    Max,
    Cis,
    /// Big operators: lower bound with its variable, upper bound, body.
    Series,
    Product,
    Integral,
    Limit,
}

impl Node {
    /// An integer.
    pub(crate) fn int(value: i64) -> Self {
        Self::Num(BigRational::from_integer(value.into()), 0)
    }

    /// Minus `node`, with a double sign cancelled.
    pub(crate) fn neg(node: Self) -> Self {
        match node {
            Self::Neg(inner) => *inner,
            other => Self::Neg(Box::new(other)),
        }
    }

    /// `self - other`.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        Self::Sum(vec![self.clone(), Self::neg(other.clone())])
    }

    /// The direct parts, for walks that treat all kinds alike.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Num(..) | Self::Const(_) | Self::Var(_) | Self::Based(..) => Vec::new(),
            Self::Empty | Self::Reals | Self::Text(_) => Vec::new(),
            Self::Neg(a) | Self::PlusMinus(a, _) | Self::Percent(a) => vec![a],
            Self::Degree(a) | Self::Unit(a, _) => vec![a],
            Self::Div(a, b) | Self::Pow(a, b) | Self::Root(a, b) | Self::Without(a, b) => {
                vec![a, b]
            }
            Self::Sum(v) | Self::Prod(v) | Self::Call(_, v) | Self::Apply(_, v) => {
                v.iter().collect()
            }
            Self::Tuple(v, ..) | Self::Set(v) | Self::List(v, _) | Self::Union(v) => {
                v.iter().collect()
            }
            Self::Intersection(v) | Self::Rel(v, _) | Self::Ratio(v) => v.iter().collect(),
            Self::Matrix(rows) => rows.iter().flatten().collect(),
        }
    }

    /// The same node with `f` applied to each direct part.
    pub(crate) fn map(&self, f: &mut dyn FnMut(&Self) -> Self) -> Self {
        let mut one = |a: &Self| Box::new(f(a));
        match self {
            Self::Neg(a) => Self::Neg(one(a)),
            Self::PlusMinus(a, other) => Self::PlusMinus(one(a), *other),
            Self::Percent(a) => Self::Percent(one(a)),
            Self::Degree(a) => Self::Degree(one(a)),
            Self::Unit(a, unit) => Self::Unit(one(a), unit.clone()),
            Self::Div(a, b) => Self::Div(one(a), one(b)),
            Self::Pow(a, b) => Self::Pow(one(a), one(b)),
            Self::Root(a, b) => Self::Root(one(a), one(b)),
            Self::Without(a, b) => Self::Without(one(a), one(b)),
            Self::Sum(v) => Self::Sum(v.iter().map(f).collect()),
            Self::Prod(v) => Self::Prod(v.iter().map(f).collect()),
            Self::Call(name, v) => Self::Call(*name, v.iter().map(f).collect()),
            Self::Apply(name, v) => Self::Apply(name.clone(), v.iter().map(f).collect()),
            Self::Tuple(v, a, b) => Self::Tuple(v.iter().map(f).collect(), *a, *b),
            Self::Set(v) => Self::Set(v.iter().map(f).collect()),
            Self::List(v, joint) => Self::List(v.iter().map(f).collect(), *joint),
            Self::Union(v) => Self::Union(v.iter().map(f).collect()),
            Self::Intersection(v) => Self::Intersection(v.iter().map(f).collect()),
            Self::Rel(v, signs) => Self::Rel(v.iter().map(f).collect(), signs.clone()),
            Self::Ratio(v) => Self::Ratio(v.iter().map(f).collect()),
            Self::Matrix(rows) => {
                Self::Matrix(rows.iter().map(|row| row.iter().map(&mut *f).collect()).collect())
            }
            leaf => leaf.clone(),
        }
    }

    /// The number of nodes.
    pub(crate) fn size(&self) -> u64 {
        self.children().into_iter().map(Self::size).sum::<u64>() + 1
    }

    /// True when `test` holds for the node or a part of it.
    pub(crate) fn any(&self, test: &dyn Fn(&Self) -> bool) -> bool {
        test(self) || self.children().into_iter().any(|child| child.any(test))
    }

    /// True when the tree has a variable or an unknown function.
    pub(crate) fn has_names(&self) -> bool {
        self.any(&|node| matches!(node, Self::Var(_) | Self::Apply(..)))
    }

    /// The tree with `name` replaced by `value`.
    pub(crate) fn with(&self, name: &Self, value: &Self) -> Self {
        if self == name { value.clone() } else { self.map(&mut |child| child.with(name, value)) }
    }

    /// True for a node that is a value of the kind that expressions have.
    pub(crate) fn is_expression(&self) -> bool {
        matches!(
            self,
            Self::Num(..)
                | Self::Const(_)
                | Self::Var(_)
                | Self::Sum(_)
                | Self::Prod(_)
                | Self::Neg(_)
                | Self::PlusMinus(..)
                | Self::Div(..)
                | Self::Pow(..)
                | Self::Root(..)
                | Self::Call(..)
                | Self::Apply(..)
                | Self::Percent(_)
                | Self::Degree(_)
                | Self::Based(..)
        )
    }
}
