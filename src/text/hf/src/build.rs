// SPDX-License-Identifier: Apache-2.0
//! A tokenizer from its parts: the model, and around it what a tokenizer.json of its kind would have.

use std::collections::{HashMap, HashSet};

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::bpe::{Merges, Vocab, BPE};
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace, Sequence as Normalizers, NFC};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::template::{SpecialToken, Template, TemplateProcessing};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

const SPACE: &str = "\u{2581}";

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

    /// Its text is found before anything is split.
    fn is_added(self) -> bool {
        self.is_special() || self == TokenType::UserDefined
    }
}

/// As `TokenizerParts` of tokenizer_parts.h; ids are positions in `tokens`.
pub struct Parts<'a> {
    pub sentencepiece: bool,
    pub tokens: Vec<&'a str>,
    pub types: Vec<TokenType>,
    pub scores: &'a [f32], // empty: all are 0
    pub merges: &'a [[u32; 2]],
    pub splits: Vec<&'a str>,
    pub ignore_merges: bool,
    pub normalize_nfc: bool,
    pub add_space_prefix: bool,
    pub bos: Option<u32>, // None: none is added
    pub eos: Option<u32>,
    pub unk: Option<u32>,
}

fn text_of(error: impl ToString) -> String {
    error.to_string()
}

impl Parts<'_> {
    pub fn build(&self) -> Result<tokenizers::Tokenizer, String> {
        self.check()?;
        let mut built = tokenizers::Tokenizer::new(self.model()?);
        built.with_normalizer(self.normalizer()?).map_err(text_of)?;
        if !self.sentencepiece {
            built.with_pre_tokenizer(Some(self.pre_tokenizer()?));
        }
        built.with_decoder(Some(self.decoder()?));
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

    /// The tokens that the model has itself. Added ones behind all others stay out of it, as in a tokenizer.json: no text can become
    /// them by merging. Added ones among the others keep their ids by being in it.
    fn model_tokens(&self) -> Vec<u32> {
        let all = 0..self.tokens.len();
        let used: Vec<u32> = all.filter(|id| self.types[*id] != TokenType::Unused).map(|id| id as u32).collect();
        if used.len() < self.tokens.len() {
            return used;
        }
        let behind = self.types.iter().rev().take_while(|t| t.is_added()).count();
        used[..used.len() - behind].to_vec()
    }

    fn model(&self) -> Result<BPE, String> {
        let vocab: Vocab = self.model_tokens().into_iter().map(|id| (self.tokens[id as usize].to_owned(), id)).collect();
        let merges = if self.sentencepiece { self.merges_by_score() } else { self.merges_by_rank()? };
        let mut builder = BPE::builder().vocab_and_merges(vocab, merges).ignore_merges(self.ignore_merges && !self.sentencepiece);
        if self.sentencepiece {
            builder = builder.fuse_unk(true).byte_fallback(self.types.contains(&TokenType::Byte));
            if let Some(unk) = self.unk {
                builder = builder.unk_token(self.id(unk)?.to_owned());
            }
        }
        builder.build().map_err(text_of)
    }

    fn merges_by_rank(&self) -> Result<Merges, String> {
        self.merges.iter().map(|[left, right]| Ok((self.id(*left)?.to_owned(), self.id(*right)?.to_owned()))).collect()
    }

    /// Every way in which a normal token is two normal ones: the best score first, then the lowest id, then the longest left part.
    fn merges_by_score(&self) -> Merges {
        let is_normal = |id: &usize| self.types[*id] == TokenType::Normal;
        let mut ids: Vec<usize> = (0..self.tokens.len()).filter(is_normal).collect();
        let normal: HashSet<&str> = ids.iter().map(|id| self.tokens[*id]).collect();
        let score = |id: usize| self.scores.get(id).copied().unwrap_or(0.0);
        ids.sort_by(|a, b| score(*b).total_cmp(&score(*a)).then(a.cmp(b)));
        let mut merges = Merges::new();
        for token in ids.into_iter().map(|id| self.tokens[id]) {
            for (at, _) in token.char_indices().rev().filter(|(at, _)| *at > 0) {
                let (left, right) = token.split_at(at);
                if normal.contains(left) && normal.contains(right) {
                    merges.push((left.to_owned(), right.to_owned()));
                }
            }
        }
        merges
    }

    fn normalizer(&self) -> Result<Option<NormalizerWrapper>, String> {
        let mut steps: Vec<NormalizerWrapper> = Vec::new();
        if self.normalize_nfc {
            steps.push(NFC.into());
        }
        if self.sentencepiece {
            if self.add_space_prefix {
                steps.push(Prepend::new(SPACE.to_owned()).into());
            }
            steps.push(Replace::new(" ", SPACE).map_err(text_of)?.into());
        }
        Ok((!steps.is_empty()).then(|| Normalizers::new(steps).into()))
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

    fn decoder(&self) -> Result<DecoderWrapper, String> {
        if !self.sentencepiece {
            return Ok(ByteLevel::new(false, false, false).into());
        }
        let to_space = Replace::new(SPACE, " ").map_err(text_of)?;
        let mut steps: Vec<DecoderWrapper> = vec![to_space.into(), ByteFallback::new().into(), Fuse::new().into()];
        if self.add_space_prefix {
            steps.push(Strip::new(' ', 1, 0).into());
        }
        Ok(Decoders::new(steps).into())
    }

    fn template(&self) -> Result<Option<TemplateProcessing>, String> {
        if self.bos.is_none() && self.eos.is_none() {
            return Ok(None);
        }
        let mut pieces = vec!["$A"];
        let mut tokens = Vec::new();
        if let Some(bos) = self.bos {
            pieces.insert(0, "bos");
            tokens.push(SpecialToken::new("bos".to_owned(), vec![bos], vec![self.id(bos)?.to_owned()]).map_err(text_of)?);
        }
        if let Some(eos) = self.eos {
            pieces.push("eos");
            tokens.push(SpecialToken::new("eos".to_owned(), vec![eos], vec![self.id(eos)?.to_owned()]).map_err(text_of)?);
        }
        let single = Template::try_from(pieces)?;
        TemplateProcessing::builder().single(single).special_tokens(tokens).build().map(Some).map_err(text_of)
    }

    fn add_tokens(&self, built: &mut tokenizers::Tokenizer) -> Result<(), String> {
        let ids = (0..self.tokens.len()).filter(|id| self.types[*id].is_added());
        let added: HashMap<&str, u32> = ids.clone().map(|id| (self.tokens[id], id as u32)).collect();
        let tokens = ids.map(|id| AddedToken::from(self.tokens[id], self.types[id].is_special()).normalized(false));
        built.add_tokens(tokens).map_err(text_of)?;
        for (text, id) in added {
            if built.token_to_id(text) != Some(id) {
                return Err(format!("token {id} cannot keep its id: {text:?}"));
            }
        }
        Ok(())
    }
}
