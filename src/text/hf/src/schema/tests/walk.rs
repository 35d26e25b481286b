// SPDX-License-Identifier: Apache-2.0
//! Texts by a grammar, found by random choices among the bytes that are allowed, with some of them favoured.

use crate::grammar::{Grammar, Kind, Source, Vocabulary};

const EOS: u32 = 256;

pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

pub fn vocabulary() -> Vocabulary {
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| if byte == 255 { vec![] } else { vec![byte] }).collect();
    tokens.push(b"\xFF<eos>".to_vec());
    Vocabulary::new(&tokens, &[EOS]).expect("a vocabulary of bytes")
}

pub fn compile(vocabulary: &Vocabulary, schema: &str) -> Result<Grammar, String> {
    let source = Source { kind: Kind::JsonSchema, text: schema, before: "", schemas: "" };
    Grammar::compile(vocabulary, &source).map_err(|fault| match fault.place {
        Some((_, path)) => format!("schema{path}: {}", fault.message),
        None => format!("schema {}", fault.message),
    })
}

/// What a walk came to.
#[derive(Debug, PartialEq)]
pub enum End {
    Finished(String),
    /// Not finished after so many bytes.
    Open(String),
    Dead(String),
}

/// Takes favoured bytes three times in four where they are allowed; beyond `max` bytes the answer is closed as soon as it may be.
pub fn walk(grammar: &Grammar, favoured: &[u8], max: usize, random: &mut Random) -> End {
    let mut matcher = grammar.matcher().expect("a matcher");
    let mut words = [0u32; 9];
    let mut text = vec![];
    let so_far = |text: &[u8]| String::from_utf8_lossy(text).to_string();
    for step in 0..max * 4 {
        if matcher.mask(&mut words).is_err() {
            return End::Dead(so_far(&text));
        }
        let allowed: Vec<u32> = (0..=EOS).filter(|id| words[*id as usize / 32] >> (id % 32) & 1 == 1).collect();
        if allowed.is_empty() {
            return if matcher.done() { End::Finished(so_far(&text)) } else { End::Dead(so_far(&text)) };
        }
        let liked: Vec<u32> = allowed.iter().copied().filter(|id| favoured.contains(&(*id as u8)) && *id < EOS).collect();
        let closing: Vec<u32> = b"\"}],:".iter().map(|b| u32::from(*b)).filter(|id| allowed.contains(id)).collect();
        let from = match () {
            _ if allowed.contains(&EOS) && (step > max || random.below(3) == 0) => vec![EOS],
            _ if step > max && !closing.is_empty() => closing,
            _ if !liked.is_empty() && random.below(4) > 0 => liked,
            _ => allowed,
        };
        let token = from[random.below(from.len())];
        if matcher.accept(token).is_err() {
            return End::Dead(so_far(&text));
        }
        if token == EOS {
            return End::Finished(so_far(&text));
        }
        text.push(token as u8);
    }
    End::Open(so_far(&text))
}

/// Whether the grammar accepts all of it, and an end after it.
pub fn accepts(grammar: &Grammar, text: &str) -> bool {
    let mut matcher = grammar.matcher().expect("a matcher");
    let mut words = [0u32; 9];
    for token in text.bytes().map(u32::from).chain([EOS]) {
        if matcher.mask(&mut words).is_err() || words[token as usize / 32] >> (token % 32) & 1 == 0 {
            return false;
        }
        if matcher.accept(token).is_err() {
            return false;
        }
    }
    true
}
