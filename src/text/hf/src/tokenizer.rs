// SPDX-License-Identifier: Apache-2.0
//! A tokenizer, which encodes in two ways: with special tokens recognised in the text, and without.

use std::collections::HashSet;

use serde_json::Value;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::tokenizer::{AddedVocabulary, Model, OffsetType, PreTokenizer};
use tokenizers::{AddedToken, ModelWrapper};

use crate::build::Parts;

pub struct Tokenizer {
    whole: tokenizers::Tokenizer,
    plain: AddedVocabulary,
    /// For a text that stands behind another one; none: the same.
    behind: Option<PreTokenizerWrapper>,
    /// The texts of added tokens that are not there because of their ids.
    left_out: Vec<String>,
}

#[derive(Clone, Copy)]
pub struct EncodeOptions {
    pub add_special: bool,
    pub parse_special: bool,
    /// The text stands behind another one: what is added to the beginning of a text only is not added.
    pub behind: bool,
}

impl Tokenizer {
    /// `added` is a list of tokens as tokenizer.json has them, which are added in this order (one that is there already gets their
    /// flags). Added tokens whose ids are not below `limit` are left out again.
    pub fn load(json: &[u8], added: &[u8], limit: u32) -> Result<Self, String> {
        let mut whole = tokenizers::Tokenizer::from_bytes(json).map_err(text_of)?;
        // Both change what the ids are and neither is meant for a server: the prompt is checked against the context instead.
        whole.with_truncation(None).map_err(text_of)?;
        whole.with_padding(None);
        let added: Vec<AddedToken> = serde_json::from_slice(added).map_err(text_of)?;
        whole.add_tokens(added).map_err(text_of)?;
        let left_out = leave_out(&mut whole, limit)?;
        Ok(Self { left_out, ..Self::new(whole) })
    }

    pub fn build(parts: &Parts) -> Result<Self, String> {
        Ok(Self::new(parts.build()?))
    }

    fn new(whole: tokenizers::Tokenizer) -> Self {
        let mut plain = whole.get_added_vocabulary().clone();
        plain.set_encode_special_tokens(true);
        let behind = whole.get_pre_tokenizer().and_then(without_first_space);
        Self { whole, plain, behind, left_out: vec![] }
    }

