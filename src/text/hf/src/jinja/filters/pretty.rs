// SPDX-License-Identifier: Apache-2.0
//! `pprint`: a value over several lines where one is too short.

use crate::jinja::args::Args;
use crate::jinja::error::Result;
use crate::jinja::ops::sorted_order;
use crate::jinja::python::text::repr;
use crate::jinja::value::{string, Value};
use crate::jinja::vm::Vm;

const WIDTH: usize = 80;

pub fn pprint(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [_] = args.bind("pprint", ["verbose"])?;
    let mut out = String::new();
    write(vm, &mut out, &value, 0, 0)?;
    Ok(string(out))
}

/// `indent`: where the value begins in its line; `after`: what follows it there.
fn write(vm: &Vm, out: &mut String, value: &Value, indent: usize, after: usize) -> Result<()> {
    let short = flat(vm, value)?;
    vm.budget.bytes((short.len() + indent) as u64)?;
    if short.chars().count() + indent + after <= WIDTH {
        out.push_str(&short);
        return Ok(());
    }
    match value {
        Value::List(inner) => items(vm, out, &inner.items, ["[", "]"], indent, after),
        Value::Tuple(inner) => {
            let close = if inner.items.len() == 1 { ",)" } else { ")" };
            items(vm, out, &inner.items, ["(", close], indent, after)
        }
        Value::Dict(_) => {
            out.push('{');
            let pairs = pairs(vm, value)?;
            for (i, (key, item)) in pairs.iter().enumerate() {
                let key = flat(vm, key)? + ": ";
                out.push_str(&key);
                let last = i + 1 == pairs.len();
                let rest = if last { after + 1 } else { 1 };
                write(vm, out, item, indent + 1 + key.chars().count(), rest)?;
                out.push_str(&separator(last, indent));
            }
            out.push('}');
            Ok(())
        }
        _ => {
            out.push_str(&short);
            Ok(())
        }
    }
}

fn separator(last: bool, indent: usize) -> String {
    if last {
        String::new()
    } else {
        format!(",\n{}", " ".repeat(indent + 1))
    }
}

fn items(vm: &Vm, out: &mut String, items: &[Value], around: [&str; 2], indent: usize, after: usize) -> Result<()> {
    out.push_str(around[0]);
    for (i, item) in items.iter().enumerate() {
        let last = i + 1 == items.len();
        write(vm, out, item, indent + 1, if last { after + around[1].len() } else { 1 })?;
        out.push_str(&separator(last, indent));
    }
    out.push_str(around[1]);
    Ok(())
}

/// A dictionary's items by their keys.
fn pairs(vm: &Vm, value: &Value) -> Result<Vec<(Value, Value)>> {
    let Value::Dict(dict) = value else { return Ok(Vec::new()) };
    let keys: Vec<Value> = dict.map().keys().map(|key| key.0.clone()).collect();
    let places = sorted_order(&keys, false, &vm.budget).unwrap_or_else(|_| (0..keys.len()).collect());
    let all: Vec<_> = dict.map().iter().collect();
    Ok(places.into_iter().map(|i| (all[i].0 .0.clone(), all[i].1.clone())).collect())
}

/// `repr` with the keys in order.
fn flat(vm: &Vm, value: &Value) -> Result<String> {
    let list = |items: &[Value]| items.iter().map(|item| flat(vm, item)).collect::<Result<Vec<_>>>();
    let made = match value {
        Value::List(inner) => format!("[{}]", list(&inner.items)?.join(", ")),
        Value::Tuple(inner) if inner.items.len() == 1 => format!("({},)", flat(vm, &inner.items[0])?),
        Value::Tuple(inner) => format!("({})", list(&inner.items)?.join(", ")),
        Value::Dict(_) => {
            let pair = |(key, item): (Value, Value)| Ok(format!("{}: {}", flat(vm, &key)?, flat(vm, &item)?));
            let pairs = pairs(vm, value)?.into_iter().map(pair).collect::<Result<Vec<_>>>()?;
            format!("{{{}}}", pairs.join(", "))
        }
        _ => repr(value, &vm.budget)?,
    };
    vm.budget.bytes(made.len() as u64 + 8)?;
    Ok(made)
}
