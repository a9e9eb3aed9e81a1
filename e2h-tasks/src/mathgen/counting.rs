//! Counting: products, arrangements, committees, paths, integer solutions, multiples.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use super::draw::{Draw, distinct};
use super::latex;
use super::pad::{DEFINITION, FORMULA, Pad, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::Counting;

pub(super) const TEMPLATES: [Template; 6] = [
    Template::new("product_rule", S, (0, 1), product_rule),
    Template::new("arrangements", S, (1, 4), arrangements),
    Template::new("committee", S, (1, 3), committee),
    Template::new("grid_paths", S, (2, 4), grid_paths),
    Template::new("integer_solutions", S, (2, 4), integer_solutions),
    Template::new("multiples", S, (0, 3), multiples),
];

fn product_rule(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b, c) = (d.int(2, 15), d.int(3, 15), d.int(3, 15));
    if level == 0 {
        let mut words = p.given(0, &[a, b, c]);
        let value = p.product(&[a, b, c]);
        p.step("The choices are independent, so multiply.".to_owned());
        let text = one_of!(
            words,
            "A menu has ${a}$ starters, ${b}$ main dishes and ${c}$ desserts. How many different \
             meals of one of each are there?",
            "A set of clothes has ${a}$ hats, ${b}$ shirts and ${c}$ pairs of trousers. In how \
             many ways can one of each be chosen?",
            "A code consists of one of ${a}$ letters, one of ${b}$ symbols and one of ${c}$ \
             colors. How many codes are there?",
        );
        return Some((text, Value::whole(value)));
    }
    let (e, f) = (d.int(2, 8), d.int(2, 8));
    if e >= b || f >= c {
        return None;
    }
    let mut words = p.given(1, &[a, b, c, e, f]);
    let pairs = p.sub(p.mul(b, c), p.mul(e, f));
    p.recall(DEFINITION);
    p.step(format!(
        "Of the last two kinds ${b} \\cdot {c} - {e} \\cdot {f} = {pairs}$ pairs are allowed."
    ));
    let text = one_of!(
        words,
        "A menu has ${a}$ starters, ${b}$ main dishes and ${c}$ desserts. Of these, ${e}$ main \
         dishes must not be combined with any of ${f}$ desserts. How many different meals of one \
         of each are allowed?",
        "A wardrobe holds ${a}$ hats, ${b}$ shirts and ${c}$ pairs of trousers, but ${e}$ of the \
         shirts match none of ${f}$ pairs of trousers. How many matching sets of one hat, one \
         shirt and one pair of trousers are there?",
    );
    Some((text, Value::whole(p.mul(a, pairs))))
}

/// The number of orders of a multiset, filling places color by color.
fn multinomial(p: &Pad, counts: &[Z]) -> Z {
    let mut places = p.sum(counts);
    let mut ways = Vec::new();
    for &count in &counts[..counts.len() - 1] {
        ways.push(p.binomial(places, count));
        places -= count;
    }
    p.product(&ways)
}

