// SPDX-License-Identifier: Apache-2.0
//! Numbers within limits.

use super::node::Shape;
use super::place::Bound;
use super::spot::{refuse, Refusal};

const MAX_MULTIPLE: f64 = 10_000.0;
/// A 64th, in millionths: readers divide binary numbers, for which 0.07 is no multiple of 0.01. Multiples of both are
/// exact and so are multiples for every reader.
const EXACT: u64 = 15_625;

/// None: no number is within the limits.
pub fn shape(whole: bool, low: Option<Bound>, high: Option<Bound>, multiples: Vec<f64>, path: &str) -> Result<Option<Shape>, Refusal> {
    let (low, high) = if whole { (low.map(up), high.map(down)) } else { (low, high) };
    if let (Some(l), Some(h)) = (low, high) {
        if l.value > h.value || (l.value == h.value && (l.exclusive || h.exclusive)) {
            return Ok(None);
        }
    }
    if multiples.is_empty() {
        let (low, high) = if whole { (low, high) } else { inner(low, high) };
        return Ok(Some(Shape::Number { whole, low, high, multiples }));
    }
    let Some(step) = common_multiple(&multiples, whole) else {
        return refuse(&format!("{path}.multipleOf"), format!("\"multipleOf\" is supported for numbers of up to {MAX_MULTIPLE} and 6 decimal places"));
    };
    if !has_multiple(step, low, high) {
        return Ok(None);
    }
    let (low, high) = if whole { (low, high) } else { inner(low, high) };
    Ok(Some(Shape::Number { whole, low, high, multiples: vec![step] }))
}

fn up(bound: Bound) -> Bound {
    let ceiling = bound.value.ceil();
    let value = if bound.exclusive && ceiling == bound.value { ceiling + 1.0 } else { ceiling };
    Bound { value, exclusive: false }
}

fn down(bound: Bound) -> Bound {
    let floor = bound.value.floor();
    let value = if bound.exclusive && floor == bound.value { floor - 1.0 } else { floor };
    Bound { value, exclusive: false }
}

/// The grammar library takes 0 for a number above 0 when both limits have the same whole part, so an excluded limit
/// is left by a thousandth of the range there.
fn inner(low: Option<Bound>, high: Option<Bound>) -> (Option<Bound>, Option<Bound>) {
    let (Some(l), Some(h)) = (low, high) else { return (low, high) };
    if l.value.trunc() != h.value.trunc() || l.value == h.value {
        return (low, high);
    }
    let gap = (h.value - l.value) / 1000.0;
    let move_by = |bound: Bound, gap: f64| {
        let value = if bound.exclusive { bound.value + gap } else { bound.value };
        Bound { value, exclusive: false }
    };
    (Some(move_by(l, gap)), Some(move_by(h, -gap)))
}

/// Millionths, if it is a whole number of them.
fn millionths(number: f64) -> Option<u64> {
    let scaled = number * 1e6;
    let near = scaled.round();
    (number <= MAX_MULTIPLE && near >= 1.0 && (scaled - near).abs() < 1e-4).then_some(near as u64)
}

fn common_multiple(multiples: &[f64], whole: bool) -> Option<f64> {
    let mut common = if whole { 1_000_000 } else { EXACT };
    for step in multiples.iter().map(|m| millionths(*m)) {
        let step = step?;
        common = step.checked_mul(common / gcd(common, step))?;
    }
    let number = common as f64 / 1e6;
    let exact = |step: &f64| (1..2000).all(|k| (f64::from(k) * number / step).fract() == 0.0);
    (number <= MAX_MULTIPLE && multiples.iter().all(exact)).then_some(number)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

fn has_multiple(step: f64, low: Option<Bound>, high: Option<Bound>) -> bool {
    let (Some(l), Some(h)) = (low, high) else { return true };
    let mut first = (l.value / step - 1e-9).ceil();
    if l.exclusive && (first * step - l.value).abs() < step * 1e-9 {
        first += 1.0;
    }
    let at = first * step;
    at < h.value - step * 1e-9 || ((at - h.value).abs() <= step * 1e-9 && !h.exclusive)
}
