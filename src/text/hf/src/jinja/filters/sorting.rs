// SPDX-License-Identifier: Apache-2.0
//! Filters that compare items.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{ignore_case, Path};
use crate::jinja::args::{given, required, Args};
use crate::jinja::error::{fail, Result};
use crate::jinja::key::Key;
use crate::jinja::ops::{order, same, sorted_order};
use crate::jinja::value::{group, lazy, list, tuple, undefined, Missing, Value};
use crate::jinja::vm::Vm;

fn truth(value: &Option<Value>) -> bool {
    value.as_ref().is_some_and(Value::truth)
}

/// What an item is compared by.
struct By {
    path: Path,
    case_sensitive: bool,
    default: Option<Value>,
}

impl By {
    fn new(attribute: Option<Value>, case_sensitive: &Option<Value>) -> Self {
        let path = Path::new(&attribute.unwrap_or(Value::None));
        Self { path, case_sensitive: truth(case_sensitive), default: None }
    }

    fn raw(&self, vm: &Vm, item: &Value) -> Result<Value> {
        vm.budget.step()?;
        self.path.get(item, self.default.as_ref(), &vm.budget)
    }

    fn key(&self, vm: &Vm, item: &Value) -> Result<Value> {
        let key = self.raw(vm, item)?;
        Ok(if self.case_sensitive { key } else { ignore_case(key) })
    }
}

fn picked(items: &[Value], places: Vec<usize>) -> Vec<Value> {
    places.into_iter().map(|i| items[i].clone()).collect()
}

pub fn sort(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [reverse, case_sensitive, attribute] = args.bind("sort", ["reverse", "case_sensitive", "attribute"])?;
    let parts = match given(attribute) {
        Some(Value::Str(text)) => text.split(',').map(|part| Some(Value::Str(part.into()))).collect(),
        other => vec![other],
    };
    let all: Vec<By> = parts.into_iter().map(|part| By::new(part, &case_sensitive)).collect();
    let items = value.iterate(&vm.budget)?;
    let key = |item: &Value| list(all.iter().map(|by| by.key(vm, item)).collect::<Result<_>>()?);
    let keys = items.iter().map(key).collect::<Result<Vec<_>>>()?;
    list(picked(&items, sorted_order(&keys, truth(&reverse), &vm.budget)?))
}

pub fn dictsort(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [case_sensitive, by, reverse] = args.bind("dictsort", ["case_sensitive", "by", "reverse"])?;
    let place = match by.as_ref().map_or(Some("key"), Value::as_str) {
        Some("key") => 0,
        Some("value") => 1,
        _ => return fail("You can only sort by either \"key\" or \"value\""),
    };
    let Value::Dict(dict) = &value else {
        return fail(match &value {
            Value::Undefined(why) => why.message(),
            _ => format!("'{} object' has no attribute 'items'", value.type_name()),
        });
    };
    vm.budget.items(4 * dict.map().len() as u64)?;
    let pairs: Vec<[Value; 2]> = dict.map().iter().map(|(k, v)| [k.0.clone(), v.clone()]).collect();
    let key = |pair: &[Value; 2]| {
        let key = pair[place].clone();
        if truth(&case_sensitive) {
            key
        } else {
            ignore_case(key)
        }
    };
    let keys: Vec<Value> = pairs.iter().map(key).collect();
    let places = sorted_order(&keys, truth(&reverse), &vm.budget)?;
    list(places.into_iter().map(|i| tuple(pairs[i].to_vec())).collect::<Result<_>>()?)
}

pub fn unique(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [case_sensitive, attribute] = args.bind("unique", ["case_sensitive", "attribute"])?;
    let by = By::new(attribute, &case_sensitive);
    lazy("sync_do_unique", |kept| {
        let mut seen = HashSet::new();
        for item in value.iterate(&vm.budget)? {
            if seen.insert(Key::new(by.key(vm, &item)?)?) {
                kept.push(item);
            }
        }
        Ok(())
    })
}

fn extreme(vm: &Vm, value: Value, args: Args, wanted: Ordering) -> Result<Value> {
    let [case_sensitive, attribute] = args.bind("min", ["case_sensitive", "attribute"])?;
    let by = By::new(attribute, &case_sensitive);
    let symbol = if wanted.is_lt() { "<" } else { ">" };
    let mut best: Option<(Value, Value)> = None;
    for item in value.iterate(&vm.budget)? {
        let key = by.key(vm, &item)?;
        let better = match &best {
            Some((_, best)) => order(&key, best, symbol, &vm.budget)? == wanted,
            None => true,
        };
        if better {
            best = Some((item, key));
        }
    }
    let empty = || undefined(Missing::Said("No aggregated item, sequence was empty."));
    Ok(best.map_or_else(empty, |(item, _)| item))
}

pub fn min(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    extreme(vm, value, args, Ordering::Less)
}

pub fn max(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    extreme(vm, value, args, Ordering::Greater)
}

pub fn groupby(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let [attribute, default, case_sensitive] = args.bind("groupby", ["attribute", "default", "case_sensitive"])?;
    let mut by = By::new(Some(required(attribute, "attribute")?), &case_sensitive);
    by.default = given(default);
    let items = value.iterate(&vm.budget)?;
    let keys = items.iter().map(|item| by.key(vm, item)).collect::<Result<Vec<_>>>()?;
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for place in sorted_order(&keys, false, &vm.budget)? {
        match groups.last_mut() {
            Some((key, members)) if same(key, &keys[place], &vm.budget)? => members.push(items[place].clone()),
            _ => groups.push((keys[place].clone(), vec![items[place].clone()])),
        }
    }
    // The key as the first member has it, not in small letters.
    let made = |(_, members): (Value, Vec<Value>)| group(by.raw(vm, &members[0])?, list(members)?);
    list(groups.into_iter().map(made).collect::<Result<_>>()?)
}
