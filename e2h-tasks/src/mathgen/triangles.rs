//! Geometry of triangles, with and without coordinates.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use num_traits::Zero;

use super::draw::{Draw, clean, rationals};
use super::geometry::cross;
use super::latex::{self, fraction, point, whole_sum};
use super::pad::{DEFINITION, FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::Geometry;

pub(super) const TEMPLATES: [Template; 6] = [
    Template::new("right_triangle", S, (0, 2), right_triangle),
    Template::new("similar_triangles", S, (0, 2), similar_triangles),
    Template::new("cevian", S, (1, 3), cevian),
    Template::new("triangle_sides", S, (2, 4), triangle_sides),
    Template::new("point_line_distance", S, (2, 3), point_line_distance),
    Template::new("triangle_center", S, (3, 4), triangle_center),
];

fn right_triangle(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b) = (d.int(2, [15, 40, 30][level]), d.int(2, [15, 40, 30][level]));
    let mut words = p.given(u16::try_from(level).ok()?, &[a, b]);
    p.recall(FORMULA);
    match level {
        0 => {
            let square = p.dot(&[a, b], &[a, b]);
            p.step(format!("${a}^2 + {b}^2 = {square}$; take the root."));
            let text = one_of!(
                words,
                "The legs of a right triangle are ${a}$ and ${b}$ long. How long is the \
                 hypotenuse? Give an exact answer.",
                "What is the exact length of a diagonal of a rectangle with sides ${a}$ and ${b}$?",
            );
            Some((text, Value::surd(p.sqrt(square))))
        }
        1 => {
            if a <= b {
                return None;
            }
            let square = p.sub(p.mul(a, a), p.mul(b, b));
            p.step(format!("${a}^2 - {b}^2 = {square}$; take the root."));
            let text = one_of!(
                words,
                "A right triangle has a hypotenuse of length ${a}$ and a leg of length ${b}$. How \
                 long is the other leg? Give an exact answer.",
                "A ladder of length ${a}$ leans against a wall, its foot ${b}$ away from the wall. \
                 Exactly how high does it reach?",
            );
            Some((text, Value::surd(p.sqrt(square))))
        }
        _ => {
            let square = p.dot(&[a, b], &[a, b]);
            let root = p.sqrt(square);
            p.recall(THEOREM);
            p.step(format!(
                "Twice the area is ${a} \\cdot {b}$; divide it by the hypotenuse \
                 $\\sqrt{{{square}}}$."
            ));
            let factor = p.div(Q::from(p.mul(a, b)), Q::from(square));
            let text = one_of!(
                words,
                "The legs of a right triangle are ${a}$ and ${b}$ long. How long is the altitude \
                 to the hypotenuse? Give an exact answer.",
                "Find the exact distance from the vertex of the right angle to the hypotenuse in a \
                 right triangle with legs ${a}$ and ${b}$.",
            );
            Some((text, Value::surd(root.scaled(factor))))
        }
    }
}

fn similar_triangles(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b, c) = (d.int(2, 24), d.int(2, 24), d.int(2, 40));
    if a == b {
        return None;
    }
    let mut words = p.given(u16::try_from(level).ok()?, &[a, b, c]);
    p.recall(DEFINITION);
    let value = match level {
        0 => p.div(p.mul(b, c), a),
        1 => {
            p.recall(FORMULA);
            p.step("Areas scale with the square of the ratio of the sides.".to_owned());
            let ratio = p.div(b, a);
            p.mul(p.mul(ratio, ratio), c.into())
        }
        _ => {
            p.recall(THEOREM);
            let ratio = p.div(p.add(a, b), a);
            p.step(format!(
                "Triangle $ABC$ is larger than $ADE$ by the factor ${}$ in length.",
                fraction(ratio)
            ));
            p.mul(p.sub(p.mul(ratio, ratio), 1.into()), c.into())
        }
    };
    let value = clean(value, [12, 40, 200][level])?;
    p.step(format!("This gives ${}$.", fraction(value)));
    let text = match level {
        0 => one_of!(
            words,
            "Triangles $ABC$ and $DEF$ are similar, with $AB = {a}$, $BC = {b}$ and $DE = {c}$. \
             How long is $EF$?",
            "At the same time of day a pole of height ${b}$ casts a shadow of length ${a}$, and a \
             tower casts a shadow of length ${c}$. How tall is the tower?",
        ),
        1 => one_of!(
            words,
            "Two similar triangles have corresponding sides ${a}$ and ${b}$. The area of the first \
             triangle is ${c}$. What is the area of the second?",
            "A map of a garden is scaled so that a side of ${a}$ becomes ${b}$. The garden covers \
             ${c}$ square units before scaling. How many square units does it cover afterwards?",
        ),
        _ => one_of!(
            words,
            "In triangle $ABC$ point $D$ lies on $AB$ and $E$ on $AC$ with $DE$ parallel to $BC$. \
             If $AD = {a}$, $DB = {b}$ and triangle $ADE$ has area ${c}$, what is the area of \
             quadrilateral $DBCE$?",
            "A line parallel to side $BC$ of triangle $ABC$ meets $AB$ at $D$, with $AD = {a}$ and \
             $DB = {b}$. It cuts off a triangle of area ${c}$ at $A$. Find the area of the rest of \
             the triangle.",
        ),
    };
    Some((text, Value::Number(value)))
}

