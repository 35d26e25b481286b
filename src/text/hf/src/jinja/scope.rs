// SPDX-License-Identifier: Apache-2.0
//! Variables: a scope inside another, as Jinja2 resolves names.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{For, Signature};
use super::value::{Text, Value};

#[derive(Default)]
pub struct Scope {
    variables: RefCell<Vec<(Text, Value)>>,
    parent: Option<Rc<Scope>>,
}

impl Scope {
    pub fn inside(parent: &Rc<Scope>) -> Rc<Self> {
        Rc::new(Self { variables: RefCell::default(), parent: Some(parent.clone()) })
    }

    pub fn set(&self, name: &Text, value: Value) {
        let mut variables = self.variables.borrow_mut();
        let old = match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => std::mem::replace(place, value),
            None => {
                variables.push((name.clone(), value));
                return;
            }
        };
        // What a value frees may free scopes too.
        drop(variables);
        drop(old);
    }

    pub fn get(&self, name: &str) -> Option<Value> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some((_, value)) = here.variables.borrow().iter().find(|(known, _)| &**known == name) {
                return Some(value.clone());
            }
            scope = here.parent.as_deref();
        }
        None
    }

    /// Breaks the circle of a scope and the macros in it.
    pub fn clear(&self) {
        let variables = std::mem::take(&mut *self.variables.borrow_mut());
        drop(variables);
    }
}

/// A macro, or the `caller` of a call block, and the scope it was made in.
pub struct Macro {
    pub signature: Signature,
    pub scope: Rc<Scope>,
}

/// What a recursive loop needs to run again.
pub struct Recursion {
    pub statement: Arc<For>,
    pub scope: Rc<Scope>,
}
