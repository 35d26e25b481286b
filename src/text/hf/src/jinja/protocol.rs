// SPDX-License-Identifier: Apache-2.0
//! What Python's built-in functions and statements find out about a value.

use std::rc::Rc;

use super::error::{fail, Budget, Result};
use super::key::Key;
use super::value::{string, tuple, Callable, Value, View};

impl Value {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Safe(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// What Python's `int` has, booleans too.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(i) => Some(*i),
            Self::Bool(b) => Some(*b as i128),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Float(f) => Some(*f),
            _ => self.as_int().map(|i| i as f64),
        }
    }

    /// The name of its type in Python's messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Safe(_) => "Markup",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Range(_) => "range",
            Self::View(_, View::Keys) => "dict_keys",
            Self::View(_, View::Values) => "dict_values",
            Self::View(_, View::Items) => "dict_items",
            Self::Iter(_) => "generator",
            Self::Namespace(_) => "Namespace",
            Self::Loop(_) => "LoopContext",
            Self::Cycler(_) => "Cycler",
            Self::Joiner(_) => "Joiner",
            Self::Callable(callable) => match &**callable {
                Callable::Method(..) => "builtin_function_or_method",
                Callable::Global(_) => "function",
                Callable::Macro(_) => "Macro",
            },
        }
    }

    pub fn truth(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(b) => *b,
            Self::Int(i) => *i != 0,
            Self::Float(f) => *f != 0.0,
            Self::Str(text) | Self::Safe(text) => !text.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Tuple(tuple) => !tuple.items.is_empty(),
            Self::Dict(dict) | Self::View(dict, _) => !dict.map().is_empty(),
            Self::Range(range) => range.count > 0,
            Self::Loop(context) => !context.items.is_empty(),
            _ => true,
        }
    }

    /// `len(value)`; none: it has no length.
    pub fn length(&self) -> Option<usize> {
        Some(match self {
            Self::Undefined(_) => 0,
            Self::Str(text) | Self::Safe(text) => text.chars().count(),
            Self::List(list) => list.items.len(),
            Self::Tuple(tuple) => tuple.items.len(),
            Self::Dict(dict) | Self::View(dict, _) => dict.map().len(),
            Self::Range(range) => range.count as usize,
            Self::Loop(context) => context.items.len(),
            _ => return None,
        })
    }

    pub fn iterable(&self) -> bool {
        matches!(self, Self::Iter(_)) || self.length().is_some()
    }

    /// What a `for` goes through; a generator is empty afterwards.
    pub fn iterate(&self, budget: &Budget) -> Result<Vec<Value>> {
        let pair = |(key, value): (&Key, &Value)| tuple(vec![key.0.clone(), value.clone()]);
        let Some(length) = self.length() else {
            let Self::Iter(iter) = self else {
                return fail(format!("'{}' object is not iterable", self.type_name()));
            };
            let items = std::mem::take(&mut *iter.items.borrow_mut());
            return iter.failure.take().map_or(Ok(items.into()), Err);
        };
        budget.items(length as u64)?;
        Ok(match self {
            Self::Str(text) | Self::Safe(text) => {
                budget.items(length as u64)?;
                let one = |c: char| string(&*c.encode_utf8(&mut [0; 4]));
                text.chars().map(one).collect()
            }
            Self::List(list) => list.items.clone(),
            Self::Tuple(tuple) => tuple.items.clone(),
            Self::Dict(dict) | Self::View(dict, View::Keys) => dict.map().keys().map(|key| key.0.clone()).collect(),
            Self::View(dict, View::Values) => dict.map().values().cloned().collect(),
            Self::View(dict, View::Items) => {
                budget.items(2 * length as u64)?;
                dict.map().iter().map(pair).collect::<Result<_>>()?
            }
            Self::Range(range) => (0..range.count).map(|i| range.at(i)).collect(),
            _ => Vec::new(),
        })
    }

    /// `==`.
    pub fn equals(&self, other: &Value) -> bool {
        let all = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b));
        match (self, other) {
            (Self::Undefined(_), Self::Undefined(_)) | (Self::None, Self::None) => true,
            (Self::List(a), Self::List(b)) => all(&a.items, &b.items),
            (Self::Tuple(a), Self::Tuple(b)) => all(&a.items, &b.items),
            (Self::Dict(a), Self::Dict(b)) => {
                let same = |(key, value): (&Key, &Value)| b.map().get(key).is_some_and(|other| value.equals(other));
                a.map().len() == b.map().len() && a.map().iter().all(same)
            }
            (Self::Range(a), Self::Range(b)) => {
                a.count == b.count && (a.count == 0 || a.start == b.start && (a.count == 1 || a.step == b.step))
            }
            (Self::Float(_), _) | (_, Self::Float(_)) => {
                self.as_number().is_some() && self.as_number() == other.as_number()
            }
            _ => match (self.as_str(), other.as_str(), self.as_int(), other.as_int()) {
                (Some(a), Some(b), ..) => a == b,
                (_, _, Some(a), Some(b)) => a == b,
                _ => self.same_object(other),
            },
        }
    }

    /// `is`.
    pub fn same_object(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Str(a), Self::Str(b)) | (Self::Safe(a), Self::Safe(b)) => a == b,
            (Self::Undefined(a), Self::Undefined(b)) => Rc::ptr_eq(a, b),
            (Self::List(a), Self::List(b)) => Rc::ptr_eq(a, b),
            (Self::Tuple(a), Self::Tuple(b)) => Rc::ptr_eq(a, b),
            (Self::Dict(a), Self::Dict(b)) => Rc::ptr_eq(a, b),
            (Self::Iter(a), Self::Iter(b)) => Rc::ptr_eq(a, b),
            (Self::Namespace(a), Self::Namespace(b)) => Rc::ptr_eq(a, b),
            (Self::Loop(a), Self::Loop(b)) => Rc::ptr_eq(a, b),
            (Self::Callable(a), Self::Callable(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}
