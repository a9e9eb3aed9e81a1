//! Geometry of circles, solids and polygons.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use super::draw::Draw;
use super::latex::{fraction, join, point};
use super::pad::{FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::Geometry;

pub(super) const TEMPLATES: [Template; 4] = [
    Template::new("circle", S, (0, 2), circle),
    Template::new("solid", S, (0, 2), solid),
    Template::new("polygon_angles", S, (0, 1), polygon_angles),
    Template::new("polygon_area", S, (1, 4), polygon_area),
];

fn circle(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    p.recall(FORMULA);
    let (r, angle) = (d.int(2, [200, 40, 40][level]), 5 * d.int(1, 71));
    match level {
        0 => {
            let variant = d.pick(&[0, 1]);
            let mut words = p.given(variant, &[r]);
            if variant == 0 {
                let text = one_of!(
                    words,
                    "What is the area of a circle with radius ${r}$? Leave $\\pi$ in the answer.",
                    "A circular lawn has radius ${r}$ meters. What is its exact area in square \
                     meters?"
                );
                p.step("The area is $\\pi r^2$.".to_owned());
                return Some((text, Value::Pi(p.mul(r, r).into())));
            }
            let text = one_of!(
                words,
                "What is the circumference of a circle with radius ${r}$? Leave $\\pi$ in the answer.",
                "A round pond has radius ${r}$ meters. What is its exact circumference in meters?",
            );
            p.step("The circumference is $2 \\pi r$.".to_owned());
            Some((text, Value::Pi(p.mul(2, r).into())))
        }
        1 => {
            let mut words = p.given(2, &[r, angle]);
            let share = p.div(angle, 360);
            p.step(format!("The sector is ${}$ of the circle.", fraction(share)));
            let value = p.mul(share, p.mul(r, r).into());
            let text = one_of!(
                words,
                "What is the area of a sector with radius ${r}$ and central angle \
                 ${angle}^\\circ$? Leave $\\pi$ in the answer.",
                "A slice of a round pie of radius ${r}$ has an angle of ${angle}^\\circ$ at its \
                 tip. What is the exact area of the slice?",
            );
            Some((text, Value::Pi(value)))
        }
        _ => {
            let inner = d.int(1, 39);
            if inner >= r {
                return None;
            }
            let mut words = p.given(3, &[inner, r, angle]);
            let share = p.div(angle, 360);
            let ring = p.sub(p.mul(r, r), p.mul(inner, inner));
            p.step(format!(
                "The whole ring has area ${ring}\\pi$, of which ${}$ counts.",
                fraction(share)
            ));
            let value = p.mul(share, ring.into());
            let text = one_of!(
                words,
                "Two concentric circles have radii ${inner}$ and ${r}$. What is the area of the \
                 part of the ring between them that lies within a central angle of \
                 ${angle}^\\circ$? Leave $\\pi$ in the answer.",
                "A wiper sweeps the region between distances ${inner}$ and ${r}$ from its pivot \
                 through ${angle}^\\circ$. What is the exact area of this region?",
            );
            Some((text, Value::Pi(value)))
        }
    }
}

fn solid(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    p.recall(FORMULA);
    match level {
        0 => {
            let g = d.ints(3, 2, 20);
            let (a, b, c) = (g[0], g[1], g[2]);
            let mut words = p.given(0, &g);
            p.step("Multiply length, width and height.".to_owned());
            let text = one_of!(
                words,
                "A box is ${a}$ by ${b}$ by ${c}$ units. What is its volume in cubic units?",
                "How many unit cubes fill a box with edges ${a}$, ${b}$ and ${c}$?",
            );
            Some((text, Value::whole(p.product(&g))))
        }
        1 => {
            let (r, h, variant) = (d.int(2, 25), d.int(2, 30), d.pick(&[1, 2]));
            let mut words = p.given(variant, &[r, h]);
            let volume = p.mul(p.mul(r, r), h);
            if variant == 1 {
                p.step("Base $\\pi r^2$ times height.".to_owned());
                let text = one_of!(
                    words,
                    "What is the volume of a cylinder with radius ${r}$ and height ${h}$? Leave \
                     $\\pi$ in the answer.",
                    "A can has base radius ${r}$ and height ${h}$. What is its exact volume?",
                );
                return Some((text, Value::Pi(volume.into())));
            }
            p.step("One third of base $\\pi r^2$ times height.".to_owned());
            let text = one_of!(
                words,
                "What is the volume of a cone with base radius ${r}$ and height ${h}$? Leave \
                 $\\pi$ in the answer.",
                "A conical cup is ${h}$ deep, and the radius of its rim is ${r}$. What is its \
                 exact volume?",
            );
            Some((text, Value::Pi(p.div(volume, 3))))
        }
        _ => {
            let (r, top, h) = (d.int(3, 20), d.int(1, 19), d.int(2, 25));
            if top >= r {
                return None;
            }
            let mut words = p.given(3, &[r, top, h]);
            p.recall(THEOREM);
            let sum = p.sum(&[p.mul(r, r), p.mul(r, top), p.mul(top, top)]);
            p.step(format!(
                "The volume is $\\frac{{\\pi h}}{{3}} (R^2 + R r + r^2)$ with ${sum}$ \
                 in the parentheses."
            ));
            let value = p.div(p.mul(h, sum), 3);
            let text = one_of!(
                words,
                "A frustum of a cone has base radii ${r}$ and ${top}$ and height ${h}$. What is \
                 its volume? Leave $\\pi$ in the answer.",
                "A bucket has the shape of a cut cone: radius ${r}$ at the rim, ${top}$ at the \
                 bottom, and it is ${h}$ deep. What is its exact volume?",
            );
            Some((text, Value::Pi(value)))
        }
    }
}

fn polygon_angles(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    p.recall(FORMULA);
    if level == 0 {
        let g = d.ints(3, 40, 150);
        let value = p.sub(360, p.sum(&g));
        if !(10..180).contains(&value) {
            return None;
        }
        let mut words = p.given(0, &g);
        p.step("The four angles sum to $360^\\circ$.".to_owned());
        let (a, b, c) = (g[0], g[1], g[2]);
        let text = one_of!(
            words,
            "Three angles of a quadrilateral are ${a}^\\circ$, ${b}^\\circ$ and ${c}^\\circ$. How \
             many degrees is the fourth angle?",
            "A quadrilateral has angles of ${a}$, ${b}$, ${c}$ and $x$ degrees. Find $x$.",
        );
        return Some((text, Value::whole(value)));
    }
    let (n, least) = (d.int(3, 12), d.int(20, 170));
    let sum = p.mul(180, p.sub(n, 2));
    p.step(format!("The angles sum to ${sum}$ degrees, and first and last average to the mean."));
    p.recall(FORMULA);
    let most = p.sub(p.div(p.mul(2, sum), n), least.into());
    if !(Q::from(least + 1)..Q::from(180)).contains(&most) {
        return None;
    }
    let mut words = p.given(1, &[n, least]);
    let text = one_of!(
        words,
        "The angles of a convex polygon with ${n}$ sides form an arithmetic sequence, and the \
         smallest is ${least}^\\circ$. How many degrees is the largest angle?",
        "In a convex polygon with ${n}$ sides the angles, in some order, increase by equal amounts \
         from ${least}$ degrees on. Find the largest angle in degrees.",
    );
    Some((text, Value::Number(most)))
}

/// The cross product of two vectors of the plane.
pub(super) fn cross(a: (Z, Z), b: (Z, Z)) -> Z {
    a.0 * b.1 - a.1 * b.0
}

/// Points in a turn around the origin, so that the polygon does not cross itself.
fn star(d: &mut Draw<'_>, n: usize) -> Option<Vec<(Z, Z)>> {
    let mut points: Vec<(Z, Z)> = (0..n).map(|_| (d.int(-9, 9), d.int(-9, 9))).collect();
    let lower = |&(x, y): &(Z, Z)| y < 0 || y == 0 && x < 0;
    points.sort_by(|a, b| lower(a).cmp(&lower(b)).then_with(|| 0.cmp(&cross(*a, *b))));
    let turns = (0..n).all(|i| cross(points[i], points[(i + 1) % n]) > 0);
    turns.then_some(points)
}

fn polygon_area(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let points = star(d, level + 2)?;
    let (dx, dy) = (d.int(-6, 6), d.int(-6, 6));
    let points: Vec<[Z; 2]> = points.iter().map(|&(x, y)| [x + dx, y + dy]).collect();
    let mut words = p.given(u16::try_from(level).ok()?, &points.concat());
    p.recall(THEOREM);
    let n = points.len();
    let terms: Vec<Z> = (0..n)
        .map(|i| {
            let ([x, y], [u, v]) = (points[i], points[(i + 1) % n]);
            p.sub(p.mul(x, v), p.mul(u, y))
        })
        .collect();
    let double = p.sum(&terms);
    p.step(format!(
        "The terms $x_i y_{{i+1}} - x_{{i+1}} y_i$ are ${}$, with sum ${double}$; halve it.",
        join(&terms, ", ")
    ));
    let shown: Vec<String> = points.iter().map(|xy| format!("${}$", point(xy))).collect();
    let shown = shown.join(", ");
    let text = one_of!(
        words,
        "What is the area of the polygon with vertices {shown}, in this order?",
        "Find the area of the polygon whose vertices are, in order, {shown}.",
    );
    Some((text, Value::Number(p.div(double, 2))))
}
