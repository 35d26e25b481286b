// SPDX-License-Identifier: Apache-2.0
//! Filters of numbers.

use super::Path;
use crate::jinja::args::{given, int_or, Args};
use crate::jinja::ast::Binary;
use crate::jinja::error::{fail, Result};
use crate::jinja::ops;
use crate::jinja::python::number;
use crate::jinja::value::{string, Value};
use crate::jinja::vm::Vm;

pub fn abs(_: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("abs", [])?;
    match (&value, value.as_int()) {
        (Value::Undefined(why), _) => fail(why.message()),
        (Value::Float(f), _) => Ok(Value::Float(f.abs())),
        (_, Some(i)) => ops::integer(i.checked_abs()),
        _ => fail(format!("bad operand type for abs(): '{}'", value.type_name())),
    }
}

/// `int(f)`; none: it has no such value.
fn truncated(f: f64) -> Result<Option<Value>> {
    if f.is_infinite() {
        return fail("cannot convert float infinity to integer");
    }
    if f.is_nan() { Ok(None) } else { ops::truncated(f).map(|i| Some(Value::Int(i))) }
}

pub fn integer(_: &Vm, value: Value, args: Args) -> Result<Value> {
    let [default, base] = args.bind("int", ["default", "base"])?;
    let default = default.unwrap_or(Value::Int(0));
    let base = u32::try_from(int_or(&base, 10)?).unwrap_or(1);
    let converted = match &value {
        Value::Undefined(why) => return fail(why.message()),
        Value::Float(f) => truncated(*f)?,
        Value::Str(text) | Value::Safe(text) => match number::parse_int(text, base) {
            Some(i) => Some(Value::Int(i)),
            None => match number::parse_float(text).filter(|f| f.is_finite()) {
                Some(f) => truncated(f)?,
                None => None,
            },
        },
        _ => value.as_int().map(Value::Int),
    };
    Ok(converted.unwrap_or(default))
}

pub fn float(_: &Vm, value: Value, args: Args) -> Result<Value> {
    let [default] = args.bind("float", ["default"])?;
    let converted = match &value {
        Value::Undefined(why) => return fail(why.message()),
        Value::Str(text) | Value::Safe(text) => number::parse_float(text),
        _ => value.as_number(),
    };
    Ok(converted.map_or_else(|| default.unwrap_or(Value::Float(0.0)), Value::Float))
}

/// None: it is too large.
fn rounded_int(i: i128, digits: i128) -> Option<i128> {
    if digits >= 0 {
        return Some(i);
    }
    let Some(unit) = u32::try_from(digits.unsigned_abs()).ok().and_then(|n| 10i128.checked_pow(n)) else {
        return Some(0);
    };
    let (down, rest) = (i.div_euclid(unit), i.rem_euclid(unit));
    let up = rest > unit - rest || (rest == unit - rest && down % 2 != 0);
    (down + up as i128).checked_mul(unit)
}

pub fn round(_: &Vm, value: Value, args: Args) -> Result<Value> {
    let [precision, method] = args.bind("round", ["precision", "method"])?;
    let digits = int_or(&precision, 0)?;
    let method = method.unwrap_or_else(|| string("common"));
    let number = match (&value, value.as_number()) {
        (Value::Undefined(why), _) => return fail(why.message()),
        (_, Some(number)) => number,
        _ => return fail(format!("type {} doesn't define __round__ method", value.type_name())),
    };
    let unit = 10f64.powi(digits.clamp(-400, 400) as i32);
    match method.as_str() {
        Some("common") => Ok(match value.as_int() {
            Some(i) => ops::integer(rounded_int(i, digits))?,
            None => Value::Float(number::round(number, digits)),
        }),
        Some("ceil") => Ok(Value::Float((number * unit).ceil() / unit)),
        Some("floor") => Ok(Value::Float((number * unit).floor() / unit)),
        _ => fail("method must be common, ceil or floor"),
    }
}

pub fn sum(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [attribute, start] = args.bind("sum", ["attribute", "start"])?;
    let path = Path::new(&given(attribute).unwrap_or(Value::None));
    let mut total = start.unwrap_or(Value::Int(0));
    if total.as_str().is_some() {
        return fail("sum() can't sum strings [use ''.join(seq) instead]");
    }
    for item in value.iterate(&vm.budget)? {
        vm.budget.step()?;
        total = ops::binary(Binary::Add, &total, &path.get(&item, None, &vm.budget)?, &vm.budget)?;
    }
    Ok(total)
}

pub fn file_size(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [binary] = args.bind("filesizeformat", ["binary"])?;
    let binary = binary.is_some_and(|binary| binary.truth());
    let Value::Float(bytes) = float(vm, value, Args::of(vec![Value::None]))? else {
        return fail("could not convert to float");
    };
    let (base, mark) = if binary { (1024f64, "iB") } else { (1000.0, "B") };
    if bytes == 1.0 {
        return Ok(string("1 Byte"));
    }
    if bytes < base {
        return Ok(string(format!("{} Bytes", bytes as i128)));
    }
    let letters = if binary { "KMGTPEZY" } else { "kMGTPEZY" };
    let steps = (1..=8).find(|i| bytes < base.powi(i + 1)).unwrap_or(8);
    let letter = &letters[steps as usize - 1..steps as usize];
    Ok(string(format!("{:.1} {letter}{mark}", base * bytes / base.powi(steps + 1))))
}
