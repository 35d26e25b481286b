// SPDX-License-Identifier: Apache-2.0
//! The graph as a schema for the grammar library, in the part of its language that it follows to the letter: no applicators
//! but anyOf between shapes, every key of an object known or described, every reference to a node.

use serde_json::{json, Map, Value};

use super::node::{NodeId, Object, Property, Shape};
use super::place::Bound;
use super::plans::{plans, Plan, Presence};
use super::productive::{has_free_keys, shape_is};
use super::FreeKeys;

/// Between two parts of a JSON text. Without a bound a model may go on with white space until its tokens are used up.
const WHITE_SPACE: &str = r"[\x20\x0A\x0D\x09]{1,40}";
/// Without \u a character has one spelling, which is what keys are compared by.
const ESCAPES: &str = "nrbtf\\\"";

pub struct Emitter<'a> {
    nodes: &'a [Vec<Shape>],
    productive: &'a [bool],
    open: Vec<NodeId>,
    named: Vec<bool>,
    odd_text: bool,
    free_keys: FreeKeys,
}

pub fn emit(nodes: &[Vec<Shape>], productive: &[bool], root: NodeId) -> (Value, FreeKeys) {
    let mut emitter = Emitter { nodes, productive, open: vec![], named: vec![false; nodes.len()], odd_text: false, free_keys: FreeKeys::None };
    let mut out = match emitter.node(root) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let mut definitions = Map::new();
    while let Some(node) = emitter.open.pop() {
        let shapes = emitter.shapes(node);
        definitions.insert(format!("n{node}"), shapes);
    }
    out.insert("$defs".to_string(), Value::Object(definitions));
    let mut options = json!({ "whitespace_pattern": WHITE_SPACE });
    if !emitter.odd_text {
        options["json_allowed_escapes"] = json!(ESCAPES);
    }
    out.insert("x-guidance".to_string(), options);
    (Value::Object(out), emitter.free_keys)
}

