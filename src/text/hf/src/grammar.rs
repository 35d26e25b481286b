// SPDX-License-Identifier: Apache-2.0
//! Grammars that limit what may be generated: compiled once, then followed token by token by each answer.

use std::sync::{Arc, Mutex};

use llguidance::api::{GrammarWithLexer, ParserLimits, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, INVALID_TOKEN};
use llguidance::ParserFactory;
use serde_json::Value;

use crate::keys::Keys;
use crate::matcher::Matcher;
use crate::schema::{self, FreeKeys};

/// Brackets within brackets, in regular expressions and grammars.
const MAX_NESTING: usize = 500;
fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 10_000,
        initial_lexer_fuel: 200_000,
        step_lexer_fuel: 200_000, // 15 ms, in a step in which others wait
        step_max_items: 50_000,   // 3 ms
        max_lexer_states: 200_000, // 80 MB; a string with a maximum length has 8 of them for each character
        max_grammar_size: 200_000,
        precompute_large_lexemes: false,
        verbose_errors: false,
    }
}

/// The tokens of a model as grammars see them. Immutable.
pub struct Vocabulary {
    factory: ParserFactory,
    /// The tokens that can end a key or begin one.
    key_tokens: Arc<Vec<u32>>,
}

impl Vocabulary {
    /// `tokens[id]` is what a token stands for, empty for an id that must never be chosen. A special token begins with the byte
    /// 0xFF, followed by its text. `eos` may be empty.
    pub fn new(tokens: &[Vec<u8>], eos: &[u32]) -> Result<Self, String> {
        let size = tokens.len() as u32;
        if let Some(id) = eos.iter().find(|id| **id >= size) {
            return Err(format!("end-of-sequence id {id} is outside the vocabulary of {size}"));
        }
        let info = TokRxInfo::new(size, eos.first().copied().unwrap_or(INVALID_TOKEN));
        let mut trie = TokTrie::from(&info, tokens);
        if eos.len() > 1 {
            trie = trie.with_eos_tokens(eos);
        }
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let slices = SlicedBiasComputer::general_slices();
        let mut factory =
            ParserFactory::new(&env, InferenceCapabilities::default(), &slices).map_err(|e| e.to_string())?;
        factory.quiet();
        *factory.limits_mut() = limits();
        let matters = |id: &u32| Keys::matters(&tokens[*id as usize]);
        let key_tokens = Arc::new((0..size).filter(matters).collect());
        Ok(Self { factory, key_tokens })
    }
}

#[derive(Clone, Copy)]
pub enum Kind {
    JsonSchema,
    Regex,
    Lark,
}

/// What a grammar is made of.
pub struct Source<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Lark rules around `text`, which they call @answer; empty: there are none.
    pub before: &'a str,
    /// JSON schemas as a list; the rules of `text` call them @schema_0, @schema_1 and so on. Empty: there are none.
    pub schemas: &'a str,
}

/// Why a source cannot be honoured.
#[derive(Debug, Default)]
pub struct Fault {
    pub message: String,
    /// The schema at fault, 0 for `text` itself, and the path inside it.
    pub place: Option<(usize, String)>,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Fault { message, place: None }
    }
}

/// A compiled grammar: a matcher at its beginning, which is only copied.
pub struct Grammar {
    start: Mutex<llguidance::Matcher>,
    free_keys: FreeKeys,
    key_tokens: Arc<Vec<u32>>,
}

impl Grammar {
    /// Fails if the source is wrong, too complex, or allows nothing. Recurses: wants a large stack.
    pub fn compile(vocabulary: &Vocabulary, source: &Source) -> Result<Self, Fault> {
        let (mut grammar, free_keys) = parse(source)?;
        if !source.before.is_empty() {
            grammar.grammars[0].name = Some("answer".to_string());
            grammar.grammars.insert(0, GrammarWithLexer::from_lark(source.before.to_string()));
        }
        // Whoever asks with a schema knows nothing of the grammar that it becomes.
        let by_schema = matches!(source.kind, Kind::JsonSchema) || !source.schemas.is_empty();
        let worded = |error: String| if by_schema { "the schema is too complex".to_string() } else { tidy(&error) };
        let parser = vocabulary.factory.create_parser(grammar).map_err(|e| worded(format!("{e:#}")))?;
        let mut start = llguidance::Matcher::new(Ok(parser));
        // The first mask belongs to the price of compiling, and shows whether there is any answer at all.
        let first = start.compute_mask_or_eos().map_err(|e| worded(e.to_string()))?;
        if first.is_zero() {
            return Err("nothing matches it".to_string().into());
        }
        Ok(Self { start: Mutex::new(start), free_keys, key_tokens: vocabulary.key_tokens.clone() })
    }

    pub fn matcher(&self) -> Result<Matcher, String> {
        let start = self.start.lock().map_err(|e| e.to_string())?;
        Ok(Matcher::new(start.deep_clone(), self.free_keys, self.key_tokens.clone()))
    }
}

fn parse(source: &Source) -> Result<(TopLevelGrammar, FreeKeys), Fault> {
    match source.kind {
        Kind::JsonSchema => {
            let schema = serde_json::from_str(source.text).map_err(|e| e.to_string())?;
            let (schema, free_keys) = prepared(0, &schema)?;
            Ok((TopLevelGrammar::from_json_schema(schema), free_keys))
        }
        Kind::Regex => {
            check_nesting(source.text)?;
            Ok((TopLevelGrammar::from_regex(source.text), FreeKeys::None))
        }
        Kind::Lark => {
            check_nesting(source.text)?;
            let mut grammar = TopLevelGrammar::from_lark(source.text.to_string());
            let mut free_keys = FreeKeys::None;
            for (i, schema) in schemas(source.schemas)?.iter().enumerate() {
                let (schema, keys) = prepared(i, schema)?;
                free_keys = free_keys.max(keys);
                let mut part = GrammarWithLexer::from_json_schema(schema);
                part.name = Some(format!("schema_{i}"));
                grammar.grammars.push(part);
            }
            Ok((grammar, free_keys))
        }
    }
}

fn schemas(list: &str) -> Result<Vec<Value>, String> {
    if list.is_empty() {
        return Ok(vec![]);
    }
    serde_json::from_str(list).map_err(|e| e.to_string())
}

fn prepared(index: usize, schema: &Value) -> Result<(Value, FreeKeys), Fault> {
    let place = |refusal: schema::Refusal| Fault { message: refusal.message, place: Some((index, refusal.path)) };
    schema::prepare(schema).map_err(place)
}

/// Counts brackets wherever they stand, also in strings, where they are not nested: the limit is far above what anybody needs.
fn check_nesting(source: &str) -> Result<(), String> {
    let mut depth: usize = 0;
    for c in source.bytes() {
        match c {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(format!("it nests deeper than {MAX_NESTING} brackets"));
        }
    }
    Ok(())
}

pub fn tidy(message: &str) -> String {
    match message.replace("\n<non-verbose/>", "").trim() {
        "NoExtension" | "NoExtensionBias" => "nothing matches it: perhaps a reference leads only to itself".to_string(),
        message => message.to_string(),
    }
}
