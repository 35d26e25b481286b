// SPDX-License-Identifier: Apache-2.0
//! Where in a schema something stands, and what is said when it cannot be honoured.

/// `path` continues the name of the field that holds the schema: `.properties.a.not`.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub path: String,
    pub message: String,
}

/// A place in a schema: as a JSON pointer, which names it for references, and as a path, which names it for people.
#[derive(Clone, Debug, Default)]
pub struct Spot {
    pub pointer: String,
    pub path: String,
    /// The pointer of the closest schema around it that has an `$id`: references begin there.
    pub base: String,
    pub depth: usize,
}

impl Spot {
    pub fn key(&self, key: &str) -> Spot {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        Spot {
            pointer: format!("{}/{escaped}", self.pointer),
            path: format!("{}{}", self.path, step(key)),
            base: self.base.clone(),
            depth: self.depth + 1,
        }
    }

    pub fn index(&self, index: usize) -> Spot {
        Spot {
            pointer: format!("{}/{index}", self.pointer),
            path: format!("{}[{index}]", self.path),
            base: self.base.clone(),
            depth: self.depth + 1,
        }
    }

    pub fn refuse<T>(&self, message: impl Into<String>) -> Result<T, Refusal> {
        refuse(&self.path, message)
    }
}

pub fn refuse<T>(path: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { path: path.to_string(), message: message.into() })
}

/// One step of a path: a name as it stands, anything else in brackets.
pub fn step(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$' || c == '-');
    if plain {
        format!(".{key}")
    } else {
        format!("[{}]", serde_json::Value::from(key))
    }
}
