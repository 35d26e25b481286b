// SPDX-License-Identifier: Apache-2.0
//! Grammars that limit what may be generated: compiled once, then followed token by token by each answer.

use std::sync::{Arc, Mutex};

use llguidance::api::{GrammarWithLexer, ParserLimits, StopReason, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, INVALID_TOKEN};
use llguidance::ParserFactory;
use serde_json::{json, Value};

/// Brackets within brackets, in regular expressions and grammars.
const MAX_NESTING: usize = 500;
/// Between two parts of a JSON text. Without a bound a model may go on with white space until its tokens are used up.
const WHITE_SPACE: &str = r"[\x20\x0A\x0D\x09]{1,40}";

/// What a schema may ask for at least: more fits no context.
const MAX_MINIMUM: u64 = 100_000;
/// Bytes of all regular expressions in a schema; an expression costs the square of its length.
const MAX_PATTERN_BYTES: usize = 8 << 10;

fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 10_000,
        initial_lexer_fuel: 200_000,
        step_lexer_fuel: 200_000, // 15 ms, in a step in which others wait
        step_max_items: 50_000,   // 3 ms
        max_lexer_states: 10_000, // 20 MB
        max_grammar_size: 200_000,
        precompute_large_lexemes: false,
        verbose_errors: false,
    }
}

/// The tokens of a model as grammars see them. Immutable.
pub struct Vocabulary {
    factory: ParserFactory,
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
        Ok(Self { factory })
    }
}

#[derive(Clone, Copy)]
pub enum Kind {
    JsonSchema,
    Regex,
    Lark,
}

/// A compiled grammar: a matcher at its beginning, which is only copied.
pub struct Grammar {
    start: Mutex<llguidance::Matcher>,
}

impl Grammar {
    /// Fails if the source is wrong, too complex, or allows nothing. Recurses: wants a large stack.
    pub fn compile(vocabulary: &Vocabulary, kind: Kind, source: &str, before: &str) -> Result<Self, String> {
        let mut grammar = parse(kind, source)?;
        if !before.is_empty() {
            grammar.grammars[0].name = Some("answer".to_string());
            grammar.grammars.insert(0, GrammarWithLexer::from_lark(before.to_string()));
        }
        let parser = vocabulary.factory.create_parser(grammar).map_err(|e| tidy(&format!("{e:#}")))?;
        let mut start = llguidance::Matcher::new(Ok(parser));
        // The first mask belongs to the price of compiling, and shows whether there is any answer at all.
        let first = start.compute_mask_or_eos().map_err(|e| tidy(&e.to_string()))?;
        if first.is_zero() {
            return Err("nothing matches it".to_string());
        }
        Ok(Self { start: Mutex::new(start) })
    }

    pub fn matcher(&self) -> Result<Matcher, String> {
        let start = self.start.lock().map_err(|e| e.to_string())?;
        Ok(Matcher { inner: start.deep_clone(), done: false })
    }
}

fn parse(kind: Kind, source: &str) -> Result<TopLevelGrammar, String> {
    match kind {
        Kind::JsonSchema => Ok(TopLevelGrammar::from_json_schema(schema(source)?)),
        Kind::Regex => {
            check_nesting(source)?;
            Ok(TopLevelGrammar::from_regex(source))
        }
        Kind::Lark => {
            check_nesting(source)?;
            Ok(TopLevelGrammar::from_lark(source.to_string()))
        }
    }
}

fn schema(source: &str) -> Result<Value, String> {
    let mut schema: Value = serde_json::from_str(source).map_err(|e| e.to_string())?;
    if schema == Value::Bool(true) {
        schema = json!({});
    }
    let mut pattern_bytes = 0;
    check_schema(&schema, &mut pattern_bytes)?;
    if let Some(object) = schema.as_object_mut() {
        object.insert("x-guidance".to_string(), json!({ "whitespace_pattern": WHITE_SPACE }));
    }
    Ok(schema)
}

/// Looks at whatever could be a keyword, wherever it stands: a property that has such a name holds a schema, which is no number.
fn check_schema(value: &Value, pattern_bytes: &mut usize) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check_schema(item, pattern_bytes)),
        Value::Object(object) => object.iter().try_for_each(|(key, item)| {
            let minimum = matches!(key.as_str(), "minItems" | "minLength" | "minProperties");
            if minimum && item.as_f64().is_some_and(|number| number > MAX_MINIMUM as f64) {
                return Err(format!("{key} is {item}, at most {MAX_MINIMUM} is supported"));
            }
            *pattern_bytes += match (key.as_str(), item) {
                ("pattern", Value::String(pattern)) => pattern.len(),
                ("patternProperties", Value::Object(patterns)) => patterns.keys().map(String::len).sum(),
                _ => 0,
            };
            if *pattern_bytes > MAX_PATTERN_BYTES {
                return Err(format!("its patterns have more than {MAX_PATTERN_BYTES} bytes"));
            }
            check_schema(item, pattern_bytes)
        }),
        _ => Ok(()),
    }
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

fn tidy(message: &str) -> String {
    match message.replace("\n<non-verbose/>", "").trim() {
        "NoExtension" | "NoExtensionBias" => "nothing matches it: perhaps a reference leads only to itself".to_string(),
        message => message.to_string(),
    }
}

/// Where one answer stands in its grammar.
pub struct Matcher {
    inner: llguidance::Matcher,
    done: bool,
}

impl Matcher {
    pub fn accept(&mut self, token: u32) -> Result<(), String> {
        if self.done {
            return Err("the answer is complete".to_string());
        }
        if self.inner.is_stopped() && !self.inner.is_error() {
            let env = self.inner.tok_env().map_err(|e| e.to_string())?;
            self.done = env.tok_trie().eos_tokens().contains(&token);
            return if self.done { Ok(()) } else { Err("the answer is complete".to_string()) };
        }
        self.inner.consume_token(token).map_err(|e| tidy(&e.to_string()))?;
        self.done = self.inner.stop_reason() == StopReason::EndOfSentence;
        Ok(())
    }

    /// Bit id % 32 of words[id / 32]: the token may come next. All are zero when nothing may.
    pub fn mask(&mut self, words: &mut [u32]) -> Result<(), String> {
        words.fill(0);
        if self.done {
            return Ok(());
        }
        if !self.inner.stop_reason().is_ok() {
            return Err(format!("the grammar is too complex at this point ({})", self.inner.stop_reason()));
        }
        let allowed = self.inner.compute_mask_or_eos().map_err(|e| tidy(&e.to_string()))?;
        let env = self.inner.tok_env().map_err(|e| e.to_string())?;
        let vocab = env.tok_trie().vocab_size();
        for (word, bits) in words.iter_mut().zip(allowed.as_slice()) {
            *word = *bits;
        }
        for (i, word) in words.iter_mut().enumerate().skip(vocab / 32) {
            *word = if i == vocab / 32 { *word & ((1u32 << (vocab % 32)) - 1) } else { 0 };
        }
        // A vocabulary without an end: a complete answer is done when nothing more may come.
        self.done = self.inner.is_stopped() && words.iter().all(|word| *word == 0);
        Ok(())
    }

    pub fn done(&self) -> bool {
        self.done
    }
}
