// SPDX-License-Identifier: Apache-2.0
//! Filters of text. Most take the text of any value.

use super::Path;
use crate::jinja::args::{given, int_or, required, str_of, Args};
use crate::jinja::chars::is_space;
use crate::jinja::error::{fail, Result};
use crate::jinja::html::{escaped, without_tags};
use crate::jinja::methods::{capitalized, justified, lines, replaced, stripped};
use crate::jinja::python::format::percent;
use crate::jinja::python::text;
use crate::jinja::value::{string, tuple, Value};
use crate::jinja::vm::Vm;

/// What `made` makes of the value's text; Markup stays Markup.
fn of_text(vm: &Vm, value: &Value, make: impl FnOnce(&str) -> String) -> Result<Value> {
    let text = text::str(value, &vm.budget)?;
    vm.budget.bytes(text.len() as u64)?;
    let made = make(&text).into();
    Ok(if matches!(value, Value::Safe(_)) { Value::Safe(made) } else { Value::Str(made) })
}

pub fn upper(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("upper", [])?;
    of_text(vm, &value, str::to_uppercase)
}

pub fn lower(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("lower", [])?;
    of_text(vm, &value, str::to_lowercase)
}

pub fn capitalize(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("capitalize", [])?;
    of_text(vm, &value, capitalized)
}

/// Words begin behind white space, hyphens and opening brackets.
pub fn title(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("title", [])?;
    let separates = |c: char| is_space(c) || "-({[<".contains(c);
    of_text(vm, &value, |text| {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(first) = rest.chars().next() {
            let same = |c: char| separates(c) == separates(first);
            let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
            out.extend(first.to_uppercase());
            out.push_str(&rest[first.len_utf8()..end].to_lowercase());
            rest = &rest[end..];
        }
        out
    })
}

pub fn trim(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [chars] = args.bind("trim", ["chars"])?;
    let set: Option<Vec<char>> = match given(chars) {
        Some(chars) => Some(str_of(&chars)?.chars().collect()),
        None => None,
    };
    of_text(vm, &value, |text| stripped(text, "strip", set.as_deref()).to_string())
}

pub fn center(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [width] = args.bind("center", ["width"])?;
    let text = text::str(&value, &vm.budget)?;
    Ok(string(justified(vm, &text, "center", int_or(&width, 80)?, ' ')?))
}

pub fn soft_string(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("string", [])?;
    match value {
        Value::Str(_) | Value::Safe(_) => Ok(value),
        _ => Ok(Value::Str(text::str(&value, &vm.budget)?)),
    }
}

pub fn safe(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("safe", [])?;
    Ok(Value::Safe(text::str(&value, &vm.budget)?))
}

pub fn escape(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("escape", [])?;
    match value {
        Value::Safe(_) => Ok(value),
        _ => force_escape(vm, value, Args::default()),
    }
}

pub fn force_escape(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("forceescape", [])?;
    let text = text::str(&value, &vm.budget)?;
    vm.budget.bytes(5 * text.len() as u64)?;
    Ok(Value::Safe(escaped(&text).into()))
}

pub fn strip_tags(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("striptags", [])?;
    of_text(vm, &value, without_tags).map(|made| string(made.as_str().unwrap_or_default()))
}

pub fn replace(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [old, new, count] = args.bind("replace", ["old", "new", "count"])?;
    let budget = &vm.budget;
    let text = text::str(&value, budget)?;
    let old = text::str(&required(old, "old")?, budget)?;
    let new = text::str(&required(new, "new")?, budget)?;
    Ok(string(replaced(vm, &text, &old, &new, int_or(&given(count), -1)?)?))
}

pub fn join(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [separator, attribute] = args.bind("join", ["d", "attribute"])?;
    let separator = separator.map_or(Ok("".into()), |value| text::str(&value, &vm.budget))?;
    let path = Path::new(&given(attribute).unwrap_or(Value::None));
    let mut out = String::new();
    for (i, item) in value.iterate(&vm.budget)?.iter().enumerate() {
        vm.budget.step()?;
        let piece = text::str(&path.get(item, None, &vm.budget)?, &vm.budget)?;
        vm.budget.bytes((piece.len() + separator.len()) as u64)?;
        out.push_str(if i > 0 { &separator } else { "" });
        out.push_str(&piece);
    }
    vm.budget.bytes(out.len() as u64)?;
    Ok(string(out))
}

pub fn format(vm: &Vm, value: Value, mut args: Args) -> Result<Value> {
    if !args.list.is_empty() && !args.named.is_empty() {
        return fail("can't handle positional and keyword arguments at the same time");
    }
    let text = text::str(&value, &vm.budget)?;
    let values = if args.named.is_empty() { tuple(args.list)? } else { args.named_as_dict()? };
    let safe = matches!(value, Value::Safe(_));
    let made = percent(&text, &values, safe, &vm.budget)?.into();
    Ok(if safe { Value::Safe(made) } else { Value::Str(made) })
}