fn arrangements(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let counts = d.ints([3, 4, 4, 4][level - 1], 1, [7, 5, 6, 6][level - 1]);
    let totals = [5..=10, 7..=13, 12..=18, 12..=18];
    let total: Z = counts.iter().sum();
    if !totals[level - 1].contains(&total) || level > 2 && counts[0] < 2 {
        return None;
    }
    let others: Z = total - counts[0];
    let (variant, value) = match level {
        1 | 2 => (0, multinomial(p, &counts)),
        3 => {
            p.recall(THEOREM);
            p.step("Treat the first color as a single block.".to_owned());
            (1, multinomial(p, &[&[1], &counts[1..]].concat()))
        }
        _ => {
            if counts[0] > others + 1 {
                return None;
            }
            p.recall(THEOREM);
            p.step(format!(
                "Arrange the other ${others}$, then choose among the ${}$ gaps.",
                others + 1
            ));
            (2, p.mul(multinomial(p, &counts[1..]), p.binomial(others + 1, counts[0])))
        }
    };
    p.recall(FORMULA);
    p.step("Choose the places of one color after the other and multiply.".to_owned());
    let mut words = p.given(variant, &counts);
    let thing = words.word(&["flags", "beads", "books", "tiles"]);
    let colors = words.word(&[
        ["red", "blue", "green", "white"],
        ["black", "yellow", "red", "gray"],
        ["orange", "pink", "brown", "blue"],
    ]);
    let parts: Vec<String> =
        counts.iter().zip(colors).map(|(n, color)| format!("${n}$ {color}")).collect();
    let (last, first) = parts.split_last()?;
    let set = format!("{} and {last} {thing}", first.join(", "));
    let color = colors[0];
    let rule = match variant {
        0 => String::new(),
        1 => format!(" if all {color} ones must stand next to each other"),
        _ => format!(" if no two {color} ones may stand next to each other"),
    };
    let text = one_of!(
        words,
        "In how many ways can {set} be put in a row{rule}? Equal colors look alike.",
        "How many different rows can be made of all of {set}{rule}? Equal colors cannot be told \
         apart.",
    );
    Some((text, Value::whole(value)))
}

fn committee(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (m, w) = (d.int(4, 12), d.int(4, 12));
    p.recall(FORMULA);
    if level == 1 {
        let (i, j) = (d.int(1, 4), d.int(1, 4));
        let mut words = p.given(1, &[i, m, j, w]);
        let (x, y) = (p.binomial(m, i), p.binomial(w, j));
        p.step(format!("$\\binom{{{m}}}{{{i}}} = {x}$ and $\\binom{{{w}}}{{{j}}} = {y}$."));
        let text = one_of!(
            words,
            "In how many ways can ${i}$ of ${m}$ teachers and ${j}$ of ${w}$ students be chosen \
             for a committee?",
            "A coach picks ${i}$ of ${m}$ defenders and ${j}$ of ${w}$ attackers. How many choices \
             are there?",
        );
        return Some((text, Value::whole(p.mul(x, y))));
    }
    let (k, least) = (d.int(4, 6), d.int(1, 3));
    let ways = |men: Z, women: Z, size: Z| {
        let terms: Vec<Z> = (least..=size.min(women))
            .filter(|j| size - j <= men)
            .map(|j| p.mul(p.binomial(women, j), p.binomial(men, size - j)))
            .collect();
        let shown = if terms.is_empty() { "0".to_owned() } else { latex::join(&terms, ", ") };
        p.step(format!("Split by the number of students: ${shown}$."));
        p.sum(&terms)
    };
    if level == 2 {
        let mut words = p.given(2, &[m, w, k, least]);
        let text = one_of!(
            words,
            "From ${m}$ teachers and ${w}$ students a committee of ${k}$ people is formed that has \
             at least ${least}$ students. In how many ways is this possible?",
            "How many groups of ${k}$ people with ${least}$ or more students can be chosen among \
             ${m}$ teachers and ${w}$ students?",
        );
        return Some((text, Value::whole(ways(m, w, k))));
    }
    let mut words = p.given(3, &[m, w, k, least]);
    p.recall(THEOREM);
    // Groups with both of the teachers who will not serve together are taken away.
    let value = p.sub(ways(m, w, k), ways(m - 2, w, k - 2));
    p.step(
        "The second count is that of the groups with both of these teachers; subtract it."
            .to_owned(),
    );
    let text = one_of!(
        words,
        "From ${m}$ teachers and ${w}$ students a committee of ${k}$ people is formed that has at \
         least ${least}$ students. Two of the teachers refuse to serve together. In how many ways \
         is this possible?",
        "A club of ${m}$ teachers and ${w}$ students sends ${k}$ members, ${least}$ or more of \
         them students. Two certain teachers will not both go. How many choices are there?",
    );
    Some((text, Value::whole(value)))
}

