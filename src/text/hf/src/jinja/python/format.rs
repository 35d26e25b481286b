// SPDX-License-Identifier: Apache-2.0
//! `'%s' % value`.

use super::number;
use super::text;
use crate::jinja::args::int;
use crate::jinja::error::{fail, Budget, Error, Result};
use crate::jinja::html::escaped;
use crate::jinja::key::Name;
use crate::jinja::ops;
use crate::jinja::value::{string, Value};

/// The wishes of one place in a format.
#[derive(Default)]
pub struct Spec {
    pub left: bool,
    pub plus: bool,
    pub space: bool,
    pub zero: bool,
    pub alternate: bool,
    pub width: usize,
    pub precision: Option<usize>,
}

/// The widest place and the most digits.
const MAX_WIDTH: i128 = 1 << 20;

pub fn width_of(value: i128) -> Result<usize> {
    if value > MAX_WIDTH {
        return fail("the width in a format is too large");
    }
    Ok(value.max(0) as usize)
}

struct Values<'a> {
    /// None: `all` is the only value.
    items: Option<&'a [Value]>,
    all: &'a Value,
    next: usize,
}

impl<'a> Values<'a> {
    fn take(&mut self) -> Result<&'a Value> {
        let found = match self.items {
            Some(items) => items.get(self.next),
            None => (self.next == 0).then_some(self.all),
        };
        self.next += 1;
        found.ok_or_else(|| Error::new("not enough arguments for format string"))
    }

    fn finish(&self, named: bool) -> Result<()> {
        let left = match self.items {
            Some(items) => self.next < items.len(),
            None => self.next == 0 && !named && !matches!(self.all, Value::Dict(_) | Value::List(_) | Value::Range(_) | Value::Undefined(_)),
        };
        if left {
            return fail("not all arguments converted during string formatting");
        }
        Ok(())
    }
}

fn digits<'a>(rest: &mut &'a str) -> &'a str {
    let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (found, after) = rest.split_at(length);
    *rest = after;
    found
}

fn parse_width(text: &str) -> Result<usize> {
    if text.is_empty() {
        return Ok(0);
    }
    width_of(text.parse().unwrap_or(i128::MAX))
}

/// `format % values`; `escape`: the format is Markup, so that texts are escaped.
pub fn percent(format: &str, values: &Value, escape: bool, budget: &Budget) -> Result<String> {
    let items = if let Value::Tuple(tuple) = values { Some(&tuple.items[..]) } else { None };
    let mut values = Values { items, all: values, next: 0 };
    let (mut out, mut rest, mut named) = (String::new(), format, false);
    while let Some(at) = rest.find('%') {
        budget.bytes(at as u64 + 1)?;
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let key = take_key(&mut rest)?;
        named |= key.is_some();
        let spec = take_spec(&mut rest, &mut values)?;
        let Some(kind) = rest.chars().next() else { return fail("incomplete format") };
        rest = &rest[kind.len_utf8()..];
        let value = match key {
            Some(key) => match values.all {
                Value::Dict(dict) => {
                    dict.map().get(&Name(key)).cloned().ok_or_else(|| Error::new(format!("'{key}'")))?
                }
                _ => return fail("format requires a mapping"),
            },
            None if kind == '%' => Value::None,
            None => values.take()?.clone(),
        };
        let value = if escape { markup(value, kind, budget)? } else { value };
        let piece = one(kind, &spec, &value, budget)?;
        budget.bytes(piece.len() as u64)?;
        out.push_str(&piece);
    }
    values.finish(named)?;
    budget.bytes(rest.len() as u64)?;
    out.push_str(rest);
    Ok(out)
}

/// The text that a Markup takes from a value.
fn markup(value: Value, kind: char, budget: &Budget) -> Result<Value> {
    Ok(match kind {
        's' if !matches!(value, Value::Safe(_)) => string(escaped(&text::str(&value, budget)?)),
        _ => value,
    })
}

fn take_key<'a>(rest: &mut &'a str) -> Result<Option<&'a str>> {
    let Some(body) = rest.strip_prefix('(') else { return Ok(None) };
    let mut depth = 1;
    for (i, c) in body.char_indices() {
        depth += (c == '(') as i32 - (c == ')') as i32;
        if depth == 0 {
            *rest = &body[i + 1..];
            return Ok(Some(&body[..i]));
        }
    }
    fail("incomplete format key")
}

fn take_spec(rest: &mut &str, values: &mut Values) -> Result<Spec> {
    let mut spec = Spec::default();
    while let Some(flag) = rest.chars().next().filter(|c| "-+ #0".contains(*c)) {
        match flag {
            '-' => spec.left = true,
            '+' => spec.plus = true,
            ' ' => spec.space = true,
            '#' => spec.alternate = true,
            _ => spec.zero = true,
        }
        *rest = &rest[1..];
    }
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        let width = int(values.take()?)?;
        spec.left |= width < 0;
        spec.width = width_of(width.abs())?;
    } else {
        spec.width = parse_width(digits(rest))?;
    }
    if let Some(after) = rest.strip_prefix('.') {
        *rest = after;
        spec.precision = Some(if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            width_of(int(values.take()?)?)?
        } else {
            parse_width(digits(rest))?
        });
    }
    *rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
    Ok(spec)
}

