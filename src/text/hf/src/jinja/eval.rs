// SPDX-License-Identifier: Apache-2.0
//! What an expression gives.

use std::rc::Rc;

use indexmap::IndexMap;

use super::access;
use super::args::Args;
use super::ast::{Arguments, Compare, Expr, Filter, Kind};
use super::checks;
use super::error::{fail, Result};
use super::filters;
use super::globals;
use super::key::Key;
use super::methods;
use super::ops;
use super::python::text;
use super::scope::Scope;
use super::value::{self, string, undefined, Callable, Missing, Value};
use super::vm::Vm;

impl Vm {
    pub fn eval(&self, expr: &Expr, scope: &Rc<Scope>) -> Result<Value> {
        self.budget.step()?;
        self.budget.deeper(|| self.eval_kind(&expr.kind, scope)).map_err(|error| error.at(expr.line))
    }

    fn eval_all(&self, exprs: &[Expr], scope: &Rc<Scope>) -> Result<Vec<Value>> {
        exprs.iter().map(|expr| self.eval(expr, scope)).collect()
    }

    fn eval_kind(&self, kind: &Kind, scope: &Rc<Scope>) -> Result<Value> {
        let budget = &self.budget;
        match kind {
            Kind::None => Ok(Value::None),
            Kind::Bool(b) => Ok(Value::Bool(*b)),
            Kind::Int(i) => Ok(Value::Int(*i)),
            Kind::Float(f) => Ok(Value::Float(*f)),
            Kind::Str(text) => Ok(Value::Str(text.clone())),
            Kind::Name(name) => Ok(scope
                .get(name)
                .or_else(|| globals::find(name))
                .unwrap_or_else(|| undefined(Missing::Name(name.clone())))),
            Kind::List(items) => value::list(self.eval_all(items, scope)?),
            Kind::Tuple(items) => value::tuple(self.eval_all(items, scope)?),
            Kind::Dict(items) => self.eval_dict(items, scope),
            Kind::Not(inner) => Ok(Value::Bool(!self.eval(inner, scope)?.truth())),
            Kind::Negative(inner) => ops::negative(&self.eval(inner, scope)?),
            Kind::Positive(inner) => ops::positive(&self.eval(inner, scope)?),
            Kind::Binary(operator, left, right) => {
                let left = self.eval(left, scope)?;
                ops::binary(*operator, &left, &self.eval(right, scope)?, budget)
            }
            Kind::Concat(parts) => self.eval_concat(parts, scope),
            Kind::And(left, right) => {
                let left = self.eval(left, scope)?;
                if left.truth() {
                    self.eval(right, scope)
                } else {
                    Ok(left)
                }
            }
            Kind::Or(left, right) => {
                let left = self.eval(left, scope)?;
                if left.truth() {
                    Ok(left)
                } else {
                    self.eval(right, scope)
                }
            }
            Kind::Compare(first, others) => self.eval_compare(first, others, scope),
            Kind::Condition(test, then, otherwise) => {
                if self.eval(test, scope)?.truth() {
                    return self.eval(then, scope);
                }
                let nothing = "the inline if-expression evaluated to false and no else section was defined.";
                match otherwise {
                    Some(otherwise) => self.eval(otherwise, scope),
                    None => Ok(undefined(Missing::Said(nothing))),
                }
            }
            Kind::Attribute(of, name) => access::attribute(&self.eval(of, scope)?, name),
            Kind::Item(of, index) => self.eval_item(of, index, scope),
            Kind::Slice(_) => fail("a slice stands only in a subscript"),
            Kind::Call(callee, arguments) => self.eval_call(callee, arguments, None, scope),
            Kind::Filter(filter) => self.eval_filter(filter, None, scope),
            Kind::Test(of, name, arguments) => {
                let value = self.eval(of, scope)?;
                let args = self.eval_arguments(arguments, scope)?;
                Ok(Value::Bool(checks::check(budget, name, &value, &args)?))
            }
            Kind::NamespaceTarget(..) => fail("only something assigned to"),
        }
    }

    fn eval_dict(&self, items: &[(Expr, Expr)], scope: &Rc<Scope>) -> Result<Value> {
        let mut map = IndexMap::with_capacity(items.len());
        for (key, item) in items {
            let key = Key::new(self.eval(key, scope)?)?;
            map.insert(key, self.eval(item, scope)?);
        }
        value::dict(map)
    }

