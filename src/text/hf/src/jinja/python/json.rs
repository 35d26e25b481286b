// SPDX-License-Identifier: Apache-2.0
//! `json.dumps`.

use std::fmt::Write;

use super::number;
use crate::jinja::error::{fail, Budget, Result};
use crate::jinja::key::Key;
use crate::jinja::ops;
use crate::jinja::value::Value;

pub struct Style {
    /// What a level is indented by.
    pub indent: Option<String>,
    pub item_separator: String,
    pub key_separator: String,
    pub sort_keys: bool,
    pub ensure_ascii: bool,
}

pub fn dumps(value: &Value, style: &Style, budget: &Budget) -> Result<String> {
    let mut out = String::new();
    write(&mut out, value, style, 0, budget)?;
    Ok(out)
}

fn string(out: &mut String, text: &str, ascii: bool, budget: &Budget) -> Result<()> {
    budget.bytes(text.len() as u64 + 2)?;
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
            c if ascii && !(' '..='~').contains(&c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("string");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}

/// What is not a string or a container; none: it is one.
fn scalar(value: &Value) -> Option<String> {
    Some(match value {
        Value::None => "null".into(),
        Value::Bool(b) => if *b { "true" } else { "false" }.into(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => match number::not_finite(*f) {
            Some("nan") => "NaN".into(),
            Some("inf") => "Infinity".into(),
            Some(_) => "-Infinity".into(),
            None => number::float(*f),
        },
        _ => return None,
    })
}

fn write(out: &mut String, value: &Value, style: &Style, depth: usize, budget: &Budget) -> Result<()> {
    budget.step()?;
    budget.bytes(8)?;
    if let Some(text) = value.as_str() {
        return string(out, text, style.ensure_ascii, budget);
    }
    if let Some(text) = scalar(value) {
        out.push_str(&text);
        return Ok(());
    }
    match value {
        Value::List(list) => array(out, &list.items, style, depth, budget),
        Value::Tuple(tuple) => array(out, &tuple.items, style, depth, budget),
        Value::Dict(dict) => object(out, dict.map().iter().collect(), style, depth, budget),
        _ => fail(format!("Object of type {} is not JSON serializable", value.type_name())),
    }
}

fn newline(out: &mut String, style: &Style, depth: usize, budget: &Budget) -> Result<()> {
    if let Some(indent) = &style.indent {
        budget.bytes((indent.len() * depth) as u64 + 1)?;
        out.push('\n');
        out.push_str(&indent.repeat(depth));
    }
    Ok(())
}

fn array(out: &mut String, items: &[Value], style: &Style, depth: usize, budget: &Budget) -> Result<()> {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        out.push_str(if i > 0 { &style.item_separator } else { "" });
        newline(out, style, depth + 1, budget)?;
        write(out, item, style, depth + 1, budget)?;
    }
    if !items.is_empty() {
        newline(out, style, depth, budget)?;
    }
    out.push(']');
    Ok(())
}

fn object(
    out: &mut String,
    mut items: Vec<(&Key, &Value)>,
    style: &Style,
    depth: usize,
    budget: &Budget,
) -> Result<()> {
    if style.sort_keys {
        let keys: Vec<Value> = items.iter().map(|(key, _)| key.0.clone()).collect();
        items = ops::sorted_order(&keys, false, budget)?.into_iter().map(|i| items[i]).collect();
    }
    out.push('{');
    for (i, (key, item)) in items.iter().enumerate() {
        out.push_str(if i > 0 { &style.item_separator } else { "" });
        newline(out, style, depth + 1, budget)?;
        match (key.0.as_str(), scalar(&key.0)) {
            (Some(text), _) => string(out, text, style.ensure_ascii, budget)?,
            (_, Some(text)) => string(out, &text, style.ensure_ascii, budget)?,
            _ => {
                let what = key.0.type_name();
                return fail(format!("keys must be str, int, float, bool or None, not {what}"));
            }
        }
        out.push_str(&style.key_separator);
        write(out, item, style, depth + 1, budget)?;
    }
    if !items.is_empty() {
        newline(out, style, depth, budget)?;
    }
    out.push('}');
    Ok(())
}
