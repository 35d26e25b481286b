// SPDX-License-Identifier: Apache-2.0
//! Escaping, as markupsafe does it.

pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

/// Without comments and tags, white space made single.
pub fn without_tags(text: &str) -> String {
    let mut rest = text.to_string();
    for (begin, end) in [("<!--", "-->"), ("<", ">")] {
        let mut kept = String::with_capacity(rest.len());
        let mut left = rest.as_str();
        while let Some(at) = left.find(begin) {
            let Some(close) = left[at..].find(end) else { break };
            kept.push_str(&left[..at]);
            left = &left[at + close + end.len()..];
        }
        kept.push_str(left);
        rest = kept;
    }
    let words: Vec<&str> = rest.split(super::chars::is_space).filter(|word| !word.is_empty()).collect();
    unescaped(&words.join(" "))
}

/// The entities that escaping makes, and those of numbers.
pub fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match rest.find(';').and_then(|end| Some((entity(&rest[1..end])?, end))) {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            return char::from_u32(code);
        }
    })
}
