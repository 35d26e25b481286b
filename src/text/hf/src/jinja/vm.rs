// SPDX-License-Identifier: Apache-2.0
//! Runs the statements of a template.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::args::Args;
use super::ast::{Action, Body, Expr, For, Kind, Signature, Statement};
use super::error::{fail, Budget, Result};
use super::python::text;
use super::scope::{Macro, Recursion, Scope};
use super::value::{self, string, undefined, Callable, Loop, Missing, Namespace, Text, Value};

#[derive(Default)]
pub struct Vm {
    pub budget: Budget,
    /// Everything that may stand in a circle; taken apart at the end.
    pub namespaces: RefCell<Vec<Rc<Namespace>>>,
    macro_scopes: RefCell<Vec<Rc<Scope>>>,
}

#[derive(PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl Drop for Vm {
    fn drop(&mut self) {
        for namespace in self.namespaces.borrow().iter() {
            drop(std::mem::take(&mut *namespace.attributes.borrow_mut()));
        }
        for scope in self.macro_scopes.borrow().iter() {
            scope.clear();
        }
    }
}

impl Vm {
    /// The text of a whole template whose variables are in `scope`.
    pub fn render(&self, body: &Body, scope: &Rc<Scope>) -> Result<String> {
        let mut out = String::new();
        self.run(body, scope, &mut out)?;
        Ok(out)
    }

