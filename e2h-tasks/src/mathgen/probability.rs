//! Probability: dice, urns, repeated trials, expected values.
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

use super::draw::Draw;
use super::latex::{self, fraction};
use super::pad::{DEFINITION, FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::Counting;

pub(super) const TEMPLATES: [Template; 4] = [
    Template::new("dice", S, (0, 3), dice),
    Template::new("draw_balls", S, (1, 3), draw_balls),
    Template::new("repeated_trials", S, (2, 4), repeated_trials),
    Template::new("expected_value", S, (1, 3), expected_value),
];

/// The number of ways that a sum in a range comes up with dice of the given numbers of sides, by listing.
fn rolls(p: &Pad, a: Z, b: Z, hit: impl Fn(Z) -> bool) -> Z {
    let rows: Vec<Z> =
        (1..=a).map(|x| (1..=b).filter(|y| hit(x + y)).count() as Z).filter(|&n| n > 0).collect();
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
            let value = p.div(ways, p.mul(a, b));
            p.step(format!("${ways}$ of the ${a} \\cdot {b}$ rolls have this sum."));
            let text = one_of!(
                words,
                "A fair die with ${a}$ sides and a fair die with ${b}$ sides, numbered from $1$ \
                 up, are rolled. What is the probability that the sum is ${sum}$?",
                "One number is drawn at random from $1$ to ${a}$ and one from $1$ to ${b}$. What \
                 is the probability that they add up to ${sum}$?",
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
                "A fair die with ${a}$ sides and a fair die with ${b}$ sides, numbered from $1$ \
                 up, are rolled. What is the probability that the sum is at least ${sum}$?",
                "One number is drawn at random from $1$ to ${a}$ and one from $1$ to ${b}$. How \
                 likely is a sum of ${sum}$ or more, as a common fraction?",
            );
            Some((text, Value::Number(value)))
        }
        2 => three_dice(a, b, d, p),
        _ => dice_given_the_sum(a, b, sum, d, p),
    }
}

fn three_dice(a: Z, b: Z, d: &mut Draw<'_>, p: &Pad) -> Made {
    let c = d.int(4, 8);
    let sum = d.int(6, (a + b + c) as i64 - 4);
    let mut words = p.given(2, &[a, b, c, sum]);
    let cases: Vec<Z> = (1..=c)
        .map(|z| (1..=a).filter(|x| (1..=b).contains(&(sum - z - x))).count() as Z)
        .collect();
    let ways = p.sum(&cases);
    p.recall(cases.len() as u64);
    p.step(format!("Split by the third die: ${}$ ways.", latex::join(&cases, " + ")));
    let value = p.div(ways, p.product(&[a, b, c]));
    let text = one_of!(
        words,
        "Three fair dice with ${a}$, ${b}$ and ${c}$ sides, numbered from $1$ up, are \
         rolled. What is the probability that the sum is ${sum}$?",
        "Numbers are drawn at random from $1$ to ${a}$, from $1$ to ${b}$ and from $1$ to \
         ${c}$. What is the probability that the three add up to ${sum}$?",
    );
    Some((text, Value::Number(value)))
}

