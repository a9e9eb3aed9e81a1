//! Prealgebra: fractions, percentages, ratios, averages, rates, decimals.
//!
//! # Source
//! Ours.
//!
//! # Deviations
//! none
//!
//! # Invariants
//! Those of [`Template`].

use num_integer::Integer;
use num_rational::Ratio;
use num_traits::{Signed, Zero};

use super::draw::{Draw, clean, distinct, whole};
use super::latex::{self, fraction};
use super::pad::{DEFINITION, FORMULA, Pad, Q, THEOREM, Z};
use super::template::{Made, Subject, Template};
use super::value::Value;

const S: Subject = Subject::Prealgebra;

pub(super) const TEMPLATES: [Template; 8] = [
    Template::new("fraction_arithmetic", S, (0, 2), fraction_arithmetic),
    Template::new("percent", S, (0, 3), percent),
    Template::new("order_of_operations", S, (0, 2), order_of_operations),
    Template::new("ratio_split", S, (0, 1), ratio_split),
    Template::new("average", S, (0, 2), average),
    Template::new("working_together", S, (1, 3), working_together),
    Template::new("repeating_decimal", S, (1, 3), repeating_decimal),
    Template::new("continued_fraction", S, (2, 4), continued_fraction),
];

/// A proper fraction in lowest terms.
fn proper(d: &mut Draw<'_>, max: i64) -> Option<Q> {
    let (a, b) = (d.int(1, max - 1), d.int(2, max));
    (a < b && a.gcd(&b) == 1).then(|| Ratio::new(a, b))
}

fn fraction_arithmetic(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let n = [2, 3, 4][level];
    let terms: Option<Vec<Q>> = (0..n).map(|_| proper(d, [9, 12, 12][level])).collect();
    let terms = terms?;
    let given: Vec<Z> = terms.iter().flat_map(|t| [*t.numer(), *t.denom()]).collect();
    let shown: Vec<String> = terms.iter().map(|&t| fraction(t)).collect();
    let variant = [d.pick(&[0, 1]), 2, 3][level];
    let mut words = p.given(variant, &given);
    let (formula, value) = match variant {
        0 => (shown.join(" + "), p.add(terms[0], terms[1])),
        1 => (shown.join(" - "), p.sub(terms[0], terms[1])),
        2 => {
            let first = p.sub(terms[0], terms[1]);
            p.step(format!("The first two terms give ${}$.", fraction(first)));
            (format!("{} - {} + {}", shown[0], shown[1], shown[2]), p.add(first, terms[2]))
        }
        _ => {
            let (top, bottom) = (p.add(terms[0], terms[1]), p.sub(terms[2], terms[3]));
            if bottom.is_zero() {
                return None;
            }
            p.step(format!("The parentheses are ${}$ and ${}$.", fraction(top), fraction(bottom)));
            let [a, b, c, e] = [&shown[0], &shown[1], &shown[2], &shown[3]];
            let formula = format!("\\left( {a} + {b} \\right) \\div \\left( {c} - {e} \\right)");
            (formula, p.div(top, bottom))
        }
    };
    p.step(format!("So ${formula} = {}$.", fraction(value)));
    let text = one_of!(
        words,
        "Compute ${formula}$. Write the answer in lowest terms.",
        "What is the value of ${formula}$, as a fraction in lowest terms?",
        "Simplify ${formula}$ to a single fraction.",
    );
    Some((text, Value::Number(value)))
}