/// Three sides of a proper triangle.
fn sides(d: &mut Draw<'_>, max: i64) -> Option<[Z; 3]> {
    let g = d.ints(3, 2, max);
    let [a, b, c] = [g[0], g[1], g[2]];
    (a < b + c && b < a + c && c < a + b).then_some([a, b, c])
}

fn cevian(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let [a, b, c] = sides(d, 25)?;
    let mut words = p.given(u16::try_from(level).ok()?, &[a, b, c]);
    p.recall(THEOREM);
    let triangle = format!("$BC = {a}$, $CA = {b}$ and $AB = {c}$");
    let (what, value) = match level {
        1 => {
            p.step(format!("The bisector divides $BC$ in the ratio ${c} : {b}$."));
            let value = p.div(p.mul(a, c), p.add(b, c));
            (
                one_of!(
                    words,
                    "The bisector of the angle at $A$ meets $BC$ at $D$. How long is $BD$?",
                    "Point $D$ on $BC$ lies on the bisector of angle $A$. Find $BD$."
                ),
                Value::Number(value),
            )
        }
        2 => {
            let sum = p.mul(2, p.dot(&[b, c], &[b, c]));
            let square = p.div(p.sub(sum, p.mul(a, a)), 4);
            p.step(format!(
                "The square of the median is $\\frac{{2 b^2 + 2 c^2 - a^2}}{{4}} = {}$.",
                fraction(square)
            ));
            (
                one_of!(
                    words,
                    "How long is the median from $A$? Give an exact answer.",
                    "Point $M$ is the midpoint of $BC$. Find the exact length of $AM$."
                ),
                Value::surd(p.sqrt(square)),
            )
        }
        _ => {
            p.recall(THEOREM);
            let share = p.div(a, p.add(b, c));
            let rest = p.sub(Q::from(1), p.mul(share, share));
            let square = clean(p.mul(p.mul(b, c).into(), rest), 400)?;
            p.step(format!(
                "The square of the bisector is $bc \\left( 1 - \\frac{{a^2}}{{(b + \
                 c)^2}} \\right) = {}$.",
                fraction(square)
            ));
            (
                one_of!(
                    words,
                    "The bisector of the angle at $A$ meets $BC$ at $D$. What is the exact length \
                     of $AD$?",
                    "Point $D$ on $BC$ lies on the bisector of angle $A$. Find $AD$ exactly."
                ),
                Value::surd(p.sqrt(square)),
            )
        }
    };
    Some((format!("In triangle $ABC$ the sides are {triangle}. {what}"), value))
}

fn triangle_sides(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let [a, b, c] = sides(d, 25)?;
    let mut words = p.given(u16::try_from(level).ok()?, &[a, b, c]);
    p.recall(THEOREM);
    let half = p.div(p.sum(&[a, b, c]), 2);
    let rests: Vec<Q> = [a, b, c].iter().map(|&side| p.sub(half, side.into())).collect();
    p.step(format!("Half of the perimeter is ${}$.", fraction(half)));
    let square = p.mul(half, p.product(&rests));
    p.step(format!("By Heron's formula the square of the area is ${}$.", fraction(square)));
    let (what, value) = match level {
        2 => ("area", p.sqrt(square)),
        3 => {
            p.recall(THEOREM);
            let area = p.sqrt(square);
            ("radius of the inscribed circle", area.scaled(p.div(Q::from(1), half)))
        }
        _ => {
            p.recall(THEOREM);
            let area = p.sqrt(square);
            // R = abc / (4 A) = abc A / (4 A^2)
            let factor = p.div(Q::from(p.product(&[a, b, c])), p.mul(4.into(), square));
            p.recall(FORMULA);
            ("radius of the circumscribed circle", area.scaled(factor))
        }
    };
    let text = one_of!(
        words,
        "What is the exact {what} of the triangle with sides ${a}$, ${b}$ and ${c}$?",
        "A triangle has sides of lengths ${a}$, ${b}$ and ${c}$. What is the exact {what}?",
    );
    Some((text, Value::surd(value)))
}

