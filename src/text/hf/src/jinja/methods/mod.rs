// SPDX-License-Identifier: Apache-2.0
//! Python's methods of strings, lists and dictionaries; those that change a value are not among them.

mod containers;
mod search;
mod split;
mod text;

pub use split::lines;
pub use text::{capitalized, justified, lower as is_lower, replaced, stripped, upper as is_upper};

use super::args::Args;
use super::error::{fail, Result};
use super::html::escaped;
use super::python::{self, template};
use super::value::{list, string, tuple, Value};
use super::vm::Vm;

const OF_STRINGS: [&str; 46] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
    "striptags",
    "unescape",
];
const OF_DICTS: [&str; 5] = ["items", "keys", "values", "get", "copy"];
const OF_LISTS: [&str; 3] = ["index", "count", "copy"];

/// The method's name; none: the value has no such method.
pub fn named(value: &Value, name: &str) -> Option<&'static str> {
    let known: &[&'static str] = match value {
        Value::Str(_) => &OF_STRINGS[..44],
        Value::Safe(_) => &OF_STRINGS,
        Value::Dict(_) => &OF_DICTS,
        Value::List(_) => &OF_LISTS,
        Value::Tuple(_) | Value::Range(_) => &OF_LISTS[..2],
        Value::Loop(_) => &["cycle", "changed"],
        Value::Cycler(_) => &["next", "reset"],
        Value::Float(_) => &["is_integer"],
        Value::Int(_) | Value::Bool(_) => &["bit_length"],
        Value::Callable(callable) if matches!(&**callable, super::value::Callable::Global("dict")) => &["fromkeys"],
        _ => &[],
    };
    known.iter().find(|known| **known == name).copied()
}

pub fn call(vm: &Vm, of: &Value, name: &str, args: Args) -> Result<Value> {
    match of {
        Value::Str(text) => {
            vm.budget.scan(text.len())?;
            text::call(vm, text, name, args)
        }
        Value::Safe(text) => {
            vm.budget.scan(text.len())?;
            if name == "format" {
                return Ok(Value::Safe(template::format(text, &args, true, &vm.budget)?.into()));
            }
            safe(text::call(vm, text, name, escaped_arguments(vm, name, args)?)?)
        }
        _ => containers::call(vm, of, name, args),
    }
}

/// Markup escapes what becomes a part of it.
fn escaped_arguments(vm: &Vm, name: &str, mut args: Args) -> Result<Args> {
    let escape = |value: &Value| match value {
        Value::Safe(_) => Ok(value.clone()),
        _ => Ok(string(escaped(&python::text::str(value, &vm.budget)?))),
    };
    match (name, args.list.len()) {
        ("join", 1) => {
            let items = args.list[0].iterate(&vm.budget)?;
            args.list[0] = list(items.iter().map(escape).collect::<Result<_>>()?)?;
        }
        ("replace", 2..) => args.list[1] = escape(&args.list[1])?,
        _ => {}
    }
    Ok(args)
}

/// What a method of a Markup gives is Markup too.
fn safe(value: Value) -> Result<Value> {
    let each = |items: &[Value]| items.iter().cloned().map(safe).collect::<Result<Vec<_>>>();
    match value {
        Value::Str(text) => Ok(Value::Safe(text)),
        Value::List(inner) => list(each(&inner.items)?),
        Value::Tuple(inner) => tuple(each(&inner.items)?),
        other => Ok(other),
    }
}

fn no_method<T>(name: &str) -> Result<T> {
    fail(format!("no method named '{name}'"))
}
