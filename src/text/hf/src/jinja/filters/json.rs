// SPDX-License-Identifier: Apache-2.0
//! `tojson` as transformers defines it.

use crate::jinja::args::{given, Args};
use crate::jinja::error::{fail, Result};
use crate::jinja::python::format::width_of;
use crate::jinja::python::json::{dumps, Style};
use crate::jinja::value::{string, Value};
use crate::jinja::vm::Vm;

pub fn to_json(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [ascii, indent, separators, sort] =
        args.bind("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])?;
    let truth = |value: Option<Value>| value.is_some_and(|value| value.truth());
    let indent = match given(indent) {
        None => None,
        Some(Value::Str(text) | Value::Safe(text)) => Some(text.to_string()),
        Some(value) => match value.as_int() {
            Some(width) => Some(" ".repeat(width_of(width)?)),
            None => return fail(format!("can't multiply sequence by non-int of type '{}'", value.type_name())),
        },
    };
    let (item_separator, key_separator) = match given(separators) {
        None => (if indent.is_some() { "," } else { ", " }.to_string(), ": ".to_string()),
        Some(pair) => match pair.iterate(&vm.budget)?.as_slice() {
            [Value::Str(item), Value::Str(key)] => (item.to_string(), key.to_string()),
            _ => return fail("separators must be two strings"),
        },
    };
    let style = Style { indent, item_separator, key_separator, sort_keys: truth(sort), ensure_ascii: truth(ascii) };
    Ok(string(dumps(&value, &style, &vm.budget)?))
}
