// SPDX-License-Identifier: Apache-2.0
//! Hugging Face tokenizers, chat templates and grammars behind `ember_hf.h`. Only this file knows of C; no panic leaves it.

mod build;
mod grammar;
mod jinja;
mod keys;
mod matcher;
mod schema;
mod tokenizer;

use std::ffi::{c_char, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};

use build::{Matching, Parts, TokenType};
use grammar::{Fault, Grammar, Vocabulary};
use jinja::Template;
use matcher::Matcher;
use tokenizer::{EncodeOptions, Tokenizer};

#[repr(C)]
pub struct EmberBytes {
    data: *mut u8,
    size: usize,
}

#[repr(C)]
pub struct EmberIds {
    data: *mut u32,
    size: usize,
}

#[repr(C)]
pub struct EmberAddedToken {
    text: EmberBytes,
    lstrip: bool,
    rstrip: bool,
    single_word: bool,
}

fn into_raw<T>(items: Vec<T>) -> (*mut T, usize) {
    let size = items.len();
    (Box::into_raw(items.into_boxed_slice()) as *mut T, size)
}

fn bytes(text: Vec<u8>) -> EmberBytes {
    let (data, size) = into_raw(text);
    EmberBytes { data, size }
}

fn ids(list: Vec<u32>) -> EmberIds {
    let (data, size) = into_raw(list);
    EmberIds { data, size }
}

unsafe fn slice<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

unsafe fn text<'a>(data: *const u8, size: usize) -> Result<&'a str, String> {
    std::str::from_utf8(slice(data, size)).map_err(|e| format!("not UTF-8: {e}"))
}

/// Runs `body`; its error, or its panic's message, becomes the returned string.
fn guarded(body: impl FnOnce() -> Result<(), String>) -> *mut c_char {
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        Err(format!("internal error: {}", message.unwrap_or_default()))
    });
    match result {
        Ok(()) => std::ptr::null_mut(),
        Err(message) => CString::new(message.replace('\0', " ")).unwrap_or_default().into_raw(),
    }
}

/// # Safety
/// `text` came from this library and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn ember_hf_free_text(text: *mut c_char) {
    if !text.is_null() {
        drop(CString::from_raw(text));
    }
}

/// # Safety
/// `b` came from this library and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn ember_hf_free_bytes(b: EmberBytes) {
    if !b.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(b.data, b.size)));
    }
}

/// # Safety
/// `i` came from this library and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn ember_hf_free_ids(i: EmberIds) {
    if !i.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(i.data, i.size)));
    }
}

/// # Safety
/// Pointers are valid for the sizes given.
#[no_mangle]
pub unsafe extern "C" fn ember_tokenizer_load(
    json: *const u8,
    size: usize,
    added: *const u8,
    added_size: usize,
    limit: u32,
    out: *mut *mut Tokenizer,
) -> *mut c_char {
    guarded(|| {
        *out = Box::into_raw(Box::new(Tokenizer::load(slice(json, size), slice(added, added_size), limit)?));
        Ok(())
    })
}

/// Texts one after the other, and how long each is.
#[repr(C)]
pub struct EmberTexts {
    data: *const u8,
    lengths: *const u32,
    count: usize,
}

impl EmberTexts {
    unsafe fn list<'a>(&self) -> Result<Vec<&'a str>, String> {
        let lengths = slice(self.lengths, self.count);
        let all: &'a [u8] = slice(self.data, lengths.iter().map(|n| *n as usize).sum());
        let mut at = 0;
        let cut = lengths.iter().enumerate().map(|(i, length)| {
            at += *length as usize;
            std::str::from_utf8(&all[at - *length as usize..at]).map_err(|_| format!("text {i} is not UTF-8"))
        });
        cut.collect()
    }
}

#[repr(C)]
pub struct EmberTokenizerParts {
    tokens: EmberTexts,
    types: *const u8,
    matching: *const u8,
    merges: *const [u32; 2],
    num_merges: usize,
    splits: EmberTexts,
    ignore_merges: bool,
    normalize_nfc: bool,
    before: *const u32,
    behind: *const u32,
    num_before: usize,
    num_behind: usize,
}

/// # Safety
/// `parts` and what it points to are as ember_hf.h says.
#[no_mangle]
pub unsafe extern "C" fn ember_tokenizer_build(parts: &EmberTokenizerParts, out: *mut *mut Tokenizer) -> *mut c_char {
    guarded(|| {
        let types = slice(parts.types, parts.tokens.count).iter().map(|t| TokenType::from_number(*t));
        let built = Parts {
            tokens: parts.tokens.list()?,
            types: types.collect::<Result<_, _>>()?,
            matching: slice(parts.matching, parts.tokens.count).iter().map(|bits| Matching(*bits)).collect(),
            merges: slice(parts.merges, parts.num_merges),
            splits: parts.splits.list()?,
            ignore_merges: parts.ignore_merges,
            normalize_nfc: parts.normalize_nfc,
            before: slice(parts.before, parts.num_before),
            behind: slice(parts.behind, parts.num_behind),
        };
        *out = Box::into_raw(Box::new(Tokenizer::build(&built)?));
        Ok(())
    })
}

