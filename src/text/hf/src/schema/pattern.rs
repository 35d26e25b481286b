// SPDX-License-Identifier: Apache-2.0
//! Patterns: from a schema's syntax (ECMA 262) into the one that grammars have, and what can be said about the texts that match.

use llguidance::derivre::{Regex, RegexAst, RegexBuilder};
use llguidance::regex_to_lark;

/// For one question about a pattern, in steps of the library: some tens of milliseconds.
const FUEL: u64 = 20_000;
/// States looked at while the words of a pattern are listed.
const MAX_STEPS: usize = 4_000;
/// Characters that a JSON string can hold without \u.
pub const LEGAL: &str = r"(?s:[^\x00-\x07\x0B\x0E-\x1F\x7F]*)";
/// Keys that follow a pattern have one spelling each: no escapes.
pub const LEGAL_KEY: &str = r#"(?s:[^\x00-\x1F\x7F"\\]*)"#;

/// Texts as a set: searched patterns, and the operations on them.
pub fn search(pattern: &str) -> RegexAst {
    RegexAst::SearchRegex(regex_to_lark(pattern, "dw"))
}

pub fn whole(regex: &str) -> RegexAst {
    RegexAst::Regex(regex.to_string())
}

pub fn literal(text: &str) -> RegexAst {
    RegexAst::Literal(text.to_string())
}

pub fn all_of(parts: Vec<RegexAst>) -> RegexAst {
    RegexAst::And(parts)
}

pub fn none_of(parts: Vec<RegexAst>) -> RegexAst {
    RegexAst::Not(Box::new(RegexAst::Or(parts)))
}

pub fn length(min: u64, max: Option<u64>) -> String {
    format!("(?s:.{{{min},{}}})", max.map_or(String::new(), |m| m.to_string()))
}

fn compiled(ast: &RegexAst) -> Option<Regex> {
    let mut builder = RegexBuilder::new();
    let expr = builder.mk(ast).ok()?;
    builder.to_regex_limited(expr, FUEL).ok()
}

/// None: it takes too long to find out.
pub fn is_empty(ast: &RegexAst) -> Option<bool> {
    compiled(ast).map(|mut regex| regex.always_empty())
}

pub fn matches(pattern: &str, text: &str) -> bool {
    compiled(&search(pattern)).is_some_and(|mut regex| regex.is_match(text))
}

/// All texts, if there are at most `limit` of them.
pub fn words(ast: &RegexAst, limit: usize) -> Option<Vec<String>> {
    let mut regex = compiled(ast)?;
    let mut found = vec![];
    let mut open = vec![(regex.initial_state(), Vec::<u8>::new())];
    let mut steps = 0;
    while let Some((state, text)) = open.pop() {
        steps += 1;
        if steps > MAX_STEPS || text.len() > 200 {
            return None;
        }
        if regex.is_accepting(state) {
            found.push(String::from_utf8(text.clone()).ok()?);
            if found.len() > limit {
                return None;
            }
        }
        for byte in (0..=255u8).rev() {
            let next = regex.transition(state, byte);
            if !next.is_dead() {
                open.push((next, [&text[..], &[byte]].concat()));
            }
        }
        if open.len() > MAX_STEPS {
            return None;
        }
    }
    Some(found)
}

/// Patterns that generators write with look-ahead, and what matches the same texts without.
const KNOWN: [(&str, &str); 1] = [(
    // zod's email
    r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$",
    r"^(?:[A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+\-]@(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$",
)];

/// The pattern in Rust's syntax. Err: why it cannot be one.
pub fn translate(pattern: &str) -> Result<String, String> {
    if let Some((_, known)) = KNOWN.iter().find(|(written, _)| *written == pattern) {
        return Ok(known.to_string());
    }
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        at += match chars[at] {
            '\\' => escape(&chars[at..], &mut out)?,
            '[' => class(&chars[at..], &mut out)?,
            '(' => group(&chars[at..], &mut out)?,
            other => {
                out.push(other);
                1
            }
        };
    }
    match RegexBuilder::new().mk(&search(&out)) {
        Ok(_) => Ok(out),
        Err(_) => Err("it is no regular expression, or has a part that is not supported".to_string()),
    }
}

/// How many characters were read.
fn escape(chars: &[char], out: &mut String) -> Result<usize, String> {
    match chars.get(1) {
        Some('1'..='9' | 'k') => Err("back references are not supported".to_string()),
        Some('b' | 'B') => Err("word boundaries are not supported".to_string()),
        Some(c @ ('<' | '>')) => {
            out.push(*c);
            Ok(2)
        }
        Some('0') => {
            out.push_str("\\x00");
            Ok(2)
        }
        Some(c) => {
            out.push('\\');
            out.push(*c);
            Ok(2)
        }
        None => Err("it ends within an escape".to_string()),
    }
}

fn group(chars: &[char], out: &mut String) -> Result<usize, String> {
    let head: String = chars.iter().take(4).collect();
    if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| head.starts_with(look)) {
        return Err("look-ahead and look-behind are not supported".to_string());
    }
    out.push('(');
    Ok(1)
}

/// A class has no classes and no operators in it here, which it has in Rust's syntax.
fn class(chars: &[char], out: &mut String) -> Result<usize, String> {
    let negated = chars.get(1) == Some(&'^');
    let start = if negated { 2 } else { 1 };
    if chars.get(start) == Some(&']') {
        out.push_str(if negated { "[\\s\\S]" } else { "[^\\s\\S]" });
        return Ok(start + 1);
    }
    out.push_str(if negated { "[^" } else { "[" });
    let mut at = start;
    loop {
        at += match chars.get(at) {
            None => return Err("it has a class that does not end".to_string()),
            Some(']') => break,
            Some('\\') if chars.get(at + 1) == Some(&'b') => {
                out.push_str("\\x08");
                2
            }
            Some('\\') => escape(&chars[at..], out)?,
            Some('-') if chars.get(at + 1) == Some(&'-') => {
                out.push_str("-\\-");
                2
            }
            Some(c @ ('[' | '&' | '~')) => {
                out.push('\\');
                out.push(*c);
                1
            }
            Some(c) => {
                out.push(*c);
                1
            }
        };
    }
    out.push(']');
    Ok(at + 1)
}
