//! Second computations for precalculus: numeric trigonometry, complex products, insertion, determinants.

use num_traits::{One, Signed, Zero};

use super::{Check, Item, R, big, close, dot, float, leibniz, minus, over, product, r};

pub(super) const CHECKS: [(&str, Check); 10] = [
    ("exact_trigonometry", exact_trigonometry),
    ("polar", polar),
    ("law_of_cosines", law_of_cosines),
    ("tangent_sum", tangent_sum),
    ("multiple_angle", multiple_angle),
    ("complex_power", complex_power),
    ("vectors", vectors),
    ("matrices", matrices),
    ("line_and_plane", line_and_plane),
    ("plane_distance", plane_distance),
];

fn exact_trigonometry(item: &Item) -> bool {
    let apply = |function: u16, degrees: i128| {
        let angle = (degrees as f64).to_radians();
        [angle.sin(), angle.cos(), angle.tan()][usize::from(function)]
    };
    let g = &item.given;
    let term = |i: usize, function: u16| (g[2 * i] as f64, apply(function, g[2 * i + 1]));
    let expected = if item.variant < 9 {
        let (k, value) = term(0, item.variant);
        k * value
    } else {
        let code = item.variant - 9;
        let terms = [term(0, code / 3), term(1, code % 3)];
        terms.iter().map(|(k, value)| k * value * value).sum()
    };
    (float(&item.surds()[0]) - expected).abs() < 1e-9
}

fn polar(item: &Item) -> bool {
    let g: Vec<f64> = item.given.iter().map(|&n| n as f64).collect();
    let at = |i: usize| {
        let angle = std::f64::consts::PI * g[i + 1] / g[i + 2];
        (g[i] * angle.cos(), g[i] * angle.sin())
    };
    let surds = item.surds();
    if item.variant == 1 {
        let (x, y) = at(0);
        return close(float(&surds[0]), x) && close(float(&surds[1]), y);
    }
    let ((x, y), (u, v)) = (at(0), at(3));
    close(float(&surds[0]), (x - u).hypot(y - v))
}

fn law_of_cosines(item: &Item) -> bool {
    let g = item.big();
    if item.variant == 1 {
        // A = (0, 0), B = (c, 0), C = (b cos A, b sin A).
        let (cosine, square) = (item.number(), |x: R| &x * &x);
        let x = &g[1] * &cosine;
        let y_square = square(g[1].clone()) * (R::one() - square(cosine));
        return square(&g[2] - x) + y_square == square(g[0].clone());
    }
    let (a, b) = (item.given[0] as f64, item.given[1] as f64);
    let angle = (item.given[2] as f64).to_radians();
    let (x, y) = (b * angle.cos(), b * angle.sin());
    let value = float(&item.surds()[0]);
    if item.variant == 2 {
        return close(value, (x - a).hypot(y));
    }
    // The center (a/2, t) is as far from (0, 0) as from (x, y).
    let t = (x * x + y * y - a * x) / (2.0 * y);
    close(value, (a / 2.0).hypot(t))
}

/// Multiplies complex numbers whose angles have the given tangents.
fn tangent_sum(item: &Item) -> bool {
    let times = |x: (R, R), y: &(R, R)| (&x.0 * &y.0 - &x.1 * &y.1, &x.0 * &y.1 + &x.1 * &y.0);
    let all = item.given.chunks(2).fold((r(1), r(0)), |z, c| times(z, &(r(c[1]), r(c[0]))));
    let all = if item.variant == 1 { all } else { times(all.clone(), &all) };
    !all.0.is_zero() && item.number() * all.0 == all.1
}

/// Powers of `c + s i` as `u + w s i`, where `s^2 = 1 - c^2`.
fn multiple_angle(item: &Item) -> bool {
    let c = over(item.given[0], item.given[1]);
    let s_square = R::one() - &c * &c;
    let step = |(u, w): (R, R), _| (&u * &c - &w * &s_square, &u + &w * &c);
    (0..item.variant).fold((R::one(), R::zero()), step).0 == item.number()
}

/// Repeated multiplication of complex numbers whose parts are `p + q sqrt(3)`.
fn complex_power(item: &Item) -> bool {
    type Part = (R, R);
    let mul = |x: &Part, y: &Part| (&x.0 * &y.0 + r(3) * &x.1 * &y.1, &x.0 * &y.1 + &x.1 * &y.0);
    let (plain, rooted) = (|n: i128| (r(n), r(0)), |n: i128| (r(0), r(n)));
    let (s, t, n) = (item.given[0], item.given[1], item.given[2]);
    let base = match item.variant {
        0 => [plain(s), plain(t)],
        1 => [rooted(s), plain(t)],
        _ => [plain(s), rooted(t)],
    };
    let power = (1..n).fold(base.clone(), |z, _| {
        let [ac, bd] = [mul(&z[0], &base[0]), mul(&z[1], &base[1])];
        let [ad, bc] = [mul(&z[0], &base[1]), mul(&z[1], &base[0])];
        [(ac.0 - bd.0, ac.1 - bd.1), (ad.0 + bc.0, ad.1 + bc.1)]
    });
    item.surds().iter().zip(power).all(|(surd, part)| {
        (surd.radicand == 3 || surd.coefficient.is_zero())
            && (big(surd.rational), big(surd.coefficient)) == part
    })
}

