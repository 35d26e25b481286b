// SPDX-License-Identifier: Apache-2.0
//! How many properties: minProperties and maxProperties as alternatives, each of which says of every declared property
//! whether it comes.

/// Of how many optional properties all choices are listed.
const MAX_CHOICES: usize = 5;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Presence {
    Always,
    Maybe,
    Not,
}

#[derive(Debug)]
pub struct Plan {
    /// Of each optional property.
    pub optional: Vec<Presence>,
    /// Of keys that are not declared.
    pub free_min: u64,
    pub free_max: Option<u64>,
}

/// `min` and `max`: of the properties that are not required. `free`: there may be keys that are not declared.
pub fn plans(optional: usize, free: bool, min: u64, max: Option<u64>) -> Vec<Plan> {
    let unbounded = max.is_none_or(|max| !free && max >= optional as u64);
    if min == 0 && unbounded {
        return vec![Plan { optional: vec![Presence::Maybe; optional], free_min: 0, free_max: None }];
    }
    if optional <= MAX_CHOICES {
        return every_choice(optional, free, min, max);
    }
    let mut plans = vec![];
    if free || min == 0 {
        plans.push(Plan { optional: vec![Presence::Not; optional], free_min: min, free_max: max });
    }
    match max {
        None => at_least(optional, min, &mut plans),
        Some(max) => between(optional, min, max, &mut plans),
    }
    plans
}

fn every_choice(optional: usize, free: bool, min: u64, max: Option<u64>) -> Vec<Plan> {
    let mut plans = vec![];
    for choice in 0..1u32 << optional {
        let chosen = u64::from(choice.count_ones());
        let missing = min.saturating_sub(chosen);
        if max.is_some_and(|max| chosen > max) || (missing > 0 && !free) {
            continue;
        }
        let presence = |i: usize| if choice >> i & 1 == 1 { Presence::Always } else { Presence::Not };
        plans.push(Plan { optional: (0..optional).map(presence).collect(), free_min: missing, free_max: max.map(|max| max - chosen) });
    }
    plans
}

/// One of many, or the first of them: not every choice, but none that is wrong.
fn at_least(optional: usize, min: u64, plans: &mut Vec<Plan>) {
    let first = if min == 1 { optional } else { 1 };
    for start in 0..first {
        if start + min as usize > optional {
            break;
        }
        let always = start..start + min as usize;
        let presence = |i: usize| if always.contains(&i) { Presence::Always } else { Presence::Maybe };
        plans.push(Plan { optional: (0..optional).map(presence).collect(), free_min: 0, free_max: None });
    }
}

fn between(optional: usize, min: u64, max: u64, plans: &mut Vec<Plan>) {
    let (min, max) = (min as usize, (max as usize).min(optional));
    if max == 0 || min > max {
        return;
    }
    for start in 0..=optional - max {
        let presence = |i: usize| match i {
            _ if i < start || i >= start + max => Presence::Not,
            _ if i < start + min.max(1) => Presence::Always,
            _ => Presence::Maybe,
        };
        plans.push(Plan { optional: (0..optional).map(presence).collect(), free_min: 0, free_max: Some(0) });
    }
}
