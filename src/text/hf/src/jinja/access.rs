// SPDX-License-Identifier: Apache-2.0
//! Attributes and items, as the sandbox of Jinja2 gives them.

use std::rc::Rc;

use super::error::{fail, Budget, Result};
use super::key::{Key, Name};
use super::methods;
use super::value::{list, string, tuple, undefined, Callable, Cycler, Loop, Missing, Range, Value};

/// Methods that change what they belong to.
fn changes(value: &Value, name: &str) -> bool {
    match value {
        Value::List(_) => {
            matches!(name, "append" | "clear" | "pop" | "reverse" | "insert" | "sort" | "extend" | "remove")
        }
        Value::Dict(_) => matches!(name, "clear" | "pop" | "popitem" | "setdefault" | "update"),
        _ => false,
    }
}

fn loop_attribute(context: &Rc<Loop>, name: &str) -> Option<Value> {
    let (index, length) = (context.index.get(), context.items.len());
    let number = |n: usize| Some(Value::Int(n as i128));
    let neighbour = |at: Option<usize>, why| {
        Some(at.and_then(|i| context.items.get(i).cloned()).unwrap_or_else(|| undefined(Missing::Said(why))))
    };
    match name {
        "index" => number(index + 1),
        "index0" => number(index),
        "revindex" => number(length - index),
        "revindex0" => number(length - index - 1),
        "length" => number(length),
        "depth" => number(context.depth0 + 1),
        "depth0" => number(context.depth0),
        "first" => Some(Value::Bool(index == 0)),
        "last" => Some(Value::Bool(index + 1 == length)),
        "previtem" => neighbour(index.checked_sub(1), "there is no previous item"),
        "nextitem" => neighbour(Some(index + 1), "there is no next item"),
        _ => None,
    }
}

fn cycler_attribute(cycler: &Cycler, name: &str) -> Option<Value> {
    (name == "current").then(|| cycler.items[cycler.at.get()].clone())
}

/// `getattr(value, name)`; none: it has no such attribute.
pub fn own(value: &Value, name: &str) -> Option<Value> {
    let data = match value {
        Value::Namespace(namespace) => return namespace.attributes.borrow().get(&Name(name)).cloned(),
        Value::Loop(context) => loop_attribute(context, name),
        Value::Cycler(cycler) => cycler_attribute(cycler, name),
        Value::Tuple(tuple) if tuple.group && name == "grouper" => Some(tuple.items[0].clone()),
        Value::Tuple(tuple) if tuple.group && name == "list" => Some(tuple.items[1].clone()),
        Value::Range(range) => match name {
            "start" => Some(Value::Int(range.start)),
            "stop" => Some(Value::Int(range.stop)),
            "step" => Some(Value::Int(range.step)),
            _ => None,
        },
        Value::Int(_) | Value::Bool(_) => match name {
            "real" | "numerator" => value.as_int().map(Value::Int),
            "imag" => Some(Value::Int(0)),
            "denominator" => Some(Value::Int(1)),
            _ => None,
        },
        Value::Callable(callable) => match (&**callable, name) {
            (Callable::Macro(made), "name") => Some(Value::Str(made.signature.name.clone())),
            _ => None,
        },
        _ => None,
    };
    if data.is_some() {
        return data;
    }
    if changes(value, name) {
        return Some(undefined(Missing::Unsafe(value.type_name(), name.into())));
    }
    let method = methods::named(value, name)?;
    Some(Value::Callable(Rc::new(Callable::Method(value.clone(), method))))
}

fn missing(value: &Value, name: &str) -> Value {
    undefined(Missing::Attribute(value.type_name(), name.into()))
}

/// `value.name`.
pub fn attribute(value: &Value, name: &str) -> Result<Value> {
    match value {
        Value::Undefined(why) => return fail(why.message()),
        Value::Namespace(_) if name.starts_with('_') => return Ok(missing(value, name)),
        _ => {}
    }
    if let Some(found) = own(value, name) {
        return Ok(found);
    }
    if let Value::Dict(dict) = value {
        if let Some(found) = dict.map().get(&Name(name)) {
            return Ok(found.clone());
        }
    }
    Ok(missing(value, name))
}

fn place(index: i128, length: usize) -> Option<usize> {
    let at = if index < 0 { index + length as i128 } else { index };
    usize::try_from(at).ok().filter(|at| *at < length)
}

fn character(text: &str, index: i128, budget: &Budget) -> Result<Option<Value>> {
    budget.scan(text.len())?;
    let one = |c: char| string(&*c.encode_utf8(&mut [0; 4]));
    if text.is_ascii() {
        return Ok(place(index, text.len()).map(|at| string(&text[at..at + 1])));
    }
    Ok(match usize::try_from(index) {
        Ok(index) => text.chars().nth(index).map(one),
        Err(_) => usize::try_from(-(index + 1)).ok().and_then(|back| text.chars().rev().nth(back)).map(one),
    })
}

