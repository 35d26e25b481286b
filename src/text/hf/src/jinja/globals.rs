// SPDX-License-Identifier: Apache-2.0
//! The functions that every template has.

use std::cell::Cell;
use std::rc::Rc;

use indexmap::IndexMap;

use super::args::{int, required, str_of, Args};
use super::error::{fail, Error, Result};
use super::key::Key;
use super::python::text;
use super::time::strftime_now;
use super::value::{dict, set_attribute, string, Callable, Cycler, Joiner, Namespace, Range, Value};
use super::vm::Vm;

const NAMES: [&str; 7] = ["range", "dict", "namespace", "joiner", "cycler", "raise_exception", "strftime_now"];

pub fn find(name: &str) -> Option<Value> {
    let known = NAMES.iter().find(|known| **known == name)?;
    Some(Value::Callable(Rc::new(Callable::Global(known))))
}

pub fn call(vm: &Vm, name: &str, args: Args) -> Result<Value> {
    match name {
        "range" => range(args),
        "dict" => make_dict(vm, args),
        "namespace" => namespace(vm, args),
        "joiner" => {
            let [separator] = args.bind("joiner", ["sep"])?;
            let separator = separator.unwrap_or_else(|| string(", "));
            Ok(Value::Joiner(Rc::new(Joiner { separator, used: Cell::new(false) })))
        }
        "cycler" if args.list.is_empty() => fail("at least one item has to be provided"),
        "cycler" => Ok(Value::Cycler(Rc::new(Cycler { items: args.list, at: Cell::new(0) }))),
        "raise_exception" => {
            let [message] = args.bind("raise_exception", ["message"])?;
            let message = required(message, "message")?;
            Err(Error::raised(text::str(&message, &vm.budget)?.to_string()))
        }
        _ => {
            let [format] = args.bind("strftime_now", ["format"])?;
            Ok(string(strftime_now(str_of(&required(format, "format")?)?)))
        }
    }
}

/// A joiner's call: nothing at first, the separator later.
pub fn join(joiner: &Joiner) -> Value {
    if joiner.used.replace(true) {
        joiner.separator.clone()
    } else {
        string("")
    }
}

/// The longest range that the sandbox of Jinja2 allows.
const MAX_RANGE: i128 = 100_000;

fn range(args: Args) -> Result<Value> {
    if !args.named.is_empty() {
        return fail("range() takes no keyword arguments");
    }
    let numbers = args.list.iter().map(int).collect::<Result<Vec<_>>>()?;
    let (start, stop, step) = match numbers[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step] => (start, stop, step),
        _ => return fail("range expected 1 to 3 arguments"),
    };
    if step == 0 {
        return fail("range() arg 3 must not be zero");
    }
    let distance = if step > 0 { stop.checked_sub(start) } else { start.checked_sub(stop) };
    let width = step.unsigned_abs().min(i128::MAX as u128) as i128;
    let count = match distance {
        Some(distance) if distance <= 0 => 0,
        Some(distance) => (distance - 1) / width + 1,
        None => MAX_RANGE + 1,
    };
    if count > MAX_RANGE {
        return fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
    }
    Ok(Value::Range(Rc::new(Range { start, step, count, stop })))
}

fn pairs(vm: &Vm, args: Args) -> Result<IndexMap<Key, Value>> {
    let mut map = IndexMap::new();
    match args.list.as_slice() {
        [] => {}
        [Value::Dict(from)] => map.extend(from.map().iter().map(|(k, v)| (k.clone(), v.clone()))),
        [Value::Namespace(_)] => return fail("'Namespace' object is not iterable"),
        [items] => {
            for item in items.iterate(&vm.budget)? {
                match item.iterate(&vm.budget)?.as_slice() {
                    [key, value] => map.insert(Key::new(key.clone())?, value.clone()),
                    _ => return fail("dictionary update sequence element has not length 2"),
                };
            }
        }
        more => return fail(format!("dict expected at most 1 argument, got {}", more.len())),
    }
    map.extend(args.named.into_iter().map(|(name, value)| (Key(Value::Str(name)), value)));
    Ok(map)
}

fn make_dict(vm: &Vm, args: Args) -> Result<Value> {
    let map = pairs(vm, args)?;
    vm.budget.items(2 * map.len() as u64)?;
    dict(map)
}

fn namespace(vm: &Vm, args: Args) -> Result<Value> {
    let made = Rc::new(Namespace::default());
    for (key, value) in pairs(vm, args)? {
        match key.0.as_str() {
            Some(name) => set_attribute(&made, name, value)?,
            None => drop(made.attributes.borrow_mut().insert(key, value)),
        }
    }
    vm.namespaces.borrow_mut().push(made.clone());
    Ok(Value::Namespace(made))
}
