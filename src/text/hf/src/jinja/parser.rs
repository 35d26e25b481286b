// SPDX-License-Identifier: Apache-2.0
//! Jinja2's expressions, by recursive descent in the order of its own parser.

use super::ast::{Arguments, Binary, Compare, Expr, Filter, Kind};
use super::checks;
use super::error::{fail, Error, Result};
use super::filters;
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
    pub fn new(tokens: Vec<Placed>) -> Self {
        Self { tokens, at: 0, depth: 0, links: 0, unknown: Vec::new(), conditional: false, loops: 0 }
    }

    pub fn token(&self) -> &Token {
        &self.tokens[self.at].token
    }

    pub fn line(&self) -> u32 {
        self.tokens[self.at].line
    }

    fn peek(&self) -> &Token {
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

    fn link(&mut self) -> Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS { fail("the expression is too long") } else { Ok(()) }
    }

    fn made(line: u32, kind: Kind) -> Expr {
        Expr { line, kind }
    }

    pub fn expression(&mut self) -> Result<Expr> {
        self.nested(|p| p.condition())
    }

    /// Notes that there is no such thing, for the end of the template.
    fn note_unknown(&mut self, what: &str, name: &str) {
        if !self.conditional {
            self.unknown.push(Error::new(format!("No {what} named '{name}'.")).at(self.line()));
        }
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

    fn primary(&mut self, target: bool) -> Result<Expr> {
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

    fn postfix(&mut self, mut node: Expr) -> Result<Expr> {
        loop {
            self.link()?;
            node = match self.token() {
                Token::Operator("." | "[") => self.subscript(node)?,
                Token::Operator("(") => self.call(node)?,
                _ => return Ok(node),
            };
        }
    }

    fn filters(&mut self, mut node: Expr) -> Result<Expr> {
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