fn one(kind: char, spec: &Spec, value: &Value, budget: &Budget) -> Result<String> {
    let cut = |text: &str| match spec.precision {
        Some(limit) => text.chars().take(limit).collect(),
        None => text.to_string(),
    };
    let whole = |base: &str| match value {
        Value::Undefined(why) => fail(why.message()),
        Value::Float(f) if matches!(kind, 'd' | 'i' | 'u') && f.is_finite() => ops::truncated(*f),
        value => value
            .as_int()
            .ok_or_else(|| Error::new(format!("%{kind} format: {base} is required, not {}", value.type_name()))),
    };
    match kind {
        '%' => Ok("%".into()),
        's' => Ok(padded(&cut(&text::str(value, budget)?), spec)),
        'r' => Ok(padded(&cut(&text::repr(value, budget)?), spec)),
        'a' => Ok(padded(&cut(&ascii(&text::repr(value, budget)?)), spec)),
        'c' => Ok(padded(&character(value)?, spec)),
        'd' | 'i' | 'u' => Ok(integer(whole("a real number")?, "", spec, |n| n.to_string())),
        'o' => Ok(integer(whole("an integer")?, "0o", spec, |n| format!("{n:o}"))),
        'x' => Ok(integer(whole("an integer")?, "0x", spec, |n| format!("{n:x}"))),
        'X' => Ok(integer(whole("an integer")?, "0X", spec, |n| format!("{n:X}"))),
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            if let Value::Undefined(why) = value {
                return fail(why.message());
            }
            let Some(f) = value.as_number() else {
                return fail(format!("must be real number, not {}", value.type_name()));
            };
            let body = real(kind, f.abs(), spec.precision, spec.alternate);
            Ok(signed(&body, f.is_sign_negative() && !f.is_nan(), f.is_finite(), spec))
        }
        other => fail(format!("unsupported format character '{other}'")),
    }
}

fn character(value: &Value) -> Result<String> {
    match (value.as_str(), value.as_int()) {
        (Some(text), _) if text.chars().count() == 1 => Ok(text.to_string()),
        (_, Some(code)) => match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(c) => Ok(c.to_string()),
            None => fail("%c arg not in range(0x110000)"),
        },
        _ => fail("%c requires int or char"),
    }
}

fn ascii(text: &str) -> String {
    let escape = |c: char| match c as u32 {
        0..=0x7f => c.to_string(),
        code @ 0x80..=0xff => format!("\\x{code:02x}"),
        code @ 0x100..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    text.chars().map(escape).collect()
}

/// With spaces up to its width.
pub fn padded(text: &str, spec: &Spec) -> String {
    let missing = " ".repeat(spec.width.saturating_sub(text.chars().count()));
    if spec.left {
        format!("{text}{missing}")
    } else {
        format!("{missing}{text}")
    }
}

fn integer(value: i128, prefix: &str, spec: &Spec, digits: fn(u128) -> String) -> String {
    let mut body = digits(value.unsigned_abs());
    if let Some(least) = spec.precision {
        body = format!("{}{body}", "0".repeat(least.saturating_sub(body.len())));
    }
    if spec.alternate {
        let sign_width = (value < 0 || spec.plus || spec.space) as usize;
        if spec.zero && !spec.left {
            let room = spec.width.saturating_sub(sign_width + prefix.len());
            body = format!("{}{body}", "0".repeat(room.saturating_sub(body.len())));
        }
        body = format!("{prefix}{body}");
    }
    signed(&body, value < 0, true, spec)
}

/// With its sign and up to its width; `zeros`: they may stand before it.
fn signed(body: &str, negative: bool, zeros: bool, spec: &Spec) -> String {
    let sign = match () {
        () if negative => "-",
        () if spec.plus => "+",
        () if spec.space => " ",
        () => "",
    };
    if spec.zero && zeros && !spec.left {
        let missing = "0".repeat(spec.width.saturating_sub(sign.len() + body.len()));
        return format!("{sign}{missing}{body}");
    }
    padded(&format!("{sign}{body}"), spec)
}

/// A number that is not negative, as C's printf writes it.
pub fn real(kind: char, f: f64, precision: Option<usize>, alternate: bool) -> String {
    let upper = |text: String| if kind.is_ascii_uppercase() { text.to_uppercase() } else { text };
    if let Some(text) = number::not_finite(f) {
        return upper(text.to_string());
    }
    let digits = precision.unwrap_or(6);
    upper(match kind.to_ascii_lowercase() {
        'f' if digits == 0 && alternate => format!("{f:.0}."),
        'f' => format!("{f:.digits$}"),
        'e' => number::exponent(&format!("{f:.digits$e}")),
        _ => general(f, digits.max(1), alternate),
    })
}

/// `%g`: so many significant digits, without the zeros at the end.
pub fn general(f: f64, digits: usize, keep_zeros: bool) -> String {
    let scientific = format!("{f:.*e}", digits - 1);
    let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let without_zeros = |text: &str| {
        if keep_zeros || !text.contains('.') {
            return text.to_string();
        }
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    };
    if exponent < -4 || exponent >= digits as i32 {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return number::exponent(&format!("{}e{exponent}", without_zeros(mantissa)));
    }
    without_zeros(&format!("{f:.*}", (digits as i32 - 1 - exponent).max(0) as usize))
}
