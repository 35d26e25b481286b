// SPDX-License-Identifier: Apache-2.0
//! Where one answer stands in its grammar: which tokens may come next.

use std::sync::Arc;

use llguidance::api::StopReason;
use llguidance::toktrie::TokTrie;

use crate::grammar::tidy;
use crate::keys::{Effect, Keys};
use crate::schema::FreeKeys;

/// Steps of one look ahead: as many as the keys that came before have bytes, in all but odd cases.
const MAX_LOOKS: usize = 200;

pub struct Matcher {
    inner: llguidance::Matcher,
    done: bool,
    free_keys: FreeKeys,
    keys: Keys,
    key_tokens: Arc<Vec<u32>>,
}

impl Matcher {
    pub fn new(inner: llguidance::Matcher, free_keys: FreeKeys, key_tokens: Arc<Vec<u32>>) -> Self {
        Matcher { inner, done: false, free_keys, keys: Keys::default(), key_tokens }
    }

    pub fn accept(&mut self, token: u32) -> Result<(), String> {
        if self.done {
            return Err("the answer is complete".to_string());
        }
        let env = self.inner.tok_env().map_err(|e| e.to_string())?;
        if self.inner.is_stopped() && !self.inner.is_error() {
            self.done = env.tok_trie().eos_tokens().contains(&token);
            return if self.done { Ok(()) } else { Err("the answer is complete".to_string()) };
        }
        self.inner.consume_token(token).map_err(|e| tidy(&e.to_string()))?;
        self.done = self.inner.stop_reason() == StopReason::EndOfSentence;
        if self.free_keys != FreeKeys::None {
            feed(&mut self.keys, env.tok_trie().token(token));
        }
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
        if self.free_keys != FreeKeys::None && self.keys.any_seen() {
            self.exclude_repeated_keys(env.tok_trie(), words);
        }
        Ok(())
    }

    pub fn done(&self) -> bool {
        self.done
    }

    /// Nothing is excluded if nothing would be left: a repeated key is better than an answer without an end.
    fn exclude_repeated_keys(&mut self, trie: &TokTrie, words: &mut [u32]) {
        let bad: Vec<u32> = self.repeating(trie, words).collect();
        let before = words.to_vec();
        for id in bad {
            words[id as usize / 32] &= !(1 << (id % 32));
        }
        if words.iter().all(|word| *word == 0) {
            words.copy_from_slice(&before);
        }
    }

    fn repeating(&mut self, trie: &TokTrie, words: &[u32]) -> impl Iterator<Item = u32> {
        let tight = self.free_keys == FreeKeys::Tight;
        let (mut bad, mut perhaps) = (vec![], vec![]);
        let mut look = |id: u32| match self.keys.effect(trie.token(id)) {
            Effect::Repeats => bad.push(id),
            Effect::MayRepeat if tight => perhaps.push(id),
            _ => {}
        };
        if tight && self.keys.in_key() {
            allowed_ids(words).for_each(&mut look);
        } else {
            self.key_tokens.iter().copied().filter(|id| is_set(words, *id)).for_each(&mut look);
        }
        for id in perhaps {
            let keys = self.keys.clone();
            let mut looks = MAX_LOOKS;
            if !self.has_another_way(trie, &keys, id, &mut looks) {
                bad.push(id);
            }
        }
        bad.into_iter()
    }

    /// Whether the key that `token` goes on with can become one that its object does not have. A way that leaves all the keys
    /// that came before leads somewhere, because the grammar offers nothing that cannot be finished.
    fn has_another_way(&mut self, trie: &TokTrie, keys: &Keys, token: u32, looks: &mut usize) -> bool {
        if *looks == 0 || self.inner.consume_token(token).is_err() {
            return true;
        }
        *looks -= 1;
        let mut after = keys.clone();
        feed(&mut after, trie.token(token));
        let mut found = false;
        let mut perhaps = vec![];
        if let Ok(allowed) = self.inner.compute_mask_or_eos() {
            for id in allowed_ids(allowed.as_slice()).filter(|id| (*id as usize) < trie.vocab_size()) {
                match after.effect(trie.token(id)) {
                    Effect::Repeats => {}
                    Effect::MayRepeat => perhaps.push(id),
                    Effect::Other => {
                        found = true;
                        break;
                    }
                }
            }
        }
        // Short steps reach every place that long ones do, and reach the first fork sooner.
        perhaps.sort_by_key(|id| trie.token(*id).len());
        found = found || perhaps.into_iter().any(|id| self.has_another_way(trie, &after, id, looks));
        self.inner.rollback(1).is_err() || found
    }
}

fn is_set(words: &[u32], id: u32) -> bool {
    words.get(id as usize / 32).is_some_and(|word| word >> (id % 32) & 1 == 1)
}

fn allowed_ids(words: &[u32]) -> impl Iterator<Item = u32> + '_ {
    let bits = |(i, word): (usize, &u32)| {
        let mut left = *word;
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(i as u32 * 32 + bit)
        })
    };
    words.iter().enumerate().flat_map(bits)
}

/// A special token is no text: whatever was written before it has ended.
fn feed(keys: &mut Keys, token: &[u8]) {
    if token.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER) {
        keys.reset();
    } else {
        keys.feed(token);
    }
}
