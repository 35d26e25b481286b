// SPDX-License-Identifier: Apache-2.0
//! Cutting strings into pieces.

use crate::jinja::args::{given, int_or, str_of, Args};
use crate::jinja::chars::{ends_line, is_space};
use crate::jinja::error::{fail, Result};
use crate::jinja::value::{list, string, tuple, Value};
use crate::jinja::vm::Vm;

fn strings(vm: &Vm, pieces: Vec<&str>) -> Result<Value> {
    vm.budget.items(2 * pieces.len() as u64)?;
    list(pieces.into_iter().map(string).collect())
}

/// `split` and `rsplit`.
pub fn split(vm: &Vm, text: &str, args: Args, from_end: bool) -> Result<Value> {
    let [separator, limit] = args.bind("split", ["sep", "maxsplit"])?;
    let limit = int_or(&limit, -1)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    vm.budget.bytes(text.len() as u64)?;
    let Some(separator) = given(separator) else {
        return strings(vm, if from_end { last_words(text, limit) } else { words(text, limit) });
    };
    let separator = str_of(&separator)?;
    if separator.is_empty() {
        return fail("empty separator");
    }
    let count = limit.saturating_add(1);
    let pieces = if from_end {
        let mut pieces: Vec<&str> = text.rsplitn(count, separator).collect();
        pieces.reverse();
        pieces
    } else {
        text.splitn(count, separator).collect()
    };
    strings(vm, pieces)
}

fn words(text: &str, limit: usize) -> Vec<&str> {
    let mut made = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        if made.len() == limit {
            made.push(rest);
            break;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        made.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(is_space);
    }
    made
}

fn last_words(text: &str, limit: usize) -> Vec<&str> {
    let mut made = Vec::new();
    let mut rest = text.trim_end_matches(is_space);
    while !rest.is_empty() {
        if made.len() == limit {
            made.push(rest);
            break;
        }
        let begin = rest.char_indices().rev().find(|(_, c)| is_space(*c)).map_or(0, |(i, c)| i + c.len_utf8());
        made.push(&rest[begin..]);
        rest = rest[..begin].trim_end_matches(is_space);
    }
    made.reverse();
    made
}

/// The lines of a text, with their ends where `keep` is set.
pub fn lines(text: &str, keep: bool) -> Vec<&str> {
    let mut made = Vec::new();
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| ends_line(*c)) {
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { c.len_utf8() };
        made.push(&rest[..if keep { end } else { at }]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        made.push(rest);
    }
    made
}

pub fn splitlines(vm: &Vm, text: &str, args: Args) -> Result<Value> {
    let [keep] = args.bind("splitlines", ["keepends"])?;
    vm.budget.bytes(text.len() as u64)?;
    strings(vm, lines(text, keep.is_some_and(|keep| keep.truth())))
}

/// `partition` and `rpartition`.
pub fn partition(text: &str, separator: &str, from_end: bool) -> Result<Value> {
    if separator.is_empty() {
        return fail("empty separator");
    }
    let found = if from_end { text.rfind(separator) } else { text.find(separator) };
    let pieces = match found {
        Some(at) => [&text[..at], separator, &text[at + separator.len()..]],
        None if from_end => ["", "", text],
        None => [text, "", ""],
    };
    tuple(pieces.into_iter().map(string).collect())
}
