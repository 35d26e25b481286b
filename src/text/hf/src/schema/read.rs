// SPDX-License-Identifier: Apache-2.0
//! Reads a schema's keywords, and refuses by name those that cannot be honoured.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::place::{Bound, Id, Place, FAR};
use super::refs::Names;
use super::spot::{Refusal, Spot};
use super::{format, pattern, types::Types};

/// What a schema may ask for at least: more fits no context.
const MAX_MINIMUM: u64 = 100_000;
/// Bytes of all regular expressions in a schema; an expression costs the square of its length.
const MAX_PATTERN_BYTES: usize = 8 << 10;
const MAX_DEPTH: usize = 400;
const MAX_PLACES: usize = 20_000;

/// Keywords that would have to hold, and that no grammar can follow.
const NOT_SUPPORTED: [&str; 5] = ["contains", "$dynamicRef", "$recursiveRef", "disallow", "extends"];

type Object = Map<String, Value>;

pub struct Reader<'a> {
    names: Names<'a>,
    pub schemas: Vec<Place>,
    by_pointer: HashMap<String, Id>,
    pattern_bytes: usize,
}

impl<'a> Reader<'a> {
    pub fn new(root: &'a Value) -> Self {
        Reader { names: Names::new(root), schemas: vec![], by_pointer: HashMap::new(), pattern_bytes: 0 }
    }

    pub fn add(&mut self, place: Place) -> Id {
        self.schemas.push(place);
        self.schemas.len() - 1
    }

    /// The schema at `spot`, read once: a reference to a place that is being read finds its number.
    pub fn read(&mut self, value: &'a Value, spot: &Spot) -> Result<Id, Refusal> {
        if let Some(id) = self.by_pointer.get(&spot.pointer) {
            return Ok(*id);
        }
        if spot.depth > MAX_DEPTH || self.schemas.len() > MAX_PLACES {
            return spot.refuse("the schema is too large");
        }
        let id = self.add(Place::any(&spot.path));
        self.by_pointer.insert(spot.pointer.clone(), id);
        let place = match value {
            Value::Bool(true) => Place::any(&spot.path),
            Value::Bool(false) => Place::never(&spot.path),
            Value::Object(object) => {
                let mut spot = spot.clone();
                if object.get("$id").and_then(Value::as_str).is_some_and(|id| !id.starts_with('#')) {
                    spot.base = spot.pointer.clone();
                }
                self.object(object, &spot)?
            }
            _ => return spot.refuse("a schema must be an object, true or false"),
        };
        self.schemas[id] = place;
        Ok(id)
    }

    fn object(&mut self, object: &'a Object, spot: &Spot) -> Result<Place, Refusal> {
        let mut place = Place::any(&spot.path);
        for keyword in NOT_SUPPORTED {
            if object.contains_key(keyword) {
                return spot.key(keyword).refuse(format!("\"{keyword}\" is not supported"));
            }
        }
        read_types(object, spot, &mut place)?;
        read_values(object, spot, &mut place)?;
        read_numbers(object, spot, &mut place)?;
        self.read_strings(object, spot, &mut place)?;
        self.read_arrays(object, spot, &mut place)?;
        self.read_objects(object, spot, &mut place)?;
        self.read_dependencies(object, spot, &mut place)?;
        self.read_applicators(object, spot, &mut place)?;
        self.read_not(object, spot, &mut place)?;
        self.read_condition(object, spot, &mut place)?;
        Ok(place)
    }

    fn child(&mut self, object: &'a Object, keyword: &str, spot: &Spot) -> Result<Option<Id>, Refusal> {
        object.get(keyword).map(|value| self.read(value, &spot.key(keyword))).transpose()
    }

    fn list(&mut self, items: &'a Value, spot: &Spot) -> Result<Vec<Id>, Refusal> {
        let Value::Array(items) = items else { return spot.refuse("must be a list of schemas") };
        items.iter().enumerate().map(|(i, item)| self.read(item, &spot.index(i))).collect()
    }