fn grid_paths(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (m, n) = (d.int(4, 10), d.int(4, 10));
    let (a, b) = (d.int(1, m as i64 - 1), d.int(1, n as i64 - 1));
    let paths = |x: Z, y: Z| {
        if x < 0 || y < 0 { 0 } else { p.binomial(x + y, x) }
    };
    p.recall(FORMULA);
    let (to, by) = (latex::point(&[m, n]), latex::point(&[a, b]));
    let through = p.mul(paths(a, b), paths(m - a, n - b));
    p.step(format!("${through}$ paths go through ${by}$."));
    let moves = "goes from $(0, 0)$ to";
    match level {
        2 => {
            let mut words = p.given(2, &[m, n, a, b]);
            let text = one_of!(
                words,
                "A path {moves} ${to}$ in steps of one unit to the right or up. How many such \
                 paths go through ${by}$?",
                "An ant {moves} ${to}$ along grid lines, only right or up, and visits ${by}$ on \
                 its way. How many routes can it take?",
            );
            Some((text, Value::whole(through)))
        }
        3 => {
            let mut words = p.given(3, &[m, n, a, b]);
            p.recall(THEOREM);
            let value = p.sub(paths(m, n), through);
            p.step("Take these away from all paths.".to_owned());
            let text = one_of!(
                words,
                "A path {moves} ${to}$ in steps of one unit to the right or up. How many such \
                 paths avoid ${by}$?",
                "An ant {moves} ${to}$ along grid lines, only right or up, and never visits \
                 ${by}$. How many routes can it take?",
            );
            Some((text, Value::whole(value)))
        }
        _ => {
            let (c, e) = (d.int(1, m as i64), d.int(1, n as i64));
            if (c, e) == (a, b) || (c, e) == (m, n) || c < a || e < b {
                return None;
            }
            let mut words = p.given(4, &[m, n, a, b, c, e]);
            p.recall(2 * THEOREM);
            let second = p.mul(paths(c, e), paths(m - c, n - e));
            let both = p.product(&[paths(a, b), paths(c - a, e - b), paths(m - c, n - e)]);
            p.step(format!("${second}$ go through the second point and ${both}$ through both."));
            let value = p.add(p.sub(p.sub(paths(m, n), through), second), both);
            let other = latex::point(&[c, e]);
            let text = one_of!(
                words,
                "A path {moves} ${to}$ in steps of one unit to the right or up. How many such \
                 paths avoid both ${by}$ and ${other}$?",
                "An ant {moves} ${to}$ along grid lines, only right or up, and visits neither \
                 ${by}$ nor ${other}$. How many routes can it take?",
            );
            Some((text, Value::whole(value)))
        }
    }
}

/// The number of lists of `k` nonnegative integers with sum `rest`.
fn solutions(p: &Pad, rest: Z, k: Z) -> Z {
    if rest < 0 {
        return 0;
    }
    p.binomial(rest + k - 1, k - 1)
}

fn integer_solutions(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = d.int(12, 40);
    let bounds = d.ints(3, 1, [9, 12, 15][level - 2]);
    let (a, b, c) = (bounds[0], bounds[1], bounds[2]);
    p.recall(FORMULA);
    let count = |rest: Z, k: Z| solutions(p, rest, k);
    match level {
        2 => {
            let rest = p.sub(n, p.sum(&bounds));
            if rest < 1 {
                return None;
            }
            let mut words = p.given(2, &[n, a, b, c]);
            p.step(format!("Take the lower bounds away: ${rest}$ is left for three unknowns."));
            let value = count(rest, 3);
            let text = one_of!(
                words,
                "How many triples of integers $(x, y, z)$ with $x + y + z = {n}$ satisfy $x \\ge \
                 {a}$, $y \\ge {b}$ and $z \\ge {c}$?",
                "In how many ways can ${n}$ equal coins be given to three people so that the first \
                 gets at least ${a}$, the second at least ${b}$ and the third at least ${c}$?",
            );
            Some((text, Value::whole(value)))
        }
        3 => {
            let k = d.int(4, 5);
            if a >= n {
                return None;
            }
            let mut words = p.given(3, &[k, n, a]);
            p.recall(THEOREM);
            let (all, over) = (count(n, k), count(p.sub(n, a + 1), k));
            p.step(format!("Without the upper bound there are ${all}$ ways; ${over}$ break it."));
            let text = one_of!(
                words,
                "In how many ways can ${n}$ equal apples be put in ${k}$ different boxes so that \
                 the first box holds at most ${a}$?",
                "How many lists of ${k}$ nonnegative integers have the sum ${n}$ and a first entry \
                 of at most ${a}$?",
            );
            Some((text, Value::whole(p.sub(all, over))))
        }
        _ => bounded_solutions(n, &bounds, p),
    }
}