    fn run(&self, body: &Body, scope: &Rc<Scope>, out: &mut String) -> Result<Flow> {
        for statement in body {
            self.budget.step()?;
            let flow = self.budget.deeper(|| self.act(statement, scope, out)).map_err(|e| e.at(statement.line))?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    pub fn write(&self, out: &mut String, text: &str) -> Result<()> {
        self.budget.bytes((out.len() + text.len()) as u64 / 64 + text.len() as u64)?;
        if out.len() + text.len() > 64 << 20 {
            return fail("the rendered prompt is too long");
        }
        out.push_str(text);
        Ok(())
    }

    fn act(&self, statement: &Statement, scope: &Rc<Scope>, out: &mut String) -> Result<Flow> {
        match &statement.kind {
            Action::Data(text) => self.write(out, text)?,
            Action::Print(expr) => {
                let value = self.eval(expr, scope)?;
                match value.as_str() {
                    Some(text) => self.write(out, text)?,
                    None => self.write(out, &text::str(&value, &self.budget)?)?,
                }
            }
            Action::If(branches, otherwise) => {
                for (test, body) in branches {
                    if self.eval(test, scope)?.truth() {
                        return self.run(body, scope, out);
                    }
                }
                return self.run(otherwise, scope, out);
            }
            Action::For(node) => return self.for_loop(node, scope, out),
            Action::Set(target, expr) => {
                let value = self.eval(expr, scope)?;
                self.assign(target, value, scope)?;
            }
            Action::SetBlock(target, filter, body) => self.set_block(target, filter.as_ref(), body, scope)?,
            Action::With(values, body) => {
                let inner = Scope::inside(scope);
                for (target, expr) in values {
                    let value = self.eval(expr, scope)?;
                    self.assign(target, value, &inner)?;
                }
                return self.run(body, &inner, out);
            }
            Action::Scope(body) => return self.run(body, &Scope::inside(scope), out),
            Action::Macro(signature) => scope.set(&signature.name, self.closure(signature, scope)),
            Action::CallBlock(call, signature) => {
                let caller = self.closure(signature, scope);
                let value = self.call_with(call, Some(caller), scope)?;
                self.write(out, &text::str(&value, &self.budget)?)?;
            }
            Action::FilterBlock(filter, body) => {
                let mut inner = String::new();
                self.run(body, &Scope::inside(scope), &mut inner)?;
                let value = self.filter_block(filter, string(inner), scope)?;
                self.write(out, &text::str(&value, &self.budget)?)?;
            }
            Action::Break => return Ok(Flow::Break),
            Action::Continue => return Ok(Flow::Continue),
            Action::Refused(why) => return fail(*why),
        }
        Ok(Flow::Next)
    }

    fn set_block(&self, target: &Expr, filter: Option<&Expr>, body: &Body, scope: &Rc<Scope>) -> Result<()> {
        let mut inner = String::new();
        self.run(body, &Scope::inside(scope), &mut inner)?;
        let value = match filter {
            Some(filter) => self.filter_block(filter, string(inner), scope)?,
            None => string(inner),
        };
        self.assign(target, value, scope)
    }

    fn closure(&self, signature: &Signature, scope: &Rc<Scope>) -> Value {
        self.macro_scopes.borrow_mut().push(scope.clone());
        let made = Macro { signature: signature.clone(), scope: scope.clone() };
        Value::Callable(Rc::new(Callable::Macro(made)))
    }

    pub fn assign(&self, target: &Expr, value: Value, scope: &Rc<Scope>) -> Result<()> {
        match &target.kind {
            Kind::Name(name) => scope.set(name, value),
            Kind::NamespaceTarget(name, attribute) => {
                let Some(Value::Namespace(namespace)) = scope.get(name) else {
                    return fail("cannot assign attribute on non-namespace object");
                };
                value::set_attribute(&namespace, attribute, value)?;
            }
            Kind::Tuple(targets) => {
                let items = value.iterate(&self.budget)?;
                if items.len() != targets.len() {
                    let how = if items.len() > targets.len() { "too many" } else { "not enough" };
                    return fail(format!("{how} values to unpack (expected {})", targets.len()));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item, scope)?;
                }
            }
            _ => return fail("can't assign to this expression"),
        }
        Ok(())
    }

    fn for_loop(&self, node: &Arc<For>, scope: &Rc<Scope>, out: &mut String) -> Result<Flow> {
        let iterable = self.eval(&node.iterable, scope)?;
        if !node.recursive {
            return self.iterate(node, &iterable, scope, 0, out);
        }
        let mut inner = String::new();
        self.iterate(node, &iterable, scope, 0, &mut inner)?;
        self.write(out, &inner)?;
        Ok(Flow::Next)
    }

    /// `loop(iterable)` within a recursive loop.
    pub fn recurse(&self, context: &Loop, iterable: &Value) -> Result<Value> {
        let Some(recursion) = &context.recursion else {
            return fail("The loop must have the 'recursive' marker to be called recursively.");
        };
        let mut out = String::new();
        let node = &recursion.statement;
        self.budget.deeper(|| self.iterate(node, iterable, &recursion.scope, context.depth0 + 1, &mut out))?;
        Ok(string(out))
    }

    fn filtered(&self, node: &Arc<For>, iterable: &Value, scope: &Rc<Scope>) -> Result<Vec<Value>> {
        let items = iterable.iterate(&self.budget)?;
        let Some(filter) = &node.filter else { return Ok(items) };
        let mut kept = Vec::new();
        for item in items {
            self.budget.step()?;
            let inner = Scope::inside(scope);
            self.assign(&node.target, item.clone(), &inner)?;
            if self.eval(filter, &inner)?.truth() {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn iterate(
        &self,
        node: &Arc<For>,
        iterable: &Value,
        scope: &Rc<Scope>,
        depth0: usize,
        out: &mut String,
    ) -> Result<Flow> {
        let items = self.filtered(node, iterable, scope)?;
        let recursion = node.recursive.then(|| Recursion { statement: node.clone(), scope: scope.clone() });
        let context = Rc::new(Loop { items, index: Cell::new(0), depth0, changed: RefCell::new(None), recursion });
        let loop_name: Text = "loop".into();
        // Jinja2 runs the other branch unless a round came to its end.
        let mut finished = false;
        for index in 0..context.items.len() {
            self.budget.step()?;
            context.index.set(index);
            let inner = Scope::inside(scope);
            inner.set(&loop_name, Value::Loop(context.clone()));
            self.assign(&node.target, context.items[index].clone(), &inner)?;
            match self.run(&node.body, &inner, out)? {
                Flow::Break => break,
                Flow::Continue => {}
                Flow::Next => finished = true,
            }
        }
        if finished || node.otherwise.is_empty() {
            return Ok(Flow::Next);
        }
        self.run(&node.otherwise, &Scope::inside(scope), out)
    }

    /// Calls a macro with what Jinja2 gives it.
    pub fn call_macro(&self, called: &Macro, mut args: Args) -> Result<Value> {
        let signature = &called.signature;
        let scope = Scope::inside(&called.scope);
        let missing = |name: &Text| undefined(Missing::Parameter(name.clone()));
        let mut given = std::mem::take(&mut args.list).into_iter();
        for (name, default) in &signature.parameters {
            let value = match (given.next(), args.take_named(name), default) {
                (Some(value), None, _) | (None, Some(value), _) => value,
                (None, None, Some(default)) => self.eval(default, &scope)?,
                (None, None, None) => missing(name),
                _ => return fail(format!("macro '{}' takes no keyword argument '{name}'", signature.name)),
            };
            scope.set(name, value);
        }
        if signature.reads_caller {
            let none = || undefined(Missing::Said("No caller defined"));
            scope.set(&"caller".into(), args.take_named("caller").unwrap_or_else(none));
        }
        if signature.reads_kwargs {
            scope.set(&"kwargs".into(), args.named_as_dict()?);
        } else if let Some((name, _)) = args.named.first() {
            return fail(format!("macro '{}' takes no keyword argument '{name}'", signature.name));
        }
        if signature.reads_varargs {
            scope.set(&"varargs".into(), value::tuple(given.collect())?);
        } else if given.next().is_some() {
            let count = signature.parameters.len();
            return fail(format!("macro '{}' takes not more than {count} argument(s)", signature.name));
        }
        let mut out = String::new();
        self.run(&signature.body, &scope, &mut out)?;
        Ok(string(out))
    }
}
