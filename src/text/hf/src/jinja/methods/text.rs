// SPDX-License-Identifier: Apache-2.0
//! Methods of strings.

use super::{no_method, search, split};
use crate::jinja::args::{given, int, int_or, required, str_of, Args};
use crate::jinja::chars::{decimal, is_digit, is_printable, is_space};
use crate::jinja::error::{fail, Result};
use crate::jinja::python::template;
use crate::jinja::value::{string, Value};
use crate::jinja::vm::Vm;

pub fn call(vm: &Vm, text: &str, name: &str, args: Args) -> Result<Value> {
    match name {
        "find" => search::search(text, "find", args),
        "rfind" => search::search(text, "rfind", args),
        "index" => search::search(text, "index", args),
        "rindex" => search::search(text, "rindex", args),
        "count" => search::search(text, "count", args),
        "startswith" => search::fits(text, "startswith", args),
        "endswith" => search::fits(text, "endswith", args),
        "split" => split::split(vm, text, args, false),
        "rsplit" => split::split(vm, text, args, true),
        "splitlines" => split::splitlines(vm, text, args),
        "partition" | "rpartition" => {
            let [separator] = args.bind("partition", ["sep"])?;
            split::partition(text, str_of(&required(separator, "sep")?)?, name == "rpartition")
        }
        "format" => Ok(string(template::format(text, &args, false, &vm.budget)?)),
        "format_map" => format_map(vm, text, args),
        "join" => {
            let [items] = args.bind("join", ["iterable"])?;
            join(vm, text, &required(items, "iterable")?)
        }
        "replace" => replace(vm, text, args),
        "strip" | "lstrip" | "rstrip" => strip(vm, text, name, args),
        "removeprefix" | "removesuffix" => {
            let [wanted] = args.bind("removeprefix", ["prefix"])?;
            let wanted = required(wanted, "prefix")?;
            let wanted = str_of(&wanted)?;
            let rest = if name == "removeprefix" { text.strip_prefix(wanted) } else { text.strip_suffix(wanted) };
            made(vm, rest.unwrap_or(text).to_string())
        }
        "center" | "ljust" | "rjust" => justify(vm, text, name, args),
        "zfill" => zfill(vm, text, args),
        "expandtabs" => expand_tabs(vm, text, args),
        _ if !(args.list.is_empty() && args.named.is_empty()) => fail(format!("str.{name}() takes no arguments")),
        _ => match plain(text, name) {
            Some(result) => made(vm, result),
            None => is(text, name).map_or_else(|| no_method(name), |held| Ok(Value::Bool(held))),
        },
    }
}

fn made(vm: &Vm, text: String) -> Result<Value> {
    vm.budget.bytes(text.len() as u64)?;
    Ok(string(text))
}

/// Methods without arguments that give a string.
pub fn plain(text: &str, name: &str) -> Option<String> {
    Some(match name {
        "lower" => text.to_lowercase(),
        "upper" => text.to_uppercase(),
        "casefold" => text.to_lowercase().replace('ß', "ss").replace('ς', "σ"),
        "capitalize" => capitalized(text),
        "title" => title(text),
        "swapcase" => {
            let swap = |c: char| match c {
                c if c.is_uppercase() => c.to_lowercase().collect::<String>(),
                c => c.to_uppercase().collect(),
            };
            text.chars().map(swap).collect()
        }
        "striptags" => crate::jinja::html::without_tags(text),
        "unescape" => crate::jinja::html::unescaped(text),
        _ => return None,
    })
}

/// A character at the beginning of a word: those of two letters have a form of their own.
fn title_char(c: char) -> String {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => "ǅ".into(),
        'Ǉ' | 'ǈ' | 'ǉ' => "ǈ".into(),
        'Ǌ' | 'ǋ' | 'ǌ' => "ǋ".into(),
        'Ǳ' | 'ǲ' | 'ǳ' => "ǲ".into(),
        'ß' => "Ss".into(),
        'ﬀ' => "Ff".into(),
        'ﬁ' => "Fi".into(),
        'ﬂ' => "Fl".into(),
        c => c.to_uppercase().collect(),
    }
}

pub fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| title_char(first) + &chars.as_str().to_lowercase())
}

fn cased(c: char) -> bool {
    c.is_uppercase() || c.is_lowercase() || matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ')
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.push_str(&title_char(c));
        }
        inside = cased(c);
    }
    out
}

fn is_title(text: &str) -> bool {
    let (mut inside, mut any) = (false, false);
    for c in text.chars() {
        if cased(c) {
            if c.is_lowercase() != inside {
                return false;
            }
            any = true;
        }
        inside = cased(c);
    }
    any
}

/// Methods that ask for a property of all characters.
fn is(text: &str, name: &str) -> Option<bool> {
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    Some(match name {
        "isalnum" => all(|c| c.is_alphanumeric()),
        "isalpha" => all(|c| c.is_alphabetic()),
        "isascii" => text.is_ascii(),
        "isdecimal" => all(|c| decimal(c).is_some()),
        "isdigit" => all(is_digit),
        "isnumeric" => all(|c| c.is_numeric() || is_digit(c)),
        "isidentifier" => {
            !text.is_empty()
                && !text.starts_with(|c: char| c.is_numeric())
                && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        }
        "islower" => lower(text),
        "isupper" => upper(text),
        "isprintable" => text.chars().all(is_printable),
        "isspace" => all(is_space),
        "istitle" => is_title(text),
        _ => return None,
    })
}