/// The distance from a point to the line `a x + b y = c`.
fn distance(p: &Pad, [a, b, c]: [Z; 3], [x, y]: [Z; 2]) -> Value {
    let top = p.sub(p.dot(&[a, b], &[x, y]), c);
    let square = p.dot(&[a, b], &[a, b]);
    p.step(format!("The distance is $\\frac{{{}}}{{\\sqrt{{{square}}}}}$.", top.abs()));
    let root = p.sqrt(square);
    let factor = p.div(Q::from(top.abs()), Q::from(square));
    Value::surd(root.scaled(factor))
}

fn point_line_distance(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (x, y) = (d.int(-12, 12), d.int(-12, 12));
    p.recall(FORMULA);
    let at = point(&[x, y]);
    if level == 2 {
        let (a, b, c) = (d.nonzero(9), d.nonzero(9), d.nonzero(20));
        if a * x + b * y == c {
            return None;
        }
        let mut words = p.given(2, &[x, y, a, b, c]);
        let line = format!("{} = {c}", whole_sum(&[(a, "x"), (b, "y")]));
        let value = distance(p, [a, b, c], [x, y]);
        let text = one_of!(
            words,
            "What is the exact distance from the point ${at}$ to the line ${line}$?",
            "A circle with center ${at}$ touches the line ${line}$. What is its exact radius?",
        );
        return Some((text, value));
    }
    let g: Vec<Z> = (0..4).map(|_| d.int(-12, 12)).collect();
    let (u, v) = (p.sub(g[2], g[0]), p.sub(g[3], g[1]));
    let c = p.sub(p.mul(v, g[0]), p.mul(u, g[1]));
    if u == 0 || v == 0 || v * x - u * y == c {
        return None;
    }
    let mut words = p.given(3, &[&[x, y], &g[..]].concat());
    p.recall(THEOREM);
    p.step(format!(
        "The line through $B$ and $C$ is ${} = {c}$.",
        whole_sum(&[(v, "x"), (-u, "y")])
    ));
    let value = distance(p, [v, -u, c], [x, y]);
    let (b, c) = (point(&g[..2]), point(&g[2..]));
    let text = one_of!(
        words,
        "A triangle has vertices $A = {at}$, $B = {b}$ and $C = {c}$. How long is the altitude \
         from $A$? Give an exact answer.",
        "Find the exact distance from $A = {at}$ to the line through $B = {b}$ and $C = {c}$.",
    );
    Some((text, value))
}

fn triangle_center(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let g: Vec<Z> = (0..6).map(|_| d.int(-12, 12)).collect();
    let corners: Vec<[Z; 2]> = g.chunks(2).map(|c| [c[0], c[1]]).collect();
    let side = |i: usize, j: usize| {
        [p.sub(corners[j][0], corners[i][0]), p.sub(corners[j][1], corners[i][1])]
    };
    let (ab, ac) = (side(0, 1), side(0, 2));
    if cross((ab[0], ab[1]), (ac[0], ac[1])).is_zero() {
        return None;
    }
    let mut words = p.given(u16::try_from(level).ok()?, &g);
    p.recall(2 * THEOREM);
    let circumscribed = level == 4;
    let rows = if circumscribed {
        let norm = |i: usize| p.dot(&corners[i], &corners[i]);
        let (a, b, c) = (norm(0), norm(1), norm(2));
        let half = |x: Z| p.div(x, 2);
        p.step("The center lies on the perpendicular bisectors of $AB$ and $AC$.".to_owned());
        vec![
            [rationals(&ab), vec![half(p.sub(b, a))]].concat(),
            [rationals(&ac), vec![half(p.sub(c, a))]].concat(),
        ]
    } else {
        p.step("The altitude from $C$ is perpendicular to $AB$, that from $B$ to $AC$.".to_owned());
        vec![
            rationals(&[ab[0], ab[1], p.dot(&ab, &corners[2])]),
            rationals(&[ac[0], ac[1], p.dot(&ac, &corners[1])]),
        ]
    };
    for row in &rows {
        p.step(format!(
            "One equation is ${} = {}$.",
            latex::sum(&[(row[0], "x"), (row[1], "y")]),
            fraction(row[2])
        ));
    }
    let solved = p.solve(rows)?;
    if solved.iter().any(|x| clean(*x, 60).is_none()) {
        return None;
    }
    let [a, b, c] = [point(&corners[0]), point(&corners[1]), point(&corners[2])];
    let what = if circumscribed {
        one_of!(
            words,
            "What is the center of the circle through",
            "Find the point that is equally far from"
        )
    } else {
        one_of!(
            words,
            "Find the orthocenter of the triangle with vertices",
            "In which point do the altitudes of a triangle meet whose vertices are"
        )
    };
    let end = if what.starts_with("Find") { "." } else { "?" };
    let text = format!("{what} $A = {a}$, $B = {b}$ and $C = {c}${end}");
    Some((text, Value::point(solved)))
}
