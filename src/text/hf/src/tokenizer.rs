// SPDX-License-Identifier: Apache-2.0
//! A tokenizer, which encodes in two ways: with special tokens recognised in the text, and without.

use crate::build::Parts;

pub struct Tokenizer {
    parsing: tokenizers::Tokenizer,
    plain: tokenizers::Tokenizer,
}

impl Tokenizer {
    pub fn load(json: &[u8]) -> Result<Self, String> {
        let mut parsing = tokenizers::Tokenizer::from_bytes(json).map_err(|e| e.to_string())?;
        // Both change what the ids are and neither is meant for a server: the prompt is checked against the context instead.
        parsing.with_truncation(None).map_err(|e| e.to_string())?;
        parsing.with_padding(None);
        Ok(Self::both_ways(parsing))
    }

    pub fn build(parts: &Parts) -> Result<Self, String> {
        Ok(Self::both_ways(parts.build()?))
    }

    fn both_ways(parsing: tokenizers::Tokenizer) -> Self {
        let mut plain = parsing.clone();
        plain.set_encode_special_tokens(true);
        Self { parsing, plain }
    }

    pub fn encode(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<u32>, String> {
        let tokenizer = if parse_special { &self.parsing } else { &self.plain };
        let encoding = tokenizer.encode_fast(text, add_special).map_err(|e| e.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, String> {
        self.parsing.decode(ids, skip_special).map_err(|e| e.to_string())
    }

    pub fn vocab_size(&self) -> u32 {
        self.parsing.get_vocab(true).values().max().map_or(0, |id| id + 1)
    }

    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.parsing.id_to_token(id)
    }

    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.parsing.token_to_id(token)
    }

    pub fn added_ids(&self, special_only: bool) -> Vec<u32> {
        let mut ids: Vec<u32> = self
            .parsing
            .get_added_tokens_decoder()
            .iter()
            .filter(|(_, token)| token.special || !special_only)
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids
    }
}