fn percent(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b) = (5 * d.int(1, 15), 5 * d.int(1, 15));
    let base = if level < 2 { 20 * d.int(1, 60) } else { 400 * d.int(1, 40) };
    let hundred = |n: Z| p.div(Q::from(n), 100.into());
    if level == 0 {
        let mut words = p.given(0, &[a, base]);
        let share = hundred(a);
        let value = p.mul(share, base.into());
        p.step(format!("${a}\\%$ is the fraction ${}$ of the whole.", fraction(share)));
        let text = one_of!(
            words,
            "What is ${a}\\%$ of ${base}$?",
            "A school has ${base}$ students, and ${a}\\%$ of them take the bus. How many students \
             take the bus?",
            "Of ${base}$ tickets, ${a}\\%$ are sold. How many tickets are sold?",
        );
        return Some((text, Value::Number(value)));
    }
    if level == 1 {
        let mut words = p.given(1, &[base, a]);
        let kept = hundred(p.sub(100, a));
        let value = p.mul(kept, base.into());
        p.step(format!("What stays is the fraction ${}$ of the price.", fraction(kept)));
        let thing = words.word(&["jacket", "bicycle", "lamp", "guitar"]);
        let text = one_of!(
            words,
            "A {thing} costs ${base}$ dollars. Its price is reduced by ${a}\\%$. How many dollars \
             does it cost now?",
            "The price of a {thing} is ${base}$ dollars before a discount of ${a}\\%$. What is the \
             price in dollars after it?",
        );
        return Some((text, Value::Number(value)));
    }
    let factor = p.mul(hundred(p.add(100, a)), hundred(p.sub(100, b)));
    p.step(format!("Both changes together multiply by ${}$.", fraction(factor)));
    let end = factor * base;
    if level == 2 {
        let mut words = p.given(2, &[base, a, b]);
        let value = p.mul(factor, base.into());
        let text = one_of!(
            words,
            "A town of ${base}$ people grows by ${a}\\%$ in one year and shrinks by ${b}\\%$ in \
             the next. How many people live there then?",
            "A fund of ${base}$ dollars gains ${a}\\%$ and then loses ${b}\\%$. How many dollars \
             are left?",
        );
        return Some((text, Value::Number(value)));
    }
    let end = whole(end)?;
    let mut words = p.given(3, &[a, b, end]);
    p.recall(THEOREM);
    let value = p.div(Q::from(end), factor);
    p.step(format!("The start is ${end}$ divided by this factor."));
    let text = one_of!(
        words,
        "A number is increased by ${a}\\%$, and the result is decreased by ${b}\\%$. This gives \
         ${end}$. What was the number?",
        "After a rise of ${a}\\%$ and then a fall of ${b}\\%$ a share costs ${end}$ cents. How \
         many cents did it cost at first?",
    );
    Some((text, Value::Number(value)))
}

fn order_of_operations(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let (a, b, c) = (d.int(2, 30), d.int(2, 12), d.int(2, 12));
    let (formula, given, value) = match level {
        0 => {
            let product = p.mul(b, c);
            p.step(format!("First ${b} \\times {c} = {product}$."));
            (format!("{a} + {b} \\times {c}"), vec![a, b, c], p.add(a, product))
        }
        1 => {
            let (e, f) = (d.int(2, 9), d.int(2, 9));
            let (square, part) = (p.pow(p.sub(b, c), 2), p.quotient(e * f, f));
            p.step(format!("The square is ${square}$ and the quotient is ${part}$."));
            let formula = format!("{a} \\times ({b} - {c})^2 + {} \\div {f}", e * f);
            (formula, vec![a, b, c, 2, e * f, f], p.add(p.mul(a, square), part))
        }
        _ => {
            let (e, f, g) = (d.int(2, 9), d.int(2, 9), d.int(2, 9));
            let inner = p.sub(c, p.pow(p.sub(e, f), 3));
            let quotient = whole(p.div(p.mul(b, inner), g)).filter(|_| e != f)?;
            p.step(format!("The bracket is ${inner}$, the quotient ${quotient}$."));
            let formula =
                format!("{a} - {b} \\times \\left[ {c} - ({e} - {f})^3 \\right] \\div {g}");
            (formula, vec![a, b, c, e, f, 3, g], p.sub(a, quotient))
        }
    };
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    p.recall(DEFINITION);
    p.step(format!("So ${formula} = {value}$."));
    let text = one_of!(
        words,
        "Evaluate ${formula}$.",
        "What is the value of ${formula}$?",
        "Compute ${formula}$."
    );
    Some((text, Value::whole(value)))
}

