// SPDX-License-Identifier: Apache-2.0
//! What a dictionary is looked up with.

use std::hash::{Hash, Hasher};

use indexmap::Equivalent;

use super::error::{fail, Result};
use super::value::{string, Value};

/// A value that a dictionary has as its key; 1, 1.0 and True are the same.
#[derive(Clone)]
pub struct Key(pub Value);

impl Key {
    pub fn new(value: Value) -> Result<Self> {
        fn hashable(value: &Value) -> bool {
            match value {
                Value::List(_) | Value::Dict(_) | Value::Namespace(_) | Value::View(..) => false,
                Value::Tuple(tuple) => tuple.items.iter().all(hashable),
                _ => true,
            }
        }
        if !hashable(&value) {
            return fail(format!("unhashable type: '{}'", value.type_name()));
        }
        Ok(Self(value))
    }

    pub fn text(text: &str) -> Self {
        Self(string(text))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(&other.0)
    }
}
impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        fn add<H: Hasher>(value: &Value, state: &mut H) {
            match value {
                Value::Str(text) | Value::Safe(text) => text.hash(state),
                Value::Bool(b) => (*b as i128).hash(state),
                Value::Int(i) => i.hash(state),
                Value::Float(f) if f.fract() == 0.0 && f.abs() < 1e30 => (*f as i128).hash(state),
                Value::Float(f) => f.to_bits().hash(state),
                Value::Tuple(tuple) => tuple.items.iter().for_each(|item| add(item, state)),
                _ => 0u8.hash(state),
            }
        }
        add(&self.0, state);
    }
}

/// Looks a name up without making a key.
#[derive(Hash)]
pub struct Name<'a>(pub &'a str);

impl Equivalent<Key> for Name<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        key.0.as_str() == Some(self.0)
    }
}
