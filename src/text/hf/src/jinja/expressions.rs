// SPDX-License-Identifier: Apache-2.0
//! Jinja2's expressions, by recursive descent in the order of its own parser: operators and what they stand between.

use super::ast::{Binary, Compare, Expr, Kind};
use super::error::Result;
use super::lexer::Token;
use super::parser::Parser;

/// What may end a tuple that has no brackets.
#[derive(Clone, Copy, Default)]
pub struct TupleRules {
    pub no_condition: bool,
    pub end_word: Option<&'static str>,
    pub brackets: bool,
    /// Only what can be assigned to.
    pub target: bool,
}

impl Parser {
    pub fn expression(&mut self) -> Result<Expr> {
        self.nested(|p| p.condition())
    }

    fn condition(&mut self) -> Result<Expr> {
        let (line, unknown) = (self.line(), self.unknown.len());
        let mut expr = self.or()?;
        while self.skip_word("if") {
            self.link()?;
            let test = self.or()?;
            let otherwise = if self.skip_word("else") { Some(Box::new(self.expression()?)) } else { None };
            expr = Self::made(line, Kind::Condition(Box::new(test), Box::new(expr), otherwise));
            self.unknown.truncate(unknown);
        }
        Ok(expr)
    }

    pub fn or(&mut self) -> Result<Expr> {
        let line = self.line();
        let mut left = self.and()?;
        while self.skip_word("or") {
            self.link()?;
            left = Self::made(line, Kind::Or(Box::new(left), Box::new(self.and()?)));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let line = self.line();
        let mut left = self.not()?;
        while self.skip_word("and") {
            self.link()?;
            left = Self::made(line, Kind::And(Box::new(left), Box::new(self.not()?)));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        let line = self.line();
        if self.skip_word("not") {
            let inner = self.nested(|p| p.not())?;
            return Ok(Self::made(line, Kind::Not(Box::new(inner))));
        }
        self.compare()
    }

    fn compare_operator(&mut self) -> Option<Compare> {
        let found = match self.token() {
            Token::Operator("==") => Compare::Eq,
            Token::Operator("!=") => Compare::Ne,
            Token::Operator("<") => Compare::Lt,
            Token::Operator("<=") => Compare::Le,
            Token::Operator(">") => Compare::Gt,
            Token::Operator(">=") => Compare::Ge,
            Token::Name(name) if &**name == "in" => Compare::In,
            Token::Name(name) if &**name == "not" && *self.peek() == Token::Name("in".into()) => {
                self.advance();
                Compare::NotIn
            }
            _ => return None,
        };
        self.advance();
        Some(found)
    }

    fn compare(&mut self) -> Result<Expr> {
        let line = self.line();
        let first = self.sum()?;
        let mut others = Vec::new();
        while let Some(operator) = self.compare_operator() {
            others.push((operator, self.sum()?));
        }
        if others.is_empty() {
            return Ok(first);
        }
        Ok(Self::made(line, Kind::Compare(Box::new(first), others)))
    }

    fn binary(&mut self, operators: &[(&str, Binary)], next: fn(&mut Self) -> Result<Expr>) -> Result<Expr> {
        let line = self.line();
        let mut left = next(self)?;
        while let Some((_, operator)) = operators.iter().find(|(text, _)| self.is_operator(text)) {
            self.advance();
            self.link()?;
            left = Self::made(line, Kind::Binary(*operator, Box::new(left), Box::new(next(self)?)));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr> {
        self.binary(&[("+", Binary::Add), ("-", Binary::Sub)], Self::concat)
    }

    fn concat(&mut self) -> Result<Expr> {
        let line = self.line();
        let first = self.product()?;
        if !self.is_operator("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_operator("~") {
            parts.push(self.product()?);
        }
        Ok(Self::made(line, Kind::Concat(parts)))
    }

    fn product(&mut self) -> Result<Expr> {
        let operators = [("*", Binary::Mul), ("/", Binary::Div), ("//", Binary::FloorDiv), ("%", Binary::Mod)];
        self.binary(&operators, Self::power)
    }

    fn power(&mut self) -> Result<Expr> {
        self.binary(&[("**", Binary::Pow)], |p| p.unary(true))
    }

    fn unary(&mut self, filters: bool) -> Result<Expr> {
        let line = self.line();
        let node = if self.skip_operator("-") {
            Self::made(line, Kind::Negative(Box::new(self.nested(|p| p.unary(false))?)))
        } else if self.skip_operator("+") {
            Self::made(line, Kind::Positive(Box::new(self.nested(|p| p.unary(false))?)))
        } else {
            self.primary(false)?
        };
        let node = self.postfix(node)?;
        if filters {
            return self.filters(node);
        }
        Ok(node)
    }

    pub fn primary(&mut self, target: bool) -> Result<Expr> {
        let line = self.line();
        let kind = match self.token().clone() {
            Token::Name(name) => {
                self.advance();
                match &*name {
                    "true" | "True" => Kind::Bool(true),
                    "false" | "False" => Kind::Bool(false),
                    "none" | "None" => Kind::None,
                    _ if target && self.skip_operator(".") => Kind::NamespaceTarget(name, self.expect_name()?),
                    _ => Kind::Name(name),
                }
            }
            Token::Str(first) => {
                self.advance();
                let mut text = first;
                while let Token::Str(more) = self.token().clone() {
                    text = format!("{text}{more}").into();
                    self.advance();
                }
                Kind::Str(text)
            }
            Token::Int(value) => {
                self.advance();
                Kind::Int(value)
            }
            Token::Float(value) => {
                self.advance();
                Kind::Float(value)
            }
            Token::Operator("(") => {
                self.advance();
                let inner = self.nested(|p| p.tuple(TupleRules { brackets: true, target, ..Default::default() }))?;
                self.expect_operator(")")?;
                return Ok(inner);
            }
            Token::Operator("[") => self.nested(|p| p.list())?,
            Token::Operator("{") => self.nested(|p| p.dict())?,
            _ => return self.unexpected("expected an expression"),
        };
        Ok(Self::made(line, kind))
    }

    fn list(&mut self) -> Result<Kind> {
        self.advance();
        let mut items = Vec::new();
        while !self.is_operator("]") {
            if !items.is_empty() {
                self.expect_operator(",")?;
                if self.is_operator("]") {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        self.expect_operator("]")?;
        Ok(Kind::List(items))
    }

    fn dict(&mut self) -> Result<Kind> {
        self.advance();
        let mut items = Vec::new();
        while !self.is_operator("}") {
            if !items.is_empty() {
                self.expect_operator(",")?;
                if self.is_operator("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect_operator(":")?;
            items.push((key, self.expression()?));
        }
        self.expect_operator("}")?;
        Ok(Kind::Dict(items))
    }

    fn tuple_ends(&self, rules: TupleRules) -> bool {
        matches!(self.token(), Token::VariableEnd | Token::BlockEnd | Token::Operator(")"))
            || rules.end_word.is_some_and(|word| self.is_word(word))
    }

    /// One expression, or several with commas between them.
    pub fn tuple(&mut self, rules: TupleRules) -> Result<Expr> {
        let line = self.line();
        let (mut items, mut is_tuple) = (Vec::new(), false);
        loop {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.tuple_ends(rules) {
                break;
            }
            items.push(match rules {
                TupleRules { target: true, .. } => self.primary(true)?,
                TupleRules { no_condition: true, .. } => self.nested(|p| p.or())?,
                _ => self.expression()?,
            });
            if !self.is_operator(",") {
                break;
            }
            is_tuple = true;
        }
        if !is_tuple {
            if let Some(only) = items.pop() {
                return Ok(only);
            }
            if !rules.brackets {
                return self.unexpected("Expected an expression");
            }
        }
        Ok(Self::made(line, Kind::Tuple(items)))
    }
}
