// SPDX-License-Identifier: Apache-2.0
//! Values as Python writes them: `json.dumps(ensure_ascii=False)` and `str()`.

use minijinja::value::{Value, ValueKind};
use std::fmt::Write;

/// `float.__repr__`: the shortest digits that read back, with an exponent from 1e16 on and below 1e-4.
pub fn float(f: f64) -> String {
    if f.is_nan() {
        return "nan".into();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let magnitude = f.abs();
    if f != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{f:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let text = format!("{f}");
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

fn number(value: &Value) -> String {
    let text = value.to_string();
    if value.is_integer() {
        text
    } else {
        f64::try_from(value.clone()).map(float).unwrap_or(text)
    }
}

fn json_string(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 => write!(out, "\\u{:04x}", c as u32).expect("string"),
            c if ascii && !c.is_ascii() => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("string");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// How deep values may nest: the depth that requests are checked for, and some room for the template's own.
const MAX_DEPTH: usize = 200;

pub struct JsonStyle {
    pub indent: Option<usize>,
    pub item_separator: String,
    pub key_separator: String,
    pub sort_keys: bool,
    pub ensure_ascii: bool,
}

pub fn json(value: &Value, style: &JsonStyle) -> Result<String, minijinja::Error> {
    let mut out = String::new();
    write_json(&mut out, value, style, 0)?;
    Ok(out)
}

fn too_deep() -> minijinja::Error {
    minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, "value nests too deeply")
}

fn write_json(out: &mut String, value: &Value, style: &JsonStyle, depth: usize) -> Result<(), minijinja::Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match value.kind() {
        ValueKind::Undefined => {
            let text = "Undefined is not JSON serializable";
            return Err(minijinja::Error::new(minijinja::ErrorKind::BadSerialization, text));
        }
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&match number(value).as_str() {
            "nan" => "NaN".to_string(),
            "inf" => "Infinity".to_string(),
            "-inf" => "-Infinity".to_string(),
            text => text.to_string(),
        }),
        ValueKind::String => json_string(out, value.as_str().unwrap_or_default(), style.ensure_ascii),
        ValueKind::Map => write_container(out, value, style, depth, true)?,
        ValueKind::Seq | ValueKind::Iterable => write_container(out, value, style, depth, false)?,
        _ => json_string(out, &value.to_string(), style.ensure_ascii),
    }
    Ok(())
}

fn write_container(
    out: &mut String,
    value: &Value,
    style: &JsonStyle,
    depth: usize,
    map: bool,
) -> Result<(), minijinja::Error> {
    let mut items: Vec<Value> = value.try_iter()?.collect();
    if map && style.sort_keys {
        items.sort();
    }
    out.push(if map { '{' } else { '[' });
    let newline = |out: &mut String, depth: usize| {
        if let Some(indent) = style.indent {
            out.push('\n');
            out.extend(std::iter::repeat(' ').take(indent * depth));
        }
    };
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(&style.item_separator);
        }
        newline(out, depth + 1);
        if map {
            json_string(out, &text(item), style.ensure_ascii);
            out.push_str(&style.key_separator);
            write_json(out, &value.get_item(item)?, style, depth + 1)?;
        } else {
            write_json(out, item, style, depth + 1)?;
        }
    }
    if !items.is_empty() {
        newline(out, depth);
    }
    out.push(if map { '}' } else { ']' });
    Ok(())
}

/// `str(value)`: what Jinja2 prints.
pub fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => value.as_str().unwrap_or_default().to_string(),
        ValueKind::Undefined => String::new(),
        _ => repr(value, 0),
    }
}

/// `repr(value)`.
fn repr(value: &Value, depth: usize) -> String {
    if depth > MAX_DEPTH {
        return "...".into();
    }
    match value.kind() {
        ValueKind::Undefined => "Undefined".into(),
        ValueKind::None => "None".into(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.into(),
        ValueKind::Number => number(value),
        ValueKind::String => string_repr(value.as_str().unwrap_or_default()),
        ValueKind::Map => {
            let items = value.try_iter().map(|keys| {
                keys.map(|key| {
                    let item = value.get_item(&key).unwrap_or_default();
                    format!("{}: {}", repr(&key, depth + 1), repr(&item, depth + 1))
                })
                .collect::<Vec<_>>()
            });
            format!("{{{}}}", items.unwrap_or_default().join(", "))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map(|i| i.map(|v| repr(&v, depth + 1)).collect::<Vec<_>>());
            format!("[{}]", items.unwrap_or_default().join(", "))
        }
        _ => value.to_string(),
    }
}

fn string_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || c as u32 == 0x7f => write!(out, "\\x{:02x}", c as u32).expect("string"),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}
