// SPDX-License-Identifier: Apache-2.0
//! A byte-level BPE from its parts: the model, and around it what a tokenizer.json of its kind would have.

use std::collections::{HashMap, HashSet};

use tokenizers::models::bpe::{Merges, Vocab, BPE};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::template::{SpecialToken, Template, TemplateProcessing};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

use crate::tokenizer::text_of;

/// SentencePiece's numbers.
#[derive(Clone, Copy, PartialEq)]
pub enum TokenType {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

impl TokenType {
    pub fn from_number(number: u8) -> Result<Self, String> {
        use TokenType::*;
        let found = [Normal, Unknown, Control, UserDefined, Unused, Byte].into_iter().find(|t| *t as u8 == number);
        found.ok_or_else(|| format!("token type {number} must be 1 to 6"))
    }

    fn is_special(self) -> bool {
        matches!(self, TokenType::Unknown | TokenType::Control)
    }

}

/// How the text of an added token is looked for: `TokenizerParts::Matching`. Bits of one number, of which 0 is a token that is not added
/// unless its type says so.
#[derive(Clone, Copy, PartialEq)]
pub struct Matching(pub u8);

impl Matching {
    const ADDED: u8 = 1;
    const LSTRIP: u8 = 2;
    const RSTRIP: u8 = 4;
    const SINGLE_WORD: u8 = 8;
    const NORMALIZED: u8 = 16;

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// As `TokenizerParts` of tokenizer_parts.h; ids are positions in `tokens`.
pub struct Parts<'a> {
    pub tokens: Vec<&'a str>,
    pub types: Vec<TokenType>,
    pub matching: Vec<Matching>, // one a token
    pub merges: &'a [[u32; 2]],
    pub splits: Vec<&'a str>,
    pub ignore_merges: bool,
    pub normalize_nfc: bool,
    pub before: &'a [u32], // added around a text
    pub behind: &'a [u32],
}

impl Parts<'_> {
    pub fn build(&self) -> Result<tokenizers::Tokenizer, String> {
        self.check()?;
        let mut built = tokenizers::Tokenizer::new(self.model()?);
        built.with_normalizer(self.normalize_nfc.then_some(NFC)).map_err(text_of)?;
        built.with_pre_tokenizer(Some(self.pre_tokenizer()?));
        built.with_decoder(Some(ByteLevel::new(false, false, false)));
        if let Some(template) = self.template()? {
            built.with_post_processor(Some(template));
        }
        self.add_tokens(&mut built)?;
        Ok(built)
    }

    fn id(&self, id: u32) -> Result<&str, String> {
        let found = self.tokens.get(id as usize).copied();
        found.ok_or_else(|| format!("id {id} is outside the vocabulary of {} tokens", self.tokens.len()))
    }

    fn check(&self) -> Result<(), String> {
        let mut seen = HashSet::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().enumerate() {
            if self.types[id] != TokenType::Unused && !seen.insert(*token) {
                return Err(format!("token {id} has the text of another one: {token:?}"));
            }
        }
        Ok(())
    }

    /// Its text is found before anything is split.
    fn is_added(&self, id: usize) -> bool {
        self.types[id].is_special() || self.types[id] == TokenType::UserDefined || self.matching[id].has(Matching::ADDED)
    }

    /// The tokens that the model has itself. Added ones behind all others stay out of it, as in a tokenizer.json: no text can become
    /// them by merging. Added ones among the others keep their ids by being in it.
    fn model_tokens(&self) -> Vec<u32> {
        let all = 0..self.tokens.len();
        let used: Vec<u32> = all.clone().filter(|id| self.types[*id] != TokenType::Unused).map(|id| id as u32).collect();
        if used.len() < self.tokens.len() {
            return used;
        }
        let behind = all.rev().take_while(|id| self.is_added(*id)).count();
        used[..used.len() - behind].to_vec()
    }

    fn model(&self) -> Result<BPE, String> {
        let vocab: Vocab = self.model_tokens().into_iter().map(|id| (self.tokens[id as usize].to_owned(), id)).collect();
        let merge = |[left, right]: &[u32; 2]| Ok((self.id(*left)?.to_owned(), self.id(*right)?.to_owned()));
        let merges = self.merges.iter().map(merge).collect::<Result<Merges, String>>()?;
        BPE::builder().vocab_and_merges(vocab, merges).ignore_merges(self.ignore_merges).build().map_err(text_of)
    }

    fn pre_tokenizer(&self) -> Result<PreTokenizerWrapper, String> {
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        for regex in &self.splits {
            let pattern = SplitPattern::Regex((*regex).to_owned());
            steps.push(Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(text_of)?.into());
        }
        steps.push(ByteLevel::new(false, false, false).into());
        Ok(PreTokenizers::new(steps).into())
    }

    fn template(&self) -> Result<Option<TemplateProcessing>, String> {
        if self.before.is_empty() && self.behind.is_empty() {
            return Ok(None);
        }
        let around = |name: &str, ids: &[u32]| {
            let tokens = ids.iter().map(|id| self.id(*id).map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
            SpecialToken::new(name.to_owned(), ids.to_vec(), tokens).map_err(text_of)
        };
        let mut pieces = vec!["$A"];
        let mut tokens = Vec::new();
        if !self.before.is_empty() {
            pieces.insert(0, "before");
            tokens.push(around("before", self.before)?);
        }
        if !self.behind.is_empty() {
            pieces.push("behind");
            tokens.push(around("behind", self.behind)?);
        }
        let single = Template::try_from(pieces)?;
        TemplateProcessing::builder().single(single).special_tokens(tokens).build().map(Some).map_err(text_of)
    }

    fn add_tokens(&self, built: &mut tokenizers::Tokenizer) -> Result<(), String> {
        let ids = (0..self.tokens.len()).filter(|id| self.is_added(*id));
        let added: HashMap<&str, u32> = ids.clone().map(|id| (self.tokens[id], id as u32)).collect();
        let tokens = ids.map(|id| {
            let matching = self.matching[id];
            AddedToken::from(self.tokens[id], self.types[id].is_special())
                .normalized(matching.has(Matching::NORMALIZED))
                .lstrip(matching.has(Matching::LSTRIP))
                .rstrip(matching.has(Matching::RSTRIP))
                .single_word(matching.has(Matching::SINGLE_WORD))
        });
        built.add_tokens(tokens).map_err(text_of)?;
        for (text, id) in added {
            if built.token_to_id(text) != Some(id) {
                return Err(format!("token {id} cannot keep its id: {text:?}"));
            }
        }
        Ok(())
    }
}
