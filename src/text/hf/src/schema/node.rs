// SPDX-License-Identifier: Apache-2.0
//! Schemas without applicators, as a graph: each node is a list of shapes, of which a value has one.

use std::collections::HashMap;

use serde_json::Value;

use super::expand::{Conjunct, Expander};
use super::pattern;
use super::place::{Bound, Id};
use super::spot::{refuse, Refusal};
use super::types::Types;

pub type NodeId = usize;

const MAX_NODES: usize = 5_000;

#[derive(Debug)]
pub enum Shape {
    Any,
    Null,
    Boolean,
    Values(Vec<Value>),
    Number { whole: bool, low: Option<Bound>, high: Option<Bound>, multiples: Vec<f64> },
    Text { min: u64, max: Option<u64>, patterns: Vec<String>, formats: Vec<&'static str> },
    Array { prefix: Vec<NodeId>, rest: NodeId, min: u64, max: Option<u64> },
    Object(Object),
}

#[derive(Debug, Clone, Default)]
pub struct Object {
    pub declared: Vec<Property>,
    /// Keys that match a pattern; no key matches two.
    pub patterns: Vec<(String, NodeId)>,
    /// All other keys.
    pub rest: Option<NodeId>,
    pub min: u64,
    pub max: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct Property {
    pub name: String,
    pub node: NodeId,
    pub required: bool,
}

/// A node by the places whose conjunction it is, so that recursive schemas become cycles.
pub struct Graph<'a> {
    pub expander: Expander<'a>,
    pub nodes: Vec<Vec<Shape>>,
    known: HashMap<Conjunct, NodeId>,
    /// Why something cannot be, the first time that it was seen.
    pub conflict: Option<Refusal>,
}

impl<'a> Graph<'a> {
    pub fn new(expander: Expander<'a>) -> Self {
        Graph { expander, nodes: vec![], known: HashMap::new(), conflict: None }
    }

    pub fn node(&mut self, places: &[Id]) -> Result<NodeId, Refusal> {
        let mut key = places.to_vec();
        key.sort_unstable();
        key.dedup();
        if let Some(node) = self.known.get(&key) {
            return Ok(*node);
        }
        let path = places.first().map_or(String::new(), |id| self.expander.place(*id).path.clone());
        if self.nodes.len() >= MAX_NODES {
            return refuse(&path, "the schema is too complex");
        }
        let node = self.nodes.len();
        self.nodes.push(vec![]);
        self.known.insert(key, node);
        let mut shapes = vec![];
        for alternative in self.expander.expand_all(places)? {
            self.shapes(&alternative, &mut shapes)?;
        }
        if shapes.iter().any(|shape| matches!(shape, Shape::Any)) {
            shapes = vec![Shape::Any];
        }
        self.nodes[node] = shapes;
        Ok(node)
    }

    fn shapes(&mut self, places: &[Id], shapes: &mut Vec<Shape>) -> Result<(), Refusal> {
        if places.is_empty() {
            shapes.push(Shape::Any);
            return Ok(());
        }
        let path = self.expander.place(*places.last().unwrap_or(&0)).path.clone();
        self.expander.count_work(&path)?;
        if let Some(values) = self.expander.values(places) {
            if values.is_empty() {
                self.note(&path, "none of its values satisfies the rest of the schema");
            } else {
                shapes.push(Shape::Values(values));
            }
            return Ok(());
        }
        let types = self.expander.types(places);
        if types == Types::NONE {
            self.note(&path, "it asks for types that exclude each other");
        }
        if types.meets(Types::NULL) {
            shapes.push(Shape::Null);
        }
        if types.meets(Types::BOOLEAN) {
            shapes.push(Shape::Boolean);
        }
        if types.meets(Types::NUMBER) {
            shapes.extend(self.number(places, !types.meets(Types::FRACTION), &path)?);
        }
        if types.meets(Types::STRING) {
            shapes.extend(self.text(places, &path)?);
        }
        if types.meets(Types::ARRAY) {
            shapes.extend(self.array(places, &path)?);
        }
        if types.meets(Types::OBJECT) {
            shapes.push(Shape::Object(self.object(places, &path)?));
        }
        Ok(())
    }

    pub fn note(&mut self, path: &str, message: &str) {
        self.conflict.get_or_insert_with(|| Refusal { path: path.to_string(), message: message.to_string() });
    }

    fn number(&mut self, places: &[Id], whole: bool, path: &str) -> Result<Option<Shape>, Refusal> {
        let (low, high) = self.expander.bounds(places);
        let mut multiples: Vec<f64> = places.iter().filter_map(|id| self.expander.place(*id).multiple).collect();
        multiples.dedup();
        let shape = super::number::shape(whole, low, high, multiples, path)?;
        if shape.is_none() {
            self.note(path, "no number is within its limits");
        }
        Ok(shape)
    }

    fn text(&mut self, places: &[Id], path: &str) -> Result<Option<Shape>, Refusal> {
        let (min, max) = self.expander.lengths(places);
        let patterns = self.expander.patterns(places);
        let mut formats: Vec<&'static str> = places.iter().flat_map(|id| self.expander.place(*id).formats.clone()).collect();
        formats.dedup();
        let bounded = max.is_some_and(|max| min > max);
        match if bounded || patterns.is_empty() { Some(bounded) } else { pattern::is_empty(&self.expander.texts(places)) } {
            Some(false) => Ok(Some(Shape::Text { min, max, patterns, formats })),
            Some(true) => {
                self.note(path, "no string has its length and matches its patterns");
                Ok(None)
            }
            None => refuse(&format!("{path}.pattern"), "the pattern is too complex"),
        }
    }

    fn array(&mut self, places: &[Id], path: &str) -> Result<Option<Shape>, Refusal> {
        let (min, max) = self.expander.sizes(places);
        if max.is_some_and(|max| min > max) {
            self.note(path, "minItems is more than maxItems");
            return Ok(None);
        }
        let length = places.iter().map(|id| self.expander.place(*id).prefix.len()).max().unwrap_or(0);
        let mut prefix = vec![];
        for index in 0..length {
            prefix.push(self.node(&self.expander.at_index(places, index))?);
        }
        let others = self.expander.at_index(places, usize::MAX);
        if min > length as u64 && self.expander.expand_all(&others)?.is_empty() {
            self.note(path, "minItems asks for more items than are possible");
        }
        let rest = self.node(&others)?;
        Ok(Some(Shape::Array { prefix, rest, min, max }))
    }
}
