// SPDX-License-Identifier: Apache-2.0
//! `oneOf`: exactly one option holds. Grammars can say "or", so each option is narrowed until none of its values satisfies another.

use super::expand::{join, Conjunct, Expander};
use super::pattern;
use super::place::{Bound, Id, Place};
use super::spot::{refuse, Refusal};
use super::types::Types;

/// How deep two options are compared.
const MAX_DEPTH: usize = 3;

/// What keeps the values of one alternative from satisfying another.
enum Apart {
    /// Nothing is needed.
    Already,
    /// This has to hold as well.
    If(Place),
    No,
}

impl Expander<'_> {
    pub fn one_of(&mut self, base: Vec<Conjunct>, group: &[Id], path: &str) -> Result<Vec<Conjunct>, Refusal> {
        let mut options = vec![];
        for id in group {
            options.push(self.expand(*id)?);
        }
        if options.len() == 1 {
            return Ok(base.iter().flat_map(|b| options[0].iter().map(|o| join(b, o))).collect());
        }
        let mut found = vec![];
        for (i, option) in options.iter().enumerate() {
            let mut overlapping = None;
            let mut possible = option.is_empty();
            for (b, own) in base.iter().flat_map(|b| option.iter().map(move |own| (b, own))) {
                let mut narrowed = join(b, own);
                let others = (0..options.len()).filter(|j| *j != i);
                let fault = others.clone().find_map(|j| match self.keep_apart(&mut narrowed, b, &options[j], path) {
                    Ok(true) => None,
                    Ok(false) => Some(Ok(j)),
                    Err(refusal) => Some(Err(refusal)),
                });
                match fault {
                    None => {
                        possible = true;
                        found.push(narrowed);
                    }
                    Some(j) => overlapping = Some(j?),
                }
            }
            if let (false, Some(j)) = (possible, overlapping) {
                return refuse(&format!("{path}.oneOf"), format!("options {i} and {j} of \"oneOf\" can hold together, which is not supported: tell them apart by a required property with different values, or use \"anyOf\""));
            }
        }
        Ok(found)
    }

    /// Narrows an alternative so that none of its values satisfies an option; false if that cannot be said.
    fn keep_apart(&mut self, narrowed: &mut Conjunct, base: &[Id], option: &[Conjunct], path: &str) -> Result<bool, Refusal> {
        for other in option {
            let other = join(base, other);
            match self.apart(narrowed, &other, 0, path)? {
                Apart::Already => {}
                Apart::If(place) => {
                    let id = self.add(place);
                    narrowed.push(id);
                }
                Apart::No => return Ok(false),
            }
        }
        Ok(true)
    }

    fn apart(&mut self, x: &[Id], y: &[Id], depth: usize, path: &str) -> Result<Apart, Refusal> {
        self.count_work(path)?;
        if let Some(values) = self.values(x) {
            let both = self.satisfying(values.clone(), y);
            if both.is_empty() {
                return Ok(Apart::Already);
            }
            let rest: Vec<_> = values.into_iter().filter(|value| !both.contains(value)).collect();
            let narrower = Place { values: Some(rest.clone()), ..Place::any(path) };
            return Ok(if rest.is_empty() { Apart::No } else { Apart::If(narrower) });
        }
        if let Some(values) = self.values(y) {
            if self.satisfying(values, x).is_empty() {
                return Ok(Apart::Already);
            }
        }
        let common = self.types(x).and(self.types(y));
        if common.meets(Types::NULL.or(Types::BOOLEAN)) {
            return Ok(Apart::No);
        }
        if common.meets(Types::NUMBER) && !self.numbers_apart(x, y) {
            return Ok(Apart::No);
        }
        if common.meets(Types::STRING) && !self.strings_apart(x, y) {
            return Ok(Apart::No);
        }
        if common.meets(Types::ARRAY) && !self.arrays_apart(x, y, depth, path)? {
            return Ok(Apart::No);
        }
        if common.meets(Types::OBJECT) {
            return self.objects_apart(x, y, depth, path);
        }
        Ok(Apart::Already)
    }

    fn numbers_apart(&self, x: &[Id], y: &[Id]) -> bool {
        let below = |high: Option<Bound>, low: Option<Bound>| {
            high.zip(low).is_some_and(|(h, l)| h.value < l.value || (h.value == l.value && (h.exclusive || l.exclusive)))
        };
        let ((low_x, high_x), (low_y, high_y)) = (self.bounds(x), self.bounds(y));
        below(high_x, low_y) || below(high_y, low_x)
    }

    fn strings_apart(&self, x: &[Id], y: &[Id]) -> bool {
        let both = pattern::all_of(vec![self.texts(x), self.texts(y)]);
        pattern::is_empty(&both) == Some(true)
    }

    fn arrays_apart(&mut self, x: &[Id], y: &[Id], depth: usize, path: &str) -> Result<bool, Refusal> {
        let ((min_x, max_x), (min_y, max_y)) = (self.sizes(x), self.sizes(y));
        if max_x.is_some_and(|max| max < min_y) || max_y.is_some_and(|max| max < min_x) {
            return Ok(true);
        }
        for index in 0..min_x.max(min_y).min(8) as usize {
            let (a, b) = (self.at_index(x, index), self.at_index(y, index));
            if self.never_both(&a, &b, depth + 1, path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn objects_apart(&mut self, x: &[Id], y: &[Id], depth: usize, path: &str) -> Result<Apart, Refusal> {
        let (mut tag, mut without) = (None, None);
        let mut names = self.declared(x);
        names.extend(self.declared(y).into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
        for name in names {
            let (a, b) = (self.at_key(x, &name), self.at_key(y, &name));
            let differ = self.never_both(&a, &b, depth + 1, path)?;
            if differ && (self.requires(x, &name) || self.requires(y, &name)) {
                return Ok(Apart::Already);
            }
            if differ && tag.is_none() && !self.expand_all(&a)?.is_empty() {
                tag = Some(name);
            } else if without.is_none() && self.requires(y, &name) && !self.requires(x, &name) {
                without = Some(name);
            }
        }
        // A tag may then not be left out; else x may not have what y cannot do without.
        Ok(match (tag, without) {
            (Some(name), _) => Apart::If(Place { required: vec![name], ..Place::any(path) }),
            (_, Some(name)) => Apart::If(Place { properties: vec![(name, self.never)], ..Place::any(path) }),
            _ => Apart::No,
        })
    }

    /// No value satisfies both, whatever else is asked for.
    fn never_both(&mut self, a: &[Id], b: &[Id], depth: usize, path: &str) -> Result<bool, Refusal> {
        if depth > MAX_DEPTH {
            return Ok(false);
        }
        for x in self.expand_all(a)? {
            for y in self.expand_all(b)? {
                if !matches!(self.apart(&x, &y, depth, path)?, Apart::Already) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
