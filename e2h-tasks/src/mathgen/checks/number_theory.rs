//! Second computations for number theory: by listing.

use num_bigint::BigInt;

use super::{Check, Item, r};
use crate::mathgen::value::Value;

pub(super) const CHECKS: [(&str, Check); 8] = [
    ("gcd_lcm", gcd_lcm),
    ("divisors", divisors),
    ("base_conversion", base_conversion),
    ("power_remainder", power_remainder),
    ("congruence", congruence),
    ("factorial_exponent", factorial_exponent),
    ("coprime_count", coprime_count),
    ("two_coins", two_coins),
];

fn gcd_lcm(item: &Item) -> bool {
    let (a, b) = (item.given[0], item.given[1]);
    let found = match item.variant {
        0 => (1..=a).rev().find(|k| a % k == 0 && b % k == 0),
        _ => (1..=b).map(|k| k * a).find(|k| k % b == 0),
    };
    item.number() == r(found.expect("found"))
}

fn divisors(item: &Item) -> bool {
    let n = item.given[0];
    let found: Vec<i128> = match item.variant {
        2 => (1..=n).filter(|k| n * n % (k * k) == 0).collect(),
        _ => (1..=n).filter(|k| n % k == 0).collect(),
    };
    item.number() == r(if item.variant == 1 { found.iter().sum() } else { found.len() as i128 })
}

/// The number that a plain number spells in a base.
fn spelled(digits: i128, base: i128) -> i128 {
    i128::from_str_radix(&digits.to_string(), base as u32).expect("digits of the base")
}

fn base_conversion(item: &Item) -> bool {
    let g = &item.given;
    let answer = |base: i128| match &item.value {
        Value::Numeral { digits, base: shown } if i128::from(*shown) == base => {
            let text: String = digits.iter().map(u8::to_string).collect();
            i128::from_str_radix(&text, base as u32).ok().filter(|_| digits[0] != 0)
        }
        _ => None,
    };
    match item.variant {
        0 => item.number() == r(spelled(g[0], g[1])),
        1 => answer(g[1]) == Some(g[0]),
        2 => answer(g[2]) == Some(spelled(g[0], g[1])),
        _ => answer(g[1]) == Some(spelled(g[0], g[1]) * spelled(g[2], g[3])),
    }
}

/// Raises to the full power, without reducing on the way.
fn power_remainder(item: &Item) -> bool {
    let g: Vec<BigInt> = item.given.iter().map(|&n| BigInt::from(n)).collect();
    let power = |a: &BigInt, n: i128| a.pow(n as u32);
    let expected = match item.variant {
        1 => power(&g[0], item.given[1]) % 10,
        2 => power(&g[0], item.given[1]) % &g[2],
        3 => (power(&g[0], item.given[1]) + power(&g[2], item.given[3])) % &g[4],
        _ => g[0].modpow(&power(&g[1], item.given[2]), &g[3]),
    };
    item.number() == num_rational::BigRational::from(expected)
}

fn congruence(item: &Item) -> bool {
    let g = &item.given;
    let found = match item.variant {
        0 => (0..g[2]).find(|x| (g[0] * x - g[1]) % g[2] == 0),
        _ => (1..).find(|x| g.chunks(2).all(|c| x % c[1] == c[0])),
    };
    item.number() == r(found.expect("found"))
}

/// The exponent of a prime in a number.
fn exponent(mut n: i128, prime: i128) -> i128 {
    let mut exponent = 0;
    while n % prime == 0 {
        n /= prime;
        exponent += 1;
    }
    exponent
}

fn factorial_exponent(item: &Item) -> bool {
    let g = &item.given;
    let count = |n: i128, prime: i128| (1..=n).map(|k| exponent(k, prime)).sum::<i128>();
    let expected = match item.variant {
        1 => count(g[0], 5).min(count(g[0], 2)),
        2 => count(g[1], g[0]),
        3 => {
            let primes = (2..=g[0]).filter(|p| g[0] % p == 0 && (2..*p).all(|d| p % d != 0));
            primes.map(|p| count(g[1], p) / exponent(g[0], p)).min().expect("a prime")
        }
        _ => {
            // Kummer: the carries when k and n - k are added in base p.
            let (prime, mut a, mut b) = (g[0], g[2], g[1] - g[2]);
            let (mut carry, mut carries) = (0, 0);
            while a + b + carry > 0 {
                carry = i128::from(a % prime + b % prime + carry >= prime);
                carries += carry;
                (a, b) = (a / prime, b / prime);
            }
            carries
        }
    };
    item.number() == r(expected)
}

fn coprime_count(item: &Item) -> bool {
    let g = &item.given;
    let (limit, n) = if item.variant == 2 { (g[0], g[0]) } else { (g[0], g[1]) };
    let common = |a: i128| (2..=n).any(|k| n % k == 0 && a % k == 0);
    let found = (1..=limit).filter(|&a| !common(a));
    item.number() == r(if item.variant == 4 { found.sum() } else { found.count() as i128 })
}

fn two_coins(item: &Item) -> bool {
    let g = &item.given;
    let limit = if item.variant == 2 { g[0] * g[1] } else { g[2] };
    let mut paid = vec![true];
    for amount in 1..=limit {
        let after = |coin: i128| amount >= coin && paid[(amount - coin) as usize];
        paid.push(after(g[0]) || after(g[1]));
    }
    let expected = match item.variant {
        2 => paid.iter().rposition(|paid| !paid).expect("1 cannot be paid"),
        _ => paid.iter().filter(|paid| **paid).count() - 1,
    };
    item.number() == r(expected as i128)
}
