// SPDX-License-Identifier: Apache-2.0
//! Jinja2's tests: `value is name`.

use super::args::{int, Args};
use super::ast::{Binary, Compare};
use super::error::{fail, Budget, Error, Result};
use super::filters;
use super::methods::{is_lower, is_upper};
use super::ops;
use super::python::text;
use super::value::Value;

const NAMES: [&str; 39] = [
    "odd",
    "even",
    "divisibleby",
    "defined",
    "undefined",
    "filter",
    "test",
    "none",
    "boolean",
    "false",
    "true",
    "integer",
    "float",
    "lower",
    "upper",
    "string",
    "mapping",
    "number",
    "sequence",
    "iterable",
    "callable",
    "sameas",
    "escaped",
    "in",
    "==",
    "eq",
    "equalto",
    "!=",
    "ne",
    ">",
    "gt",
    "greaterthan",
    "ge",
    ">=",
    "<",
    "lt",
    "lessthan",
    "<=",
    "le",
];

/// Whether there is such a test.
pub fn known(name: &str) -> bool {
    NAMES.contains(&name)
}

fn comparison(name: &str) -> Option<Compare> {
    Some(match name {
        "==" | "eq" | "equalto" => Compare::Eq,
        "!=" | "ne" => Compare::Ne,
        ">" | "gt" | "greaterthan" => Compare::Gt,
        ">=" | "ge" => Compare::Ge,
        "<" | "lt" | "lessthan" => Compare::Lt,
        "<=" | "le" => Compare::Le,
        "in" => Compare::In,
        _ => return None,
    })
}

fn remainder(value: &Value, by: i128, budget: &Budget) -> Result<Value> {
    ops::binary(Binary::Mod, value, &Value::Int(by), budget)
}

pub fn check(budget: &Budget, name: &str, value: &Value, args: &Args) -> Result<bool> {
    let argument = || args.list.first().or(args.named.first().map(|(_, v)| v));
    let argument = || argument().ok_or_else(|| Error::new(format!("the test '{name}' needs an argument")));
    if let Some(operator) = comparison(name) {
        return ops::compare(operator, value, argument()?, budget);
    }
    let one_argument = matches!(name, "divisibleby" | "sameas");
    if known(name) && args.list.len() + args.named.len() > one_argument as usize {
        return fail(format!("the test '{name}' takes no more arguments"));
    }
    Ok(match name {
        "odd" => remainder(value, 2, budget)?.equals(&Value::Int(1)),
        "even" => remainder(value, 2, budget)?.equals(&Value::Int(0)),
        "divisibleby" => remainder(value, int(argument()?)?, budget)?.equals(&Value::Int(0)),
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "filter" => value.as_str().is_some_and(filters::known),
        "test" => value.as_str().is_some_and(known),
        "none" => value.is_none(),
        "boolean" => matches!(value, Value::Bool(_)),
        "false" => matches!(value, Value::Bool(false)),
        "true" => matches!(value, Value::Bool(true)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "lower" => is_lower(&text::str(value, budget)?),
        "upper" => is_upper(&text::str(value, budget)?),
        "string" => value.as_str().is_some(),
        "mapping" => matches!(value, Value::Dict(_)),
        "number" => value.as_number().is_some(),
        "sequence" => value.length().is_some() && !matches!(value, Value::View(..) | Value::Loop(_)),
        "iterable" => value.iterable(),
        "callable" => {
            matches!(value, Value::Callable(_) | Value::Joiner(_) | Value::Loop(_) | Value::Undefined(_))
        }
        "sameas" => value.same_object(argument()?),
        "escaped" => matches!(value, Value::Safe(_)),
        _ => return fail(format!("No test named '{name}'.")),
    })
}