fn ratio_split(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let mut parts = d.ints(level + 2, 1, 12);
    parts.sort_unstable();
    let common = parts.iter().fold(0, |g: Z, part| g.gcd(part));
    if common != 1 || !distinct(&parts) {
        return None;
    }
    let unit = d.int(2, [15, 30][level]);
    let total = p.sum(&parts) * unit;
    let shown = latex::join(&parts, " : ");
    let given = [&parts[..], &[total]].concat();
    let mut words = p.given(u16::try_from(level).ok()?, &given);
    let one = p.quotient(total, p.sum(&parts));
    p.step(format!("One share is ${total}$ divided by the sum of the ratio, ${one}$."));
    p.recall(DEFINITION);
    let (low, high) = (parts[0], parts[level + 1]);
    if level == 0 {
        let text = one_of!(
            words,
            "Two friends share ${total}$ marbles in the ratio ${shown}$. How many marbles does the \
             one with more get?",
            "A rope of ${total}$ centimeters is cut into two pieces whose lengths are in the ratio \
             ${shown}$. How many centimeters long is the longer piece?",
        );
        return Some((text, Value::whole(p.mul(high, one))));
    }
    let value = p.sub(p.mul(high, one), p.mul(low, one));
    let text = one_of!(
        words,
        "Three sisters share ${total}$ dollars in the ratio ${shown}$. How many dollars more does \
         the one with the most get than the one with the least?",
        "A mix of ${total}$ grams holds three powders in the ratio ${shown}$ by weight. By how \
         many grams does the heaviest part exceed the lightest?",
    );
    Some((text, Value::whole(value)))
}

fn average(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    p.recall(DEFINITION);
    if level == 2 {
        let (n, k) = (d.int(3, 30), d.int(3, 30));
        let (x, y) = (d.int(40, 99), d.int(40, 99));
        let mut words = p.given(2, &[n, x, k, y]);
        let sum = p.add(p.mul(n, x), p.mul(k, y));
        let value = p.div(sum, p.add(n, k));
        p.step(format!("All points together are ${n} \\cdot {x} + {k} \\cdot {y} = {sum}$."));
        let text = one_of!(
            words,
            "A class of ${n}$ students has a mean score of ${x}$, another class of ${k}$ students \
             a mean score of ${y}$. What is the mean score of all students, as a common fraction \
             if it is not whole?",
            "The mean of ${n}$ numbers is ${x}$, and the mean of ${k}$ other numbers is ${y}$. \
             What is the mean of all these numbers? Give an exact answer.",
        );
        return Some((text, Value::Number(value)));
    }
    let n = d.int(3, 6);
    let numbers = d.ints(usize::try_from(n).ok()?, 1, [40, 99][level]);
    let (sum, shown) = (p.sum(&numbers), latex::join(&numbers, ", "));
    if level == 0 {
        let mut words = p.given(0, &numbers);
        let value = clean(p.div(sum, n), 1)?;
        p.step(format!("The sum is ${sum}$; divide it by ${n}$."));
        let text = one_of!(
            words,
            "What is the mean of ${shown}$?",
            "Find the average of the numbers ${shown}$."
        );
        return Some((text, Value::Number(value)));
    }
    let mean = d.int(20, 80);
    let mut words = p.given(1, &[&numbers[..], &[mean]].concat());
    let total = p.mul(mean, n + 1);
    let value = p.sub(total, sum);
    p.step(format!("All ${}$ numbers sum to ${total}$, the known ones to ${sum}$.", n + 1));
    let text = one_of!(
        words,
        "The mean of ${shown}$ and $x$ is ${mean}$. What is $x$?",
        "Besides ${shown}$ a list holds one more number, and the average of the whole list is \
         ${mean}$. Find that number.",
    );
    Some((text, Value::whole(value)))
}

