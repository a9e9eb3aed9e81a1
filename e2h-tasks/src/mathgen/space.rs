//! Precalculus: vectors, matrices, lines and planes.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use num_rational::Ratio;
use num_traits::Zero;

use super::draw::{Draw, clean, rationals};
use super::latex::{column, fraction, matrix, point, whole_sum};
use super::pad::{DEFINITION, Exact, FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::{Surd, Value};

const S: Subject = Subject::Precalculus;

pub(super) const TEMPLATES: [Template; 4] = [
    Template::new("vectors", S, (0, 4), vectors),
    Template::new("matrices", S, (0, 4), matrices),
    Template::new("line_and_plane", S, (2, 3), line_and_plane),
    Template::new("plane_distance", S, (3, 4), plane_distance),
];

/// The cross product.
fn cross<N: Exact>(p: &Pad, a: &[N], b: &[N]) -> Vec<N> {
    let minor = |i: usize, j: usize| p.sub(p.mul(a[i], b[j]), p.mul(a[j], b[i]));
    vec![minor(1, 2), minor(2, 0), minor(0, 1)]
}

fn vectors(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let size = [12, 9, 7, 6, 25][level];
    let mut draw = |n: usize| (0..n).map(|_| d.nonzero(size)).collect::<Vec<Z>>();
    let (a, b) = (draw(3), draw(3));
    p.recall([DEFINITION, FORMULA, FORMULA, THEOREM, 2 * THEOREM][level]);
    let variant = u16::try_from(level).ok()?;
    match level {
        0..=2 => two_vectors(variant, &a, &b, p),
        _ => points_in_space(variant, [&a, &b, &draw(3), &draw(3)], p),
    }
}

/// Dot product, cross product or projection.
fn two_vectors(variant: u16, a: &[Z], b: &[Z], p: &Pad) -> Made {
    let mut words = p.given(variant, &[a, b].concat());
    let (u, v) = (column(a), column(b));
    match variant {
        0 => {
            p.step("Multiply entry by entry and add.".to_owned());
            let text = one_of!(
                words,
                "Compute the dot product of ${u}$ and ${v}$.",
                "What is ${u} \\cdot {v}$?"
            );
            Some((text, Value::whole(p.dot(a, b))))
        }
        1 => {
            let product: Vec<Vec<Q>> = cross(p, a, b).iter().map(|&x| vec![x.into()]).collect();
            p.step("Each entry is a two by two determinant.".to_owned());
            let text = one_of!(
                words,
                "Compute ${u} \\times {v}$.",
                "What is the cross product of ${u}$ and ${v}$, in this order?"
            );
            Some((text, Value::Matrix(product)))
        }
        _ => {
            let factor = p.div(p.dot(a, b), p.dot(b, b));
            p.step(format!(
                "The factor is $\\frac{{a \\cdot b}}{{b \\cdot b}} = {}$.",
                fraction(factor)
            ));
            let value = b.iter().map(|&x| vec![p.mul(factor, x.into())]).collect();
            let text = one_of!(
                words,
                "Find the projection of ${u}$ onto ${v}$.",
                "What vector results when ${u}$ is projected onto the line spanned by ${v}$?"
            );
            Some((text, Value::Matrix(value)))
        }
    }
}

/// The area of a triangle or the volume of a tetrahedron.
fn points_in_space(variant: u16, [a, b, c, e]: [&[Z]; 4], p: &Pad) -> Made {
    let side = |to: &[Z]| -> Vec<Z> { to.iter().zip(a).map(|(&t, &s)| p.sub(t, s)).collect() };
    let normal = cross(p, &side(b), &side(c));
    p.step(format!("The cross product of two edges is ${}$.", column(&normal)));
    let [pa, pb, pc, pe] = [a, b, c, e].map(point);
    if variant == 3 {
        let mut words = p.given(variant, &[a, b, c].concat());
        let square = p.dot(&normal, &normal);
        if square == 0 {
            return None;
        }
        let text = one_of!(
            words,
            "What is the exact area of the triangle with vertices ${pa}$, ${pb}$ and ${pc}$?",
            "Three corners of a parallelogram are ${pa}$, ${pb}$ and ${pc}$. Find exactly half of \
             its area.",
        );
        return Some((text, Value::surd(p.sqrt(Ratio::new(square, 4)))));
    }
    let mut words = p.given(variant, &[a, b, c, e].concat());
    let volume = p.dot(&normal, &side(e));
    if volume == 0 {
        return None;
    }
    p.step(format!(
        "Its dot product with the third edge is ${volume}$; the volume is a sixth of its size."
    ));
    let text = one_of!(
        words,
        "What is the volume of the tetrahedron with vertices ${pa}$, ${pb}$, ${pc}$ and ${pe}$?",
        "Find the volume of the pyramid whose corners are ${pa}$, ${pb}$, ${pc}$ and ${pe}$.",
    );
    Some((text, Value::Number(p.div(volume.abs(), 6))))
}

/// The determinant of a 3 by 3 matrix along its first row, and the cofactors by rows.
fn cofactors(p: &Pad, m: &[Vec<Z>], rows: usize) -> Vec<Vec<Z>> {
    let minor = |i: usize, j: usize| {
        let cell = |a: usize, b: usize| m[(i + a) % 3][(j + b) % 3];
        p.sub(p.mul(cell(1, 1), cell(2, 2)), p.mul(cell(1, 2), cell(2, 1)))
    };
    (0..rows).map(|i| (0..3).map(|j| minor(i, j)).collect()).collect()
}

fn determinant_of_two(p: &Pad, a: &[Vec<Z>]) -> Z {
    p.sub(p.mul(a[0][0], a[1][1]), p.mul(a[0][1], a[1][0]))
}

/// The inverse of a 2 by 2 matrix; `None` for a singular one.
fn inverse_of_two(p: &Pad, a: &[Vec<Z>]) -> Option<Vec<Vec<Q>>> {
    let determinant = Some(determinant_of_two(p, a)).filter(|&det| det != 0)?;
    p.step(format!(
        "The determinant is ${determinant}$; swap the diagonal, negate the rest and divide."
    ));
    let over = |x: Z| p.div(x, determinant);
    Some(vec![vec![over(a[1][1]), over(-a[0][1])], vec![over(-a[1][0]), over(a[0][0])]])
}

/// The inverse of a 3 by 3 matrix of small determinant; `None` for others.
fn inverse_of_three(p: &Pad, a: &[Vec<Z>]) -> Option<Vec<Vec<Q>>> {
    let all = cofactors(p, a, 3);
    let determinant = Some(p.dot(&a[0], &all[0])).filter(|det| (1..=9).contains(&det.abs()))?;
    p.recall(THEOREM);
    p.step(format!("The determinant is ${determinant}$; divide the transposed cofactors by it."));
    Some((0..3).map(|i| (0..3).map(|j| p.div(all[j][i], determinant)).collect()).collect())
}

fn matrices(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = if level < 3 { 2 } else { 3 };
    let size = [12, 6, 15, 12, 5][level];
    let mut draw =
        || (0..n).map(|_| (0..n).map(|_| d.nonzero(size)).collect::<Vec<Z>>()).collect::<Vec<_>>();
    let (a, b) = (draw(), draw());
    let show = |m: &[Vec<Z>]| matrix(&m.iter().map(|row| rationals(row)).collect::<Vec<_>>());
    let (ma, mb) = (show(&a), show(&b));
    let given = if level == 1 { [a.concat(), b.concat()].concat() } else { a.concat() };
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    p.recall(if level < 2 { DEFINITION } else { FORMULA });
    let value = match level {
        0 => {
            p.step("Multiply along the diagonals and subtract.".to_owned());
            Value::whole(determinant_of_two(p, &a))
        }
        1 => {
            p.step("Each entry is a row times a column.".to_owned());
            let entry = |i: usize, j: usize| Q::from(p.dot(&a[i], &[b[0][j], b[1][j]]));
            Value::Matrix((0..2).map(|i| (0..2).map(|j| entry(i, j)).collect()).collect())
        }
        2 => Value::Matrix(inverse_of_two(p, &a)?),
        3 => {
            let row = cofactors(p, &a, 1).concat();
            p.step(format!(
                "The minors of the first row, with signs, are ${}$, ${}$ and ${}$.",
                row[0], row[1], row[2]
            ));
            Value::whole(p.dot(&a[0], &row))
        }
        _ => Value::Matrix(inverse_of_three(p, &a)?),
    };
    let text = match level {
        0 | 3 => one_of!(words, "Compute the determinant of ${ma}$.", "What is $\\det {ma}$?"),
        1 => one_of!(words, "Compute the matrix product ${ma} {mb}$.", "What is ${ma} {mb}$?"),
        _ => one_of!(words, "Find the inverse of the matrix ${ma}$.", "What is ${ma}^{{-1}}$?"),
    };
    Some((text, value))
}

fn line_and_plane(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let mut draw = || (0..3).map(|_| d.nonzero(7)).collect::<Vec<Z>>();
    let (from, normal, other) = (draw(), draw(), draw());
    let right = d.nonzero(30);
    let direction = if level == 2 { other } else { normal.clone() };
    p.recall(THEOREM);
    let below = p.dot(&normal, &direction);
    let above = p.sub(right, p.dot(&normal, &from));
    if below == 0 || above == 0 {
        return None;
    }
    let t = p.div(above, below);
    p.step(format!("Inserting the line into the plane gives $t = {}$.", fraction(t)));
    // The mirror image lies twice as far along the normal as the foot.
    let t = if level == 3 { p.mul(2.into(), t) } else { t };
    let at: Option<Vec<Q>> =
        (0..3).map(|i| clean(p.add(from[i].into(), p.mul(t, direction[i].into())), 60)).collect();
    let at = at?;
    let plane =
        format!("{} = {right}", whole_sum(&[(normal[0], "x"), (normal[1], "y"), (normal[2], "z")]));
    let start = point(&from);
    if level == 3 {
        let mut words = p.given(3, &[&from[..], &normal, &[right]].concat());
        p.recall(THEOREM);
        let text = one_of!(
            words,
            "The point ${start}$ is reflected in the plane ${plane}$. What are the coordinates of \
             its image?",
            "Find the mirror image of the point ${start}$ in the plane ${plane}$.",
        );
        return Some((text, Value::point(at)));
    }
    let mut words = p.given(2, &[&from[..], &direction, &normal, &[right]].concat());
    let v = column(&direction);
    let text = one_of!(
        words,
        "A line goes through ${start}$ with direction ${v}$. In which point does it meet the plane \
         ${plane}$?",
        "Find the point where the line through ${start}$ with direction ${v}$ crosses the plane \
         ${plane}$.",
    );
    Some((text, Value::point(at)))
}

fn plane_distance(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let size = [9, 6][level - 3];
    let mut draw = || (0..3).map(|_| d.nonzero(size)).collect::<Vec<Z>>();
    let (at, first) = (draw(), draw());
    p.recall(THEOREM);
    let distance = |normal: &[Z], right: Z| {
        let top = p.sub(p.dot(normal, &at), right).abs();
        let square = p.dot(normal, normal);
        p.step(format!("The distance is $\\frac{{{top}}}{{\\sqrt{{{square}}}}}$."));
        p.sqrt(square).scaled(p.div(Q::from(top), Q::from(square)))
    };
    let shown = point(&at);
    if level == 3 {
        let right = d.nonzero(30);
        let mut words = p.given(3, &[&at[..], &first, &[right]].concat());
        let value = distance(&first, right);
        if value == Surd::from(Q::zero()) {
            return None;
        }
        let plane = format!(
            "{} = {right}",
            whole_sum(&[(first[0], "x"), (first[1], "y"), (first[2], "z")])
        );
        let text = one_of!(
            words,
            "What is the exact distance from the point ${shown}$ to the plane ${plane}$?",
            "A sphere with center ${shown}$ touches the plane ${plane}$. What is its exact radius?",
        );
        return Some((text, Value::surd(value)));
    }
    let (second, third) = (draw(), draw());
    let mut words = p.given(4, &[&at[..], &first, &second, &third].concat());
    let side = |to: &[Z]| -> Vec<Z> { to.iter().zip(&first).map(|(&t, &s)| p.sub(t, s)).collect() };
    let normal = cross(p, &side(&second), &side(&third));
    let right = p.dot(&normal, &first);
    if normal.iter().all(Z::is_zero) || p.dot(&normal, &at) == right {
        return None;
    }
    p.recall(THEOREM);
    p.step(format!("The plane has normal vector ${}$.", column(&normal)));
    let value = distance(&normal, right);
    let [a, b, c] = [&first, &second, &third].map(|x| point(x));
    let text = one_of!(
        words,
        "What is the exact distance from the point ${shown}$ to the plane through ${a}$, ${b}$ and \
         ${c}$?",
        "A plane contains the points ${a}$, ${b}$ and ${c}$. Exactly how far is it from the point \
         ${shown}$?",
    );
    Some((text, Value::surd(value)))
}
