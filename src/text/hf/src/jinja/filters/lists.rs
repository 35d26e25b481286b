// SPDX-License-Identifier: Apache-2.0
//! Filters of lists, mappings and any value.

use crate::jinja::access;
use crate::jinja::args::{given, int, required, str_of, Args};
use crate::jinja::error::{fail, Result};
use crate::jinja::value::{generator, lazy, list, string, undefined, Missing, Value, View};
use crate::jinja::vm::Vm;

pub fn length(_: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("length", [])?;
    match value.length() {
        Some(length) => Ok(Value::Int(length as i128)),
        None => fail(format!("object of type '{}' has no len()", value.type_name())),
    }
}

pub fn default(_: &Vm, value: Value, args: Args) -> Result<Value> {
    let [default, boolean] = args.bind("default", ["default_value", "boolean"])?;
    let replaced = value.is_undefined() || boolean.is_some_and(|b| b.truth()) && !value.truth();
    Ok(if replaced { default.unwrap_or_else(|| string("")) } else { value })
}

pub fn first(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("first", [])?;
    let found = match &value {
        Value::Iter(iter) => iter.next()?,
        Value::List(list) => list.items.first().cloned(),
        Value::Str(text) | Value::Safe(text) => text.chars().next().map(|c| string(c.to_string())),
        _ => value.iterate(&vm.budget)?.into_iter().next(),
    };
    Ok(found.unwrap_or_else(|| undefined(Missing::Said("No first item, sequence was empty."))))
}

/// One of the items; which one, the clock decides.
pub fn random(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("random", [])?;
    if matches!(value, Value::Dict(_) | Value::View(..)) || value.length().is_none() {
        return fail(format!("'{}' object is no sequence", value.type_name()));
    }
    let items = value.iterate(&vm.budget)?;
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |passed| passed.subsec_nanos() as usize / 7);
    let chosen = items.get(now % items.len().max(1)).cloned();
    Ok(chosen.unwrap_or_else(|| undefined(Missing::Said("No random item, sequence was empty."))))
}

/// Whether Python can go through it from its end.
fn reversible(value: &Value) -> bool {
    !matches!(value, Value::Iter(_) | Value::Loop(_)) && value.iterable()
}

pub fn last(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("last", [])?;
    if !reversible(&value) {
        return fail(format!("'{}' object is not reversible", value.type_name()));
    }
    let found = match &value {
        Value::List(list) => list.items.last().cloned(),
        Value::Str(text) | Value::Safe(text) => text.chars().next_back().map(|c| string(c.to_string())),
        _ => value.iterate(&vm.budget)?.pop(),
    };
    Ok(found.unwrap_or_else(|| undefined(Missing::Said("No last item, sequence was empty."))))
}

pub fn list_of(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("list", [])?;
    list(value.iterate(&vm.budget)?)
}

pub fn reverse(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("reverse", [])?;
    if let Some(text) = value.as_str() {
        vm.budget.bytes(text.len() as u64)?;
        let made: String = text.chars().rev().collect();
        return Ok(if matches!(value, Value::Str(_)) { string(made) } else { Value::Safe(made.into()) });
    }
    if !value.iterable() {
        return fail("argument must be iterable");
    }
    let lazy = reversible(&value);
    let mut items = value.iterate(&vm.budget)?;
    items.reverse();
    if lazy {
        generator(items, "reversed")
    } else {
        list(items)
    }
}

pub fn items(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [] = args.bind("items", [])?;
    lazy("do_items", |made| {
        match value {
            Value::Undefined(_) => {}
            Value::Dict(dict) => made.extend(Value::View(dict, View::Items).iterate(&vm.budget)?),
            _ => return fail("Can only get item pairs from a mapping."),
        }
        Ok(())
    })
}

pub fn attr(_: &Vm, value: Value, args: Args) -> Result<Value> {
    let [name] = args.bind("attr", ["name"])?;
    let name = required(name, "name")?;
    let name = str_of(&name)?;
    match (&value, access::own(&value, name)) {
        (Value::Undefined(why), _) => fail(why.message()),
        (_, Some(found)) => Ok(found),
        _ => Ok(undefined(Missing::Attribute(value.type_name(), name.into()))),
    }
}

pub fn batch(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [count, fill] = args.bind("batch", ["linecount", "fill_with"])?;
    let count = required(count, "linecount")?;
    lazy("do_batch", |made| {
        let size = usize::try_from(int(&count)?).unwrap_or(0).max(1);
        for chunk in value.iterate(&vm.budget)?.chunks(size) {
            let mut chunk = chunk.to_vec();
            if let Some(fill) = given(fill.clone()) {
                vm.budget.items(size as u64)?;
                chunk.resize(size, fill);
            }
            made.push(list(chunk)?);
        }
        Ok(())
    })
}

pub fn slice(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [slices, fill] = args.bind("slice", ["slices", "fill_with"])?;
    let slices = required(slices, "slices")?;
    lazy("sync_do_slice", |made| parts(vm, &value, int(&slices)?, given(fill), made))
}

fn parts(vm: &Vm, value: &Value, slices: i128, fill: Option<Value>, made: &mut Vec<Value>) -> Result<()> {
    let items = value.iterate(&vm.budget)?;
    if slices == 0 {
        return fail("integer division or modulo by zero");
    }
    let slices = slices.clamp(0, 1 << 40) as usize;
    vm.budget.items(2 * slices as u64)?;
    let mut start = 0;
    for number in 0..slices {
        let longer = number < items.len() % slices;
        let end = start + items.len() / slices + longer as usize;
        let mut part = items[start..end].to_vec();
        if let (false, Some(fill)) = (longer, &fill) {
            part.push(fill.clone());
        }
        made.push(list(part)?);
        start = end;
    }
    Ok(())
}
