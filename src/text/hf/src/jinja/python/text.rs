// SPDX-License-Identifier: Apache-2.0
//! `str(value)` and `repr(value)`.

use std::fmt::Write;

use super::number;
use crate::jinja::chars::is_printable;
use crate::jinja::error::{Budget, Result};
use crate::jinja::value::{Callable, Text, Value, View};

/// What Jinja2 prints, and what text a value becomes.
pub fn str(value: &Value, budget: &Budget) -> Result<Text> {
    match value {
        Value::Str(text) | Value::Safe(text) => Ok(text.clone()),
        Value::Undefined(_) => Ok("".into()),
        _ => repr(value, budget).map(Text::from),
    }
}

pub fn repr(value: &Value, budget: &Budget) -> Result<String> {
    let mut out = String::new();
    write_repr(&mut out, value, budget)?;
    Ok(out)
}

fn write_list<'a>(out: &mut String, items: impl IntoIterator<Item = &'a Value>, budget: &Budget) -> Result<()> {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_repr(out, item, budget)?;
    }
    Ok(())
}

fn write_pairs<'a>(
    out: &mut String,
    pairs: impl Iterator<Item = (&'a Value, &'a Value)>,
    between: &str,
    around: [&str; 2],
    budget: &Budget,
) -> Result<()> {
    for (i, (key, value)) in pairs.enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        out.push_str(around[0]);
        write_repr(out, key, budget)?;
        out.push_str(between);
        write_repr(out, value, budget)?;
        out.push_str(around[1]);
    }
    Ok(())
}

fn write_repr(out: &mut String, value: &Value, budget: &Budget) -> Result<()> {
    budget.step()?;
    budget.bytes(8)?;
    match value {
        Value::Undefined(_) => out.push_str("Undefined"),
        Value::None => out.push_str("None"),
        Value::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
        Value::Int(i) => write!(out, "{i}").expect("string"),
        Value::Float(f) => out.push_str(&number::float(*f)),
        Value::Str(text) => write_string(out, text, budget)?,
        Value::Safe(text) => {
            out.push_str("Markup(");
            write_string(out, text, budget)?;
            out.push(')');
        }
        Value::List(list) => {
            out.push('[');
            write_list(out, &list.items, budget)?;
            out.push(']');
        }
        Value::Tuple(tuple) => {
            out.push('(');
            write_list(out, &tuple.items, budget)?;
            out.push_str(if tuple.items.len() == 1 { ",)" } else { ")" });
        }
        Value::Dict(dict) => {
            out.push('{');
            write_pairs(out, dict.map().iter().map(|(k, v)| (&k.0, v)), ": ", ["", ""], budget)?;
            out.push('}');
        }
        Value::View(dict, view) => {
            write!(out, "{}([", value.type_name()).expect("string");
            match view {
                View::Keys => write_list(out, dict.map().keys().map(|key| &key.0), budget)?,
                View::Values => write_list(out, dict.map().values(), budget)?,
                View::Items => {
                    write_pairs(out, dict.map().iter().map(|(k, v)| (&k.0, v)), ", ", ["(", ")"], budget)?;
                }
            }
            out.push_str("])");
        }
        Value::Range(range) => match range.step {
            1 => write!(out, "range({}, {})", range.start, range.stop).expect("string"),
            step => write!(out, "range({}, {}, {step})", range.start, range.stop).expect("string"),
        },
        _ => write_object(out, value, budget)?,
    }
    Ok(())
}

fn write_object(out: &mut String, value: &Value, budget: &Budget) -> Result<()> {
    match value {
        Value::Namespace(namespace) => {
            let attributes: Vec<_> = match namespace.attributes.try_borrow_mut() {
                Ok(mut map) => std::mem::take(&mut *map).into_iter().collect(),
                Err(_) => Vec::new(),
            };
            // Empty meanwhile: a namespace within itself is not written again.
            out.push_str("<Namespace {");
            let written = write_pairs(out, attributes.iter().map(|(k, v)| (&k.0, v)), ": ", ["", ""], budget);
            out.push_str("}>");
            namespace.attributes.borrow_mut().extend(attributes);
            written?;
        }
        Value::Loop(context) => {
            write!(out, "<LoopContext {}/{}>", context.index.get() + 1, context.items.len()).expect("string");
        }
        Value::Iter(iter) => write!(out, "<generator object {}>", iter.name).expect("string"),
        Value::Callable(callable) => match &**callable {
            Callable::Macro(made) => {
                out.push_str("<Macro ");
                write_string(out, &made.signature.name, budget)?;
                out.push('>');
            }
            Callable::Method(of, name) => {
                write!(out, "<built-in method {name} of {} object>", of.type_name()).expect("string");
            }
            Callable::Global(name) => write!(out, "<function {name}>").expect("string"),
        },
        _ => write!(out, "<{} object>", value.type_name()).expect("string"),
    }
    Ok(())
}

fn write_string(out: &mut String, text: &str, budget: &Budget) -> Result<()> {
    budget.bytes(text.len() as u64 + 2)?;
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
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
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x100 => write!(out, "\\x{:02x}", c as u32).expect("string"),
            c if (c as u32) < 0x10000 => write!(out, "\\u{:04x}", c as u32).expect("string"),
            c => write!(out, "\\U{:08x}", c as u32).expect("string"),
        }
    }
    out.push(quote);
    Ok(())
}
