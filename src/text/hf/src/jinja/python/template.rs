// SPDX-License-Identifier: Apache-2.0
//! `'{}'.format(value)`.

use super::format::{general, real, width_of};
use super::number;
use super::text;
use crate::jinja::access;
use crate::jinja::args::Args;
use crate::jinja::error::{fail, Budget, Error, Result};
use crate::jinja::html::escaped;
use crate::jinja::value::{string, Value};

struct Source<'a> {
    args: &'a Args,
    next: usize,
    /// Whether it is Markup's: what stands in a field is escaped.
    escape: bool,
    budget: &'a Budget,
}

/// `format.format(*args)`.
pub fn format(format: &str, args: &Args, escape: bool, budget: &Budget) -> Result<String> {
    Source { args, next: 0, escape, budget }.expand(format, 3)
}

impl Source<'_> {
    fn expand(&mut self, format: &str, levels: u32) -> Result<String> {
        if levels == 0 {
            return fail("Max string recursion exceeded");
        }
        let (mut out, mut rest) = (String::new(), format);
        while let Some(at) = rest.find(['{', '}']) {
            self.budget.bytes(at as u64 + 1)?;
            out.push_str(&rest[..at]);
            let brace = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                out.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return fail("Single '}' encountered in format string");
            }
            let end = field_end(rest).ok_or_else(|| Error::new("expected '}' before end of string"))?;
            let piece = self.field(&rest[..end], levels)?;
            self.budget.bytes(piece.len() as u64)?;
            out.push_str(&piece);
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn field(&mut self, field: &str, levels: u32) -> Result<String> {
        let split = field.char_indices().scan(0, |depth, (i, c)| {
            *depth += (c == '[') as i32 - (c == ']') as i32;
            Some((i, c, *depth))
        });
        let at = split.filter(|(_, c, depth)| *depth <= 0 && matches!(c, ':' | '!')).map(|(i, ..)| i).next();
        let (name, more) = field.split_at(at.unwrap_or(field.len()));
        let (conversion, spec) = match more.strip_prefix('!') {
            Some(more) => (more.chars().next(), more.get(1..).unwrap_or_default()),
            None => (None, more),
        };
        let mut value = self.value(name)?;
        value = match conversion {
            None => value,
            Some('s') => Value::Str(text::str(&value, self.budget)?),
            Some('r') => string(text::repr(&value, self.budget)?),
            Some(other) => return fail(format!("Unknown conversion specifier {other}")),
        };
        let spec = self.expand(spec.strip_prefix(':').unwrap_or_default(), levels - 1)?;
        let made = formatted(&value, &spec, self.budget)?;
        Ok(if self.escape && !matches!(value, Value::Safe(_)) { escaped(&made) } else { made })
    }

    fn value(&mut self, name: &str) -> Result<Value> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut path) = name.split_at(end);
        let missing = || Error::new("Replacement index out of range for positional args tuple");
        let mut value = if first.is_empty() {
            self.next += 1;
            self.args.list.get(self.next - 1).ok_or_else(missing)?.clone()
        } else if let Ok(index) = first.parse::<usize>() {
            self.args.list.get(index).ok_or_else(missing)?.clone()
        } else {
            let found = self.args.named.iter().find(|(known, _)| &**known == first);
            found.ok_or_else(|| Error::new(format!("'{first}'")))?.1.clone()
        };
        while !path.is_empty() {
            if let Some(rest) = path.strip_prefix('.') {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                value = access::attribute(&value, &rest[..end])?;
                path = &rest[end..];
            } else {
                let rest = path.strip_prefix('[').unwrap_or(path);
                let Some(end) = rest.find(']') else { return fail("Missing ']' in format string") };
                let key = rest[..end].parse().map_or_else(|_| string(&rest[..end]), Value::Int);
                value = access::item(&value, &key, self.budget)?;
                path = &rest[end + 1..];
            }
        }
        Ok(value)
    }
}

/// Where the brace that closes a field stands.
fn field_end(rest: &str) -> Option<usize> {
    let mut depth = 1;
    for (i, c) in rest.char_indices() {
        depth += (c == '{') as i32 - (c == '}') as i32;
        if depth == 0 {
            return Some(i);
        }
    }
    None
}

#[derive(Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

fn take(rest: &mut &str, wanted: &str) -> Option<char> {
    let found = rest.chars().next().filter(|c| wanted.contains(*c))?;
    *rest = &rest[found.len_utf8()..];
    Some(found)
}

fn take_number(rest: &mut &str) -> Result<Option<usize>> {
    let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(length);
    *rest = after;
    if digits.is_empty() {
        return Ok(None);
    }
    width_of(digits.parse().unwrap_or(i128::MAX)).map(Some)
}

