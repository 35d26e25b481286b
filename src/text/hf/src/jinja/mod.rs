// SPDX-License-Identifier: Apache-2.0
//! Jinja2 as Hugging Face's transformers sets it up for chat templates, with Python's values behind it.

mod access;
mod args;
mod ast;
mod chars;
mod checks;
mod error;
mod eval;
mod expressions;
mod filters;
mod globals;
mod html;
mod key;
mod lexer;
mod methods;
mod ops;
mod parser;
mod protocol;
mod python;
mod scope;
mod statements;
mod suffixes;
#[cfg(test)]
mod tests;
mod time;
mod value;
mod vm;

use std::rc::Rc;

use ast::Body;
use indexmap::IndexMap;
use key::Key;
use scope::Scope;
use value::{dict, list, string, Value};
use vm::Vm;

/// Immutable: any thread may render it.
pub struct Template {
    body: Body,
}

const fn shared<T: Send + Sync>() {}
const _: () = shared::<Template>();

impl Template {
    pub fn compile(source: &str) -> Result<Self, String> {
        let body = statements::parse(source).map_err(|error| error.to_string())?;
        Ok(Self { body })
    }

    /// `context`: a JSON object whose keys are the template's variables.
    pub fn render(&self, context: &str) -> Result<String, String> {
        let context: serde_json::Value = serde_json::from_str(context).map_err(|e| e.to_string())?;
        let serde_json::Value::Object(variables) = context else { return Err("the context is no object".into()) };
        let scope = Rc::new(Scope::default());
        for (name, value) in variables {
            scope.set(&name.into(), from_json(value).map_err(|error| error.to_string())?);
        }
        Vm::default().render(&self.body, &scope).map_err(|error| error.to_string())
    }
}

fn from_json(value: serde_json::Value) -> error::Result<Value> {
    Ok(match value {
        serde_json::Value::Null => Value::None,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::Int(i.into()),
            (_, Some(u)) => Value::Int(u.into()),
            _ => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => string(text),
        serde_json::Value::Array(items) => list(items.into_iter().map(from_json).collect::<error::Result<_>>()?)?,
        serde_json::Value::Object(items) => {
            let pair = |(key, item): (String, _)| Ok((Key(string(key)), from_json(item)?));
            dict(items.into_iter().map(pair).collect::<error::Result<IndexMap<_, _>>>()?)?
        }
    })
}
