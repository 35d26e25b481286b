// SPDX-License-Identifier: Apache-2.0
//! Which nodes some finite value satisfies: a schema that requires itself has none, and no way may lead into it.

use super::node::{Object, Shape};

pub fn productive(nodes: &[Vec<Shape>]) -> Vec<bool> {
    let mut known = vec![false; nodes.len()];
    loop {
        let mut changed = false;
        for (node, shapes) in nodes.iter().enumerate() {
            if !known[node] && shapes.iter().any(|shape| shape_is(shape, &known)) {
                known[node] = true;
                changed = true;
            }
        }
        if !changed {
            return known;
        }
    }
}

pub fn shape_is(shape: &Shape, known: &[bool]) -> bool {
    match shape {
        Shape::Array { prefix, rest, min, .. } => {
            let min = *min as usize;
            prefix.iter().take(min).all(|node| known[*node]) && (min <= prefix.len() || known[*rest])
        }
        Shape::Object(object) => object_is(object, known),
        _ => true,
    }
}

fn object_is(object: &Object, known: &[bool]) -> bool {
    let possible = object.declared.iter().filter(|property| known[property.node]).count() as u64;
    let required = object.declared.iter().filter(|property| property.required).count() as u64;
    object.declared.iter().all(|property| !property.required || known[property.node])
        && object.max.is_none_or(|max| required <= max && object.min <= max)
        && (possible >= object.min || has_free_keys(object, known))
}

pub fn has_free_keys(object: &Object, known: &[bool]) -> bool {
    object.patterns.iter().map(|(_, node)| *node).chain(object.rest).any(|node| known[node])
}
