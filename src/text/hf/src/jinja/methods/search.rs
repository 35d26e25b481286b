// SPDX-License-Identifier: Apache-2.0
//! Looking for text within text; places are counted in characters.

use crate::jinja::args::{given, int, required, str_of, Args};
use crate::jinja::error::{fail, Result};
use crate::jinja::value::Value;

/// The bytes of `text[start:stop]`, and the characters before it; none: it is empty and lies behind the end.
fn window<'a>(text: &'a str, start: Option<Value>, stop: Option<Value>) -> Result<Option<(&'a str, usize)>> {
    let (start, stop) = (given(start), given(stop));
    if start.is_none() && stop.is_none() {
        return Ok(Some((text, 0)));
    }
    let length = text.chars().count() as i128;
    let bound = |value: Option<Value>, default: i128| -> Result<i128> {
        let value = value.map_or(Ok(default), |value| int(&value))?;
        Ok(if value < 0 { (value + length).max(0) } else { value })
    };
    let (start, stop) = (bound(start, 0)?, bound(stop, length)?.min(length));
    if start > stop {
        return Ok(None);
    }
    let byte = |at: i128| text.char_indices().nth(at as usize).map_or(text.len(), |(i, _)| i);
    Ok(Some((&text[byte(start)..byte(stop)], start as usize)))
}

/// `find`, `rfind`, `index`, `rindex` and `count`.
pub fn search(text: &str, name: &'static str, args: Args) -> Result<Value> {
    let [wanted, start, stop] = args.bind(name, ["sub", "start", "end"])?;
    let wanted = required(wanted, "sub")?;
    let wanted = str_of(&wanted)?;
    let window = window(text, start, stop)?;
    if name == "count" {
        return Ok(Value::Int(window.map_or(0, |(part, _)| occurrences(part, wanted)) as i128));
    }
    let place = window.and_then(|(part, before)| {
        let at = if name.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) };
        at.map(|at| before + part[..at].chars().count())
    });
    match place {
        Some(place) => Ok(Value::Int(place as i128)),
        None if name.ends_with("find") => Ok(Value::Int(-1)),
        None => fail("substring not found"),
    }
}

fn occurrences(text: &str, wanted: &str) -> usize {
    if wanted.is_empty() {
        text.chars().count() + 1
    } else {
        text.matches(wanted).count()
    }
}

/// `startswith` and `endswith`: one text or a tuple of them.
pub fn fits(text: &str, name: &'static str, args: Args) -> Result<Value> {
    let [wanted, start, stop] = args.bind(name, ["prefix", "start", "end"])?;
    let wanted = required(wanted, "prefix")?;
    let Some((part, _)) = window(text, start, stop)? else { return Ok(Value::Bool(false)) };
    let fits = |wanted: &Value| match wanted.as_str() {
        Some(wanted) if name == "startswith" => Ok(part.starts_with(wanted)),
        Some(wanted) => Ok(part.ends_with(wanted)),
        None => fail(format!("{name} first arg must be str or a tuple of str, not {}", wanted.type_name())),
    };
    if let Value::Tuple(tuple) = &wanted {
        for wanted in &tuple.items {
            if fits(wanted)? {
                return Ok(Value::Bool(true));
            }
        }
        return Ok(Value::Bool(false));
    }
    fits(&wanted).map(Value::Bool)
}