/// The chance of a large first number, given that the sum is large.
fn dice_given_the_sum(a: Z, b: Z, sum: Z, d: &mut Draw<'_>, p: &Pad) -> Made {
    let low = d.int(2, a as i64);
    let mut words = p.given(3, &[a, b, sum, low]);
    p.recall(FORMULA + THEOREM);
    let all = rolls(p, a, b, |x| x >= sum);
    let rows: Vec<Z> = (low..=a)
        .map(|x| (1..=b).filter(|y| x + y >= sum).count() as Z)
        .filter(|&n| n > 0)
        .collect();
    let both = p.sum(&rows);
    p.step(format!(
        "Of the ${all}$ rolls with such a sum, ${both}$ show at least ${low}$ \
         on the first die."
    ));
    let text = one_of!(
        words,
        "A first fair die has ${a}$ sides and a second one ${b}$, numbered from $1$ up. \
         Both are rolled, and the sum is at least ${sum}$. Given this, what is the \
         probability that the first die shows ${low}$ or more?",
        "A number $x$ is drawn at random from $1$ to ${a}$ and a number $y$ from $1$ to \
         ${b}$. Given that $x + y \\ge {sum}$, what is the probability that $x \\ge \
         {low}$?",
    );
    Some((text, Value::Number(p.div(both, all))))
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
        p.step(format!("Pairs of equal color: ${}$.", latex::join(&pairs, " + ")));
        p.sum(&pairs)
    } else {
        // Exactly two of one color.
        let cases: Vec<Z> =
            counts.iter().map(|&n| p.mul(p.binomial(n, 2), p.sub(total, n))).collect();
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
    let parts: Vec<String> =
        counts.iter().zip(colors).map(|(n, color)| format!("${n}$ {color}")).collect();
    let (last, first) = parts.split_last()?;
    let set = format!("{} and {last}", first.join(", "));
    let text = match level {
        3 => one_of!(
            words,
            "A bag holds {set} balls. Three balls are drawn at random without replacement. What is \
             the probability that exactly two of them have the same color?",
            "From {set} marbles three are taken at random at once. How likely are exactly two \
             different colors among them, as a common fraction?",
        ),
        _ => one_of!(
            words,
            "A bag holds {set} balls. Two balls are drawn at random without replacement. What is \
             the probability that they have the same color?",
            "From {set} marbles two are taken at random at once. What is the probability that both \
             have the same color, as a common fraction?",
        ),
    };
    Some((text, Value::Number(value)))
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
            "A coin shows heads with probability ${shown}$. It is tossed ${n}$ times. What is the \
             probability of exactly ${k}$ heads?",
            "An archer hits with probability ${shown}$ at each shot, independently. What is the \
             probability of exactly ${k}$ hits in ${n}$ shots?",
        );
        return Some((text, Value::Number(value)));
    }
    let tail: Vec<Q> = (k..=n).map(chance).collect();
    let least = p.sum(&tail);
    p.step(format!("The chance of at least ${k}$ is the sum ${}$.", fraction(least)));
    if level == 3 {
        let mut words = p.given(variant, &given);
        let text = one_of!(
            words,
            "A coin shows heads with probability ${shown}$. It is tossed ${n}$ times. What is the \
             probability of at least ${k}$ heads?",
            "An archer hits with probability ${shown}$ at each shot, independently. What is the \
             probability of ${k}$ or more hits in ${n}$ shots?",
        );
        return Some((text, Value::Number(least)));
    }
    let mut words = p.given(variant, &given);
    p.recall(THEOREM);
    let value = p.div(tail[0], least);
    let text = one_of!(
        words,
        "A coin shows heads with probability ${shown}$. It is tossed ${n}$ times and shows at \
         least ${k}$ heads. Given this, what is the probability of exactly ${k}$ heads?",
        "An archer hits with probability ${shown}$ at each shot, independently. Of ${n}$ shots \
         ${k}$ or more are known to hit. How likely is it, as a common fraction, that exactly \
         ${k}$ hit?",
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
            "A wheel has ${n}$ equal fields. On ${k}$ of them a player wins ${win}$ dollars, on \
             the others the player loses ${lose}$ dollars. What is the expected gain in dollars of \
             one spin?",
            "Of ${n}$ cards ${k}$ are worth ${win}$ points and the others cost ${lose}$ points. \
             One card is drawn at random. What is the expected number of points?",
        );
        return Some((text, Value::Number(p.div(sum, n))));
    }
    let sides = d.ints(level, [3, 5][level - 2], [8, 9][level - 2]);
    if level == 2 && sides[0] == sides[1] {
        return None;
    }
    let mut words = p.given(u16::try_from(level).ok()?, &sides);
    p.recall(THEOREM);
    let most = *sides.iter().max()?;
    // P(max >= j) = 1 - P(all < j), summed over j.
    let chances: Vec<Q> = (1..=most)
        .map(|j| {
            let below: Vec<Q> = sides.iter().map(|&s| Ratio::new((j - 1).min(s), s)).collect();
            let below = p.product(&below);
            if below.is_zero() { Q::from(1) } else { p.sub(1.into(), below) }
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
        "Fair dice with ${shown}$ sides, numbered from $1$ up, are rolled. What is the expected \
         value of the largest number shown?",
        "One number is drawn at random from $1$ to $n$ for each $n$ of ${shown}$, independently. \
         What is the expected value of the largest number drawn?",
    );
    Some((text, Value::Number(value)))
}
