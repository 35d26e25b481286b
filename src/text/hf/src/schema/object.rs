// SPDX-License-Identifier: Apache-2.0
//! Objects: which keys may come, and what each holds. No key is offered that could not be finished.

use super::expand::join;
use super::holds::holds;
use super::node::{Graph, Object, Property};
use super::pattern::{self, LEGAL_KEY};
use super::place::Id;
use super::spot::{refuse, Refusal};
use llguidance::derivre::RegexAst;

/// Keys of a pattern that are listed one by one, so that none is written twice.
const MAX_LISTED: usize = 32;

/// What propertyNames asks for.
enum Names {
    Any,
    Listed(Vec<String>),
    Matching(String),
}

impl Graph<'_> {
    pub fn object(&mut self, places: &[Id], path: &str) -> Result<Object, Refusal> {
        let places_of = |ids: &[Id], graph: &Self| ids.iter().map(|id| graph.expander.place(*id).clone()).collect::<Vec<_>>();
        let own = places_of(places, self);
        let mut names = self.expander.declared(places);
        let mut patterns: Vec<String> = vec![];
        for pattern in own.iter().flat_map(|place| place.by_pattern.iter().map(|(pattern, _)| pattern.clone())) {
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        let names_asked = self.names(places, path)?;
        if let Names::Listed(listed) = &names_asked {
            names.extend(listed.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
        }
        let mut free = vec![];
        if !matches!(names_asked, Names::Listed(_)) {
            patterns = self.listed_patterns(patterns, &mut names);
            self.check_apart(&patterns, path)?;
            free = patterns.clone();
        }
        let mut object = Object {
            min: own.iter().map(|place| place.min_properties).max().unwrap_or(0),
            max: own.iter().filter_map(|place| place.max_properties).min(),
            ..Object::default()
        };
        for name in &names {
            let at_key = self.expander.at_key(places, name);
            let node = self.node(&at_key)?;
            let required = self.expander.requires(places, name);
            if required && self.expander.expand_all(&at_key)?.is_empty() {
                self.note(path, &format!("the required property {name:?} is not possible"));
            }
            object.declared.push(Property { name: name.clone(), node, required });
        }
        self.free_keys(places, names_asked, free, &names, path, &mut object)?;
        Ok(object)
    }

    /// Patterns whose keys are few become names; those that match only names fall away.
    fn listed_patterns(&self, patterns: Vec<String>, names: &mut Vec<String>) -> Vec<String> {
        let mut left = vec![];
        for pattern in patterns {
            let mut parts = vec![pattern::search(&pattern), pattern::whole(LEGAL_KEY)];
            parts.push(pattern::none_of(names.iter().map(|name| pattern::literal(name)).collect()));
            match pattern::words(&pattern::all_of(parts), MAX_LISTED) {
                Some(words) => names.extend(words),
                None => left.push(pattern),
            }
        }
        left
    }

    fn check_apart(&self, patterns: &[String], path: &str) -> Result<(), Refusal> {
        for (i, a) in patterns.iter().enumerate() {
            for b in &patterns[i + 1..] {
                let both = pattern::all_of(vec![pattern::search(a), pattern::search(b)]);
                if pattern::is_empty(&both) != Some(true) {
                    let message = format!("{a:?} and {b:?} can match the same key, which is not supported");
                    return refuse(&format!("{path}.patternProperties"), message);
                }
            }
        }
        Ok(())
    }

    fn free_keys(&mut self, places: &[Id], asked: Names, patterns: Vec<String>, names: &[String], path: &str, object: &mut Object) -> Result<(), Refusal> {
        if matches!(asked, Names::Listed(_)) {
            return Ok(());
        }
        let additional = places.iter().filter_map(|id| self.expander.place(*id).additional);
        let rest = join(&[], &additional.collect::<Vec<_>>());
        if let Names::Matching(pattern) = asked {
            if !patterns.is_empty() {
                return refuse(&format!("{path}.propertyNames"), "\"propertyNames\" is not supported together with \"patternProperties\"");
            }
            let node = self.node(&rest)?;
            object.patterns.push((pattern, node));
            return Ok(());
        }
        for pattern in &patterns {
            let mut all = vec![];
            for id in places {
                let place = self.expander.place(*id);
                let own = place.by_pattern.iter().find(|(p, _)| p == pattern).map(|(_, id)| *id);
                all = join(&all, &own.or(place.additional).into_iter().collect::<Vec<_>>());
            }
            let node = self.node(&all)?;
            object.patterns.push((pattern.clone(), node));
        }
        let mut taken: Vec<RegexAst> = patterns.iter().map(|p| pattern::search(p)).collect();
        taken.extend(names.iter().map(|name| pattern::literal(name)));
        let others = pattern::all_of(vec![pattern::none_of(taken), pattern::whole(LEGAL_KEY)]);
        // Where all keys match a pattern, or nearly all, there are no others.
        if patterns.is_empty() || pattern::words(&others, MAX_LISTED).is_none() {
            object.rest = Some(self.node(&rest)?);
        }
        Ok(())
    }

    fn names(&mut self, places: &[Id], path: &str) -> Result<Names, Refusal> {
        let asking: Vec<Id> = places.iter().filter_map(|id| self.expander.place(*id).names).collect();
        if asking.is_empty() {
            return Ok(Names::Any);
        }
        let path = format!("{path}.propertyNames");
        let alternatives = self.expander.expand_all(&asking)?;
        let mut listed = vec![];
        for alternative in &alternatives {
            let Some(values) = self.expander.values(alternative) else {
                if alternatives.len() > 1 {
                    return refuse(&path, "alternatives are supported for listed names only");
                }
                return self.matching_names(alternative, &path);
            };
            listed.extend(values.iter().filter_map(|value| value.as_str().map(str::to_string)));
        }
        listed.retain(|name| asking.iter().all(|id| holds(&self.expander.reader.schemas, *id, &name.as_str().into())));
        Ok(Names::Listed(listed))
    }

    fn matching_names(&self, places: &[Id], path: &str) -> Result<Names, Refusal> {
        let mut patterns = self.expander.patterns(places);
        let (min, max) = self.expander.lengths(places);
        if places.iter().any(|id| !self.expander.place(*id).formats.is_empty()) {
            return refuse(&format!("{path}.format"), "\"format\" is not supported for names");
        }
        if !self.expander.types(places).meets(super::types::Types::STRING) {
            return Ok(Names::Listed(vec![]));
        }
        if min > 0 || max.is_some() {
            patterns.push(format!("^{}$", pattern::length(min, max)));
        }
        let all: Vec<RegexAst> = patterns.iter().map(|p| pattern::search(p)).chain([pattern::whole(LEGAL_KEY)]).collect();
        if patterns.is_empty() {
            return Ok(Names::Any);
        }
        if let Some(words) = pattern::words(&pattern::all_of(all), MAX_LISTED) {
            return Ok(Names::Listed(words));
        }
        match patterns.len() {
            1 => Ok(Names::Matching(patterns.remove(0))),
            _ => refuse(path, "one \"pattern\" or a length is supported for names, not several of them"),
        }
    }
}
