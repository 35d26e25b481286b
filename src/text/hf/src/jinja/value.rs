// SPDX-License-Identifier: Apache-2.0
//! The values of a template: Python's.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::{Equivalent, IndexMap};

use super::error::{fail, Budget, Error, Result};
use super::scope::Macro;

pub type Text = Arc<str>;

#[derive(Clone)]
pub enum Value {
    Undefined(Rc<Missing>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Text),
    /// A string that is said to need no escaping: Markup.
    Safe(Text),
    List(Rc<List>),
    Tuple(Rc<Tuple>),
    Dict(Rc<Dict>),
    Range(Rc<Range>),
    View(Rc<Dict>, View),
    Iter(Rc<Iter>),
    Namespace(Rc<Namespace>),
    Loop(Rc<Loop>),
    Cycler(Rc<Cycler>),
    Joiner(Rc<Joiner>),
    Callable(Rc<Callable>),
}

/// Why a value is undefined, said when it is used where it must not be.
pub enum Missing {
    Name(Text),
    Attribute(&'static str, Text),
    Unsafe(&'static str, Text),
    Parameter(Text),
    Said(&'static str),
}

impl Missing {
    pub fn message(&self) -> String {
        match self {
            Self::Name(name) => format!("'{name}' is undefined"),
            Self::Attribute(of, name) => format!("'{of} object' has no attribute '{name}'"),
            Self::Unsafe(of, name) => format!("access to attribute '{name}' of '{of}' object is unsafe."),
            Self::Parameter(name) => format!("parameter '{name}' was not provided"),
            Self::Said(text) => (*text).to_string(),
        }
    }
}

pub struct List {
    pub items: Vec<Value>,
    depth: u32,
}

pub struct Tuple {
    pub items: Vec<Value>,
    /// Made by `groupby`: has the names `grouper` and `list` too.
    pub group: bool,
    depth: u32,
}

#[derive(Default)]
pub struct Dict {
    map: IndexMap<Key, Value>,
    depth: u32,
}

pub struct Range {
    pub start: i128,
    pub step: i128,
    pub count: i128,
    pub stop: i128,
}

#[derive(Clone, Copy, PartialEq)]
pub enum View {
    Keys,
    Values,
    Items,
}

/// A generator: what was taken from it is gone.
pub struct Iter {
    pub items: RefCell<VecDeque<Value>>,
    /// What goes wrong behind the last item: Python finds it when it comes there.
    pub failure: RefCell<Option<Error>>,
    pub name: &'static str,
    depth: u32,
}

impl Iter {
    pub fn next(&self) -> Result<Option<Value>> {
        match (self.items.borrow_mut().pop_front(), self.failure.take()) {
            (Some(item), failure) => {
                self.failure.replace(failure);
                Ok(Some(item))
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => Ok(None),
        }
    }
}

#[derive(Default)]
pub struct Namespace {
    pub attributes: RefCell<IndexMap<Key, Value>>,
}

pub struct Loop {
    pub items: Vec<Value>,
    pub index: Cell<usize>,
    pub depth0: usize,
    pub changed: RefCell<Option<Value>>,
    /// What a recursive loop runs again.
    pub recursion: Option<super::scope::Recursion>,
}

pub struct Cycler {
    pub items: Vec<Value>,
    pub at: Cell<usize>,
}

pub struct Joiner {
    pub separator: Value,
    pub used: Cell<bool>,
}

pub enum Callable {
    /// A method of a value.
    Method(Value, &'static str),
    Global(&'static str),
    Macro(Macro),
}

/// How deep values may nest: more than requests may, and some room for the template's own.
const MAX_DEPTH: u32 = 250;

fn depth_of(value: &Value) -> u32 {
    match value {
        Value::List(list) => list.depth,
        Value::Tuple(tuple) => tuple.depth,
        Value::Dict(dict) | Value::View(dict, _) => dict.depth,
        Value::Iter(iter) => iter.depth,
        Value::Callable(callable) => match &**callable {
            Callable::Method(of, _) => depth_of(of) + 1,
            _ => 0,
        },
        Value::Loop(context) => depth_above(&context.items),
        Value::Cycler(cycler) => depth_above(&cycler.items),
        _ => 0,
    }
}

fn depth_above<'a>(items: impl IntoIterator<Item = &'a Value>) -> u32 {
    items.into_iter().map(depth_of).max().unwrap_or(0) + 1
}

fn checked(depth: u32) -> Result<u32> {
    if depth > MAX_DEPTH {
        return fail("a value nests too deeply");
    }
    Ok(depth)
}

pub fn undefined(why: Missing) -> Value {
    Value::Undefined(Rc::new(why))
}

pub fn string(text: impl Into<Text>) -> Value {
    Value::Str(text.into())
}

pub fn list(items: Vec<Value>) -> Result<Value> {
    let depth = checked(depth_above(&items))?;
    Ok(Value::List(Rc::new(List { items, depth })))
}

pub fn tuple(items: Vec<Value>) -> Result<Value> {
    let depth = checked(depth_above(&items))?;
    Ok(Value::Tuple(Rc::new(Tuple { items, group: false, depth })))
}

pub fn group(key: Value, members: Value) -> Result<Value> {
    let items = vec![key, members];
    let depth = checked(depth_above(&items))?;
    Ok(Value::Tuple(Rc::new(Tuple { items, group: true, depth })))
}

pub fn generator(items: impl Into<VecDeque<Value>>, name: &'static str) -> Result<Value> {
    let items = items.into();
    let depth = checked(depth_above(&items))?;
    Ok(Value::Iter(Rc::new(Iter { items: RefCell::new(items), failure: RefCell::new(None), name, depth })))
}

/// A generator of what `make` adds to the list; its error comes behind that.
pub fn lazy(name: &'static str, make: impl FnOnce(&mut Vec<Value>) -> Result<()>) -> Result<Value> {
    let mut items = Vec::new();
    let failure = make(&mut items).err();
    let made = generator(items, name)?;
    if let Value::Iter(iter) = &made {
        iter.failure.replace(failure);
    }
    Ok(made)
}

pub fn dict(map: IndexMap<Key, Value>) -> Result<Value> {
    let depth = checked(depth_above(map.values()).max(depth_above(map.keys().map(|key| &key.0))))?;
    Ok(Value::Dict(Rc::new(Dict { map, depth })))
}

impl Dict {
    pub fn map(&self) -> &IndexMap<Key, Value> {
        &self.map
    }
}

/// Names that begin with an underscore are refused, as transformers does.
pub fn set_attribute(namespace: &Namespace, name: &str, value: Value) -> Result<()> {
    if name.starts_with('_') {
        let why = "Chat templates cannot store underscore-prefixed attributes on a namespace";
        return fail(format!("{why}, but got '{name}'."));
    }
    let old = namespace.attributes.borrow_mut().insert(Key::text(name), value);
    drop(old);
    Ok(())
}

impl Range {
    pub fn at(&self, index: i128) -> Value {
        Value::Int(self.start + self.step * index)
    }
}

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
            Self::Dict(dict) | Self::View(dict, _) => !dict.map.is_empty(),
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
            Self::Dict(dict) | Self::View(dict, _) => dict.map.len(),
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
            Self::Dict(dict) | Self::View(dict, View::Keys) => dict.map.keys().map(|key| key.0.clone()).collect(),
            Self::View(dict, View::Values) => dict.map.values().cloned().collect(),
            Self::View(dict, View::Items) => {
                budget.items(2 * length as u64)?;
                dict.map.iter().map(pair).collect::<Result<_>>()?
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
                let same = |(key, value): (&Key, &Value)| b.map.get(key).is_some_and(|other| value.equals(other));
                a.map.len() == b.map.len() && a.map.iter().all(same)
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
