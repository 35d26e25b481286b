// SPDX-License-Identifier: Apache-2.0
//! A template's text as tokens, with trim_blocks and lstrip_blocks set: white space is settled here.

use super::chars::is_space;
use super::error::{fail, Error, Result};
use super::value::Text;

#[derive(Clone, PartialEq, Debug)]
pub enum Token {
    Data(Text),
    BlockBegin,
    BlockEnd,
    VariableBegin,
    VariableEnd,
    Name(Text),
    Str(Text),
    Int(i128),
    Float(f64),
    Operator(&'static str),
    End,
}

pub struct Placed {
    pub token: Token,
    pub line: u32,
}

/// Longer ones first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
];

/// Line ends become `\n`, and one at the end of the text goes.
pub fn normal_lines(source: &str) -> String {
    let mut text = source.replace("\r\n", "\n").replace('\r', "\n");
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

/// `source` has normal lines.
pub fn tokens(source: &str) -> Result<Vec<Placed>> {
    let mut lexer = Lexer { source, at: 0, line: 1, line_start: true, made: Vec::new() };
    lexer.run().map_err(|error| error.at(lexer.line))?;
    Ok(lexer.made)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: u32,
    /// Whether what came last ended with a line end.
    line_start: bool,
    made: Vec<Placed>,
}

/// What a tag begins with, and the sign after it.
fn sign(text: &str) -> &str {
    &text[..text.starts_with(['-', '+']) as usize]
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// After `{%`, with its sign: what follows the tag's end when the tag is only `word`, and the end's sign.
fn word_tag<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    skip_space(&text[sign(text).len()..]).strip_prefix(word).map(skip_space)
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn add(&mut self, token: Token) {
        self.made.push(Placed { token, line: self.line });
    }

    /// Goes to `to`.
    fn pass(&mut self, to: usize) {
        let passed = &self.source[self.at..to];
        self.line += passed.bytes().filter(|b| *b == b'\n').count() as u32;
        self.line_start = passed.ends_with('\n');
        self.at = to;
    }

    fn offset(&self, rest: &str) -> usize {
        self.source.len() - rest.len()
    }

    fn run(&mut self) -> Result<()> {
        while self.at < self.source.len() {
            let rest = self.rest();
            let begin = rest.match_indices('{').map(|(i, _)| i).find(|i| rest[i + 1..].starts_with(['%', '{', '#']));
            let Some(begin) = begin else {
                self.add(Token::Data(rest.into()));
                self.pass(self.source.len());
                break;
            };
            let kind = rest.as_bytes()[begin + 1];
            let sign = sign(&rest[begin + 2..]);
            self.data(&rest[..begin], sign, kind != b'{');
            self.pass(self.at + begin);
            match kind {
                b'#' => self.comment(sign.len())?,
                b'{' => self.variable(sign.len())?,
                _ if self.is_raw() => self.raw()?,
                _ => self.block(sign.len())?,
            }
        }
        self.add(Token::End);
        Ok(())
    }

    /// Text before a tag; `strips`: white space before the tag goes where there is nothing else in its line.
    fn data(&mut self, text: &str, sign: &str, strips: bool) {
        let mut kept = text;
        let line = text.rfind('\n').map_or(0, |i| i + 1);
        if sign == "-" {
            kept = text.trim_end_matches(is_space);
        } else if sign != "+" && strips && (line > 0 || self.line_start) && text[line..].chars().all(is_space) {
            kept = &text[..line];
        }
        if !kept.is_empty() {
            self.add(Token::Data(kept.into()));
        }
    }

    /// What follows the end of a tag, at `rest`; none: there is no end. `closer` is `%}`, `#}` or `}}`.
    fn after_end(rest: &'a str, closer: &str) -> Option<&'a str> {
        let trims = closer != "}}";
        if let Some(after) = rest.strip_prefix('-').and_then(|r| r.strip_prefix(closer)) {
            return Some(skip_space(after));
        }
        if let Some(after) = rest.strip_prefix('+').and_then(|r| r.strip_prefix(closer)).filter(|_| trims) {
            return Some(after);
        }
        let after = rest.strip_prefix(closer)?;
        Some(if trims { after.strip_prefix('\n').unwrap_or(after) } else { after })
    }

    fn comment(&mut self, sign: usize) -> Result<()> {
        let body = self.at + 2 + sign;
        let text = &self.source[body..];
        if text.is_empty() {
            // Nothing left that could be missed, for Jinja2.
            self.pass(self.source.len());
            return Ok(());
        }
        let Some(close) = text.find("#}") else { return fail("Missing end of comment tag") };
        // The sign before the end belongs to it.
        let signed = close > 0 && matches!(text.as_bytes()[close - 1], b'-' | b'+');
        let after = Self::after_end(&text[close - signed as usize..], "#}").unwrap_or_default();
        self.pass(self.offset(after));
        Ok(())
    }

    fn is_raw(&self) -> bool {
        let close = word_tag(&self.rest()[2..], "raw");
        close.is_some_and(|rest| rest.starts_with("%}") || rest.starts_with("-%}"))
    }

    fn raw(&mut self) -> Result<()> {
        let close = word_tag(&self.rest()[2..], "raw").unwrap_or_default();
        let body = close.strip_prefix("%}").unwrap_or_else(|| skip_space(&close[3..]));
        self.pass(self.offset(body));
        for (begin, _) in body.match_indices("{%") {
            let tag = &body[begin + 2..];
            let Some(after) = word_tag(tag, "endraw").and_then(|rest| Self::after_end(rest, "%}")) else { continue };
            self.data(&body[..begin], sign(tag), true);
            self.pass(self.offset(after));
            return Ok(());
        }
        if body.is_empty() {
            return Ok(());
        }
        fail("Missing end of raw directive")
    }

    fn variable(&mut self, sign: usize) -> Result<()> {
        self.add(Token::VariableBegin);
        self.pass(self.at + 2 + sign);
        self.expression("}}", Token::VariableEnd)
    }

    fn block(&mut self, sign: usize) -> Result<()> {
        self.add(Token::BlockBegin);
        self.pass(self.at + 2 + sign);
        self.expression("%}", Token::BlockEnd)
    }

    /// Up to the end of the tag that it stands in. Within brackets the end's characters are operators.
    fn expression(&mut self, closer: &str, end: Token) -> Result<()> {
        let mut open: Vec<char> = Vec::new();
        loop {
            let rest = self.rest();
            if let Some(after) = Self::after_end(rest, closer).filter(|_| open.is_empty()) {
                self.add(end);
                self.pass(self.offset(after));
                return Ok(());
            }
            let Some(first) = rest.chars().next() else { return fail("unexpected end of template") };
            if is_space(first) {
                self.pass(self.offset(skip_space(rest)));
            } else if first.is_ascii_digit() {
                self.number()?;
            } else if first.is_alphanumeric() || first == '_' {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                self.add(Token::Name(rest[..length].into()));
                self.pass(self.at + length);
            } else if matches!(first, '\'' | '"') {
                self.string(first)?;
            } else {
                self.operator(&mut open)?;
            }
        }
    }

    fn operator(&mut self, open: &mut Vec<char>) -> Result<()> {
        let rest = self.rest();
        let Some(operator) = OPERATORS.iter().find(|o| rest.starts_with(**o)) else {
            return fail(format!("unexpected char '{}'", rest.chars().next().unwrap_or(' ')));
        };
        match *operator {
            "(" => open.push(')'),
            "[" => open.push(']'),
            "{" => open.push('}'),
            ")" | "]" | "}" if open.pop() != operator.chars().next() => {
                return fail(format!("unexpected '{operator}'"))
            }
            _ => {}
        }
        self.add(Token::Operator(operator));
        self.pass(self.at + operator.len());
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<()> {
        let text = &self.rest()[1..];
        let mut escaped = false;
        for (i, c) in text.char_indices() {
            if c == quote && !escaped {
                self.add(Token::Str(unescape(&text[..i])?.into()));
                self.pass(self.at + i + 2);
                return Ok(());
            }
            escaped = c == '\\' && !escaped;
        }
        fail(format!("unexpected char '{quote}'"))
    }

    /// Digits, a fraction and an exponent; a dot before it means that it is an index.
    fn number(&mut self) -> Result<()> {
        let rest = self.rest();
        let run = |text: &str, base: u32| {
            let end = text.char_indices().find(|(i, c)| {
                let grouped = *c == '_' && *i > 0 && text[i + 1..].starts_with(|n: char| n.is_digit(base));
                !c.is_digit(base) && !grouped
            });
            end.map_or(text.len(), |(i, _)| i)
        };
        let prefix = rest.get(..2).unwrap_or_default().to_ascii_lowercase();
        let base = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(p, _)| *p == prefix).map_or(10, |(_, b)| b);
        if base != 10 {
            let body = rest[2..].strip_prefix('_').unwrap_or(&rest[2..]);
            let length = self.offset(body) - self.at + run(body, base);
            return self.integer(length, &rest[2..length], base);
        }
        let mut length = run(rest, 10);
        let indexed = self.source[..self.at].ends_with('.');
        let mut real = false;
        let fraction = rest[length..].strip_prefix('.').map_or(0, |r| run(r, 10));
        if fraction > 0 && !indexed {
            (length, real) = (length + 1 + fraction, true);
        }
        if let Some(tail) = rest[length..].strip_prefix(['e', 'E']).filter(|_| !indexed) {
            let digits = tail.strip_prefix(['-', '+']).unwrap_or(tail);
            if run(digits, 10) > 0 {
                (length, real) = (self.offset(digits) - self.at + run(digits, 10), true);
            }
        }
        if !real {
            // Zeros before other digits are a number of their own.
            if rest.starts_with('0') {
                length = rest[..length].find(|c| c != '0' && c != '_').unwrap_or(length);
            }
            return self.integer(length, &rest[..length], 10);
        }
        let value = rest[..length].replace('_', "").parse().map_err(|_| Error::new("invalid number"))?;
        self.add(Token::Float(value));
        self.pass(self.at + length);
        Ok(())
    }

    fn integer(&mut self, length: usize, digits: &str, base: u32) -> Result<()> {
        let value = i128::from_str_radix(&digits.replace('_', ""), base).map_err(|_| Error::new("invalid number"))?;
        self.add(Token::Int(value));
        self.pass(self.at + length);
        Ok(())
    }
}

/// A string literal's escapes as Python reads them; one it does not know stays as it is written.
fn unescape(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let body = &rest[at + 1..];
        let Some(kind) = body.chars().next() else { break };
        rest = &body[kind.len_utf8()..];
        let simple = match kind {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            '\\' | '\'' | '"' => kind,
            '\n' => continue,
            'x' | 'u' | 'U' => {
                let length = if kind == 'x' {
                    2
                } else if kind == 'u' {
                    4
                } else {
                    8
                };
                let digits = rest.get(..length).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(digits) = digits else { return fail(format!("truncated \\{kind} escape")) };
                rest = &rest[length..];
                character(u32::from_str_radix(digits, 16).unwrap_or(u32::MAX))?
            }
            '0'..='7' => {
                let length = body.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                rest = &body[length..];
                character(u32::from_str_radix(&body[..length], 8).unwrap_or(0))?
            }
            'N' => return fail("characters by their names are not known"),
            other => {
                out.push('\\');
                other
            }
        };
        out.push(simple);
    }
    out.push_str(rest);
    Ok(out)
}

fn character(code: u32) -> Result<char> {
    char::from_u32(code).ok_or_else(|| Error::new("illegal Unicode character"))
}
