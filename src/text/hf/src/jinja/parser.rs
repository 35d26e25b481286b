// SPDX-License-Identifier: Apache-2.0
//! What parsing a template stands on: its tokens, one after the other, and the limits.

use super::ast::{Expr, Kind};
use super::error::{fail, Error, Result};
use super::lexer::{Placed, Token};
use super::value::Text;

/// How deep brackets and tags may stand inside each other.
const MAX_DEPTH: u32 = 100;
/// Operators, filters and subscripts of one statement: each holds what stands before it.
const MAX_LINKS: u32 = 3000;

pub struct Parser {
    pub tokens: Vec<Placed>,
    pub at: usize,
    depth: u32,
    pub links: u32,
    /// Unknown filters and tests; where a condition may keep them from running they are refused only when they run.
    pub unknown: Vec<Error>,
    pub conditional: bool,
    /// Loops around the statement that is read, within its macro.
    pub loops: u32,
}

impl Parser {
    pub fn new(tokens: Vec<Placed>) -> Self {
        Self { tokens, at: 0, depth: 0, links: 0, unknown: Vec::new(), conditional: false, loops: 0 }
    }

    pub fn token(&self) -> &Token {
        &self.tokens[self.at].token
    }

    pub fn line(&self) -> u32 {
        self.tokens[self.at].line
    }

    pub fn peek(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].token
    }

    pub fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    pub fn is_operator(&self, text: &str) -> bool {
        matches!(self.token(), Token::Operator(o) if *o == text)
    }

    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.token(), Token::Name(name) if &**name == word)
    }

    pub fn skip_operator(&mut self, text: &str) -> bool {
        let found = self.is_operator(text);
        if found {
            self.advance();
        }
        found
    }

    pub fn skip_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    pub fn expect_operator(&mut self, text: &str) -> Result<()> {
        if self.skip_operator(text) {
            return Ok(());
        }
        self.unexpected(&format!("expected '{text}'"))
    }

    pub fn expect_name(&mut self) -> Result<Text> {
        match self.token().clone() {
            Token::Name(name) => {
                self.advance();
                Ok(name)
            }
            _ => self.unexpected("expected a name"),
        }
    }

    pub fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        let found = match self.token() {
            Token::Data(_) => "text".to_string(),
            Token::BlockBegin => "{%".to_string(),
            Token::BlockEnd => "end of statement block".to_string(),
            Token::VariableBegin => "{{".to_string(),
            Token::VariableEnd => "end of print statement".to_string(),
            Token::Name(name) => format!("'{name}'"),
            Token::Str(_) => "a string".to_string(),
            Token::Int(_) | Token::Float(_) => "a number".to_string(),
            Token::Operator(o) => format!("'{o}'"),
            Token::End => "end of template".to_string(),
        };
        Err(Error::new(format!("{wanted}, got {found}")).at(self.line()))
    }

    pub fn nested<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return fail("the template nests too deeply");
        }
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        result
    }

    pub fn link(&mut self) -> Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS { fail("the expression is too long") } else { Ok(()) }
    }

    pub fn made(line: u32, kind: Kind) -> Expr {
        Expr { line, kind }
    }

    /// Notes that there is no such thing, for the end of the template.
    pub fn note_unknown(&mut self, what: &str, name: &str) {
        if !self.conditional {
            self.unknown.push(Error::new(format!("No {what} named '{name}'.")).at(self.line()));
        }
    }
}