/// `value[index]`.
pub fn item(value: &Value, index: &Value, budget: &Budget) -> Result<Value> {
    let at = |items: &[Value]| index.as_int().and_then(|i| place(i, items.len())).map(|i| items[i].clone());
    let found = match value {
        Value::Undefined(why) => return fail(why.message()),
        Value::Dict(dict) => match index.as_str() {
            Some(name) => dict.map().get(&Name(name)).cloned(),
            None => Key::new(index.clone()).ok().and_then(|key| dict.map().get(&key).cloned()),
        },
        Value::List(list) => at(&list.items),
        Value::Tuple(tuple) => at(&tuple.items),
        Value::Str(text) | Value::Safe(text) => match index.as_int() {
            Some(index) => character(text, index, budget)?,
            None => None,
        },
        Value::Range(range) => index.as_int().and_then(|i| place(i, range.count as usize)).map(|i| range.at(i as i128)),
        _ => None,
    };
    let by_name = || index.as_str().and_then(|name| own(value, name));
    Ok(found.or_else(by_name).unwrap_or_else(|| match index.as_str() {
        Some(name) => missing(value, name),
        None => undefined(Missing::Said("the item does not exist")),
    }))
}

/// The places that a slice takes: from `first` on and before `end`, which is behind it or, with a negative step, before it.
struct Places {
    first: i128,
    end: i128,
    step: i128,
}

impl Places {
    fn list(&self) -> Vec<usize> {
        let next = |at: &i128| at.checked_add(self.step);
        let before_end = |at: &i128| if self.step > 0 { *at < self.end } else { *at > self.end };
        std::iter::successors(Some(self.first), next).take_while(before_end).map(|at| at as usize).collect()
    }
}

/// `slice.indices(length)`.
fn places(parts: &[Value; 3], length: usize) -> Result<Places> {
    let bound = |value: &Value| match value {
        Value::None => Ok(None),
        Value::Undefined(why) => fail(why.message()),
        value => match value.as_int() {
            Some(i) => Ok(Some(i)),
            None => fail("slice indices must be integers or None or have an __index__ method"),
        },
    };
    let step = bound(&parts[2])?.unwrap_or(1);
    if step == 0 {
        return fail("slice step cannot be zero");
    }
    let length = length as i128;
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamped = |index: i128| (if index < 0 { index + length } else { index }).clamp(low, high);
    let first = bound(&parts[0])?.map_or(if step > 0 { low } else { high }, clamped);
    let end = bound(&parts[1])?.map_or(if step > 0 { high } else { low }, clamped);
    Ok(Places { first, end, step })
}

/// `value[start:stop:step]`.
pub fn slice(value: &Value, parts: &[Value; 3], budget: &Budget) -> Result<Value> {
    if let (Value::Str(text) | Value::Safe(text), Value::None | Value::Int(1)) = (value, &parts[2]) {
        if text.is_ascii() {
            return slice_ascii(value, text, parts, budget);
        }
    }
    if let Value::Undefined(why) = value {
        return fail(why.message());
    }
    let refusal = || fail(format!("'{}' object cannot be sliced", value.type_name()));
    let Some(length) = value.length() else { return refusal() };
    budget.items(length as u64)?;
    let places = places(parts, length)?;
    let taken = |items: &[Value]| places.list().into_iter().map(|i| items[i].clone()).collect::<Vec<_>>();
    match value {
        Value::List(inner) => list(taken(&inner.items)),
        Value::Tuple(inner) => tuple(taken(&inner.items)),
        Value::Str(text) | Value::Safe(text) => {
            budget.scan(text.len())?;
            let all: Vec<char> = text.chars().collect();
            let made: String = places.list().into_iter().map(|i| all[i]).collect();
            Ok(if matches!(value, Value::Str(_)) { string(made) } else { Value::Safe(made.into()) })
        }
        Value::Range(range) => slice_range(range, &places),
        _ => refusal(),
    }
}

/// A piece of ASCII text: its bytes are its characters.
fn slice_ascii(value: &Value, text: &str, parts: &[Value; 3], budget: &Budget) -> Result<Value> {
    budget.scan(text.len())?;
    let ends = [parts[0].clone(), parts[1].clone(), Value::None];
    let piece = match ends_of(&ends, text.len())? {
        Some((first, end)) => &text[first..end],
        None => "",
    };
    budget.bytes(piece.len() as u64)?;
    Ok(if matches!(value, Value::Str(_)) { string(piece) } else { Value::Safe(piece.into()) })
}

fn ends_of(parts: &[Value; 3], length: usize) -> Result<Option<(usize, usize)>> {
    let bound = |value: &Value, default: i128| match value {
        Value::None => Ok(default),
        Value::Undefined(why) => fail(why.message()),
        value => match value.as_int() {
            Some(i) if i < 0 => Ok((i + length as i128).max(0)),
            Some(i) => Ok(i.min(length as i128)),
            None => fail("slice indices must be integers or None or have an __index__ method"),
        },
    };
    let (first, end) = (bound(&parts[0], 0)?, bound(&parts[1], length as i128)?);
    Ok((first < end).then_some((first as usize, end as usize)))
}

/// As Python's, whose ends need not be items.
fn slice_range(range: &Range, places: &Places) -> Result<Value> {
    let end_at = |place: i128| range.step.checked_mul(place).and_then(|offset| range.start.checked_add(offset));
    let (start, stop, step) = (end_at(places.first), end_at(places.end), range.step.checked_mul(places.step));
    let (Some(start), Some(stop), Some(step)) = (start, stop, step) else {
        return fail("the integer is too large");
    };
    Ok(Value::Range(Rc::new(Range { start, stop, step, count: places.list().len() as i128 })))
}