fn parse(text: &str) -> Result<Spec> {
    let mut rest = text;
    let mut spec = Spec::default();
    let mut chars = text.chars();
    if let (Some(fill), Some('<' | '>' | '=' | '^')) = (chars.next(), chars.next()) {
        spec.fill = Some(fill);
        rest = &rest[fill.len_utf8()..];
    }
    spec.align = take(&mut rest, "<>=^");
    spec.sign = take(&mut rest, "+- ");
    take(&mut rest, "z");
    spec.alternate = take(&mut rest, "#").is_some();
    if rest.starts_with('0') && spec.fill.is_none() {
        spec.fill = Some('0');
        spec.align = spec.align.or(Some('='));
    }
    spec.width = take_number(&mut rest)?.unwrap_or(0);
    spec.grouping = take(&mut rest, ",_");
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        spec.precision = take_number(&mut rest)?;
        if spec.precision.is_none() {
            return fail("Format specifier missing precision");
        }
    }
    spec.kind = rest.chars().next();
    if rest.chars().count() > 1 {
        return fail("Invalid format specifier");
    }
    Ok(spec)
}

/// `format(value, spec)`.
pub fn formatted(value: &Value, spec: &str, budget: &Budget) -> Result<String> {
    if spec.is_empty() {
        return text::str(value, budget).map(|text| text.to_string());
    }
    let spec = parse(spec)?;
    let unknown = |kind: char| fail(format!("Unknown format code '{kind}' for object of type '{}'", value.type_name()));
    match (value, spec.kind) {
        (Value::Str(text) | Value::Safe(text), None | Some('s')) if spec.align != Some('=') => {
            let cut: String = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
            Ok(aligned("", &cut, &spec, '<'))
        }
        (Value::Int(_) | Value::Bool(_), Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) | (Value::Float(_), _) => {
            let f = value.as_number().unwrap_or(0.0);
            let body = decimal(f.abs(), &spec).map_or_else(|| unknown(spec.kind.unwrap_or(' ')), Ok)?;
            Ok(numeric(&body, "", f.is_sign_negative() && !f.is_nan(), &spec))
        }
        (Value::Int(_) | Value::Bool(_), kind) => {
            let i = value.as_int().unwrap_or(0);
            let n = i.unsigned_abs();
            let (prefix, digits) = match kind {
                None | Some('d' | 'n') => ("", n.to_string()),
                Some('b') => ("0b", format!("{n:b}")),
                Some('o') => ("0o", format!("{n:o}")),
                Some('x') => ("0x", format!("{n:x}")),
                Some('X') => ("0X", format!("{n:X}")),
                Some('c') => {
                    return Ok(u32::try_from(i).ok().and_then(char::from_u32).map_or_else(String::new, String::from))
                }
                Some(kind) => return unknown(kind),
            };
            Ok(numeric(&digits, if spec.alternate { prefix } else { "" }, i < 0, &spec))
        }
        (Value::Str(_) | Value::Safe(_), kind) => unknown(kind.unwrap_or('=')),
        _ => fail(format!("unsupported format string passed to {}.__format__", value.type_name())),
    }
}

fn decimal(f: f64, spec: &Spec) -> Option<String> {
    Some(match spec.kind {
        None if spec.precision.is_none() => number::float(f),
        None => {
            let digits = spec.precision.unwrap_or(0).max(1);
            let text = general(f, digits, false);
            // Without a type at least one digit stands behind the point.
            let exponent = format!("{f:.*e}", digits - 1);
            let exponent: i32 = exponent.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
            if exponent == digits as i32 - 1 && !text.contains('e') && f.is_finite() {
                number::exponent(&format!("{f:.*e}", digits - 1))
            } else if text.contains(['.', 'e', 'n']) {
                text
            } else {
                text + ".0"
            }
        }
        Some('%') => real('f', f * 100.0, spec.precision, false) + "%",
        Some('n') => real('g', f, spec.precision, spec.alternate),
        Some(kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G')) => real(kind, f, spec.precision, spec.alternate),
        Some(_) => return None,
    })
}

/// A number's digits in groups, its sign and its width.
fn numeric(body: &str, prefix: &str, negative: bool, spec: &Spec) -> String {
    let sign = match spec.sign {
        _ if negative => "-",
        Some('+') => "+",
        Some(' ') => " ",
        _ => "",
    };
    let head = format!("{sign}{prefix}");
    let Some(separator) = spec.grouping else { return aligned(&head, body, spec, '>') };
    let size = if matches!(spec.kind, Some('b' | 'o' | 'x' | 'X')) { 4 } else { 3 };
    let whole = body.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(body.len());
    let (mut digits, tail) = (body[..whole].to_string(), &body[whole..]);
    let grouped = |digits: &str| {
        let mut out = String::new();
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % size == 0 {
                out.push(separator);
            }
            out.push(c);
        }
        out
    };
    if spec.fill == Some('0') && spec.align == Some('=') {
        while head.len() + grouped(&digits).len() + tail.len() < spec.width {
            digits.insert(0, '0');
        }
    }
    aligned(&head, &format!("{}{tail}", grouped(&digits)), spec, '>')
}

fn aligned(head: &str, body: &str, spec: &Spec, default: char) -> String {
    let missing = spec.width.saturating_sub(head.chars().count() + body.chars().count());
    let fill = |count: usize| spec.fill.unwrap_or(' ').to_string().repeat(count);
    match spec.align.unwrap_or(default) {
        '<' => format!("{head}{body}{}", fill(missing)),
        '^' => format!("{}{head}{body}{}", fill(missing / 2), fill(missing - missing / 2)),
        '=' => format!("{head}{}{body}", fill(missing)),
        _ => format!("{}{head}{body}", fill(missing)),
    }
}