fn vectors(item: &Item) -> bool {
    let g: Vec<Vec<R>> = item.big().chunks(3).map(<[R]>::to_vec).collect();
    let (a, b) = (&g[0], &g[1]);
    let gram = |a: &[R], b: &[R]| dot(a, a) * dot(b, b) - dot(a, b) * dot(a, b);
    match item.variant {
        // The polarisation identity.
        0 => {
            let sum: Vec<R> = a.iter().zip(b).map(|(a, b)| a + b).collect();
            item.number() * r(4) == dot(&sum, &sum) - dot(&minus(a, b), &minus(a, b))
        }
        1 => {
            let c = item.rationals();
            dot(a, &c).is_zero()
                && dot(b, &c).is_zero()
                && dot(&c, &c) == gram(a, b)
                && !leibniz(&[a.clone(), b.clone(), c]).is_negative()
        }
        2 => {
            let c = item.rationals();
            dot(&minus(a, &c), b).is_zero() && gram(b, &c).is_zero()
        }
        3 => item.is_positive() && item.square() * r(4) == gram(&minus(b, a), &minus(&g[2], a)),
        _ => {
            let edges = [minus(b, a), minus(&g[2], a), minus(&g[3], a)];
            item.number() * r(6) == leibniz(&edges).abs()
        }
    }
}

fn matrices(item: &Item) -> bool {
    let n = if item.variant < 3 { 2 } else { 3 };
    let rows = |numbers: &[R]| numbers.chunks(n).map(<[R]>::to_vec).collect::<Vec<_>>();
    let g = item.big();
    let a = rows(&g[..n * n]);
    match item.variant {
        // Cramer's first minor expansion, and the other way round: elimination of the first column.
        0 | 3 => item.number() == eliminated(a),
        1 => {
            let (b, c) = (rows(&g[4..]), rows(&item.rationals()));
            [[2, 1], [1, 5], [3, -4]].iter().all(|w| {
                let w = vec![vec![r(w[0])], vec![r(w[1])]];
                product(&c, &w) == product(&a, &product(&b, &w))
            })
        }
        _ => {
            let unit = |i: usize| (0..n).map(|j| r(i128::from(i == j))).collect::<Vec<R>>();
            product(&a, &rows(&item.rationals())) == (0..n).map(unit).collect::<Vec<_>>()
        }
    }
}

/// The determinant by elimination.
fn eliminated(mut m: Vec<Vec<R>>) -> R {
    let mut determinant = R::one();
    for column in 0..m.len() {
        let Some(pivot) = (column..m.len()).find(|&row| !m[row][column].is_zero()) else {
            return R::zero();
        };
        if pivot != column {
            m.swap(pivot, column);
            determinant = -determinant;
        }
        determinant *= &m[column][column];
        let lead = m[column].clone();
        for row in m.iter_mut().skip(column + 1) {
            let factor = &row[column] / &lead[column];
            row.iter_mut().zip(&lead).for_each(|(cell, above)| *cell -= &factor * above);
        }
    }
    determinant
}

/// True when two vectors of space lie on one line.
fn is_parallel(a: &[R], b: &[R]) -> bool {
    (dot(a, a) * dot(b, b) - dot(a, b) * dot(a, b)).is_zero()
}

fn line_and_plane(item: &Item) -> bool {
    let (g, at) = (item.big(), item.rationals());
    let from = &g[..3];
    let moved = minus(&at, from);
    if item.variant == 2 {
        return dot(&g[6..9], &at) == g[9] && is_parallel(&moved, &g[3..6]);
    }
    let middle: Vec<R> = at.iter().zip(from).map(|(a, b)| (a + b) / r(2)).collect();
    dot(&g[3..6], &middle) == g[6] && is_parallel(&moved, &g[3..6])
}

fn plane_distance(item: &Item) -> bool {
    let (g, square) = (item.big(), item.square());
    let at = &g[..3];
    if item.variant == 3 {
        let (normal, right) = (&g[3..6], &g[6]);
        let t = (right - dot(normal, at)) / dot(normal, normal);
        let foot: Vec<R> = at.iter().zip(normal).map(|(a, n)| a + &t * n).collect();
        let moved = minus(at, &foot);
        return dot(normal, &foot) == *right && item.is_positive() && square == dot(&moved, &moved);
    }
    // Volume of the parallelepiped over the area of its base.
    let (a, b, c) = (&g[3..6], &g[6..9], &g[9..12]);
    let (u, v) = (minus(b, a), minus(c, a));
    let volume = leibniz(&[minus(at, a), u.clone(), v.clone()]);
    let base = dot(&u, &u) * dot(&v, &v) - dot(&u, &v).pow(2);
    item.is_positive() && square * base == volume.pow(2)
}