fn working_together(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let times = d.ints([2, 3, 3][level - 1], 2, [20, 24, 40][level - 1]);
    let drain = level == 3;
    let rates: Vec<Q> = times.iter().map(|&t| Ratio::new(1, t)).collect();
    if !distinct(&times) || drain && rates[0] + rates[1] <= rates[2] {
        return None;
    }
    let mut words = p.given(u16::try_from(level).ok()?, &times);
    p.recall(FORMULA);
    let rate = match drain {
        true => p.sub(p.add(rates[0], rates[1]), rates[2]),
        false => p.sum(&rates),
    };
    let value = clean(p.div(Q::from(1), rate), 300)?;
    p.step(format!("Each hour the fraction ${}$ of the work is done.", fraction(rate)));
    let (a, b, c) = (times[0], times[1], times.get(2).copied().unwrap_or_default());
    let text = match level {
        1 => one_of!(
            words,
            "One pump fills a pool in ${a}$ hours, another in ${b}$ hours. How many hours do both \
             together take?",
            "Ana paints a fence in ${a}$ hours and Ben in ${b}$ hours. Working together at these \
             rates, how many hours do they need?",
        ),
        2 => one_of!(
            words,
            "Three printers finish a job alone in ${a}$, ${b}$ and ${c}$ hours. In how many hours \
             do they finish it together?",
            "Alone, three gardeners weed a field in ${a}$, ${b}$ and ${c}$ hours. How many hours \
             do they take if they work at the same time?",
        ),
        _ => one_of!(
            words,
            "Two pipes fill a tank in ${a}$ and ${b}$ hours, and a drain empties the full tank in \
             ${c}$ hours. With both pipes and the drain open, how many hours does it take to fill \
             the empty tank?",
            "A basin has two taps that fill it in ${a}$ and ${b}$ hours and a leak that would \
             empty it in ${c}$ hours. How many hours pass until the empty basin is full when both \
             taps run?",
        ),
    };
    Some((text, Value::Number(value)))
}

/// `0.\overline{..}` with `length` repeating digits.
fn overline(block: Z, length: usize) -> String {
    format!("0.\\overline{{{block:0length$}}}")
}

fn repeating_decimal(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let length = d.pick(&[2, 3]);
    let nines = 10_i128.pow(u32::try_from(length).ok()?) - 1;
    let (x, y) = (d.int(1, 998) % nines, d.int(1, 98));
    if x % 11 == 0 || x % 111 == 0 || y % 11 == 0 {
        return None;
    }
    let variant = u16::try_from(10 * level + length).ok()?;
    p.recall(FORMULA);
    let first = p.div(x, nines);
    p.step(format!(
        "${}$ is ${x}$ over ${nines}$, or ${}$ in lowest terms.",
        overline(x, length),
        fraction(first)
    ));
    let (mut formula, mut given, mut value) = (overline(x, length), vec![x], first);
    if level > 1 {
        let lead = d.int(1, 9);
        p.recall(DEFINITION);
        formula = format!("0.{lead}\\overline{{{x:0length$}}}");
        given.insert(0, lead);
        value = p.div(p.add(Q::from(lead), first), 10.into());
        p.step(format!("With the digit before it, ${formula} = {}$.", fraction(value)));
    }
    if level > 2 {
        let second = p.div(y, 99);
        p.step(format!("${} = {}$.", overline(y, 2), fraction(second)));
        formula = format!("{formula} \\cdot {}", overline(y, 2));
        given.push(y);
        value = p.mul(value, second);
    }
    let mut words = p.given(variant, &given);
    let text = one_of!(
        words,
        "Express ${formula}$ as a common fraction in lowest terms.",
        "Write ${formula}$ as a fraction in simplest form.",
        "What common fraction in lowest terms is equal to ${formula}$?",
    );
    Some((text, Value::Number(value)))
}

fn continued_fraction(level: usize, d: &mut Draw<'_>, p: &Pad) -> Made {
    let parts = d.ints(level + 1, 1, [9, 9, 12][level - 2]);
    let last = *parts.last()?;
    let minus = level == 4;
    let (mut formula, mut value) = (last.to_string(), Q::from(last));
    for &part in parts.iter().rev().skip(1) {
        if value.is_zero() {
            return None;
        }
        let sign = if minus { "-" } else { "+" };
        formula = format!("{part} {sign} \\cfrac{{1}}{{{formula}}}");
        let inverse = p.div(Q::from(1), value);
        value = if minus { p.sub(part.into(), inverse) } else { p.add(part.into(), inverse) };
        p.step(format!("From below: ${}$.", fraction(value)));
    }
    if last < 2 || !value.is_positive() {
        return None;
    }
    let mut words = p.given(u16::from(minus), &parts);
    p.recall(DEFINITION);
    let text = one_of!(
        words,
        "Simplify $${formula}$$ to a single fraction.",
        "Compute the value of $${formula}.$$"
    );
    Some((text, Value::Number(value)))
}