    fn eval_concat(&self, parts: &[Expr], scope: &Rc<Scope>) -> Result<Value> {
        let mut out = String::new();
        for value in self.eval_all(parts, scope)? {
            let piece = text::str(&value, &self.budget)?;
            self.budget.bytes(piece.len() as u64)?;
            out.push_str(&piece);
        }
        Ok(string(out))
    }

    fn eval_compare(&self, first: &Expr, others: &[(Compare, Expr)], scope: &Rc<Scope>) -> Result<Value> {
        let mut left = self.eval(first, scope)?;
        for (operator, expr) in others {
            let right = self.eval(expr, scope)?;
            if !ops::compare(*operator, &left, &right, &self.budget)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn eval_item(&self, of: &Expr, index: &Expr, scope: &Rc<Scope>) -> Result<Value> {
        let of = self.eval(of, scope)?;
        if let Kind::Slice(parts) = &index.kind {
            let part = |i: usize| match &parts[i] {
                Some(expr) => self.eval(expr, scope),
                None => Ok(Value::None),
            };
            return access::slice(&of, &[part(0)?, part(1)?, part(2)?], &self.budget);
        }
        access::item(&of, &self.eval(index, scope)?, &self.budget)
    }

    fn eval_arguments(&self, arguments: &Arguments, scope: &Rc<Scope>) -> Result<Args> {
        let mut args = Args::of(self.eval_all(&arguments.list, scope)?);
        if let Some(more) = &arguments.more_list {
            args.list.extend(self.eval(more, scope)?.iterate(&self.budget)?);
        }
        for (name, expr) in &arguments.named {
            args.named.push((name.clone(), self.eval(expr, scope)?));
        }
        if let Some(more) = &arguments.more_named {
            let Value::Dict(dict) = self.eval(more, scope)? else {
                return fail("argument after ** must be a mapping");
            };
            for (key, value) in dict.map() {
                let (Value::Str(name) | Value::Safe(name)) = &key.0 else { return fail("keywords must be strings") };
                args.named.push((name.clone(), value.clone()));
            }
        }
        Ok(args)
    }

    fn eval_call(
        &self,
        callee: &Expr,
        arguments: &Arguments,
        caller: Option<Value>,
        scope: &Rc<Scope>,
    ) -> Result<Value> {
        let callee = self.eval(callee, scope)?;
        let mut args = self.eval_arguments(arguments, scope)?;
        if let Some(caller) = caller {
            args.named.push(("caller".into(), caller));
        }
        self.call(&callee, args)
    }

    /// A call block's call.
    pub fn call_with(&self, call: &Expr, caller: Option<Value>, scope: &Rc<Scope>) -> Result<Value> {
        match &call.kind {
            Kind::Call(callee, arguments) => self.eval_call(callee, arguments, caller, scope),
            _ => fail("expected call"),
        }
    }

    pub fn call(&self, callee: &Value, mut args: Args) -> Result<Value> {
        match callee {
            Value::Undefined(why) => fail(why.message()),
            Value::Loop(context) => match args.list.pop() {
                Some(iterable) => self.recurse(context, &iterable),
                None => fail("missing argument: 'iterable'"),
            },
            Value::Joiner(joiner) => Ok(globals::join(joiner)),
            Value::Callable(callable) => match &**callable {
                Callable::Method(of, name) => methods::call(self, of, name, args),
                Callable::Global(name) => globals::call(self, name, args),
                Callable::Macro(called) => self.budget.deeper(|| self.call_macro(called, args)),
            },
            _ => fail(format!("'{}' object is not callable", callee.type_name())),
        }
    }

    fn eval_filter(&self, filter: &Filter, body: Option<Value>, scope: &Rc<Scope>) -> Result<Value> {
        let value = match (&filter.target, body) {
            (Some(Expr { kind: Kind::Filter(inner), .. }), Some(body)) => self.eval_filter(inner, Some(body), scope)?,
            (None, Some(body)) => body,
            (Some(target), _) => self.eval(target, scope)?,
            (None, None) => return fail("a filter of nothing"),
        };
        let args = self.eval_arguments(&filter.arguments, scope)?;
        filters::apply(self, &filter.name, value, args)
    }

    /// The filters of a block over its text.
    pub fn filter_block(&self, filter: &Expr, body: Value, scope: &Rc<Scope>) -> Result<Value> {
        match &filter.kind {
            Kind::Filter(filter) => self.eval_filter(filter, Some(body), scope),
            _ => fail("expected a filter"),
        }
    }
}
