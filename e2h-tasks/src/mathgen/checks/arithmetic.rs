//! Second computations for prealgebra.

use num_traits::{One, Signed};

use super::expression::evaluate;
use super::{Check, Item, R, formulas, over, r};

pub(super) const CHECKS: [(&str, Check); 8] = [
    ("fraction_arithmetic", written),
    ("percent", percent),
    ("order_of_operations", written),
    ("ratio_split", ratio_split),
    ("average", average),
    ("working_together", working_together),
    ("repeating_decimal", repeating_decimal),
    ("continued_fraction", written),
];

/// Reads the formula from the statement.
fn written(item: &Item) -> bool {
    let text = &formulas(item)[0];
    evaluate(text.trim_end_matches('.'), &[]).expect("a formula") == item.number()
}

fn percent(item: &Item) -> bool {
    let (g, value) = (item.big(), item.number());
    let up = |x: R, percent: &R| &x + &x * percent / r(100);
    match item.variant {
        0 => &value / &g[1] == &g[0] / r(100),
        1 => value == up(g[0].clone(), &-g[1].clone()),
        2 => value == up(up(g[0].clone(), &g[1]), &-g[2].clone()),
        _ => up(up(value, &g[0]), &-g[1].clone()) == g[2],
    }
}

fn ratio_split(item: &Item) -> bool {
    let (total, parts) = item.given.split_last().expect("a total");
    let share =
        (1..=*total).find(|share| parts.iter().map(|part| part * share).sum::<i128>() == *total);
    let shares: Vec<i128> = parts.iter().map(|part| part * share.expect("a share")).collect();
    let (most, least) = (shares.iter().max().expect("parts"), shares.iter().min().expect("parts"));
    item.number() == r(if item.variant == 0 { *most } else { most - least })
}

fn average(item: &Item) -> bool {
    let (g, value) = (item.big(), item.number());
    let deviations = |numbers: &[R], mean: &R| numbers.iter().map(|n| n - mean).sum::<R>() == r(0);
    match item.variant {
        0 => deviations(&g, &value),
        1 => {
            let (mean, known) = g.split_last().expect("a mean");
            deviations(&[known, &[value]].concat(), mean)
        }
        _ => {
            let times = |n: i128| usize::try_from(n).expect("a count");
            let all = [
                vec![g[1].clone(); times(item.given[0])],
                vec![g[3].clone(); times(item.given[2])],
            ];
            deviations(&all.concat(), &value)
        }
    }
}

/// In the time of the answer exactly one unit of work is done.
fn working_together(item: &Item) -> bool {
    let done: Vec<R> = item.big().iter().map(|time| item.number() / time).collect();
    let drained = if item.variant == 3 { -r(2) * &done[2] } else { r(0) };
    done.iter().sum::<R>() + drained == R::one()
}

/// Cuts the decimals off after many digits; the answer lies within the error of that.
fn repeating_decimal(item: &Item) -> bool {
    let (level, length) = (item.variant / 10, usize::from(item.variant % 10));
    let cut = |block: i128, length: usize, lead: &str| -> R {
        let digits = format!("{lead}{}", format!("{block:0length$}").repeat(12));
        R::new(
            digits.parse().expect("digits"),
            num_bigint::BigInt::from(10).pow(digits.len() as u32),
        )
    };
    let near = match level {
        1 => cut(item.given[0], length, ""),
        2 => cut(item.given[1], length, &item.given[0].to_string()),
        _ => {
            let lead = item.given[0].to_string();
            cut(item.given[1], length, &lead) * cut(item.given[2], 2, "")
        }
    };
    (item.number() - near).abs() < over(1, 10_i128.pow(20))
}
