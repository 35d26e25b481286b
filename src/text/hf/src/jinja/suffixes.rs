// SPDX-License-Identifier: Apache-2.0
//! What stands behind a value in an expression: attributes, items, calls, filters and tests.

use super::ast::{Arguments, Expr, Filter, Kind};
use super::checks;
use super::error::Result;
use super::filters;
use super::lexer::Token;
use super::parser::Parser;
use super::value::Text;

impl Parser {
    pub fn postfix(&mut self, mut node: Expr) -> Result<Expr> {
        loop {
            self.link()?;
            node = match self.token() {
                Token::Operator("." | "[") => self.subscript(node)?,
                Token::Operator("(") => self.call(node)?,
                _ => return Ok(node),
            };
        }
    }

    pub fn filters(&mut self, mut node: Expr) -> Result<Expr> {
        loop {
            self.link()?;
            node = match self.token() {
                Token::Operator("|") => {
                    self.advance();
                    self.filter(Some(node))?
                }
                Token::Name(name) if &**name == "is" => self.test(node)?,
                Token::Operator("(") => self.call(node)?,
                _ => return Ok(node),
            };
        }
    }

    fn dotted_name(&mut self) -> Result<Text> {
        let mut name = self.expect_name()?;
        while self.skip_operator(".") {
            name = format!("{name}.{}", self.expect_name()?).into();
        }
        Ok(name)
    }

    /// A filter's name and arguments, and the filters after it where it is a block's.
    pub fn filter(&mut self, target: Option<Expr>) -> Result<Expr> {
        let line = self.line();
        let name = self.dotted_name()?;
        if !filters::known(&name) {
            self.note_unknown("filter", &name);
        }
        let arguments = if self.is_operator("(") { self.arguments()? } else { Arguments::default() };
        Ok(Self::made(line, Kind::Filter(Box::new(Filter { target, name, arguments }))))
    }

    pub fn filter_chain(&mut self) -> Result<Expr> {
        let mut node = self.filter(None)?;
        while self.skip_operator("|") {
            node = self.filter(Some(node))?;
        }
        Ok(node)
    }

    fn test(&mut self, node: Expr) -> Result<Expr> {
        let line = self.line();
        self.advance();
        let negated = self.skip_word("not");
        let name = self.dotted_name()?;
        if !checks::known(&name) {
            self.note_unknown("test", &name);
        }
        let mut arguments = Arguments::default();
        let begins = matches!(
            self.token(),
            Token::Name(_) | Token::Str(_) | Token::Int(_) | Token::Float(_) | Token::Operator("[" | "{")
        );
        if self.is_operator("(") {
            arguments = self.arguments()?;
        } else if begins && !["else", "or", "and"].iter().any(|word| self.is_word(word)) {
            if self.is_word("is") {
                return self.unexpected("You cannot chain multiple tests with is");
            }
            let argument = self.primary(false)?;
            arguments.list.push(self.postfix(argument)?);
        }
        let test = Self::made(line, Kind::Test(Box::new(node), name, Box::new(arguments)));
        Ok(if negated { Self::made(line, Kind::Not(Box::new(test))) } else { test })
    }

    fn subscript(&mut self, node: Expr) -> Result<Expr> {
        let line = self.line();
        if self.skip_operator(".") {
            let index = match self.token().clone() {
                Token::Name(name) => {
                    self.advance();
                    return Ok(Self::made(line, Kind::Attribute(Box::new(node), name)));
                }
                Token::Int(index) => index,
                _ => return self.unexpected("expected name or number"),
            };
            self.advance();
            let index = Self::made(line, Kind::Int(index));
            return Ok(Self::made(line, Kind::Item(Box::new(node), Box::new(index))));
        }
        self.advance();
        let mut items = Vec::new();
        while !self.is_operator("]") {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            items.push(self.nested(|p| p.subscripted())?);
        }
        self.advance();
        let index = if items.len() == 1 { items.remove(0) } else { Self::made(line, Kind::Tuple(items)) };
        Ok(Self::made(line, Kind::Item(Box::new(node), Box::new(index))))
    }

    fn subscripted(&mut self) -> Result<Expr> {
        let line = self.line();
        let mut parts: [Option<Expr>; 3] = [None, None, None];
        if !self.is_operator(":") {
            let first = self.expression()?;
            if !self.is_operator(":") {
                return Ok(first);
            }
            parts[0] = Some(first);
        }
        self.advance();
        if !(self.is_operator(":") || self.is_operator("]") || self.is_operator(",")) {
            parts[1] = Some(self.expression()?);
        }
        if self.skip_operator(":") && !(self.is_operator("]") || self.is_operator(",")) {
            parts[2] = Some(self.expression()?);
        }
        Ok(Self::made(line, Kind::Slice(Box::new(parts))))
    }

    fn call(&mut self, node: Expr) -> Result<Expr> {
        let line = self.line();
        let arguments = self.arguments()?;
        Ok(Self::made(line, Kind::Call(Box::new(node), Box::new(arguments))))
    }

    fn arguments(&mut self) -> Result<Arguments> {
        self.expect_operator("(")?;
        let mut made = Arguments::default();
        let mut first = true;
        while !self.is_operator(")") {
            if !std::mem::take(&mut first) {
                self.expect_operator(",")?;
                if self.is_operator(")") {
                    break;
                }
            }
            self.argument(&mut made)?;
        }
        self.expect_operator(")")?;
        Ok(made)
    }

    fn argument(&mut self, made: &mut Arguments) -> Result<()> {
        let wrong = |p: &Self| p.unexpected("invalid syntax for function call expression");
        if self.is_operator("*") {
            if made.more_list.is_some() || made.more_named.is_some() {
                return wrong(self);
            }
            self.advance();
            made.more_list = Some(self.expression()?);
        } else if made.more_named.is_some() {
            return wrong(self);
        } else if self.skip_operator("**") {
            made.more_named = Some(self.expression()?);
        } else if matches!(self.token(), Token::Name(_)) && *self.peek() == Token::Operator("=") {
            let name = self.expect_name()?;
            self.advance();
            made.named.push((name, self.expression()?));
        } else if !made.named.is_empty() || made.more_list.is_some() {
            return wrong(self);
        } else {
            made.list.push(self.expression()?);
        }
        Ok(())
    }
}
