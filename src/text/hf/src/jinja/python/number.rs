// SPDX-License-Identifier: Apache-2.0
//! Numbers as text, and text as numbers.

use crate::jinja::chars::{decimal, is_space};

/// `float.__repr__`: the shortest digits that read back, with an exponent from 1e16 on and below 1e-4.
pub fn float(f: f64) -> String {
    if let Some(text) = not_finite(f) {
        return text.into();
    }
    let magnitude = f.abs();
    if f != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        return exponent(&format!("{f:e}"));
    }
    let text = format!("{f}");
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

pub fn not_finite(f: f64) -> Option<&'static str> {
    match f {
        _ if f.is_nan() => Some("nan"),
        f64::INFINITY => Some("inf"),
        f64::NEG_INFINITY => Some("-inf"),
        _ => None,
    }
}

/// Rust's `1.5e7` as Python's `1.5e+07`.
pub fn exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Digits with single underscores between them, in ASCII; none: something else is in it.
fn plain(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut before = '_';
    for c in text.trim_matches(is_space).chars() {
        let c = decimal(c).and_then(|d| char::from_digit(d, 10)).unwrap_or(c);
        if c == '_' {
            if !before.is_ascii_alphanumeric() {
                return None;
            }
        } else {
            if before == '_' && !out.is_empty() && !c.is_ascii_alphanumeric() {
                return None;
            }
            out.push(c);
        }
        before = c;
    }
    (before != '_').then_some(out)
}

/// `int(text, base)`.
pub fn parse_int(text: &str, base: u32) -> Option<i128> {
    let text = plain(text)?.to_ascii_lowercase();
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (if text.starts_with('-') { -1 } else { 1 }, digits),
        None => (1, text.as_str()),
    };
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefix = prefixes.iter().find(|(p, b)| digits.starts_with(p) && (base == *b || base == 0));
    let (digits, base) = match prefix {
        Some((prefix, base)) => (&digits[prefix.len()..], *base),
        None if base == 0 && digits.starts_with('0') && digits.bytes().any(|b| b != b'0') => return None,
        None => (digits, if base == 0 { 10 } else { base }),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) || !(2..=36).contains(&base) {
        return None;
    }
    i128::from_str_radix(digits, base).ok().map(|value| sign * value)
}

/// `float(text)`.
pub fn parse_float(text: &str) -> Option<f64> {
    let text = plain(text)?.to_ascii_lowercase();
    let known = matches!(text.trim_start_matches(['-', '+']), "inf" | "infinity" | "nan");
    if !known && !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'-' | b'+')) {
        return None;
    }
    text.parse().ok()
}

/// `round(f, digits)` to the nearest, halves of the number's own decimals to the even side.
pub fn round(f: f64, digits: i128) -> f64 {
    if !f.is_finite() || digits > 320 {
        return f;
    }
    if digits >= 0 {
        return format!("{f:.*}", digits as usize).parse().unwrap_or(f);
    }
    let unit = 10f64.powi((-digits).min(400) as i32);
    (f / unit).round_ties_even() * unit
}
