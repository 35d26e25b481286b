// SPDX-License-Identifier: Apache-2.0
//! Jinja2's filters.

mod json;
mod lists;
mod numbers;
mod pretty;
mod select;
mod sorting;
mod text;
mod wrap;

use super::access;
use super::args::Args;
use super::error::{fail, Budget, Result};
use super::python::number::parse_int;
use super::value::Value;
use super::vm::Vm;

type Filter = fn(&Vm, Value, Args) -> Result<Value>;

const FILTERS: [(&str, Filter); 53] = [
    ("abs", numbers::abs),
    ("attr", lists::attr),
    ("batch", lists::batch),
    ("capitalize", text::capitalize),
    ("center", text::center),
    ("count", lists::length),
    ("d", lists::default),
    ("default", lists::default),
    ("dictsort", sorting::dictsort),
    ("e", text::escape),
    ("escape", text::escape),
    ("filesizeformat", numbers::file_size),
    ("first", lists::first),
    ("float", numbers::float),
    ("forceescape", text::force_escape),
    ("format", text::format),
    ("groupby", sorting::groupby),
    ("indent", text::indent),
    ("int", numbers::integer),
    ("items", lists::items),
    ("join", text::join),
    ("last", lists::last),
    ("length", lists::length),
    ("list", lists::list_of),
    ("lower", text::lower),
    ("map", select::map),
    ("max", sorting::max),
    ("min", sorting::min),
    ("pprint", pretty::pprint),
    ("random", lists::random),
    ("reject", select::reject),
    ("rejectattr", select::rejectattr),
    ("replace", text::replace),
    ("reverse", lists::reverse),
    ("round", numbers::round),
    ("safe", text::safe),
    ("select", select::select),
    ("selectattr", select::selectattr),
    ("slice", lists::slice),
    ("sort", sorting::sort),
    ("string", text::soft_string),
    ("striptags", text::strip_tags),
    ("sum", numbers::sum),
    ("title", text::title),
    ("tojson", json::to_json),
    ("trim", text::trim),
    ("truncate", text::truncate),
    ("unique", sorting::unique),
    ("upper", text::upper),
    ("urlencode", text::url_encode),
    ("wordcount", text::word_count),
    ("wordwrap", wrap::word_wrap),
    ("xmlattr", text::xml_attributes),
];

pub fn known(name: &str) -> bool {
    FILTERS.iter().any(|(known, _)| *known == name)
}

pub fn apply(vm: &Vm, name: &str, value: Value, args: Args) -> Result<Value> {
    vm.budget.step()?;
    match FILTERS.iter().find(|(known, _)| *known == name) {
        Some((_, filter)) => filter(vm, value, args),
        None => fail(format!("No filter named '{name}'.")),
    }
}

/// What `attribute=` names: `a.b.0` goes into what it finds.
struct Path(Vec<Value>);

impl Path {
    fn new(attribute: &Value) -> Self {
        let part = |text: &str| match parse_int(text, 10) {
            Some(index) if !text.is_empty() && text.chars().all(super::chars::is_digit) => Value::Int(index),
            _ => Value::Str(text.into()),
        };
        Self(match attribute {
            Value::None => Vec::new(),
            Value::Str(text) | Value::Safe(text) => text.split('.').map(part).collect(),
            other => vec![other.clone()],
        })
    }

    fn get(&self, value: &Value, default: Option<&Value>, budget: &Budget) -> Result<Value> {
        let mut found = value.clone();
        for part in &self.0 {
            found = access::item(&found, part, budget)?;
            if let (true, Some(default)) = (found.is_undefined(), default) {
                found = default.clone();
            }
        }
        Ok(found)
    }
}

/// A text in small letters, anything else as it is.
fn ignore_case(value: Value) -> Value {
    match value.as_str() {
        Some(text) => Value::Str(text.to_lowercase().into()),
        None => value,
    }
}
