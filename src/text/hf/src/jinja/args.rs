// SPDX-License-Identifier: Apache-2.0
//! The arguments of a call.

use indexmap::IndexMap;

use super::error::{fail, Result};
use super::key::Key;
use super::value::{dict, Text, Value};

#[derive(Default, Clone)]
pub struct Args {
    pub list: Vec<Value>,
    pub named: Vec<(Text, Value)>,
}

impl Args {
    pub fn of(list: Vec<Value>) -> Self {
        Self { list, named: Vec::new() }
    }

    pub fn take_named(&mut self, name: &str) -> Option<Value> {
        let at = self.named.iter().position(|(known, _)| &**known == name)?;
        Some(self.named.remove(at).1)
    }

    /// Takes them all.
    pub fn named_as_dict(&mut self) -> Result<Value> {
        let named = std::mem::take(&mut self.named).into_iter();
        dict(named.map(|(name, value)| (Key(Value::Str(name)), value)).collect::<IndexMap<_, _>>())
    }

    /// The arguments of a function whose parameters have these names, in their order; refuses others.
    pub fn bind<const N: usize>(mut self, what: &str, names: [&str; N]) -> Result<[Option<Value>; N]> {
        if self.list.len() > N {
            return fail(format!("{what}() takes at most {N} arguments ({} given)", self.list.len()));
        }
        let mut bound: [Option<Value>; N] = std::array::from_fn(|_| None);
        for (place, value) in bound.iter_mut().zip(std::mem::take(&mut self.list)) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            let at = names.iter().position(|known| *known == &*name);
            let Some(place) = at.map(|i| &mut bound[i]).filter(|place| place.is_none()) else {
                return fail(format!("{what}() got an unexpected keyword argument '{name}'"));
            };
            *place = Some(value);
        }
        Ok(bound)
    }
}

/// An argument that must be there.
pub fn required(value: Option<Value>, what: &str) -> Result<Value> {
    value.map_or_else(|| fail(format!("missing argument: '{what}'")), Ok)
}

/// An integer, or `default` where it is absent.
pub fn int_or(value: &Option<Value>, default: i128) -> Result<i128> {
    match value {
        None => Ok(default),
        Some(value) => int(value),
    }
}

pub fn int(value: &Value) -> Result<i128> {
    let refusal = || fail(format!("'{}' object cannot be interpreted as an integer", value.type_name()));
    value.as_int().map_or_else(refusal, Ok)
}

pub fn str_of(value: &Value) -> Result<&str> {
    let refusal = || fail(format!("must be str, not {}", value.type_name()));
    value.as_str().map_or_else(refusal, Ok)
}

/// None where it is absent or Python's None.
pub fn given(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_none())
}
