// SPDX-License-Identifier: Apache-2.0
//! A schema whose keywords have been read.

use serde_json::Value;

use super::types::Types;

/// Of a schema in `Reader::schemas`.
pub type Id = usize;

/// Limits beyond this are of no use: grammars count 18 digits.
pub const FAR: f64 = 1e18;

/// A limit of numbers: the number closest to the one that was written and within it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    pub value: f64,
    pub exclusive: bool,
}

/// What one schema object asks for; what is absent asks for nothing.
#[derive(Clone, Debug)]
pub struct Place {
    pub path: String,
    pub never: bool,
    pub types: Types,
    pub values: Option<Vec<Value>>,
    pub low: Option<Bound>,
    pub high: Option<Bound>,
    pub multiple: Option<f64>,
    pub min_length: u64,
    pub max_length: Option<u64>,
    pub patterns: Vec<String>,
    pub formats: Vec<&'static str>,
    pub prefix: Vec<Id>,
    pub items: Option<Id>,
    pub min_items: u64,
    pub max_items: Option<u64>,
    pub properties: Vec<(String, Id)>,
    pub by_pattern: Vec<(String, Id)>,
    pub additional: Option<Id>,
    pub names: Option<Id>,
    pub required: Vec<String>,
    pub min_properties: u64,
    pub max_properties: Option<u64>,
    pub all: Vec<Id>,
    pub any: Vec<Vec<Id>>,
    pub one: Vec<Vec<Id>>,
    pub unevaluated_properties: Option<Id>,
    pub unevaluated_items: Option<Id>,
    /// Its own properties come after those of `all`.
    pub own_last: bool,
}

impl Place {
    /// Everything is allowed.
    pub fn any(path: &str) -> Place {
        Place {
            path: path.to_string(),
            never: false,
            types: Types::ALL,
            values: None,
            low: None,
            high: None,
            multiple: None,
            min_length: 0,
            max_length: None,
            patterns: vec![],
            formats: vec![],
            prefix: vec![],
            items: None,
            min_items: 0,
            max_items: None,
            properties: vec![],
            by_pattern: vec![],
            additional: None,
            names: None,
            required: vec![],
            min_properties: 0,
            max_properties: None,
            all: vec![],
            any: vec![],
            one: vec![],
            unevaluated_properties: None,
            unevaluated_items: None,
            own_last: false,
        }
    }

    pub fn never(path: &str) -> Place {
        Place { never: true, ..Place::any(path) }
    }

    /// It says nothing about strings, numbers, arrays and objects beyond their type.
    pub fn is_free(&self) -> bool {
        self.types == Types::ALL
            && !self.never
            && self.values.is_none()
            && self.low.is_none()
            && self.high.is_none()
            && self.multiple.is_none()
            && self.min_length == 0
            && self.max_length.is_none()
            && self.patterns.is_empty()
            && self.formats.is_empty()
            && self.prefix.is_empty()
            && self.items.is_none()
            && self.min_items == 0
            && self.max_items.is_none()
            && self.properties.is_empty()
            && self.by_pattern.is_empty()
            && self.additional.is_none()
            && self.names.is_none()
            && self.required.is_empty()
            && self.min_properties == 0
            && self.max_properties.is_none()
    }
}
