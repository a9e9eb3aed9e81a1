//! Second computations for geometry: with coordinates, by counting lattice points, by Simpson's rule.

use std::f64::consts::PI;

use num_traits::{Signed, ToPrimitive, Zero};

use super::{Check, Item, R, close, float, leibniz, over, r};

pub(super) const CHECKS: [(&str, Check); 10] = [
    ("right_triangle", right_triangle),
    ("circle", circle),
    ("solid", solid),
    ("polygon_angles", polygon_angles),
    ("similar_triangles", similar_triangles),
    ("polygon_area", polygon_area),
    ("cevian", cevian),
    ("triangle_sides", triangle_sides),
    ("point_line_distance", point_line_distance),
    ("triangle_center", triangle_center),
];

fn right_triangle(item: &Item) -> bool {
    let (g, square) = (item.big(), item.square());
    let (a, b) = (&g[0] * &g[0], &g[1] * &g[1]);
    item.is_positive()
        && match item.variant {
            0 => square - a == b,
            1 => square + b == a,
            // The altitude h splits the hypotenuse into parts whose squares are a^2 - h^2 and b^2 - h^2, with product h^4.
            _ => (a - &square) * (b - &square) == square.pow(2),
        }
}

/// Sums thin slices.
fn circle(item: &Item) -> bool {
    let g: Vec<f64> = item.given.iter().map(|&n| n as f64).collect();
    let value = item.number().to_f64().expect("in range") * PI;
    let n = 2_000;
    // A slice lies between the triangle inside it and the tangents outside; one third to two thirds is very near.
    let sector = |radius: f64, degrees: f64| {
        let slice = degrees.to_radians() / f64::from(n);
        f64::from(n) * radius * radius * (slice.sin() / 6.0 + 2.0 * (slice / 2.0).tan() / 3.0)
    };
    let expected = match item.variant {
        0 => sector(g[0], 360.0),
        // A circle is cut into thin triangles of height r over its circumference.
        1 => 2.0 * sector(g[0], 360.0) / g[0],
        2 => sector(g[0], g[1]),
        _ => sector(g[1], g[2]) - sector(g[0], g[2]),
    };
    (value - expected).abs() < 1e-6 * expected
}

/// Simpson's rule, which is exact for sections that are quadratic in the height.
fn solid(item: &Item) -> bool {
    let g = item.big();
    if item.variant == 0 {
        return item.number() == (0..item.given[0]).map(|_| &g[1] * &g[2]).sum::<R>();
    }
    let (bottom, top, height) = match item.variant {
        1 => (&g[0], g[0].clone(), &g[1]),
        2 => (&g[0], R::zero(), &g[1]),
        _ => (&g[0], g[1].clone(), &g[2]),
    };
    let middle = (bottom + &top) / r(2);
    let sections = bottom * bottom + r(4) * &middle * &middle + &top * &top;
    item.number() == sections * height / r(6)
}

fn polygon_angles(item: &Item) -> bool {
    let (g, value) = (item.big(), item.number());
    if item.variant == 0 {
        return g.iter().sum::<R>() + value == r(360);
    }
    let n = item.given[0];
    let step = (&value - &g[1]) / r(n - 1);
    let angles: Vec<R> = (0..n).map(|i| &g[1] + &step * r(i)).collect();
    // Exterior angles of a convex polygon make one full turn.
    angles.iter().map(|angle| r(180) - angle).sum::<R>() == r(360)
        && angles.iter().all(|angle| *angle < r(180))
}

fn similar_triangles(item: &Item) -> bool {
    let (g, value) = (item.big(), item.number());
    let square = |x: &R| x * x;
    match item.variant {
        0 => &g[0] / &g[1] == &g[2] / value,
        1 => value * square(&g[0]) == &g[2] * square(&g[1]),
        _ => (&g[2] + value) * square(&g[0]) == &g[2] * square(&(&g[0] + &g[1])),
    }
}

