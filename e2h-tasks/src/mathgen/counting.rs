//! Counting and probability.
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

use super::latex::{self, fraction};
use super::pad::{DEFINITION, Draw, FORMULA, Pad, Q, THEOREM, Z, distinct};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::Counting;

pub(super) const TEMPLATES: [Template; 10] = [
    Template::new("product_rule", S, (0, 1), product_rule),
    Template::new("arrangements", S, (1, 4), arrangements),
    Template::new("committee", S, (1, 3), committee),
    Template::new("dice", S, (0, 3), dice),
    Template::new("draw_balls", S, (1, 3), draw_balls),
    Template::new("grid_paths", S, (2, 4), grid_paths),
    Template::new("integer_solutions", S, (2, 4), integer_solutions),
    Template::new("repeated_trials", S, (2, 4), repeated_trials),
    Template::new("expected_value", S, (1, 3), expected_value),
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
            "A menu has ${a}$ starters, ${b}$ main dishes and ${c}$ desserts. How many different meals of one of each are there?",
            "A set of clothes has ${a}$ hats, ${b}$ shirts and ${c}$ pairs of trousers. In how many ways can one of each be chosen?",
            "A code consists of one of ${a}$ letters, one of ${b}$ symbols and one of ${c}$ colors. How many codes are there?",
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
    p.step(format!("There are ${b} \\cdot {c} - {e} \\cdot {f} = {pairs}$ allowed pairs of main dish and dessert, or of shirt and trousers."));
    let text = one_of!(
        words,
        "A menu has ${a}$ starters, ${b}$ main dishes and ${c}$ desserts. Of these, ${e}$ main dishes must not be combined with any of ${f}$ desserts. How many different meals of one of each are allowed?",
        "A wardrobe holds ${a}$ hats, ${b}$ shirts and ${c}$ pairs of trousers, but ${e}$ of the shirts match none of ${f}$ pairs of trousers. How many matching sets of one hat, one shirt and one pair of trousers are there?",
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
    let counts = d.ints([3, 4, 4, 4][level - 1], 1, [7, 5, 5, 6][level - 1]);
    let total: Z = counts.iter().sum();
    if !(5..=16).contains(&total) || level > 2 && counts[0] < 2 {
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
            (
                2,
                p.mul(
                    multinomial(p, &counts[1..]),
                    p.binomial(others + 1, counts[0]),
                ),
            )
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
    let parts: Vec<String> = counts
        .iter()
        .zip(colors)
        .map(|(n, color)| format!("${n}$ {color}"))
        .collect();
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
        "How many different rows can be made of {set}, all used{rule}, when equal colors cannot be told apart?",
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
        p.step(format!(
            "$\\binom{{{m}}}{{{i}}} = {x}$ and $\\binom{{{w}}}{{{j}}} = {y}$."
        ));
        let text = one_of!(
            words,
            "In how many ways can ${i}$ of ${m}$ teachers and ${j}$ of ${w}$ students be chosen for a committee?",
            "A coach picks ${i}$ of ${m}$ defenders and ${j}$ of ${w}$ attackers. How many choices are there?",
        );
        return Some((text, Value::whole(p.mul(x, y))));
    }
    let (k, least) = (d.int(4, 6), d.int(1, 3));
    let ways = |men: Z, women: Z, size: Z| {
        let terms: Vec<Z> = (least..=size.min(women))
            .filter(|j| size - j <= men)
            .map(|j| p.mul(p.binomial(women, j), p.binomial(men, size - j)))
            .collect();
        p.step(format!(
            "Split by the number of students: ${}$.",
            latex::join(&terms, ", ")
        ));
        p.sum(&terms)
    };
    if level == 2 {
        let mut words = p.given(2, &[m, w, k, least]);
        let text = one_of!(
            words,
            "From ${m}$ teachers and ${w}$ students a committee of ${k}$ people is formed that has at least ${least}$ students. In how many ways is this possible?",
            "How many groups of ${k}$ people with ${least}$ or more students can be chosen among ${m}$ teachers and ${w}$ students?",
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
        "From ${m}$ teachers and ${w}$ students a committee of ${k}$ people is formed that has at least ${least}$ students. Two of the teachers refuse to serve together. In how many ways is this possible?",
        "A club of ${m}$ teachers and ${w}$ students sends ${k}$ members, ${least}$ or more of them students. Two certain teachers will not both go. How many choices are there?",
    );
    Some((text, Value::whole(value)))
}

/// The number of ways that a sum in a range comes up with dice of the given numbers of sides, by listing.
fn rolls(p: &Pad, a: Z, b: Z, hit: impl Fn(Z) -> bool) -> Z {
    let rows: Vec<Z> = (1..=a)
        .map(|x| (1..=b).filter(|y| hit(x + y)).count() as Z)
        .filter(|&n| n > 0)
        .collect();
    p.sum(&rows)
}

fn dice(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b) = (d.int(4, 12), d.int(4, 20));
    let sum = d.int(5, (a + b) as i64 - 2);
    p.recall(DEFINITION);
    match level {
        0 => {
            let mut words = p.given(0, &[a, b, sum]);
            let ways = (1..=a).filter(|x| (1..=b).contains(&(sum - x))).count() as Z;
            let value = p.div(p.mul(ways, 1), p.mul(a, b));
            p.step(format!(
                "${ways}$ of the ${a} \\cdot {b}$ rolls have this sum."
            ));
            let text = one_of!(
                words,
                "A fair die with ${a}$ sides and a fair die with ${b}$ sides, numbered from $1$ up, are rolled. What is the probability that the sum is ${sum}$?",
                "One number is drawn at random from $1$ to ${a}$ and one from $1$ to ${b}$. What is the probability that they add up to ${sum}$?",
            );
            Some((text, Value::Number(value)))
        }
        1 => {
            let mut words = p.given(1, &[a, b, sum]);
            let ways = rolls(p, a, b, |x| x >= sum);
            let value = p.div(ways, p.mul(a, b));
            p.step(format!("${ways}$ of the ${a} \\cdot {b}$ rolls qualify."));
            let text = one_of!(
                words,
                "A fair die with ${a}$ sides and a fair die with ${b}$ sides, numbered from $1$ up, are rolled. What is the probability that the sum is at least ${sum}$?",
                "One number is drawn at random from $1$ to ${a}$ and one from $1$ to ${b}$. How likely is a sum of ${sum}$ or more, as a common fraction?",
            );
            Some((text, Value::Number(value)))
        }
        2 => {
            let c = d.int(4, 8);
            let sum = d.int(6, (a + b + c) as i64 - 4);
            let mut words = p.given(2, &[a, b, c, sum]);
            let cases: Vec<Z> = (1..=c)
                .map(|z| (1..=a).filter(|x| (1..=b).contains(&(sum - z - x))).count() as Z)
                .collect();
            let ways = p.sum(&cases);
            p.recall(cases.len() as u64);
            p.step(format!(
                "Split by the third die: ${}$ ways.",
                latex::join(&cases, " + ")
            ));
            let value = p.div(ways, p.product(&[a, b, c]));
            let text = one_of!(
                words,
                "Three fair dice with ${a}$, ${b}$ and ${c}$ sides, numbered from $1$ up, are rolled. What is the probability that the sum is ${sum}$?",
                "Numbers are drawn at random from $1$ to ${a}$, from $1$ to ${b}$ and from $1$ to ${c}$. What is the probability that the three add up to ${sum}$?",
            );
            Some((text, Value::Number(value)))
        }
        _ => {
            let low = d.int(2, a as i64);
            let mut words = p.given(3, &[a, b, sum, low]);
            p.recall(FORMULA + THEOREM);
            let all = rolls(p, a, b, |x| x >= sum);
            let rows: Vec<Z> = (low..=a)
                .map(|x| (1..=b).filter(|y| x + y >= sum).count() as Z)
                .filter(|&n| n > 0)
                .collect();
            let both = p.sum(&rows);
            p.step(format!("Of the ${all}$ rolls with such a sum, ${both}$ show at least ${low}$ on the first die."));
            let text = one_of!(
                words,
                "A first fair die has ${a}$ sides and a second one ${b}$, numbered from $1$ up. Both are rolled, and the sum is at least ${sum}$. Given this, what is the probability that the first die shows ${low}$ or more?",
                "A number $x$ is drawn at random from $1$ to ${a}$ and a number $y$ from $1$ to ${b}$. Given that $x + y \\ge {sum}$, what is the probability that $x \\ge {low}$?",
            );
            Some((text, Value::Number(p.div(both, all))))
        }
    }
}

fn draw_balls(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let counts = d.ints([2, 3, 3][level - 1], 2, 15);
    let drawn = [2, 2, 3][level - 1];
    let total = p.sum(&counts);
    let variant = u16::try_from(level).ok()?;
    let mut words = p.given(variant, &counts);
    p.recall(FORMULA);
    let ways = if level < 3 {
        let pairs: Vec<Z> = counts.iter().map(|&n| p.binomial(n, 2)).collect();
        p.step(format!(
            "Pairs of equal color: ${}$.",
            latex::join(&pairs, " + ")
        ));
        p.sum(&pairs)
    } else {
        // Exactly two of one color.
        let cases: Vec<Z> = counts
            .iter()
            .map(|&n| p.mul(p.binomial(n, 2), p.sub(total, n)))
            .collect();
        p.step(format!(
            "Two of one color and one of another: ${}$ ways.",
            latex::join(&cases, " + ")
        ));
        p.sum(&cases)
    };
    let value = p.div(ways, p.binomial(total, drawn));
    let colors = words.word(&[
        ["red", "blue", "green"],
        ["black", "white", "yellow"],
        ["orange", "purple", "gray"],
    ]);
    let parts: Vec<String> = counts
        .iter()
        .zip(colors)
        .map(|(n, color)| format!("${n}$ {color}"))
        .collect();
    let (last, first) = parts.split_last()?;
    let set = format!("{} and {last}", first.join(", "));
    let text = match level {
        3 => one_of!(
            words,
            "A bag holds {set} balls. Three balls are drawn at random without replacement. What is the probability that exactly two of them have the same color?",
            "From {set} marbles three are taken at random at once. How likely are exactly two different colors among them, as a common fraction?",
        ),
        _ => one_of!(
            words,
            "A bag holds {set} balls. Two balls are drawn at random without replacement. What is the probability that they have the same color?",
            "From {set} marbles two are taken at random at once. What is the probability that both have the same color, as a common fraction?",
        ),
    };
    Some((text, Value::Number(value)))
}

fn grid_paths(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (m, n) = (d.int(4, 10), d.int(4, 10));
    let (a, b) = (d.int(1, m as i64 - 1), d.int(1, n as i64 - 1));
    let paths = |x: Z, y: Z| {
        if x < 0 || y < 0 {
            0
        } else {
            p.binomial(x + y, x)
        }
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
                "A path {moves} ${to}$ in steps of one unit to the right or up. How many such paths go through ${by}$?",
                "An ant {moves} ${to}$ along grid lines, only right or up, and visits ${by}$ on its way. How many routes can it take?",
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
                "A path {moves} ${to}$ in steps of one unit to the right or up. How many such paths avoid ${by}$?",
                "An ant {moves} ${to}$ along grid lines, only right or up, and never visits ${by}$. How many routes can it take?",
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
            p.step(format!(
                "${second}$ go through the second point and ${both}$ through both."
            ));
            let value = p.add(p.sub(p.sub(paths(m, n), through), second), both);
            let other = latex::point(&[c, e]);
            let text = one_of!(
                words,
                "A path {moves} ${to}$ in steps of one unit to the right or up. How many such paths avoid both ${by}$ and ${other}$?",
                "An ant {moves} ${to}$ along grid lines, only right or up, and visits neither ${by}$ nor ${other}$. How many routes can it take?",
            );
            Some((text, Value::whole(value)))
        }
    }
}