impl Emitter<'_> {
    /// Scalars where they are, which lets the grammar join them into one expression; the rest by reference.
    fn node(&mut self, node: NodeId) -> Value {
        if !self.productive[node] {
            return json!(false);
        }
        let inner = self.nodes[node].iter().any(|shape| matches!(shape, Shape::Array { .. } | Shape::Object(_)));
        if !inner {
            return self.shapes(node);
        }
        if !self.named[node] {
            self.named[node] = true;
            self.open.push(node);
        }
        json!({ "$ref": format!("#/$defs/n{node}") })
    }

    fn shapes(&mut self, node: NodeId) -> Value {
        let nodes = self.nodes;
        let mut options = vec![];
        for shape in nodes[node].iter().filter(|shape| shape_is(shape, self.productive)) {
            match shape {
                Shape::Object(object) => options.extend(self.object(object)),
                other => options.push(self.shape(other)),
            }
        }
        match options.len() {
            1 => options.remove(0),
            _ => json!({ "anyOf": options }),
        }
    }

    fn shape(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Any | Shape::Object(_) => {
                self.free_keys = self.free_keys.max(FreeKeys::Open);
                json!({})
            }
            Shape::Null => json!({ "type": "null" }),
            Shape::Boolean => json!({ "type": "boolean" }),
            Shape::Values(values) => {
                self.odd_text |= values.iter().any(has_odd_text);
                json!({ "enum": values })
            }
            Shape::Number { whole, low, high, multiples } => number(*whole, *low, *high, multiples),
            Shape::Text { min, max, patterns, formats } => text(*min, *max, patterns, formats),
            Shape::Array { prefix, rest, min, max } => self.array(prefix, *rest, *min, *max),
        }
    }

    fn array(&mut self, prefix: &[NodeId], rest: NodeId, min: u64, max: Option<u64>) -> Value {
        let possible = prefix.iter().take_while(|node| self.productive[**node]).count();
        let mut out = json!({ "type": "array", "minItems": min });
        let max = if possible < prefix.len() { Some(max.unwrap_or(u64::MAX).min(possible as u64)) } else { max };
        if let Some(max) = max {
            out["maxItems"] = json!(max);
        }
        let prefix: Vec<Value> = prefix[..possible].iter().map(|node| self.node(*node)).collect();
        if !prefix.is_empty() {
            out["prefixItems"] = Value::Array(prefix);
        }
        let rest = if max.is_some_and(|max| max <= possible as u64) { json!(false) } else { self.node(rest) };
        out["items"] = rest;
        out
    }

    fn object(&mut self, object: &Object) -> Vec<Value> {
        let possible = |property: &&Property| self.productive[property.node];
        let required = object.declared.iter().filter(|property| property.required).count() as u64;
        let optional = object.declared.iter().filter(|property| !property.required).filter(possible).count();
        let free = has_free_keys(object, self.productive);
        let min = object.min.saturating_sub(required);
        let max = object.max.map(|max| max.saturating_sub(required));
        plans(optional, free, min, max).iter().map(|plan| self.planned(object, plan, required)).collect()
    }

    fn planned(&mut self, object: &Object, plan: &Plan, always: u64) -> Value {
        let mut properties = Map::new();
        let mut required = vec![];
        let mut optional = plan.optional.iter();
        for property in &object.declared {
            let presence = match property.required {
                true => Presence::Always,
                false if self.productive[property.node] => *optional.next().unwrap_or(&Presence::Not),
                false => Presence::Not,
            };
            let schema = if presence == Presence::Not { json!(false) } else { self.node(property.node) };
            properties.insert(property.name.clone(), schema);
            if presence == Presence::Always {
                required.push(property.name.clone());
            }
        }
        let mut out = json!({ "type": "object", "properties": properties });
        let here = required.len() as u64;
        out["required"] = json!(required);
        debug_assert!(here >= always);
        out["additionalProperties"] = json!(false);
        if plan.free_max != Some(0) {
            self.free_keys(object, &mut out);
        }
        if plan.free_min > 0 {
            out["minProperties"] = json!(here + plan.free_min);
        }
        if let Some(max) = plan.free_max.filter(|max| *max > 0) {
            out["maxProperties"] = json!(here + max);
        }
        out
    }

    fn free_keys(&mut self, object: &Object, out: &mut Value) {
        let mut patterns = Map::new();
        for (pattern, node) in &object.patterns {
            patterns.insert(pattern.clone(), self.node(*node));
        }
        if !patterns.is_empty() {
            out["patternProperties"] = Value::Object(patterns);
        }
        // The keys of a pattern without "$" go on as they like.
        let open = object.rest.is_none() || object.patterns.is_empty();
        let open = open && object.patterns.iter().all(|(pattern, _)| !pattern.contains('$'));
        self.free_keys = self.free_keys.max(if open { FreeKeys::Open } else { FreeKeys::Tight });
        if let Some(rest) = object.rest {
            out["additionalProperties"] = self.node(rest);
        }
    }
}

/// The grammar library writes some characters with \u only.
fn has_odd_text(value: &Value) -> bool {
    let odd = |c: char| matches!(c, '\0'..='\x07' | '\x0B' | '\x0E'..='\x1F' | '\x7F');
    match value {
        Value::String(text) => text.chars().any(odd),
        Value::Array(items) => items.iter().any(has_odd_text),
        Value::Object(object) => object.values().any(has_odd_text),
        _ => false,
    }
}

fn number(whole: bool, low: Option<Bound>, high: Option<Bound>, multiples: &[f64]) -> Value {
    let mut out = json!({ "type": if whole { "integer" } else { "number" } });
    if let Some(low) = low {
        out[if low.exclusive { "exclusiveMinimum" } else { "minimum" }] = json!(low.value);
    }
    if let Some(high) = high {
        out[if high.exclusive { "exclusiveMaximum" } else { "maximum" }] = json!(high.value);
    }
    if let Some(step) = multiples.first() {
        out["multipleOf"] = json!(step);
    }
    out
}

fn text(min: u64, max: Option<u64>, patterns: &[String], formats: &[&str]) -> Value {
    let mut out = json!({ "type": "string" });
    if min > 0 {
        out["minLength"] = json!(min);
    }
    if let Some(max) = max {
        out["maxLength"] = json!(max);
    }
    let more = patterns.iter().map(|p| json!({ "type": "string", "pattern": p }));
    let more: Vec<Value> = more.chain(formats.iter().map(|f| json!({ "type": "string", "format": f }))).collect();
    if !more.is_empty() {
        out["allOf"] = Value::Array(more);
    }
    out
}
