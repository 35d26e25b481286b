// SPDX-License-Identifier: Apache-2.0
//! What the places of one alternative say together.

use serde_json::Value;

use super::expand::{Conjunct, Expander};
use super::holds;
use super::pattern;
use super::place::{Bound, Id, FAR};
use super::read::tighter;
use super::types::Types;
use llguidance::derivre::RegexAst;

impl Expander<'_> {
    pub fn types(&self, places: &[Id]) -> Types {
        places.iter().fold(Types::ALL, |types, id| types.and(self.place(*id).types))
    }

    /// The values that are listed and satisfy all places; None: none are listed.
    pub fn values(&self, places: &[Id]) -> Option<Vec<Value>> {
        let listed = places.iter().find_map(|id| self.place(*id).values.clone())?;
        Some(self.satisfying(listed, places))
    }

    pub fn satisfying(&self, values: Vec<Value>, places: &[Id]) -> Vec<Value> {
        let all = &self.reader.schemas;
        let fits = |value: &Value| places.iter().all(|id| holds::holds_itself(all, self.place(*id), value));
        values.into_iter().filter(fits).collect()
    }

    pub fn bounds(&self, places: &[Id]) -> (Option<Bound>, Option<Bound>) {
        let fold = |lower: bool| {
            let bounds = places.iter().filter_map(|id| if lower { self.place(*id).low } else { self.place(*id).high });
            bounds.reduce(|a, b| tighter(a, b, lower))
        };
        let within = |bound: Bound| Bound { value: bound.value.clamp(-FAR, FAR), ..bound };
        (fold(true).map(within), fold(false).map(within))
    }

    pub fn lengths(&self, places: &[Id]) -> (u64, Option<u64>) {
        let low = places.iter().map(|id| self.place(*id).min_length).max().unwrap_or(0);
        (low, places.iter().filter_map(|id| self.place(*id).max_length).min())
    }

    pub fn sizes(&self, places: &[Id]) -> (u64, Option<u64>) {
        let low = places.iter().map(|id| self.place(*id).min_items).max().unwrap_or(0);
        (low, places.iter().filter_map(|id| self.place(*id).max_items).min())
    }

    pub fn patterns(&self, places: &[Id]) -> Vec<String> {
        let mut patterns: Vec<String> = places.iter().flat_map(|id| self.place(*id).patterns.clone()).collect();
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// The strings of the alternative, without what its formats ask for.
    pub fn texts(&self, places: &[Id]) -> RegexAst {
        let (min, max) = self.lengths(places);
        let mut parts: Vec<RegexAst> = self.patterns(places).iter().map(|p| pattern::search(p)).collect();
        if min > 0 || max.is_some() {
            parts.push(pattern::whole(&pattern::length(min, max)));
        }
        parts.push(pattern::whole(pattern::LEGAL));
        pattern::all_of(parts)
    }

    /// What must hold for the value at `key`.
    pub fn at_key(&self, places: &[Id], key: &str) -> Conjunct {
        let mut found = vec![];
        for id in places {
            let place = self.place(*id);
            if !holds::name_holds(&self.reader.schemas, place, key) {
                return vec![self.never];
            }
            found = super::expand::join(&found, &holds::of_key(place, key));
        }
        found
    }

    /// What must hold for the item at `index`.
    pub fn at_index(&self, places: &[Id], index: usize) -> Conjunct {
        let items = places.iter().filter_map(|id| {
            let place = self.place(*id);
            place.prefix.get(index).or(place.items.as_ref()).copied()
        });
        super::expand::join(&[], &items.collect::<Vec<_>>())
    }

    pub fn requires(&self, places: &[Id], key: &str) -> bool {
        places.iter().any(|id| self.place(*id).required.iter().any(|name| name == key))
    }

    /// All names that the alternative speaks of, in the schema's order.
    pub fn declared(&self, places: &[Id]) -> Vec<String> {
        let mut names: Vec<String> = vec![];
        let properties = places.iter().flat_map(|id| self.place(*id).properties.iter().map(|(name, _)| name.clone()));
        let required = places.iter().flat_map(|id| self.place(*id).required.clone());
        for name in properties.chain(required) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}
