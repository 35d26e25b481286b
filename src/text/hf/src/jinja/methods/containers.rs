// SPDX-License-Identifier: Apache-2.0
//! Methods of everything but strings.

use indexmap::IndexMap;

use super::no_method;
use crate::jinja::args::{int_or, required, Args};
use crate::jinja::error::{fail, Result};
use crate::jinja::key::Key;
use crate::jinja::ops::same;
use crate::jinja::value::{dict, list, tuple, Cycler, Dict, Loop, Value, View};
use crate::jinja::vm::Vm;

pub fn call(vm: &Vm, of: &Value, name: &str, args: Args) -> Result<Value> {
    match of {
        Value::Dict(inner) => of_dict(vm, inner, name, args),
        Value::List(_) | Value::Tuple(_) | Value::Range(_) => of_sequence(vm, of, name, args),
        Value::Loop(context) => of_loop(vm, context, name, args),
        Value::Cycler(cycler) => Ok(of_cycler(cycler, name)),
        Value::Float(f) => Ok(Value::Bool(f.fract() == 0.0)),
        Value::Int(_) | Value::Bool(_) => {
            let bits = 128 - of.as_int().unwrap_or(0).unsigned_abs().leading_zeros();
            Ok(Value::Int(bits.into()))
        }
        _ => from_keys(vm, args),
    }
}

fn of_dict(vm: &Vm, inner: &std::rc::Rc<Dict>, name: &str, args: Args) -> Result<Value> {
    if name != "get" && !(args.list.is_empty() && args.named.is_empty()) {
        return fail(format!("dict.{name}() takes no arguments"));
    }
    match name {
        "items" => Ok(Value::View(inner.clone(), View::Items)),
        "keys" => Ok(Value::View(inner.clone(), View::Keys)),
        "values" => Ok(Value::View(inner.clone(), View::Values)),
        "copy" => {
            vm.budget.items(2 * inner.map().len() as u64)?;
            dict(inner.map().clone())
        }
        _ => {
            if !args.named.is_empty() {
                return fail("dict.get() takes no keyword arguments");
            }
            let [key, default] = args.bind("get", ["key", "default"])?;
            let key = Key::new(required(key, "key")?)?;
            Ok(inner.map().get(&key).cloned().or(default).unwrap_or(Value::None))
        }
    }
}

fn of_sequence(vm: &Vm, of: &Value, name: &str, args: Args) -> Result<Value> {
    let items = of.iterate(&vm.budget)?;
    match name {
        "copy" => list(items),
        "count" => {
            let [wanted] = args.bind("count", ["value"])?;
            let wanted = required(wanted, "value")?;
            let mut count = 0;
            for item in &items {
                count += same(item, &wanted, &vm.budget)? as i128;
            }
            Ok(Value::Int(count))
        }
        "index" => {
            let [wanted, start, stop] = args.bind("index", ["value", "start", "stop"])?;
            let wanted = required(wanted, "value")?;
            let length = items.len() as i128;
            let bound = |value: i128| if value < 0 { value + length } else { value }.clamp(0, length) as usize;
            let (start, stop) = (bound(int_or(&start, 0)?), bound(int_or(&stop, length)?));
            for (i, item) in items.iter().enumerate().take(stop).skip(start) {
                if same(item, &wanted, &vm.budget)? {
                    return Ok(Value::Int(i as i128));
                }
            }
            fail("the value is not in the list")
        }
        _ => no_method(name),
    }
}

fn of_loop(vm: &Vm, context: &Loop, name: &str, mut args: Args) -> Result<Value> {
    if name == "cycle" {
        if args.list.is_empty() {
            return fail("no items for cycling given");
        }
        let at = context.index.get() % args.list.len();
        return Ok(args.list.swap_remove(at));
    }
    let value = tuple(args.list)?;
    let before = context.changed.borrow().clone();
    let changed = match &before {
        Some(before) => !same(before, &value, &vm.budget)?,
        None => true,
    };
    let old = context.changed.replace(Some(value));
    drop(old);
    Ok(Value::Bool(changed))
}

fn of_cycler(cycler: &Cycler, name: &str) -> Value {
    if name == "reset" {
        cycler.at.set(0);
        return Value::None;
    }
    let at = cycler.at.get();
    cycler.at.set((at + 1) % cycler.items.len());
    cycler.items[at].clone()
}

fn from_keys(vm: &Vm, args: Args) -> Result<Value> {
    let [keys, value] = args.bind("fromkeys", ["iterable", "value"])?;
    let value = value.unwrap_or(Value::None);
    let mut map = IndexMap::new();
    for key in required(keys, "iterable")?.iterate(&vm.budget)? {
        map.insert(Key::new(key)?, value.clone());
    }
    dict(map)
}
