// SPDX-License-Identifier: Apache-2.0
//! JSON schemas as people write them, rewritten into schemas that the grammar library follows to the letter.
//!
//! The library takes keywords one after the other and refuses, or misreads, what their order or their mixture makes hard;
//! it also offers keys and items that can then not be finished. So a schema is read here (`read`), its references are followed
//! (`refs`), its applicators become alternatives (`expand`, `one_of`), these become a graph of plain shapes (`node`, `object`,
//! `number`), what no finite value satisfies is left out (`productive`), and the rest is written down (`emit`). What cannot be
//! honoured is refused in words about the schema. The new schema may allow less than the old one, never more.

mod emit;
mod expand;
mod facts;
mod format;
mod holds;
mod node;
mod number;
mod object;
mod one_of;
mod pattern;
mod place;
mod plans;
mod productive;
mod read;
mod refs;
mod spot;
#[cfg(test)]
mod tests;
mod types;

use serde_json::Value;

pub use spot::Refusal;

/// Whether objects have keys that the schema does not list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FreeKeys {
    None,
    /// However a key begins, it can become endlessly many.
    Open,
    /// A key may begin so that it can become few.
    Tight,
}

/// What the grammar library is given for `schema`. Recurses as deep as the schema.
pub fn prepare(schema: &Value) -> Result<(Value, FreeKeys), Refusal> {
    let mut reader = read::Reader::new(schema);
    let place = reader.read(schema, &spot::Spot::default())?;
    let mut graph = node::Graph::new(expand::Expander::new(reader));
    let root = graph.node(&[place])?;
    let productive = productive::productive(&graph.nodes);
    if graph.expander.place(place).never {
        return spot::refuse("", "nothing satisfies the schema");
    }
    if !productive[root] {
        let why = graph.conflict.map_or(": it leads only to itself".to_string(), |conflict| match conflict.path.as_str() {
            "" => format!(": {}", conflict.message),
            path => format!(": at {}, {}", path.trim_start_matches('.'), conflict.message),
        });
        return spot::refuse("", format!("nothing satisfies the schema{why}"));
    }
    Ok(emit::emit(&graph.nodes, &productive, root))
}