pub fn indent(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [width, first, blank] = args.bind("indent", ["width", "first", "blank"])?;
    let truth = |value: Option<Value>| value.is_some_and(|value| value.truth());
    let (first, blank) = (truth(first), truth(blank));
    let indention = match &width {
        Some(Value::Str(text) | Value::Safe(text)) => text.to_string(),
        other => {
            let width = int_or(other, 4)?.clamp(0, 1 << 40) as u64;
            vm.budget.bytes(width)?;
            " ".repeat(width as usize)
        }
    };
    let Some(text) = value.as_str() else {
        return fail(format!("unsupported operand type(s) for +=: '{}' and 'str'", value.type_name()));
    };
    let with_end = format!("{text}\n");
    let lines = lines(&with_end, false);
    vm.budget.bytes(text.len() as u64 + (lines.len() as u64).saturating_mul(indention.len() as u64 + 1))?;
    let mut out = if first { indention.clone() } else { String::new() };
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push('\n');
            out.push_str(if blank || !line.is_empty() { &indention } else { "" });
        }
        out.push_str(line);
    }
    Ok(if matches!(value, Value::Safe(_)) { Value::Safe(out.into()) } else { string(out) })
}

pub fn truncate(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [length, kill, end, leeway] = args.bind("truncate", ["length", "killwords", "end", "leeway"])?;
    let end = end.unwrap_or_else(|| string("..."));
    let end = str_of(&end)?;
    let (length, leeway) = (int_or(&length, 255)?, int_or(&given(leeway), 5)?);
    let kept = length.saturating_sub(end.chars().count() as i128);
    if kept < 0 || leeway < 0 {
        return fail(format!("expected length >= {}, got {length}", end.chars().count()));
    }
    if value.length().is_some_and(|n| n as i128 <= length.saturating_add(leeway)) {
        return Ok(value);
    }
    let text = str_of(&value)?;
    vm.budget.bytes(text.len() as u64)?;
    let cut: String = text.chars().take(kept as usize).collect();
    let cut = match cut.rsplit_once(' ') {
        Some((words, _)) if !kill.is_some_and(|kill| kill.truth()) => words,
        _ => &cut,
    };
    Ok(string(format!("{cut}{end}")))
}

pub fn word_count(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("wordcount", [])?;
    let text = text::str(&value, &vm.budget)?;
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    Ok(Value::Int(words.count() as i128))
}

fn quoted(text: &str, query: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' if query => out.push('+'),
            b'/' if !query => out.push('/'),
            b if b.is_ascii_alphanumeric() || b"_.-~".contains(&b) => out.push(b as char),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

pub fn url_encode(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("urlencode", [])?;
    let budget = &vm.budget;
    if value.as_str().is_some() || !value.iterable() {
        let text = text::str(&value, budget)?;
        budget.bytes(3 * text.len() as u64)?;
        return Ok(string(quoted(&text, false)));
    }
    let mut pairs = Vec::new();
    let items = match &value {
        Value::Dict(dict) => dict.map().iter().map(|(k, v)| [k.0.clone(), v.clone()]).collect(),
        _ => {
            let pair = |item: Value| match item.iterate(budget)?.as_slice() {
                [key, value] => Ok([key.clone(), value.clone()]),
                _ => fail("not enough values to unpack (expected 2)"),
            };
            value.iterate(budget)?.into_iter().map(pair).collect::<Result<Vec<_>>>()?
        }
    };
    for [key, value] in items {
        let (key, value) = (text::str(&key, budget)?, text::str(&value, budget)?);
        budget.bytes(3 * (key.len() + value.len()) as u64)?;
        pairs.push(format!("{}={}", quoted(&key, true), quoted(&value, true)));
    }
    Ok(string(pairs.join("&")))
}

pub fn xml_attributes(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [space] = args.bind("xmlattr", ["autospace"])?;
    let Value::Dict(dict) = &value else { return fail(format!("'{}' object is no mapping", value.type_name())) };
    let mut parts = Vec::new();
    for (key, value) in dict.map() {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let name = str_of(&key.0)?;
        if name.contains([' ', '\t', '\n', '\r', '\u{b}', '\u{c}', '/', '>', '=']) {
            return fail(format!("Invalid character in attribute name: '{name}'"));
        }
        let written = escape(vm, value.clone(), Args::default())?;
        vm.budget.bytes(6 * name.len() as u64 + 4)?;
        parts.push(format!("{}=\"{}\"", escaped(name), written.as_str().unwrap_or_default()));
    }
    let joined = parts.join(" ");
    let spaced = space.is_none_or(|space| space.truth()) && !joined.is_empty();
    Ok(string(if spaced { format!(" {joined}") } else { joined }))
}