fn integer_solutions(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = d.int(12, 40);
    let bounds = d.ints(3, 1, [9, 12, 15][level - 2]);
    let (a, b, c) = (bounds[0], bounds[1], bounds[2]);
    p.recall(FORMULA);
    let count = |rest: Z, k: Z| {
        if rest < 0 {
            0
        } else {
            p.binomial(rest + k - 1, k - 1)
        }
    };
    match level {
        2 => {
            let rest = p.sub(n, p.sum(&bounds));
            if rest < 1 {
                return None;
            }
            let mut words = p.given(2, &[n, a, b, c]);
            p.step(format!(
                "Take the lower bounds away: ${rest}$ is left for three unknowns."
            ));
            let value = count(rest, 3);
            let text = one_of!(
                words,
                "How many triples of integers $(x, y, z)$ with $x + y + z = {n}$ satisfy $x \\ge {a}$, $y \\ge {b}$ and $z \\ge {c}$?",
                "In how many ways can ${n}$ equal coins be given to three people so that the first gets at least ${a}$, the second at least ${b}$ and the third at least ${c}$?",
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
            p.step(format!(
                "Without the upper bound there are ${all}$ ways; ${over}$ break it."
            ));
            let text = one_of!(
                words,
                "In how many ways can ${n}$ equal apples be put in ${k}$ different boxes so that the first box holds at most ${a}$?",
                "How many lists of ${k}$ nonnegative integers have the sum ${n}$ and a first entry of at most ${a}$?",
            );
            Some((text, Value::whole(p.sub(all, over))))
        }
        _ => {
            if a + b + c <= n || a.max(b).max(c) > n {
                return None;
            }
            let mut words = p.given(4, &[n, a, b, c]);
            p.recall(2 * THEOREM);
            let mut value = count(n, 3);
            for subset in 1..8 {
                let over: Vec<Z> = (0..3)
                    .filter(|i| subset >> i & 1 == 1)
                    .map(|i| bounds[i] + 1)
                    .collect();
                let term = count(p.sub(n, p.sum(&over)), 3);
                value = if over.len() % 2 == 1 {
                    p.sub(value, term)
                } else {
                    p.add(value, term)
                };
            }
            p.step(
                "Take away the solutions that break an upper bound, by inclusion and exclusion."
                    .to_owned(),
            );
            let text = one_of!(
                words,
                "How many triples of nonnegative integers $(x, y, z)$ with $x + y + z = {n}$ satisfy $x \\le {a}$, $y \\le {b}$ and $z \\le {c}$?",
                "A boat takes ${n}$ equal crates from three piles of ${a}$, ${b}$ and ${c}$ crates. In how many ways can the numbers taken from each pile be chosen?",
            );
            Some((text, Value::whole(value)))
        }
    }
}

fn repeated_trials(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (b, n) = (d.int(2, 9), d.int(4, [5, 6, 6][level - 2]));
    let (a, k) = (d.int(1, b as i64 - 1), d.int(1, n as i64 - 1));
    if num_integer::gcd(a, b) != 1 {
        return None;
    }
    p.recall(FORMULA);
    let (hit, miss) = (Ratio::new(a, b), p.sub(Q::from(1), Ratio::new(a, b)));
    let chance = |j: Z| {
        let power = |x: Q, n: Z| p.pow(x, usize::try_from(n).unwrap_or_default());
        p.product(&[p.binomial(n, j).into(), power(hit, j), power(miss, n - j)])
    };
    let shown = fraction(hit);
    let (given, variant) = (vec![a, b, n, k], u16::try_from(level).ok()?);
    if level == 2 {
        let mut words = p.given(variant, &given);
        let value = chance(k);
        p.step(format!(
            "Multiply the number of orders $\\binom{{{n}}}{{{k}}}$ by the chance of each."
        ));
        let text = one_of!(
            words,
            "A coin shows heads with probability ${shown}$. It is tossed ${n}$ times. What is the probability of exactly ${k}$ heads?",
            "An archer hits with probability ${shown}$ at each shot, independently. What is the probability of exactly ${k}$ hits in ${n}$ shots?",
        );
        return Some((text, Value::Number(value)));
    }
    let tail: Vec<Q> = (k..=n).map(chance).collect();
    let least = p.sum(&tail);
    p.step(format!(
        "The chance of at least ${k}$ is the sum ${}$.",
        fraction(least)
    ));
    if level == 3 {
        let mut words = p.given(variant, &given);
        let text = one_of!(
            words,
            "A coin shows heads with probability ${shown}$. It is tossed ${n}$ times. What is the probability of at least ${k}$ heads?",
            "An archer hits with probability ${shown}$ at each shot, independently. What is the probability of ${k}$ or more hits in ${n}$ shots?",
        );
        return Some((text, Value::Number(least)));
    }
    let mut words = p.given(variant, &given);
    p.recall(THEOREM);
    let value = p.div(tail[0], least);
    let text = one_of!(
        words,
        "A coin shows heads with probability ${shown}$. It is tossed ${n}$ times and shows at least ${k}$ heads. Given this, what is the probability of exactly ${k}$ heads?",
        "An archer hits with probability ${shown}$ at each shot, independently. Of ${n}$ shots ${k}$ or more are known to hit. How likely is it, as a common fraction, that exactly ${k}$ hit?",
    );
    Some((text, Value::Number(value)))
}

fn expected_value(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    p.recall(DEFINITION);
    if level == 1 {
        let (n, k) = (d.int(5, 20), d.int(1, 9));
        let (win, lose) = (d.int(2, 40), d.int(1, 20));
        if k >= n {
            return None;
        }
        let mut words = p.given(1, &[n, k, win, lose]);
        let sum = p.sub(p.mul(k, win), p.mul(p.sub(n, k), lose));
        p.step(format!("Over all ${n}$ outcomes the gains sum to ${sum}$."));
        let text = one_of!(
            words,
            "A wheel has ${n}$ equal fields. On ${k}$ of them a player wins ${win}$ dollars, on the others the player loses ${lose}$ dollars. What is the expected gain in dollars of one spin?",
            "Of ${n}$ cards ${k}$ are worth ${win}$ points and the others cost ${lose}$ points. One card is drawn at random. What is the expected number of points?",
        );
        return Some((text, Value::Number(p.div(sum, n))));
    }
    let sides = d.ints(level, 3, [12, 6][level - 2]);
    if level == 2 && sides[0] == sides[1] {
        return None;
    }
    let mut words = p.given(u16::try_from(level).ok()?, &sides);
    p.recall(THEOREM);
    let most = *sides.iter().max()?;
    // P(max >= j) = 1 - P(all < j), summed over j.
    let chances: Vec<Q> = (1..=most)
        .map(|j| {
            let below: Vec<Q> = sides
                .iter()
                .map(|&s| Ratio::new((j - 1).min(s), s))
                .collect();
            let below = p.product(&below);
            if below.is_zero() {
                Q::from(1)
            } else {
                p.sub(1.into(), below)
            }
        })
        .collect();
    p.step(
        "The expected maximum is the sum over $j$ of the chance that it is at least $j$."
            .to_owned(),
    );
    let value = p.sum(&chances);
    let shown = latex::join(&sides, ", ");
    let text = one_of!(
        words,
        "Fair dice with ${shown}$ sides, numbered from $1$ up, are rolled. What is the expected value of the largest number shown?",
        "One number is drawn at random from $1$ to $n$ for each $n$ of ${shown}$, independently. What is the expected value of the largest number drawn?",
    );
    Some((text, Value::Number(value)))
}

fn multiples(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = d.int(100, [999, 999, 2_000, 2_000][level]);
    let numbers = d.ints(
        [1, 2, 3, 3][level],
        [3, 3, 3, 3][level],
        [40, 20, 15, 15][level],
    );
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
        let chosen: Vec<Z> = (0..sorted.len())
            .filter(|i| subset >> i & 1 == 1)
            .map(|i| sorted[i])
            .collect();
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
            "How many positive integers up to ${n}$ are multiples of one of ${a}$ but not of two of them?",
        ),
        _ => one_of!(
            words,
            "How many integers from $1$ to ${n}$ are divisible by at least one of the numbers ${a}$?",
            "How many positive integers up to ${n}$ are multiples of one or more of ${a}$?",
        ),
    };
    Some((text, Value::whole(value)))
}