    fn map(&mut self, object: &'a Object, keyword: &str, spot: &Spot) -> Result<Vec<(String, Id)>, Refusal> {
        let spot = spot.key(keyword);
        match object.get(keyword) {
            None => Ok(vec![]),
            Some(Value::Object(map)) => {
                map.iter().map(|(key, value)| Ok((key.clone(), self.read(value, &spot.key(key))?))).collect()
            }
            Some(_) => spot.refuse("must be an object of schemas"),
        }
    }

    fn pattern(&mut self, text: &str, spot: &Spot) -> Result<String, Refusal> {
        self.pattern_bytes += text.len();
        if self.pattern_bytes > MAX_PATTERN_BYTES {
            return spot.refuse(format!("the schema's patterns have more than {MAX_PATTERN_BYTES} bytes"));
        }
        pattern::translate(text).or_else(|why| spot.refuse(format!("the pattern {text:?} cannot be followed: {why}")))
    }

    fn read_strings(&mut self, object: &Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
        place.min_length = minimum(object, "minLength", spot)?;
        place.max_length = count(object, "maxLength", spot)?;
        match object.get("pattern") {
            None => {}
            Some(Value::String(text)) => place.patterns.push(self.pattern(text, &spot.key("pattern"))?),
            Some(_) => return spot.key("pattern").refuse("must be a string"),
        }
        match object.get("format") {
            None => {}
            Some(Value::String(name)) => match format::lookup(name) {
                format::Format::Known(name) => place.formats.push(name),
                format::Format::Pattern(pattern) => place.patterns.push(pattern),
                format::Format::Remark => {}
            },
            Some(_) => return spot.key("format").refuse("must be a string"),
        }
        Ok(())
    }

    fn read_arrays(&mut self, object: &'a Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
        place.min_items = minimum(object, "minItems", spot)?;
        place.max_items = count(object, "maxItems", spot)?;
        // Before draft 2020-12 a list of items was what is prefixItems now, and the rest was additionalItems.
        if let Some(Value::Array(_)) = object.get("items") {
            place.prefix = self.list(&object["items"], &spot.key("items"))?;
            place.items = self.child(object, "additionalItems", spot)?;
        } else {
            if let Some(items) = object.get("prefixItems") {
                place.prefix = self.list(items, &spot.key("prefixItems"))?;
            }
            place.items = self.child(object, "items", spot)?;
        }
        place.unevaluated_items = self.child(object, "unevaluatedItems", spot)?;
        match object.get("uniqueItems") {
            None | Some(Value::Bool(false)) => Ok(()),
            Some(Value::Bool(true)) if place.max_items.is_some_and(|max| max <= 1) => Ok(()),
            Some(Value::Bool(true)) => spot.key("uniqueItems").refuse("\"uniqueItems\" is not supported"),
            Some(_) => spot.key("uniqueItems").refuse("must be true or false"),
        }
    }

    fn read_objects(&mut self, object: &'a Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
        place.min_properties = minimum(object, "minProperties", spot)?;
        place.max_properties = count(object, "maxProperties", spot)?;
        // In draft 4 `required` is a list; a Boolean is draft 3's and says something about the place around it.
        if object.contains_key("required") {
            place.required = strings(&object["required"], &spot.key("required"))?;
        }
        place.properties = self.map(object, "properties", spot)?;
        let at = spot.key("patternProperties");
        for (text, id) in self.map(object, "patternProperties", spot)? {
            place.by_pattern.push((self.pattern(&text, &at.key(&text))?, id));
        }
        place.additional = self.child(object, "additionalProperties", spot)?;
        place.names = self.child(object, "propertyNames", spot)?;
        place.unevaluated_properties = self.child(object, "unevaluatedProperties", spot)?;
        Ok(())
    }

