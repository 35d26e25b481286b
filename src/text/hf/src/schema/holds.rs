// SPDX-License-Identifier: Apache-2.0
//! Whether a value that a schema writes down itself (a const, an enum, a name) satisfies the rest of it.

use serde_json::Value;

use super::pattern;
use super::place::{Id, Place};
use super::types::Types;

/// As JSON Schema compares: 1 and 1.0 are equal.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

/// Schemas looked at for one value, without its parts.
const MAX_STEPS: usize = 5_000;

/// The whole schema, its applicators included.
pub fn holds(places: &[Place], id: Id, value: &Value) -> bool {
    Look { places, value, open: vec![], steps: 0 }.holds(id)
}

/// One value and the schemas that are being asked about it: one that asks itself says no.
struct Look<'a> {
    places: &'a [Place],
    value: &'a Value,
    open: Vec<Id>,
    steps: usize,
}

impl Look<'_> {
    fn holds(&mut self, id: Id) -> bool {
        self.steps += 1;
        if self.open.contains(&id) || self.steps > MAX_STEPS {
            return false;
        }
        let place = &self.places[id];
        self.open.push(id);
        let held = holds_itself(self.places, place, self.value)
            && place.all.iter().all(|id| self.holds(*id))
            && place.any.iter().all(|group| group.iter().any(|id| self.holds(*id)))
            && place.one.iter().all(|group| group.iter().filter(|id| self.holds(**id)).count() == 1);
        self.open.pop();
        held
    }
}

/// The schema without its applicators.
pub fn holds_itself(places: &[Place], place: &Place, value: &Value) -> bool {
    if place.never || !place.types.meets(Types::of(value)) {
        return false;
    }
    if place.values.as_ref().is_some_and(|values| !values.iter().any(|v| equal(v, value))) {
        return false;
    }
    match value {
        Value::Number(number) => number_holds(place, number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text_holds(place, text),
        Value::Array(items) => array_holds(places, place, items),
        Value::Object(object) => object_holds(places, place, object),
        Value::Null | Value::Bool(_) => true,
    }
}

fn number_holds(place: &Place, number: f64) -> bool {
    let above = place.low.is_none_or(|low| number > low.value || (number == low.value && !low.exclusive));
    let below = place.high.is_none_or(|high| number < high.value || (number == high.value && !high.exclusive));
    let fits = place.multiple.is_none_or(|step| {
        let times = number / step;
        (times - times.round()).abs() < 1e-9
    });
    above && below && fits
}

fn text_holds(place: &Place, text: &str) -> bool {
    let length = text.chars().count() as u64;
    length >= place.min_length
        && place.max_length.is_none_or(|max| length <= max)
        && place.patterns.iter().all(|p| pattern::matches(p, text))
}

fn array_holds(places: &[Place], place: &Place, items: &[Value]) -> bool {
    let length = items.len() as u64;
    length >= place.min_items
        && place.max_items.is_none_or(|max| length <= max)
        && items.iter().enumerate().all(|(i, item)| match place.prefix.get(i).or(place.items.as_ref()) {
            Some(id) => holds(places, *id, item),
            None => true,
        })
}

fn object_holds(places: &[Place], place: &Place, object: &serde_json::Map<String, Value>) -> bool {
    let length = object.len() as u64;
    length >= place.min_properties
        && place.max_properties.is_none_or(|max| length <= max)
        && place.required.iter().all(|name| object.contains_key(name))
        && object.iter().all(|(key, value)| {
            name_holds(places, place, key) && of_key(place, key).into_iter().all(|id| holds(places, id, value))
        })
}

pub fn name_holds(places: &[Place], place: &Place, name: &str) -> bool {
    place.names.is_none_or(|id| holds(places, id, &Value::from(name)))
}

/// The schemas that `place` has for the value at `key`.
pub fn of_key(place: &Place, key: &str) -> Vec<Id> {
    let named = place.properties.iter().filter(|(name, _)| name == key).map(|(_, id)| *id);
    let matched = place.by_pattern.iter().filter(|(pattern, _)| pattern::matches(pattern, key)).map(|(_, id)| *id);
    let found: Vec<Id> = named.chain(matched).collect();
    if found.is_empty() {
        place.additional.into_iter().collect()
    } else {
        found
    }
}
