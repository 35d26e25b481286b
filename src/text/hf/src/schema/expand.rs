// SPDX-License-Identifier: Apache-2.0
//! From schemas with applicators to alternatives without: an alternative is a list of places whose own keywords hold together.

use std::collections::HashMap;
use std::rc::Rc;

use super::place::{Id, Place};
use super::read::Reader;
use super::spot::{refuse, Refusal};

/// Places that hold together, those that come first in the schema first.
pub type Conjunct = Vec<Id>;

const MAX_ALTERNATIVES: usize = 2_000;
const MAX_PRODUCT: usize = 300;
const MAX_WORK: usize = 100_000;

pub struct Expander<'a> {
    pub reader: Reader<'a>,
    known: HashMap<Id, Rc<Vec<Conjunct>>>,
    /// What is being expanded, the outermost first.
    open: Vec<Id>,
    /// The outermost of `open` that what was just expanded leads back to.
    back_to: usize,
    work: usize,
    pub never: Id,
}

pub fn join(a: &[Id], b: &[Id]) -> Conjunct {
    let mut joined = a.to_vec();
    joined.extend(b.iter().filter(|id| !a.contains(id)));
    joined
}

impl<'a> Expander<'a> {
    pub fn new(mut reader: Reader<'a>) -> Self {
        let never = reader.add(Place::never(""));
        Expander { reader, known: HashMap::new(), open: vec![], back_to: usize::MAX, work: 0, never }
    }

    pub fn place(&self, id: Id) -> &Place {
        &self.reader.schemas[id]
    }

    pub fn add(&mut self, place: Place) -> Id {
        self.reader.add(place)
    }

    /// Bounds what one schema may cost.
    pub fn count_work(&mut self, path: &str) -> Result<(), Refusal> {
        self.work += 1;
        if self.work > MAX_WORK {
            return refuse(path, "the schema is too complex");
        }
        Ok(())
    }

    pub fn expand_all(&mut self, ids: &[Id]) -> Result<Vec<Conjunct>, Refusal> {
        let mut alternatives = vec![vec![]];
        for id in ids {
            let options = self.expand(*id)?;
            alternatives = self.product(alternatives, &options, *id)?;
        }
        Ok(alternatives)
    }

    /// A schema that leads back to itself without a step into a value adds nothing to its other alternatives.
    pub fn expand(&mut self, id: Id) -> Result<Rc<Vec<Conjunct>>, Refusal> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let path = self.place(id).path.clone();
        self.count_work(&path)?;
        if let Some(index) = self.open.iter().position(|open| *open == id) {
            self.back_to = self.back_to.min(index);
            return Ok(Rc::new(vec![]));
        }
        let around = std::mem::replace(&mut self.back_to, usize::MAX);
        self.open.push(id);
        let alternatives = Rc::new(self.alternatives(id)?);
        self.open.pop();
        // What leads back to something around it is not known to its end.
        if self.back_to >= self.open.len() {
            self.known.insert(id, alternatives.clone());
            self.back_to = around;
        } else {
            self.back_to = self.back_to.min(around);
        }
        Ok(alternatives)
    }

    fn alternatives(&mut self, id: Id) -> Result<Vec<Conjunct>, Refusal> {
        let place = self.place(id).clone();
        if place.never {
            return Ok(vec![]);
        }
        let own = if place.is_free() { vec![] } else { vec![id] };
        let mut alternatives = if place.own_last { vec![vec![]] } else { vec![own.clone()] };
        for part in &place.all {
            let options = self.expand(*part)?;
            alternatives = self.product(alternatives, &options, id)?;
        }
        if place.own_last {
            alternatives = self.product(alternatives, &[own], id)?;
        }
        for group in &place.any {
            let mut options = vec![];
            for option in group {
                options.extend(self.expand(*option)?.iter().cloned());
            }
            alternatives = self.product(alternatives, &options, id)?;
        }
        for group in &place.one {
            alternatives = self.one_of(alternatives, group, &place.path)?;
        }
        for alternative in &mut alternatives {
            self.close_properties(&place, alternative);
            self.close_items(&place, alternative);
        }
        Ok(alternatives)
    }

    fn product(&self, left: Vec<Conjunct>, right: &[Conjunct], at: Id) -> Result<Vec<Conjunct>, Refusal> {
        let size = left.len() * right.len();
        let multiplied = left.len() > 1 && right.len() > 1;
        if size > MAX_ALTERNATIVES || (multiplied && size > MAX_PRODUCT) {
            return refuse(&self.place(at).path, "the schema has too many alternatives");
        }
        Ok(left.iter().flat_map(|a| right.iter().map(|b| join(a, b))).collect())
    }

    /// What no part of the alternative speaks of is left to unevaluatedProperties.
    fn close_properties(&mut self, place: &Place, alternative: &mut Conjunct) {
        let Some(rest) = place.unevaluated_properties else { return };
        if alternative.iter().any(|id| self.place(*id).additional.is_some()) {
            return;
        }
        let anything = self.add(Place::any(&place.path));
        let mut closed = Place { additional: Some(rest), ..Place::any(&place.path) };
        for id in alternative.iter() {
            let part = &self.reader.schemas[*id];
            closed.properties.extend(part.properties.iter().map(|(name, _)| (name.clone(), anything)));
            closed.by_pattern.extend(part.by_pattern.iter().map(|(pattern, _)| (pattern.clone(), anything)));
        }
        let closed = self.add(closed);
        alternative.push(closed);
    }

    fn close_items(&mut self, place: &Place, alternative: &mut Conjunct) {
        let Some(rest) = place.unevaluated_items else { return };
        if alternative.iter().any(|id| self.place(*id).items.is_some()) {
            return;
        }
        let length = alternative.iter().map(|id| self.place(*id).prefix.len()).max().unwrap_or(0);
        let anything = self.add(Place::any(&place.path));
        let closed = Place { prefix: vec![anything; length], items: Some(rest), ..Place::any(&place.path) };
        let closed = self.add(closed);
        alternative.push(closed);
    }
}