/// # Safety
/// `tokenizer` came from ember_tokenizer_load or ember_tokenizer_build and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn ember_tokenizer_free(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

/// # Safety
/// Pointers are valid for the sizes given.
#[no_mangle]
pub unsafe extern "C" fn ember_tokenizer_encode(
    tokenizer: &Tokenizer,
    data: *const u8,
    size: usize,
    add_special: bool,
    parse_special: bool,
    behind: bool,
    out: *mut EmberIds,
) -> *mut c_char {
    guarded(|| {
        let options = EncodeOptions { add_special, parse_special, behind };
        *out = ids(tokenizer.encode(text(data, size)?, options)?);
        Ok(())
    })
}

/// # Safety
/// Pointers are valid for the sizes given.
#[no_mangle]
pub unsafe extern "C" fn ember_tokenizer_decode(
    tokenizer: &Tokenizer,
    list: *const u32,
    count: usize,
    skip_special: bool,
    out: *mut EmberBytes,
) -> *mut c_char {
    guarded(|| {
        *out = bytes(tokenizer.decode(slice(list, count), skip_special)?.into_bytes());
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn ember_tokenizer_left_out(tokenizer: &Tokenizer) -> EmberBytes {
    bytes(serde_json::json!(tokenizer.left_out()).to_string().into_bytes())
}

#[no_mangle]
pub extern "C" fn ember_tokenizer_vocab_size(tokenizer: &Tokenizer) -> u32 {
    tokenizer.vocab_size()
}

/// # Safety
/// `out` is valid.
#[no_mangle]
pub unsafe extern "C" fn ember_tokenizer_id_to_token(tokenizer: &Tokenizer, id: u32, out: *mut EmberBytes) -> bool {
    match tokenizer.id_to_token(id) {
        Some(token) => {
            *out = bytes(token.into_bytes());
            true
        }
        None => false,
    }
}

/// # Safety
/// Pointers are valid for the sizes given.
#[no_mangle]
pub unsafe extern "C" fn ember_tokenizer_token_to_id(
    tokenizer: &Tokenizer,
    token: *const u8,
    size: usize,
    id: *mut u32,
) -> bool {
    match text(token, size).ok().and_then(|t| tokenizer.token_to_id(t)) {
        Some(found) => {
            *id = found;
            true
        }
        None => false,
    }
}

#[no_mangle]
pub extern "C" fn ember_tokenizer_special_ids(tokenizer: &Tokenizer) -> EmberIds {
    ids(tokenizer.special_ids())
}

/// # Safety
/// `out` is valid.
#[no_mangle]
pub unsafe extern "C" fn ember_tokenizer_added_token(tokenizer: &Tokenizer, id: u32, out: *mut EmberAddedToken) -> bool {
    let Some(token) = tokenizer.added_token(id) else {
        return false;
    };
    let text = bytes(token.content.clone().into_bytes());
    *out = EmberAddedToken { text, lstrip: token.lstrip, rstrip: token.rstrip, single_word: token.single_word };
    true
}

#[no_mangle]
pub extern "C" fn ember_text_is_word(point: u32) -> bool {
    char::from_u32(point).is_some_and(regex_syntax::is_word_character)
}

#[no_mangle]
pub extern "C" fn ember_text_is_white_space(point: u32) -> bool {
    char::from_u32(point).is_some_and(char::is_whitespace)
}

/// # Safety
/// Pointers are valid for the sizes given.
#[no_mangle]
pub unsafe extern "C" fn ember_template_compile(source: *const u8, size: usize, out: *mut *mut Template) -> *mut c_char {
    guarded(|| {
        *out = Box::into_raw(Box::new(Template::compile(text(source, size)?)?));
        Ok(())
    })
}

/// # Safety
/// `template` came from ember_template_compile and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn ember_template_free(template: *mut Template) {
    if !template.is_null() {
        drop(Box::from_raw(template));
    }
}

/// # Safety
/// Pointers are valid for the sizes given.
#[no_mangle]
pub unsafe extern "C" fn ember_template_render(
    template: &Template,
    context: *const u8,
    size: usize,
    out: *mut EmberBytes,
) -> *mut c_char {
    guarded(|| {
        *out = bytes(template.render(text(context, size)?)?.into_bytes());
        Ok(())
    })
}

/// # Safety
/// `tokens` holds the bytes of `count` tokens one after the other, `lengths` says how many each has; `eos` has `num_eos` ids.
#[no_mangle]
pub unsafe extern "C" fn ember_vocabulary_new(
    tokens: *const u8,
    lengths: *const u32,
    count: usize,
    eos: *const u32,
    num_eos: usize,
    out: *mut *mut Vocabulary,
) -> *mut c_char {
    guarded(|| {
        let lengths = slice(lengths, count);
        let all = slice(tokens, lengths.iter().map(|n| *n as usize).sum());
        let mut list = Vec::with_capacity(count);
        let mut at = 0;
        for length in lengths {
            list.push(all[at..at + *length as usize].to_vec());
            at += *length as usize;
        }
        *out = Box::into_raw(Box::new(Vocabulary::new(&list, slice(eos, num_eos))?));
        Ok(())
    })
}

/// # Safety
/// `vocabulary` came from ember_vocabulary_new and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn ember_vocabulary_free(vocabulary: *mut Vocabulary) {
    if !vocabulary.is_null() {
        drop(Box::from_raw(vocabulary));
    }
}

#[repr(C)]
pub struct EmberGrammarSource {
    kind: i32,
    text: *const u8,
    size: usize,
    before: *const u8,
    before_size: usize,
    schemas: *const u8,
    schemas_size: usize,
}

#[repr(C)]
pub struct EmberGrammarFault {
    schema: i32,
    path: EmberBytes,
}

unsafe fn grammar_source<'a>(source: &EmberGrammarSource) -> Result<grammar::Source<'a>, String> {
    let kind = match source.kind {
        0 => grammar::Kind::JsonSchema,
        1 => grammar::Kind::Regex,
        2 => grammar::Kind::Lark,
        kind => return Err(format!("no such kind of grammar: {kind}")),
    };
    Ok(grammar::Source {
        kind,
        text: text(source.text, source.size)?,
        before: text(source.before, source.before_size)?,
        schemas: text(source.schemas, source.schemas_size)?,
    })
}

/// # Safety
/// The pointers in `source` are valid for the sizes beside them.
#[no_mangle]
pub unsafe extern "C" fn ember_grammar_compile(
    vocabulary: &Vocabulary,
    source: &EmberGrammarSource,
    fault: &mut EmberGrammarFault,
    out: *mut *mut Grammar,
) -> *mut c_char {
    *fault = EmberGrammarFault { schema: -1, path: bytes(vec![]) };
    guarded(|| match Grammar::compile(vocabulary, &grammar_source(source)?) {
        Ok(grammar) => {
            *out = Box::into_raw(Box::new(grammar));
            Ok(())
        }
        Err(Fault { message, place }) => {
            if let Some((schema, path)) = place {
                *fault = EmberGrammarFault { schema: schema as i32, path: bytes(path.into_bytes()) };
            }
            Err(message)
        }
    })
}

/// # Safety
/// `grammar` came from ember_grammar_compile and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn ember_grammar_free(grammar: *mut Grammar) {
    if !grammar.is_null() {
        drop(Box::from_raw(grammar));
    }
}