    /// "If it has a, then also b": it has no a, or both.
    fn read_dependencies(&mut self, object: &'a Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
        for keyword in ["dependentRequired", "dependentSchemas", "dependencies"] {
            let spot = spot.key(keyword);
            let map = match object.get(keyword) {
                None => continue,
                Some(Value::Object(map)) => map,
                Some(_) => return spot.refuse("must be an object"),
            };
            for (name, what) in map {
                let spot = spot.key(name);
                let never = self.add(Place::never(&spot.path));
                let without = self.add(Place { properties: vec![(name.clone(), never)], ..Place::any(&spot.path) });
                let mut with = Place { required: vec![name.clone()], ..Place::any(&spot.path) };
                if what.is_array() {
                    with.required.extend(strings(what, &spot)?);
                } else {
                    with.all.push(self.read(what, &spot)?);
                }
                let with = self.add(with);
                place.any.push(vec![without, with]);
            }
        }
        Ok(())
    }

    fn read_applicators(&mut self, object: &'a Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
        if let Some(reference) = object.get("$ref") {
            let at = spot.key("$ref");
            let Value::String(reference) = reference else { return at.refuse("must be a string") };
            let from = Spot { base: spot.base.clone(), ..at };
            let (value, target) = self.names.resolve(reference, &from)?;
            place.all.push(self.read(value, &Spot { depth: spot.depth + 1, ..target })?);
        }
        if let Some(schemas) = object.get("allOf") {
            place.all.extend(self.list(schemas, &spot.key("allOf"))?);
        }
        for (keyword, groups) in [("anyOf", &mut place.any), ("oneOf", &mut place.one)] {
            if let Some(schemas) = object.get(keyword) {
                let options = self.list(schemas, &spot.key(keyword))?;
                if options.is_empty() {
                    return spot.key(keyword).refuse("must have at least one schema");
                }
                groups.push(options);
            }
        }
        let position = |keyword: &str| object.keys().position(|key| key == keyword);
        let first = position("allOf").into_iter().chain(position("$ref")).min();
        place.own_last = first.zip(position("properties")).is_some_and(|(all, own)| all < own);
        Ok(())
    }

    /// Only what says "never" or nothing: zod's z.never() is {"not": {}}.
    fn read_not(&mut self, object: &Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
        match object.get("not") {
            None | Some(Value::Bool(false)) => return Ok(()),
            Some(Value::Bool(true)) => {}
            Some(Value::Object(denied)) if denied.keys().all(|key| is_remark(key)) => {}
            Some(_) => return spot.key("not").refuse("\"not\" is not supported"),
        }
        place.never = true;
        Ok(())
    }

    fn read_condition(&mut self, object: &'a Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
        let branch = match object.get("if") {
            None => return Ok(()),
            Some(Value::Bool(true)) => "then",
            Some(Value::Bool(false)) => "else",
            Some(_) if object.contains_key("then") || object.contains_key("else") => {
                return spot.key("if").refuse("\"if\" is not supported");
            }
            Some(_) => return Ok(()),
        };
        place.all.extend(self.child(object, branch, spot)?);
        Ok(())
    }
}

fn is_remark(keyword: &str) -> bool {
    matches!(keyword, "title" | "description" | "default" | "examples" | "$comment" | "deprecated" | "readOnly" | "writeOnly")
}

fn strings(value: &Value, spot: &Spot) -> Result<Vec<String>, Refusal> {
    let list = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_string)).collect());
    let Some(list): Option<Vec<String>> = list else { return spot.refuse("must be a list of strings") };
    Ok(list)
}

fn count(object: &Object, keyword: &str, spot: &Spot) -> Result<Option<u64>, Refusal> {
    let Some(value) = object.get(keyword) else { return Ok(None) };
    let number = value.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0);
    match number {
        Some(number) => Ok(Some(number.min(1e15) as u64)),
        None => spot.key(keyword).refuse("must be a whole number, not below 0"),
    }
}

fn minimum(object: &Object, keyword: &str, spot: &Spot) -> Result<u64, Refusal> {
    let number = count(object, keyword, spot)?.unwrap_or(0);
    if number > MAX_MINIMUM {
        return spot.key(keyword).refuse(format!("is {}, at most {MAX_MINIMUM} is supported", object[keyword]));
    }
    Ok(number)
}