pub fn lower(text: &str) -> bool {
    text.chars().any(cased) && text.chars().all(|c| !cased(c) || c.is_lowercase())
}

pub fn upper(text: &str) -> bool {
    text.chars().any(cased) && text.chars().all(|c| !cased(c) || c.is_uppercase())
}

fn format_map(vm: &Vm, text: &str, args: Args) -> Result<Value> {
    let [mapping] = args.bind("format_map", ["mapping"])?;
    let Value::Dict(dict) = required(mapping, "mapping")? else { return fail("format requires a mapping") };
    let named = dict.map().iter().filter_map(|(key, value)| Some((key.0.as_str()?.into(), value.clone())));
    Ok(string(template::format(text, &Args { list: Vec::new(), named: named.collect() }, false, &vm.budget)?))
}

fn join(vm: &Vm, text: &str, items: &Value) -> Result<Value> {
    let mut out = String::new();
    for (i, item) in items.iterate(&vm.budget)?.iter().enumerate() {
        let Some(piece) = item.as_str() else {
            return fail(format!("sequence item {i}: expected str instance, {} found", item.type_name()));
        };
        vm.budget.bytes((piece.len() + text.len()) as u64)?;
        out.push_str(if i > 0 { text } else { "" });
        out.push_str(piece);
    }
    made(vm, out)
}

fn replace(vm: &Vm, text: &str, args: Args) -> Result<Value> {
    let [old, new, count] = args.bind("replace", ["old", "new", "count"])?;
    let (old, new) = (required(old, "old")?, required(new, "new")?);
    Ok(string(replaced(vm, text, str_of(&old)?, str_of(&new)?, int_or(&count, -1)?)?))
}

/// At most `count` replacements; all where it is negative.
pub fn replaced(vm: &Vm, text: &str, old: &str, new: &str, count: i128) -> Result<String> {
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let places = if old.is_empty() { text.len() + 1 } else { text.matches(old).count() }.min(limit);
    vm.budget.bytes((text.len() as u64).saturating_add((places as u64).saturating_mul(new.len() as u64)))?;
    Ok(text.replacen(old, new, limit))
}

fn strip(vm: &Vm, text: &str, name: &str, args: Args) -> Result<Value> {
    let [chars] = args.bind("strip", ["chars"])?;
    let chars = given(chars);
    let set: Option<Vec<char>> = match &chars {
        Some(chars) => Some(str_of(chars)?.chars().collect()),
        None => None,
    };
    made(vm, stripped(text, name, set.as_deref()).to_string())
}

pub fn stripped<'a>(text: &'a str, name: &str, set: Option<&[char]>) -> &'a str {
    let drops = |c: char| set.map_or_else(|| is_space(c), |set| set.contains(&c));
    match name {
        "lstrip" => text.trim_start_matches(drops),
        "rstrip" => text.trim_end_matches(drops),
        _ => text.trim_matches(drops),
    }
}

fn justify(vm: &Vm, text: &str, name: &str, args: Args) -> Result<Value> {
    let [width, fill] = args.bind("center", ["width", "fillchar"])?;
    let fill = match &fill {
        Some(fill) => match str_of(fill)?.chars().collect::<Vec<_>>()[..] {
            [only] => only,
            _ => return fail("The fill character must be exactly one character long"),
        },
        None => ' ',
    };
    Ok(string(justified(vm, text, name, int(&required(width, "width")?)?, fill)?))
}

pub fn justified(vm: &Vm, text: &str, name: &str, width: i128, fill: char) -> Result<String> {
    let length = text.chars().count() as i128;
    let missing = width.saturating_sub(length).clamp(0, 1 << 40) as u64;
    vm.budget.bytes(missing * 4 + text.len() as u64)?;
    let missing = missing as usize;
    // An odd space stands where CPython puts it.
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        _ => missing / 2 + (missing & width.rem_euclid(2) as usize & 1),
    };
    let run = |count: usize| std::iter::repeat(fill).take(count).collect::<String>();
    Ok(format!("{}{text}{}", run(left), run(missing - left)))
}

fn zfill(vm: &Vm, text: &str, args: Args) -> Result<Value> {
    let [width] = args.bind("zfill", ["width"])?;
    let sign = &text[..text.starts_with(['-', '+']) as usize];
    let missing = int(&required(width, "width")?)?.saturating_sub(text.chars().count() as i128);
    let missing = missing.clamp(0, 1 << 40) as u64;
    vm.budget.bytes(missing + text.len() as u64)?;
    Ok(string(format!("{sign}{}{}", "0".repeat(missing as usize), &text[sign.len()..])))
}

fn expand_tabs(vm: &Vm, text: &str, args: Args) -> Result<Value> {
    let [size] = args.bind("expandtabs", ["tabsize"])?;
    let size = int_or(&size, 8)?.clamp(0, 1 << 20) as usize;
    let (mut out, mut column) = (String::new(), 0);
    for c in text.chars() {
        match c {
            '\t' => {
                let count = if size == 0 { 0 } else { size - column % size };
                vm.budget.bytes(count as u64)?;
                out.extend(std::iter::repeat(' ').take(count));
                column += count;
            }
            c => {
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
                out.push(c);
            }
        }
    }
    made(vm, out)
}
