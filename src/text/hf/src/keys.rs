// SPDX-License-Identifier: Apache-2.0
//! The keys of the objects that an answer is within. A grammar has no memory for them, so that it would let an object name a
//! key twice: where keys are free, this looks at the answer's own bytes.

use std::rc::Rc;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Expect {
    Key,
    Colon,
    Value,
    /// A comma or the end.
    More,
}

#[derive(Clone, Debug)]
enum Level {
    Array,
    Object { seen: Rc<Vec<Vec<u8>>>, expect: Expect },
}

/// A string that has not ended.
#[derive(Clone, Debug, Default)]
struct Text {
    is_key: bool,
    bytes: Vec<u8>,
    /// What has come of an escape, its backslash included.
    escape: Vec<u8>,
}

/// Follows JSON texts among others: at the first byte that no JSON text has there, it begins anew.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    levels: Vec<Level>,
    text: Option<Text>,
}

/// What a token would do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// It ends a key that the object has already.
    Repeats,
    /// It ends within a key that may become one that the object has, and perhaps can become no other.
    MayRepeat,
    Other,
}

impl Keys {
    /// Whether a key could be one that came before.
    pub fn any_seen(&self) -> bool {
        self.levels.iter().any(|level| matches!(level, Level::Object { seen, .. } if !seen.is_empty()))
    }

    pub fn in_key(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.is_key)
    }

    /// Whether a token may end a key or begin one.
    pub fn matters(token: &[u8]) -> bool {
        token.iter().any(|byte| matches!(byte, b'"' | b'\\'))
    }

    pub fn reset(&mut self) {
        *self = Keys::default();
    }

    pub fn feed(&mut self, token: &[u8]) {
        for byte in token {
            self.step(*byte);
        }
    }

    pub fn effect(&self, token: &[u8]) -> Effect {
        if !Self::matters(token) {
            return if self.in_key() && self.continues(token) { Effect::MayRepeat } else { Effect::Other };
        }
        let mut after = self.clone();
        if token.iter().any(|byte| after.step(*byte)) {
            Effect::Repeats
        } else if after.in_key() && after.continues(b"") {
            Effect::MayRepeat
        } else {
            Effect::Other
        }
    }

    /// Some key that was seen begins with the text and then `more`.
    fn continues(&self, more: &[u8]) -> bool {
        let (Some(text), Some(Level::Object { seen, .. })) = (&self.text, self.levels.last()) else { return false };
        seen.iter().any(|key| key.strip_prefix(&text.bytes[..]).is_some_and(|rest| rest.starts_with(more)))
    }

    /// True: a key has ended that its object has already.
    fn step(&mut self, byte: u8) -> bool {
        match &mut self.text {
            Some(text) => {
                if text.step(byte) {
                    return self.end_text();
                }
            }
            None => self.structure(byte),
        }
        false
    }

    fn structure(&mut self, byte: u8) {
        let expect = match self.levels.last() {
            Some(Level::Object { expect, .. }) => *expect,
            Some(Level::Array) => Expect::Value,
            None if matches!(byte, b'{' | b'[') => Expect::Value,
            None => return,
        };
        match (byte, expect) {
            (b' ' | b'\n' | b'\r' | b'\t', _) => {}
            (b'"', Expect::Key | Expect::Value) => {
                self.text = Some(Text { is_key: expect == Expect::Key, ..Text::default() });
            }
            (b'{', Expect::Value) => self.levels.push(Level::Object { seen: Rc::new(vec![]), expect: Expect::Key }),
            (b'[', Expect::Value) => self.levels.push(Level::Array),
            (b'}' | b']', _) => {
                self.levels.pop();
                self.expect(Expect::More);
            }
            (b':', Expect::Colon) => self.expect(Expect::Value),
            (b',', _) => self.expect(Expect::Key),
            (b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.', Expect::Value) => {}
            _ => self.reset(),
        }
    }

    /// In an array nothing but values is expected.
    fn expect(&mut self, next: Expect) {
        if let Some(Level::Object { expect, .. }) = self.levels.last_mut() {
            *expect = next;
        }
    }

    fn end_text(&mut self) -> bool {
        let Some(text) = self.text.take() else { return false };
        if !text.is_key {
            self.expect(Expect::More);
            return false;
        }
        self.expect(Expect::Colon);
        let Some(Level::Object { seen, .. }) = self.levels.last_mut() else { return false };
        if seen.contains(&text.bytes) {
            return true;
        }
        Rc::make_mut(seen).push(text.bytes);
        false
    }
}

impl Text {
    /// True: it has ended.
    fn step(&mut self, byte: u8) -> bool {
        if self.escape.is_empty() {
            match byte {
                b'"' => return true,
                b'\\' => self.escape.push(byte),
                _ if self.is_key => self.bytes.push(byte),
                _ => {}
            }
            return false;
        }
        self.escape.push(byte);
        let long = self.escape[1] == b'u';
        if self.escape.len() == if long { 6 } else { 2 } {
            let escape = std::mem::take(&mut self.escape);
            if self.is_key {
                self.bytes.extend(unescaped(&escape));
            }
        }
        false
    }
}

/// Halves of pairs stay as they are: keys are compared, not shown.
fn unescaped(escape: &[u8]) -> Vec<u8> {
    match escape[1] {
        b'n' => vec![b'\n'],
        b'r' => vec![b'\r'],
        b't' => vec![b'\t'],
        b'b' => vec![8],
        b'f' => vec![12],
        b'u' => {
            let digits = std::str::from_utf8(&escape[2..]).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
            digits.and_then(char::from_u32).map_or(escape.to_vec(), |c| c.to_string().into_bytes())
        }
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Keys {
        let mut keys = Keys::default();
        keys.feed(text.as_bytes());
        keys
    }

    #[test]
    fn a_key_repeats_in_its_own_object_only() {
        for (text, token, effect) in [
            (r#"{"a":1,"a"#, "\"", Effect::Repeats),
            (r#"{"a":1,"ab"#, "\"", Effect::Other),
            (r#"{"a":1,"#, "\"a\":", Effect::Repeats),
            (r#"{"a":1"#, ", \"a\"", Effect::Repeats),
            (r#"{"a":{"b":1,"#, "\"a\"", Effect::Other),
            (r#"{"a":{"b":1}"#, ",\"a\"", Effect::Repeats),
            (r#"{"a":{"b":[{"a":0},"#, "{\"a\":", Effect::Other),
            (r#"{"a":"x\",\"a"#, "\"", Effect::Other),
            (r#"{"a":"a"#, "\"", Effect::Other),
            (r#"{"\n":1,"\u000"#, "a\"", Effect::Repeats),
            (r#"{"ab":1,"#, "\"a", Effect::MayRepeat),
            (r#"{"abc":1,"a"#, "b", Effect::MayRepeat),
            (r#"{"abc":1,"a"#, "c", Effect::Other),
            (r#"so {"a" he said, {"a": 1, "#, "\"a\"", Effect::Repeats),
            (r#"so {"a" {"a" "#, "\"a\"", Effect::Other),
        ] {
            assert_eq!(after(text).effect(token.as_bytes()), effect, "{text} {token}");
        }
    }
}
