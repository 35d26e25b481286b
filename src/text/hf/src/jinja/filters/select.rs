// SPDX-License-Identifier: Apache-2.0
//! Filters that apply a filter or a test to each item.

use super::{apply, Path};
use crate::jinja::args::{given, Args};
use crate::jinja::checks;
use crate::jinja::error::{fail, Error, Result};
use crate::jinja::value::{lazy, Value};
use crate::jinja::vm::Vm;

/// The items of a value; none where it is false.
fn items(vm: &Vm, value: &Value) -> Result<Vec<Value>> {
    if value.truth() {
        value.iterate(&vm.budget)
    } else {
        Ok(Vec::new())
    }
}

pub fn map(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    lazy("sync_do_map", |made| mapped(vm, &value, args, made))
}

fn mapped(vm: &Vm, value: &Value, mut args: Args, made: &mut Vec<Value>) -> Result<()> {
    let items = items(vm, value)?;
    if items.is_empty() {
        return Ok(());
    }
    let attribute = if args.list.is_empty() { args.take_named("attribute") } else { None };
    if let Some(attribute) = attribute {
        let default = given(args.take_named("default"));
        if let Some((name, _)) = args.named.first() {
            return fail(format!("Unexpected keyword argument '{name}'"));
        }
        let path = Path::new(&attribute);
        for item in &items {
            vm.budget.step()?;
            made.push(path.get(item, default.as_ref(), &vm.budget)?);
        }
    } else {
        if args.list.is_empty() {
            return fail("map requires a filter argument");
        }
        let name = args.list.remove(0);
        let name = name.as_str().ok_or_else(|| Error::new("map requires the name of a filter"))?;
        for item in items {
            made.push(apply(vm, name, item, args.clone())?);
        }
    }
    Ok(())
}

/// Which items stay: those for which the test holds, or does not; by an attribute, or by themselves.
struct Choice {
    wanted: bool,
    by_attribute: bool,
}

impl Choice {
    fn apply(self, vm: &Vm, value: &Value, args: Args) -> Result<Value> {
        lazy("select_or_reject", |kept| chosen(vm, value, args, self, kept))
    }
}

fn chosen(vm: &Vm, value: &Value, mut args: Args, choice: Choice, kept: &mut Vec<Value>) -> Result<()> {
    let items = items(vm, value)?;
    if items.is_empty() {
        return Ok(());
    }
    let mut path = None;
    if choice.by_attribute {
        if args.list.is_empty() {
            return fail("Missing parameter for attribute name");
        }
        path = Some(Path::new(&args.list.remove(0)));
    }
    let test = if args.list.is_empty() { None } else { Some(args.list.remove(0)) };
    for item in items {
        vm.budget.step()?;
        let subject = match &path {
            Some(path) => path.get(&item, None, &vm.budget)?,
            None => item.clone(),
        };
        let holds = match &test {
            Some(test) => checks::check(&vm.budget, test.as_str().unwrap_or_default(), &subject, &args)?,
            None => subject.truth(),
        };
        if holds == choice.wanted {
            kept.push(item);
        }
    }
    Ok(())
}

pub fn select(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    Choice { wanted: true, by_attribute: false }.apply(vm, &value, args)
}

pub fn reject(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    Choice { wanted: false, by_attribute: false }.apply(vm, &value, args)
}

pub fn selectattr(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    Choice { wanted: true, by_attribute: true }.apply(vm, &value, args)
}

pub fn rejectattr(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    Choice { wanted: false, by_attribute: true }.apply(vm, &value, args)
}
