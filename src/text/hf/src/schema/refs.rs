// SPDX-License-Identifier: Apache-2.0
//! References: from the text of a `$ref` to the place that it names.

use std::collections::HashMap;

use serde_json::Value;

use super::spot::{Refusal, Spot};

/// The names that a document gives to its own parts.
pub struct Names<'a> {
    root: &'a Value,
    /// `$id` as it stands, and without its fragment, to the place that has it.
    ids: HashMap<String, Spot>,
    anchors: HashMap<String, Spot>,
}

impl<'a> Names<'a> {
    pub fn new(root: &'a Value) -> Self {
        let mut names = Names { root, ids: HashMap::new(), anchors: HashMap::new() };
        names.collect(root, &Spot::default());
        names
    }

    /// Looks everywhere: what only looks like a name, in a default for example, does no harm unless it is referred to.
    fn collect(&mut self, value: &Value, spot: &Spot) {
        match value {
            Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| self.collect(item, &spot.index(i))),
            Value::Object(object) => {
                let mut here = spot.clone();
                if let Some(id) = ["$id", "id"].iter().find_map(|key| object.get(*key)?.as_str()) {
                    match id.strip_prefix('#') {
                        Some(anchor) => drop(self.anchors.entry(anchor.to_string()).or_insert(spot.clone())),
                        None => {
                            here.base = here.pointer.clone();
                            self.ids.entry(id.trim_end_matches('#').to_string()).or_insert(here.clone());
                        }
                    }
                }
                for key in ["$anchor", "$dynamicAnchor"] {
                    if let Some(anchor) = object.get(key).and_then(Value::as_str) {
                        self.anchors.entry(anchor.to_string()).or_insert(here.clone());
                    }
                }
                object.iter().for_each(|(key, item)| self.collect(item, &here.key(key)));
            }
            _ => {}
        }
    }

    /// What `reference` at `from` names.
    pub fn resolve(&self, reference: &str, from: &Spot) -> Result<(&'a Value, Spot), Refusal> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = if document.is_empty() { self.at(&from.base, &Spot::default()) } else { self.document(document) };
        let Some((value, spot)) = base else {
            return from.refuse(format!("{reference:?} is outside of the schema; only references within it are followed"));
        };
        let Some(fragment) = percent_decoded(fragment) else {
            return from.refuse(format!("{reference:?} is no URI reference"));
        };
        let found = if fragment.is_empty() || fragment == "/" && value.get("").is_none() {
            Some((value, spot))
        } else if fragment.starts_with('/') {
            walk(value, spot, &fragment)
        } else {
            self.anchors.get(&fragment).and_then(|spot| self.at(&spot.pointer, spot))
        };
        found.map_or_else(|| from.refuse(format!("{reference:?} names nothing in the schema")), Ok)
    }

    /// By its `$id`, or by the end of it: identifiers are resolved against each other.
    fn document(&self, uri: &str) -> Option<(&'a Value, Spot)> {
        let same = |id: &str| id == uri || (!uri.contains("://") && id.ends_with(&format!("/{}", uri.trim_start_matches('/'))));
        let spot = self.ids.get(uri).or_else(|| self.ids.iter().find(|(id, _)| same(id)).map(|(_, spot)| spot));
        let relative = || self.ids.iter().find(|(id, _)| !id.contains("://") && uri.ends_with(&format!("/{id}"))).map(|(_, spot)| spot);
        let spot = spot.or_else(relative)?;
        self.at(&spot.pointer, spot)
    }

    /// The value at a pointer within the whole document; `like` names it for people.
    fn at(&self, pointer: &str, like: &Spot) -> Option<(&'a Value, Spot)> {
        let value = self.root.pointer(pointer)?;
        if like.pointer == pointer {
            return Some((value, like.clone()));
        }
        walk(self.root, Spot::default(), pointer).map(|(_, spot)| (value, Spot { base: pointer.to_string(), ..spot }))
    }
}

fn walk<'a>(mut value: &'a Value, mut spot: Spot, pointer: &str) -> Option<(&'a Value, Spot)> {
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        (value, spot) = match value {
            Value::Object(object) => (object.get(&token)?, spot.key(&token)),
            Value::Array(items) => {
                let index = token.parse().ok()?;
                (items.get(index)?, spot.index(index))
            }
            _ => return None,
        };
        if value.get("$id").and_then(Value::as_str).is_some_and(|id| !id.starts_with('#')) {
            spot.base = spot.pointer.clone();
        }
    }
    Some((value, spot))
}

fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = text.get(at + 1..at + 3)?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}