fn read_types(object: &Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
    let spot = spot.key("type");
    let names = match object.get("type") {
        None => return Ok(()),
        Some(Value::String(name)) => vec![name.clone()],
        Some(list) => strings(list, &spot).or_else(|_| spot.refuse("must be the name of a type or a list of names"))?,
    };
    place.types = Types::NONE;
    for name in &names {
        match Types::named(name) {
            Some(types) => place.types = place.types.or(types),
            None => return spot.refuse(format!("{name:?} is no type of JSON")),
        }
    }
    if names.is_empty() {
        return spot.refuse("must name at least one type");
    }
    Ok(())
}

fn read_values(object: &Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
    match object.get("enum") {
        None => {}
        Some(Value::Array(values)) => place.values = Some(values.clone()),
        Some(_) => return spot.key("enum").refuse("must be a list of values"),
    }
    if let Some(value) = object.get("const") {
        let possible = place.values.as_ref().is_none_or(|values| values.iter().any(|v| super::holds::equal(v, value)));
        place.values = Some(if possible { vec![value.clone()] } else { vec![] });
    }
    let keyword = if object.contains_key("const") { "const" } else { "enum" };
    for value in place.values.iter().flatten() {
        if !is_exact(value) {
            return spot.key(keyword).refuse(format!("{value} has more digits than are supported"));
        }
    }
    Ok(())
}

/// Numbers are written as 64-bit floating point numbers, in digits: beyond 2^53 not every whole number is one.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(whole), _) => whole as f64 as i128 == whole as i128,
            (_, Some(whole)) => whole as f64 as u128 == whole as u128,
            _ => n.as_f64().is_some_and(|number| number.abs() < 9e15),
        },
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(object) => object.values().all(is_exact),
        _ => true,
    }
}

/// The floating point number closest to `value` that is not below it, or not above it.
fn rounded(value: &Value, up: bool) -> Option<f64> {
    let float = value.as_f64()?;
    let whole = value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
    Some(match whole {
        Some(whole) if up && (float as i128) < whole => float.next_up(),
        Some(whole) if !up && (float as i128) > whole => float.next_down(),
        _ => float,
    })
}

fn read_bound(object: &Object, spot: &Spot, names: [&str; 2], up: bool) -> Result<Option<Bound>, Refusal> {
    let [inclusive, exclusive] = names;
    let number = |keyword: &str| match object.get(keyword) {
        None | Some(Value::Bool(_)) if keyword == exclusive => Ok(None),
        None => Ok(None),
        Some(value) => rounded(value, up).map_or_else(|| spot.key(keyword).refuse("must be a number"), |n| Ok(Some(n))),
    };
    let strict = object.get(exclusive) == Some(&Value::Bool(true)); // draft 4
    let with = number(inclusive)?.map(|value| Bound { value, exclusive: strict });
    let without = number(exclusive)?.map(|value| Bound { value, exclusive: true });
    let bound = match (with, without) {
        (Some(a), Some(b)) => Some(tighter(a, b, up)),
        (a, b) => a.or(b),
    };
    // A lower limit so high, or an upper one so low, leaves no numbers that a grammar can count.
    if bound.is_some_and(|bound| if up { bound.value >= FAR } else { bound.value <= -FAR }) {
        let keyword = if with == bound { inclusive } else { exclusive };
        return spot.key(keyword).refuse(format!("is {}; numbers of up to 18 digits are supported", object[keyword]));
    }
    Ok(bound)
}

/// The one of two lower (or upper) limits that allows less.
pub fn tighter(a: Bound, b: Bound, lower: bool) -> Bound {
    let b_wins = if a.value == b.value { b.exclusive } else { (b.value > a.value) == lower };
    if b_wins {
        b
    } else {
        a
    }
}

fn read_numbers(object: &Object, spot: &Spot, place: &mut Place) -> Result<(), Refusal> {
    place.low = read_bound(object, spot, ["minimum", "exclusiveMinimum"], true)?;
    place.high = read_bound(object, spot, ["maximum", "exclusiveMaximum"], false)?;
    let Some(multiple) = object.get("multipleOf") else { return Ok(()) };
    let spot = spot.key("multipleOf");
    match multiple.as_f64() {
        Some(number) if number > 0.0 => place.multiple = Some(number),
        _ => return spot.refuse("must be a number above 0"),
    }
    Ok(())
}
