//! Second computations for counting and probability: by listing, or step by step.

use std::collections::HashMap;

use super::{Check, Item, R, over, r};

pub(super) const CHECKS: [(&str, Check); 10] = [
    ("product_rule", product_rule),
    ("arrangements", arrangements),
    ("committee", committee),
    ("dice", dice),
    ("draw_balls", draw_balls),
    ("grid_paths", grid_paths),
    ("integer_solutions", integer_solutions),
    ("repeated_trials", repeated_trials),
    ("expected_value", expected_value),
    ("multiples", multiples),
];

fn product_rule(item: &Item) -> bool {
    let g = &item.given;
    let banned = |y: i128, z: i128| item.variant == 1 && y <= g[3] && z <= g[4];
    let pairs = (1..=g[1]).flat_map(|y| (1..=g[2]).map(move |z| (y, z)));
    let allowed = pairs.filter(|&(y, z)| !banned(y, z)).count();
    item.number() == r((0..g[0]).map(|_| allowed as i128).sum())
}

/// Counts rows place by place; `rule` 1 keeps the first color together, 2 keeps its members apart.
fn rows(
    left: &[i128],
    last: usize,
    started: bool,
    rule: u16,
    seen: &mut HashMap<(Vec<i128>, usize, bool), i128>,
) -> i128 {
    if left.iter().all(|&n| n == 0) {
        return 1;
    }
    let key = (left.to_vec(), last, started);
    if let Some(&known) = seen.get(&key) {
        return known;
    }
    let mut count = 0;
    for color in (0..left.len()).filter(|&color| left[color] > 0) {
        let apart = rule == 2 && color == 0 && last == 0;
        let torn = rule == 1 && (color == 0 && started && last != 0);
        if apart || torn {
            continue;
        }
        let mut rest = left.to_vec();
        rest[color] -= 1;
        count += rows(&rest, color, started || color == 0, rule, seen);
    }
    seen.insert(key, count);
    count
}

fn arrangements(item: &Item) -> bool {
    let count = rows(&item.given, usize::MAX, false, item.variant, &mut HashMap::new());
    item.number() == r(count)
}

/// Lets one person after the other join or stay out; `feud` counts the two teachers who quarrel.
fn committee(item: &Item) -> bool {
    let g = &item.given;
    let (men, women) = if item.variant == 1 { (g[1], g[3]) } else { (g[0], g[1]) };
    let mut ways: HashMap<(i128, i128, i128), i128> = HashMap::from([((0, 0, 0), 1)]);
    for person in 0..men + women {
        let mut next = ways.clone();
        for ((m, w, feud), n) in ways {
            let key = match person < men {
                true => (m + 1, w, feud + i128::from(person < 2)),
                false => (m, w + 1, feud),
            };
            *next.entry(key).or_default() += n;
        }
        ways = next;
    }
    let fits = |(m, w, feud): (i128, i128, i128)| match item.variant {
        1 => m == g[0] && w == g[2],
        2 => m + w == g[2] && w >= g[3],
        _ => m + w == g[2] && w >= g[3] && feud < 2,
    };
    item.number() == r(ways.iter().filter(|(key, _)| fits(**key)).map(|(_, n)| n).sum())
}

/// All rolls of dice with the given numbers of sides.
fn all_rolls(sides: &[i128]) -> Vec<Vec<i128>> {
    sides.iter().fold(vec![Vec::new()], |rolls, &sides| {
        let with =
            |roll: &Vec<i128>| (1..=sides).map(|x| [&roll[..], &[x]].concat()).collect::<Vec<_>>();
        rolls.iter().flat_map(with).collect()
    })
}

fn dice(item: &Item) -> bool {
    let g = &item.given;
    let n = if item.variant == 2 { 3 } else { 2 };
    let (rolls, bound) = (all_rolls(&g[..n]), g[n]);
    let sum = |roll: &&Vec<i128>| roll.iter().sum::<i128>();
    let share = |hits: usize, all: usize| over(hits as i128, all as i128);
    let expected = match item.variant {
        0 | 2 => share(rolls.iter().filter(|roll| sum(roll) == bound).count(), rolls.len()),
        1 => share(rolls.iter().filter(|roll| sum(roll) >= bound).count(), rolls.len()),
        _ => {
            let known: Vec<&Vec<i128>> = rolls.iter().filter(|roll| sum(roll) >= bound).collect();
            share(known.iter().filter(|roll| roll[0] >= g[3]).count(), known.len())
        }
    };
    item.number() == expected
}