    /// As the library's `encode_fast`, with the parts that the options choose.
    pub fn encode(&self, text: &str, options: EncodeOptions) -> Result<Vec<u32>, String> {
        let added = if options.parse_special { self.whole.get_added_vocabulary() } else { &self.plain };
        let normalizer: Option<&NormalizerWrapper> = self.whole.get_normalizer();
        let mut pieces = added.extract_and_normalize(normalizer, text);
        let usual = self.whole.get_pre_tokenizer();
        let pre_tokenizer = if options.behind { self.behind.as_ref().or(usual) } else { usual };
        if let Some(pre_tokenizer) = pre_tokenizer {
            pre_tokenizer.pre_tokenize(&mut pieces).map_err(text_of)?;
        }
        self.whole.get_model().tokenize_in_pretokenized(&mut pieces, None).map_err(text_of)?;
        let encoding = pieces.into_encoding(None, 0, OffsetType::None).map_err(text_of)?;
        let encoding = self.whole.post_process(encoding, None, options.add_special).map_err(text_of)?;
        Ok(encoding.get_ids().to_vec())
    }

    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, String> {
        self.whole.decode(ids, skip_special).map_err(text_of)
    }

    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    pub fn vocab_size(&self) -> u32 {
        self.whole.get_vocab(true).values().max().map_or(0, |id| id + 1)
    }

    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.whole.id_to_token(id)
    }

    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.whole.token_to_id(token)
    }

    pub fn added_token(&self, id: u32) -> Option<&AddedToken> {
        self.whole.get_added_vocabulary().get_added_tokens_decoder().get(&id)
    }

    pub fn special_ids(&self) -> Vec<u32> {
        let added = self.whole.get_added_vocabulary();
        let tokens = added.get_added_tokens_decoder().iter();
        let mut ids: Vec<u32> = tokens.filter(|(_, t)| added.is_special_token(&t.content)).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

pub fn text_of(error: impl ToString) -> String {
    error.to_string()
}

/// None: nothing is added to the beginning of a text only.
fn without_first_space(usual: &PreTokenizerWrapper) -> Option<PreTokenizerWrapper> {
    match usual {
        PreTokenizerWrapper::Metaspace(space) if space.prepend_scheme == PrependScheme::First => {
            let mut changed = space.clone();
            changed.prepend_scheme = PrependScheme::Never;
            Some(changed.into())
        }
        PreTokenizerWrapper::Sequence(steps) => {
            let changed: Vec<_> = steps.as_ref().iter().map(without_first_space).collect();
            let any = changed.iter().any(Option::is_some);
            let steps = changed.into_iter().zip(steps.as_ref()).map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect();
            any.then(|| PreTokenizerWrapper::Sequence(tokenizers::pre_tokenizers::sequence::Sequence::new(steps)))
        }
        _ => None,
    }
}

/// Takes the added tokens out whose ids are not below `limit`; their texts.
fn leave_out(whole: &mut tokenizers::Tokenizer, limit: u32) -> Result<Vec<String>, String> {
    let added = whole.get_added_vocabulary();
    // A token that was special once is so to the library, whatever its flag says since.
    let as_they_are = |(id, token): (&u32, &AddedToken)| (*id, token.clone().special(added.is_special_token(&token.content)));
    let mut kept: Vec<(u32, AddedToken)> = added.get_added_tokens_decoder().iter().map(as_they_are).collect();
    kept.sort_unstable_by_key(|(id, _)| *id);
    let out = kept.split_off(kept.partition_point(|(id, _)| *id < limit));
    let out: Vec<String> = out.into_iter().map(|(_, token)| token.content).collect();
    if out.is_empty() {
        return Ok(out);
    }
    if out.iter().any(|text| whole.get_model().token_to_id(text).is_some()) {
        let model = without_tokens(whole.get_model(), &out.iter().map(String::as_str).collect())?;
        whole.with_model(model);
    }
    let mut vocabulary = AddedVocabulary::new();
    let tokens = kept.iter().map(|(_, token)| token.clone());
    vocabulary.add_tokens(tokens, whole.get_model(), whole.get_normalizer()).map_err(text_of)?;
    whole.with_added_vocabulary(vocabulary);
    match kept.iter().find(|(id, token)| whole.token_to_id(&token.content) != Some(*id)) {
        Some((id, token)) => Err(format!("added token {id} cannot keep its id: {:?}", token.content)),
        None => Ok(out),
    }
}

/// The model without tokens, and without the merges that make them or are made of them.
fn without_tokens(model: &ModelWrapper, out: &HashSet<&str>) -> Result<ModelWrapper, String> {
    let mut json = serde_json::to_value(model).map_err(text_of)?;
    match json.get_mut("vocab") {
        Some(Value::Object(vocab)) => vocab.retain(|token, _| !out.contains(token.as_str())),
        Some(Value::Array(vocab)) => vocab.retain(|entry| !entry[0].as_str().is_some_and(|token| out.contains(token))),
        _ => {}
    }
    let prefix = json["continuing_subword_prefix"].as_str().map_or(0, str::len);
    if let Some(Value::Array(merges)) = json.get_mut("merges") {
        merges.retain(|merge| {
            let [left, right] = [0, 1].map(|side| merge[side].as_str().unwrap_or_default());
            let made = [left, right.get(prefix..).unwrap_or_default()].concat();
            ![left, right, &made].iter().any(|token| out.contains(token))
        });
    }
    serde_json::from_value(json).map_err(text_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn added(id: u32, content: &str, special: bool) -> Value {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": special})
    }

    /// "a" 0, "b" 1, "▁" 2, "ab" 3, then added tokens.
    fn small(scheme: &str, tokens: Value) -> Value {
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": tokens, "normalizer": null, "post_processor": null,
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false},
            "decoder": null,
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "▁": 2, "ab": 3}, "merges": [["a", "b"]]}
        })
    }

    fn load(json: &Value, added: Value, limit: u32) -> Result<Tokenizer, String> {
        Tokenizer::load(json.to_string().as_bytes(), added.to_string().as_bytes(), limit)
    }

    const PARSE: EncodeOptions = EncodeOptions { add_special: false, parse_special: true, behind: false };
    const PLAIN: EncodeOptions = EncodeOptions { parse_special: false, ..PARSE };

    #[test]
    fn the_steps_are_those_of_the_library() {
        let json = small("always", json!([added(4, "<x>", true), added(5, "<y>", false)]));
        let tokenizer = load(&json, json!([]), u32::MAX).unwrap();
        let mut library = tokenizers::Tokenizer::from_bytes(json.to_string()).unwrap();
        for plain in [false, true] {
            library.set_encode_special_tokens(plain);
            for text in ["", "a", "ab b", " ab", "a<x>b<y> ab", "<y><x>"] {
                let expected = library.encode_fast(text, false).unwrap().get_ids().to_vec();
                assert_eq!(tokenizer.encode(text, EncodeOptions { parse_special: !plain, ..PARSE }).unwrap(), expected, "{text}");
            }
        }
    }

    #[test]
    fn the_first_space_is_not_added_behind_another_text() {
        for (scheme, first, behind) in [("first", vec![2, 3], vec![3]), ("always", vec![2, 3], vec![2, 3]), ("never", vec![3], vec![3])] {
            let tokenizer = load(&small(scheme, json!([])), json!([]), u32::MAX).unwrap();
            assert_eq!(tokenizer.encode("ab", PARSE).unwrap(), first, "{scheme}");
            assert_eq!(tokenizer.encode("ab", EncodeOptions { behind: true, ..PARSE }).unwrap(), behind, "{scheme}");
        }
        let mut json = small("first", json!([]));
        json["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [json["pre_tokenizer"], {"type": "Digits", "individual_digits": true}]});
        let tokenizer = load(&json, json!([]), u32::MAX).unwrap();
        assert_eq!(tokenizer.encode("ab", PARSE).unwrap(), [2, 3]);
        assert_eq!(tokenizer.encode("ab", EncodeOptions { behind: true, ..PARSE }).unwrap(), [3]);
    }

    #[test]
    fn added_tokens_beyond_the_limit_are_text() {
        let json = small("never", json!([added(4, "<x>", true), added(5, "ba", true), added(6, "bb", false)]));
        let tokenizer = load(&json, json!([]), 5).unwrap();
        assert_eq!(tokenizer.vocab_size(), 5);
        assert_eq!(tokenizer.encode("<x>babb", PARSE).unwrap(), [4, 1, 3, 1]);
        assert_eq!(tokenizer.special_ids(), [4]);
        assert_eq!(tokenizer.token_to_id("ba"), None);
        assert_eq!(tokenizer.encode("<x>", PLAIN).unwrap(), Vec::<u32>::new(), "no character of it is a token");
    }

    #[test]
    fn a_token_that_the_model_has_too_is_left_out_of_both() {
        let mut json = small("never", json!([added(4, "bb", true)]));
        json["model"]["vocab"]["bb"] = json!(4);
        json["model"]["ignore_merges"] = json!(true);
        let tokenizer = load(&json, json!([]), 4).unwrap();
        assert_eq!(tokenizer.vocab_size(), 4);
        assert_eq!(tokenizer.encode("bb", PARSE).unwrap(), [1, 1]);
        assert_eq!(tokenizer.left_out(), ["bb"]);
        json["added_tokens"] = json!([]);
        assert_eq!(load(&json, json!([]), 4).unwrap().vocab_size(), 5, "the model's own stay");
    }

    #[test]
    fn merges_go_with_the_tokens_that_they_make_or_are_made_of() {
        for prefix in [json!(null), json!("#")] {
            let behind = |text: &str| format!("{}{text}", prefix.as_str().unwrap_or_default());
            let mut json = small("never", json!([added(7, "bb", true)]));
            let (a, b) = (behind("a"), behind("b"));
            json["model"]["continuing_subword_prefix"] = prefix.clone();
            json["model"]["vocab"] = json!({"a": 0, "b": 1, "▁": 2, "ab": 3, "bba": 4, "bb": 7});
            for (token, id) in [(&a, 5), (&b, 6)] {
                json["model"]["vocab"].as_object_mut().unwrap().entry(token).or_insert(json!(id));
            }
            json["model"]["merges"] = json!([["b", b], ["bb", a], ["a", b]]);
            let ids = |limit: u32, text| load(&json, json!([]), limit).unwrap().encode(text, PLAIN).unwrap();
            let [one_a, one_b] = [a.as_str(), b.as_str()].map(|token| json["model"]["vocab"][token].as_u64().unwrap() as u32);
            assert_eq!(ids(8, "bba"), [4], "{prefix}");
            assert_eq!(ids(7, "bba"), [1, one_b, one_a], "{prefix}");
            assert_eq!(ids(7, "ab"), [3], "{prefix}");
        }
    }

    #[test]
    fn what_stays_is_as_special_as_it_was() {
        let json = small("never", json!([added(4, "<x>", true), added(5, "<y>", false), added(6, "<z>", false)]));
        let listed = json!([
            {"content": "<x>", "single_word": false, "lstrip": false, "rstrip": true, "normalized": false, "special": false}
        ]);
        for limit in [7, 6] {
            let tokenizer = load(&json, listed.clone(), limit).unwrap();
            assert_eq!(tokenizer.special_ids(), [4], "{limit}");
            assert_eq!(tokenizer.encode("a<x> <y>", PARSE).unwrap(), [0, 4, 5], "{limit}");
            assert_eq!(tokenizer.encode("a<x><y>", PLAIN).unwrap(), [0, 5], "{limit}");
            assert_eq!(tokenizer.decode(&[4, 5], true).unwrap(), "<y>", "{limit}");
        }
    }

    #[test]
    fn listed_tokens_are_added_or_get_their_flags() {
        let json = small("never", json!([added(4, "<x>", false)]));
        let listed = json!([
            {"content": "<x>", "single_word": false, "lstrip": true, "rstrip": true, "normalized": false, "special": true},
            {"content": "b", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
            {"content": "<y>", "single_word": true, "lstrip": false, "rstrip": false, "normalized": false, "special": false}
        ]);
        let tokenizer = load(&json, listed.clone(), u32::MAX).unwrap();
        assert_eq!(tokenizer.encode("a \n<x>\t ab", PARSE).unwrap(), [0, 4, 0, 1]);
        assert_eq!(tokenizer.special_ids(), [1, 4]);
        assert_eq!(tokenizer.encode("a<y>", PARSE).unwrap(), [0], "no word of its own");
        assert_eq!(tokenizer.encode("<y>", PARSE).unwrap(), [5]);
        assert_eq!(load(&json, listed, 5).unwrap().token_to_id("<y>"), None);
    }
}