/// # Safety
/// `out` is valid.
#[no_mangle]
pub unsafe extern "C" fn ember_matcher_new(grammar: &Grammar, out: *mut *mut Matcher) -> *mut c_char {
    guarded(|| {
        *out = Box::into_raw(Box::new(grammar.matcher()?));
        Ok(())
    })
}

/// # Safety
/// `matcher` came from ember_matcher_new and was not freed before.
#[no_mangle]
pub unsafe extern "C" fn ember_matcher_free(matcher: *mut Matcher) {
    if !matcher.is_null() {
        drop(Box::from_raw(matcher));
    }
}

/// # Safety
/// Nobody else uses the matcher meanwhile.
#[no_mangle]
pub unsafe extern "C" fn ember_matcher_accept(matcher: &mut Matcher, token: u32) -> *mut c_char {
    guarded(|| matcher.accept(token))
}

/// # Safety
/// Nobody else uses the matcher meanwhile; `words` has `count` entries.
#[no_mangle]
pub unsafe extern "C" fn ember_matcher_mask(matcher: &mut Matcher, words: *mut u32, count: usize) -> *mut c_char {
    guarded(|| matcher.mask(if count == 0 { &mut [] } else { std::slice::from_raw_parts_mut(words, count) }))
}

#[no_mangle]
pub extern "C" fn ember_matcher_done(matcher: &Matcher) -> bool {
    matcher.done()
}
