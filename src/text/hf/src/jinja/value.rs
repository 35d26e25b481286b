// SPDX-License-Identifier: Apache-2.0
//! The values of a template: Python's.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::error::{fail, Error, Result};
use super::key::Key;
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
    /// Of one of its places: none of them lies outside its bounds.
    pub fn at(&self, index: i128) -> Value {
        Value::Int(self.start + self.step * index)
    }
}
