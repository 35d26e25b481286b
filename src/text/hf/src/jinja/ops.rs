// SPDX-License-Identifier: Apache-2.0
//! Python's operators.

use std::cmp::Ordering;

use super::ast::{Binary, Compare};
use super::error::{fail, Budget, Error, Result};
use super::html::escaped;
use super::key::{Key, Name};
use super::python::format::percent;
use super::value::{list, string, tuple, Value, View};

fn defined(value: &Value) -> Result<()> {
    match value {
        Value::Undefined(why) => fail(why.message()),
        _ => Ok(()),
    }
}

fn symbol(operator: Binary) -> &'static str {
    match operator {
        Binary::Add => "+",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
        Binary::FloorDiv => "//",
        Binary::Mod => "%",
        Binary::Pow => "** or pow()",
    }
}

pub fn negative(value: &Value) -> Result<Value> {
    defined(value)?;
    match (value, value.as_int()) {
        (Value::Float(f), _) => Ok(Value::Float(-f)),
        (_, Some(i)) => integer(i.checked_neg()),
        _ => fail(format!("bad operand type for unary -: '{}'", value.type_name())),
    }
}

pub fn positive(value: &Value) -> Result<Value> {
    defined(value)?;
    match (value, value.as_int()) {
        (Value::Float(f), _) => Ok(Value::Float(*f)),
        (_, Some(i)) => Ok(Value::Int(i)),
        _ => fail(format!("bad operand type for unary +: '{}'", value.type_name())),
    }
}

pub fn binary(operator: Binary, left: &Value, right: &Value, budget: &Budget) -> Result<Value> {
    if let (Binary::Mod, Some(format)) = (operator, left.as_str()) {
        let safe = matches!(left, Value::Safe(_));
        let text = percent(format, right, safe, budget)?;
        return Ok(if safe { Value::Safe(text.into()) } else { string(text) });
    }
    defined(left)?;
    defined(right)?;
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        return integers(operator, a, b);
    }
    if let (Some(a), Some(b)) = (left.as_number(), right.as_number()) {
        return floats(operator, a, b).map(Value::Float);
    }
    match operator {
        Binary::Add => add(left, right, budget),
        Binary::Mul => match (left.as_int(), right.as_int()) {
            (_, Some(count)) => repeat(left, count, budget),
            (Some(count), _) => repeat(right, count, budget),
            _ => unsupported(operator, left, right),
        },
        _ => unsupported(operator, left, right),
    }
}

fn unsupported(operator: Binary, left: &Value, right: &Value) -> Result<Value> {
    let (a, b) = (left.type_name(), right.type_name());
    fail(format!("unsupported operand type(s) for {}: '{a}' and '{b}'", symbol(operator)))
}

fn integers(operator: Binary, a: i128, b: i128) -> Result<Value> {
    if b == 0 && matches!(operator, Binary::Div | Binary::FloorDiv | Binary::Mod) {
        return fail("division by zero");
    }
    let result = match operator {
        Binary::Add => a.checked_add(b),
        Binary::Sub => a.checked_sub(b),
        Binary::Mul => a.checked_mul(b),
        Binary::Div => return Ok(Value::Float(a as f64 / b as f64)),
        Binary::FloorDiv => a.checked_div_euclid(b).map(|q| if b < 0 && a.rem_euclid(b) != 0 { q - 1 } else { q }),
        Binary::Mod => a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        Binary::Pow if b < 0 => return floats(operator, a as f64, b as f64).map(Value::Float),
        Binary::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
    };
    integer(result)
}

/// Python's have no bounds. None: it lies outside ours.
pub fn integer(value: Option<i128>) -> Result<Value> {
    value.map(Value::Int).ok_or_else(|| Error::new("the integer is too large"))
}

/// `int(f)` of a finite number.
pub fn truncated(f: f64) -> Result<i128> {
    if f.abs() < i128::MAX as f64 { Ok(f as i128) } else { fail("the integer is too large") }
}