/// Solutions with an upper bound for each unknown.
fn bounded_solutions(n: Z, bounds: &[Z], p: &Pad) -> Made {
    let (a, b, c) = (bounds[0], bounds[1], bounds[2]);
    if a + b + c <= n || a.max(b).max(c) > n {
        return None;
    }
    let mut words = p.given(4, &[n, a, b, c]);
    p.recall(2 * THEOREM);
    let mut value = solutions(p, n, 3);
    for subset in 1..8 {
        let over: Vec<Z> = (0..3).filter(|i| subset >> i & 1 == 1).map(|i| bounds[i] + 1).collect();
        let term = solutions(p, p.sub(n, p.sum(&over)), 3);
        value = if over.len() % 2 == 1 { p.sub(value, term) } else { p.add(value, term) };
    }
    p.step(
        "Take away the solutions that break an upper bound, by inclusion and exclusion.".to_owned(),
    );
    let text = one_of!(
        words,
        "How many triples of nonnegative integers $(x, y, z)$ with $x + y + z = {n}$ \
         satisfy $x \\le {a}$, $y \\le {b}$ and $z \\le {c}$?",
        "A boat takes ${n}$ equal crates from three piles of ${a}$, ${b}$ and ${c}$ \
         crates. In how many ways can the numbers taken from each pile be chosen?",
    );
    Some((text, Value::whole(value)))
}

fn multiples(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = d.int(100, [999, 999, 2_000, 2_000][level]);
    let numbers = d.ints([1, 2, 3, 3][level], [3, 3, 3, 3][level], [40, 20, 15, 15][level]);
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    if !distinct(&sorted)
        || (0..sorted.len()).any(|i| sorted[..i].iter().any(|m| sorted[i] % m == 0))
    {
        return None;
    }
    let mut words = p.given(u16::try_from(level).ok()?, &[&[n], &sorted[..]].concat());
    p.recall(DEFINITION + level as u64);
    // Exactly one counts a set of k conditions k times with alternating sign.
    let exactly = level == 3;
    let mut value = 0;
    for subset in 1..1_usize << sorted.len() {
        let chosen: Vec<Z> =
            (0..sorted.len()).filter(|i| subset >> i & 1 == 1).map(|i| sorted[i]).collect();
        let common = chosen[1..].iter().fold(chosen[0], |lcm, &m| p.lcm(lcm, m));
        let mut count = p.quotient(n, common);
        if exactly && chosen.len() > 1 {
            count = p.mul(chosen.len() as Z, count);
        }
        value = match (chosen.len() % 2, value) {
            (1, 0) => count,
            (1, _) => p.add(value, count),
            _ => p.sub(value, count),
        };
    }
    p.step("Count the multiples of each, then correct for common multiples.".to_owned());
    let a = latex::join(&sorted, ", ");
    let text = match level {
        0 => one_of!(
            words,
            "How many integers from $1$ to ${n}$ are divisible by ${a}$?",
            "How many positive multiples of ${a}$ are at most ${n}$?"
        ),
        3 => one_of!(
            words,
            "How many integers from $1$ to ${n}$ are divisible by exactly one of the numbers ${a}$?",
            "How many positive integers up to ${n}$ are multiples of one of ${a}$ but not of two \
             of them?",
        ),
        _ => one_of!(
            words,
            "How many integers from $1$ to ${n}$ are divisible by at least one of the numbers \
             ${a}$?",
            "How many positive integers up to ${n}$ are multiples of one or more of ${a}$?",
        ),
    };
    Some((text, Value::whole(value)))
}