/// Pick's theorem.
fn polygon_area(item: &Item) -> bool {
    let points: Vec<(i128, i128)> = item.given.chunks(2).map(|c| (c[0], c[1])).collect();
    let edges: Vec<_> =
        (0..points.len()).map(|i| (points[i], points[(i + 1) % points.len()])).collect();
    let on_edge = |x: i128, y: i128| {
        edges.iter().any(|&((a, b), (c, d))| {
            (c - a) * (y - b) == (d - b) * (x - a)
                && (a.min(c)..=a.max(c)).contains(&x)
                && (b.min(d)..=b.max(d)).contains(&y)
        })
    };
    // A ray to the right crosses the border an odd number of times from an inner point.
    let crosses = |x: i128, y: i128, ((a, b), (c, d)): ((i128, i128), (i128, i128))| {
        let side = (c - a) * (y - b) - (x - a) * (d - b);
        (b > y) != (d > y) && (side > 0) == (d < b)
    };
    let (mut inner, mut border) = (0, 0);
    for x in -20..=20 {
        for y in -20..=20 {
            if on_edge(x, y) {
                border += 1;
            } else if edges.iter().filter(|&&edge| crosses(x, y, edge)).count() % 2 == 1 {
                inner += 1;
            }
        }
    }
    item.number() == over(2 * inner + border - 2, 2)
}

/// The corner A of a triangle with B = (0, 0) and C = (a, 0): x and the square of y.
fn corner(g: &[R]) -> (R, R) {
    let x = (&g[2] * &g[2] + &g[0] * &g[0] - &g[1] * &g[1]) / (r(2) * &g[0]);
    let y_square = &g[2] * &g[2] - &x * &x;
    (x, y_square)
}

fn cevian(item: &Item) -> bool {
    let g = item.big();
    let (x, y_square) = corner(&g);
    if item.variant == 2 {
        let half = &g[0] / r(2);
        return item.is_positive() && item.square() == (&x - half).pow(2) + y_square;
    }
    let f = |q: &R| q.to_f64().expect("in range");
    let (a, x, y) = (f(&g[0]), f(&x), f(&y_square).sqrt());
    // Half of the angle between the directions to B and C, seen from A.
    let (to_b, to_c) = ((-y).atan2(-x), (-y).atan2(a - x));
    let middle = (to_b + to_c) / 2.0;
    let foot = x - y / middle.tan();
    let expected = if item.variant == 1 { foot } else { (x - foot).hypot(y) };
    close(float(&item.surds()[0]), expected)
}

fn triangle_sides(item: &Item) -> bool {
    let g = item.big();
    let (x, y_square) = corner(&g);
    let area_square = &g[0] * &g[0] * &y_square / r(4);
    let square = item.square();
    item.is_positive()
        && match item.variant {
            2 => square == area_square,
            3 => square * (g.iter().sum::<R>() / r(2)).pow(2) == area_square,
            _ => {
                // The center is (a/2, t) with 2 y t = x^2 - a x + y^2.
                let twice = &x * &x - &g[0] * &x + &y_square;
                square == (&g[0] / r(2)).pow(2) + twice.pow(2) / (r(4) * y_square)
            }
        }
}

fn point_line_distance(item: &Item) -> bool {
    let (g, square) = (item.big(), item.square());
    if item.variant == 3 {
        let row = |i: usize| vec![g[i].clone(), g[i + 1].clone(), r(1)];
        let double_area = leibniz(&[row(0), row(2), row(4)]);
        let base = (&g[4] - &g[2]).pow(2) + (&g[5] - &g[3]).pow(2);
        return item.is_positive() && square * base == double_area.pow(2);
    }
    let (a, b) = (&g[2], &g[3]);
    let t = (&g[4] - a * &g[0] - b * &g[1]) / (a * a + b * b);
    let foot = (&g[0] + &t * a, &g[1] + &t * b);
    let on_line = a * &foot.0 + b * &foot.1 == g[4];
    on_line && item.is_positive() && square == (&foot.0 - &g[0]).pow(2) + (&foot.1 - &g[1]).pow(2)
}

fn triangle_center(item: &Item) -> bool {
    let (g, at) = (item.big(), item.rationals());
    let corner = |i: usize| [&g[2 * i], &g[2 * i + 1]];
    if item.variant == 4 {
        let square = |i: usize| (corner(i)[0] - &at[0]).pow(2) + (corner(i)[1] - &at[1]).pow(2);
        return square(0) == square(1) && square(1) == square(2) && square(0).is_positive();
    }
    (0..3).all(|i| {
        let (a, b, c) = (corner(i), corner((i + 1) % 3), corner((i + 2) % 3));
        ((&at[0] - a[0]) * (b[0] - c[0]) + (&at[1] - a[1]) * (b[1] - c[1])).is_zero()
    })
}