fn floats(operator: Binary, a: f64, b: f64) -> Result<f64> {
    if b == 0.0 && matches!(operator, Binary::Div | Binary::FloorDiv | Binary::Mod) {
        return fail("float division by zero");
    }
    let remainder = || match a % b {
        r if r != 0.0 && (r < 0.0) != (b < 0.0) => r + b,
        0.0 => 0f64.copysign(b),
        r => r,
    };
    Ok(match operator {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::FloorDiv => {
            let quotient = (a - remainder()) / b;
            let floor = quotient.floor();
            if quotient == 0.0 {
                0f64.copysign(a / b)
            } else if quotient - floor > 0.5 {
                floor + 1.0
            } else {
                floor
            }
        }
        Binary::Mod => remainder(),
        Binary::Pow if a == 0.0 && b < 0.0 => return fail("0.0 cannot be raised to a negative power"),
        Binary::Pow => match a.powf(b) {
            power if power.is_nan() && !a.is_nan() && !b.is_nan() => return fail("complex numbers are not known"),
            power if power.is_infinite() && a.is_finite() && b.is_finite() => {
                return fail("Numerical result out of range")
            }
            power => power,
        },
    })
}

fn add(left: &Value, right: &Value, budget: &Budget) -> Result<Value> {
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        budget.bytes((a.len() + b.len()) as u64)?;
        return Ok(match (left, right) {
            (Value::Str(_), Value::Str(_)) => string(format!("{a}{b}")),
            (Value::Str(_), _) => Value::Safe(format!("{}{b}", escaped(a)).into()),
            (_, Value::Str(_)) => Value::Safe(format!("{a}{}", escaped(b)).into()),
            _ => Value::Safe(format!("{a}{b}").into()),
        });
    }
    let joined = |a: &[Value], b: &[Value]| {
        budget.items((a.len() + b.len()) as u64).map(|()| a.iter().chain(b).cloned().collect::<Vec<_>>())
    };
    match (left, right) {
        (Value::List(a), Value::List(b)) => list(joined(&a.items, &b.items)?),
        (Value::Tuple(a), Value::Tuple(b)) => tuple(joined(&a.items, &b.items)?),
        (Value::Str(_) | Value::Safe(_), _) => {
            fail(format!("can only concatenate str (not \"{}\") to str", right.type_name()))
        }
        _ => unsupported(Binary::Add, left, right),
    }
}

fn repeat(value: &Value, count: i128, budget: &Budget) -> Result<Value> {
    let count = count.clamp(0, 1 << 40) as usize;
    let repeated = |items: &[Value]| {
        budget.items(items.len() as u64 * count as u64)?;
        Ok(items.iter().cycle().take(items.len() * count).cloned().collect())
    };
    match value {
        Value::Str(text) | Value::Safe(text) => {
            budget.bytes((text.len() as u64).saturating_mul(count as u64))?;
            let made = text.repeat(if text.is_empty() { 0 } else { count }).into();
            Ok(if matches!(value, Value::Str(_)) { Value::Str(made) } else { Value::Safe(made) })
        }
        Value::List(inner) => list(repeated(&inner.items)?),
        Value::Tuple(inner) => tuple(repeated(&inner.items)?),
        _ => unsupported(Binary::Mul, value, &Value::Int(0)),
    }
}

pub fn compare(operator: Compare, left: &Value, right: &Value, budget: &Budget) -> Result<bool> {
    let nan = |value: &Value| matches!(value, Value::Float(f) if f.is_nan());
    let ordered = |symbol: &str, holds: fn(Ordering) -> bool| {
        let order = order(left, right, symbol, budget)?;
        Ok(holds(order) && !nan(left) && !nan(right))
    };
    match operator {
        Compare::Eq => same(left, right, budget),
        Compare::Ne => Ok(!same(left, right, budget)?),
        Compare::Lt => ordered("<", Ordering::is_lt),
        Compare::Le => ordered("<=", Ordering::is_le),
        Compare::Gt => ordered(">", Ordering::is_gt),
        Compare::Ge => ordered(">=", Ordering::is_ge),
        Compare::In => contains(right, left, budget),
        Compare::NotIn => Ok(!contains(right, left, budget)?),
    }
}