/// Draws one ball after the other.
fn draw_balls(item: &Item) -> bool {
    fn chance(
        left: &[i128],
        drawn: &mut Vec<usize>,
        n: usize,
        hit: &dyn Fn(&[usize]) -> bool,
    ) -> R {
        if drawn.len() == n {
            return r(i128::from(hit(drawn)));
        }
        let total: i128 = left.iter().sum();
        let mut sum = r(0);
        for color in (0..left.len()).filter(|&color| left[color] > 0) {
            let mut rest = left.to_vec();
            rest[color] -= 1;
            drawn.push(color);
            sum += over(left[color], total) * chance(&rest, drawn, n, hit);
            drawn.pop();
        }
        sum
    }
    let kinds = |drawn: &[usize]| (0..3).filter(|color| drawn.contains(color)).count();
    let (n, wanted) = if item.variant == 3 { (3, 2) } else { (2, 1) };
    item.number() == chance(&item.given, &mut Vec::new(), n, &|drawn| kinds(drawn) == wanted)
}

/// Walks over the grid; a path is marked by which of the two points it visits.
fn grid_paths(item: &Item) -> bool {
    let g = &item.given;
    let size = |n: i128| n as usize;
    let mut paths = vec![vec![[0_i128; 4]; size(g[1]) + 1]; size(g[0]) + 1];
    for x in 0..=size(g[0]) {
        for y in 0..=size(g[1]) {
            let mut here = [0; 4];
            if (x, y) == (0, 0) {
                here[0] = 1;
            }
            for mark in 0..4 {
                here[mark] += if x > 0 { paths[x - 1][y][mark] } else { 0 };
                here[mark] += if y > 0 { paths[x][y - 1][mark] } else { 0 };
            }
            for (bit, point) in g[2..].chunks(2).enumerate() {
                if (x, y) == (size(point[0]), size(point[1])) {
                    let mut moved = [0; 4];
                    (0..4).for_each(|mark| moved[mark | 1 << bit] += here[mark]);
                    here = moved;
                }
            }
            paths[x][y] = here;
        }
    }
    let end = paths[size(g[0])][size(g[1])];
    item.number() == r(if item.variant == 2 { end[1] } else { end[0] })
}

fn integer_solutions(item: &Item) -> bool {
    let g = &item.given;
    let triples = |n: i128| (0..=n).flat_map(move |x| (0..=n - x).map(move |y| [x, y, n - x - y]));
    let expected = match item.variant {
        2 => triples(g[0]).filter(|t| (0..3).all(|i| t[i] >= g[i + 1])).count() as i128,
        3 => {
            // ways[s]: lists so far with sum s.
            let (k, n, bound) = (g[0], g[1], g[2]);
            let mut ways: Vec<i128> = (0..=n).map(|s| i128::from(s <= bound)).collect();
            for _ in 1..k {
                ways = (0..ways.len()).map(|s| ways[..=s].iter().sum()).collect();
            }
            ways[n as usize]
        }
        _ => triples(g[0]).filter(|t| (0..3).all(|i| t[i] <= g[i + 1])).count() as i128,
    };
    item.number() == r(expected)
}

/// Follows the number of hits toss by toss.
fn repeated_trials(item: &Item) -> bool {
    let g = &item.given;
    let (hit, n, k) = (over(g[0], g[1]), g[2] as usize, g[3] as usize);
    let mut chances = vec![r(1)];
    for _ in 0..n {
        let mut next = vec![r(0); chances.len() + 1];
        for (hits, chance) in chances.iter().enumerate() {
            next[hits] += chance * (r(1) - &hit);
            next[hits + 1] += chance * &hit;
        }
        chances = next;
    }
    let least: R = chances[k..].iter().sum();
    item.number()
        == match item.variant {
            2 => chances[k].clone(),
            3 => least,
            _ => &chances[k] / least,
        }
}

fn expected_value(item: &Item) -> bool {
    let g = &item.given;
    let outcomes: Vec<i128> = match item.variant {
        1 => (0..g[0]).map(|field| if field < g[1] { g[2] } else { -g[3] }).collect(),
        _ => all_rolls(g).iter().map(|roll| *roll.iter().max().expect("dice")).collect(),
    };
    item.number() == over(outcomes.iter().sum(), outcomes.len() as i128)
}

fn multiples(item: &Item) -> bool {
    let g = &item.given;
    let hits = |k: i128| g[1..].iter().filter(|m| k % **m == 0).count();
    let fits = |k: i128| {
        if item.variant == 3 { hits(k) == 1 } else { hits(k) > 0 }
    };
    item.number() == r((1..=g[0]).filter(|&k| fits(k)).count() as i128)
}