/// `==`, counted: values that share parts may be large.
pub fn same(left: &Value, right: &Value, budget: &Budget) -> Result<bool> {
    budget.step()?;
    let all = |a: &[Value], b: &[Value]| {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (a, b) in a.iter().zip(b) {
            if !same(a, b, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match (left, right) {
        (Value::List(a), Value::List(b)) => all(&a.items, &b.items),
        (Value::Tuple(a), Value::Tuple(b)) => all(&a.items, &b.items),
        (Value::Dict(a), Value::Dict(b)) => {
            if a.map().len() != b.map().len() {
                return Ok(false);
            }
            for (key, value) in a.map() {
                match b.map().get(key) {
                    Some(other) if same(value, other, budget)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        _ => {
            budget.scan(left.as_str().map_or(0, str::len))?;
            Ok(left.equals(right))
        }
    }
}

/// `<` and its kin; `symbol` is said where they do not know the values.
pub fn order(left: &Value, right: &Value, symbol: &str, budget: &Budget) -> Result<Ordering> {
    budget.step()?;
    defined(left)?;
    defined(right)?;
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        return Ok(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (left.as_number(), right.as_number()) {
        return Ok(a.partial_cmp(&b).unwrap_or_else(|| a.total_cmp(&b)));
    }
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        budget.scan(a.len())?;
        return Ok(a.cmp(b));
    }
    let (a, b) = match (left, right) {
        (Value::List(a), Value::List(b)) => (&a.items, &b.items),
        (Value::Tuple(a), Value::Tuple(b)) => (&a.items, &b.items),
        _ => {
            let (a, b) = (left.type_name(), right.type_name());
            return fail(format!("'{symbol}' not supported between instances of '{a}' and '{b}'"));
        }
    };
    for (a, b) in a.iter().zip(b) {
        if !same(a, b, budget)? {
            return order(a, b, symbol, budget);
        }
    }
    Ok(a.len().cmp(&b.len()))
}

/// The places of `keys` in ascending order, or descending; equal ones stay as they are.
pub fn sorted_order(keys: &[Value], reverse: bool, budget: &Budget) -> Result<Vec<usize>> {
    budget.items(keys.len() as u64)?;
    let mut places: Vec<usize> = (0..keys.len()).collect();
    let mut refusal = None;
    places.sort_by(|a, b| {
        let found = order(&keys[*a], &keys[*b], "<", budget).unwrap_or_else(|error| {
            refusal.get_or_insert(error);
            Ordering::Equal
        });
        if reverse {
            found.reverse()
        } else {
            found
        }
    });
    refusal.map_or(Ok(places), Err)
}

/// `item in container`.
pub fn contains(container: &Value, item: &Value, budget: &Budget) -> Result<bool> {
    let among = |items: &[Value]| {
        for candidate in items {
            if same(candidate, item, budget)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match container {
        Value::Str(text) | Value::Safe(text) => match item.as_str() {
            Some(part) => {
                budget.scan(text.len() + part.len())?;
                Ok(text.contains(part))
            }
            None => fail(format!("'in <string>' requires string as left operand, not {}", item.type_name())),
        },
        Value::Dict(dict) | Value::View(dict, View::Keys) => match item.as_str() {
            Some(name) => Ok(dict.map().contains_key(&Name(name))),
            None => Ok(dict.map().contains_key(&Key::new(item.clone())?)),
        },
        Value::List(list) => among(&list.items),
        Value::Tuple(tuple) => among(&tuple.items),
        Value::Iter(iter) => loop {
            let Some(candidate) = iter.next()? else { return Ok(false) };
            if same(&candidate, item, budget)? {
                return Ok(true);
            }
        },
        _ if container.length().is_some() => among(&container.iterate(budget)?),
        _ => fail(format!("argument of type '{}' is not iterable", container.type_name())),
    }
}
