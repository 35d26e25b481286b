// SPDX-License-Identifier: Apache-2.0
//! Jinja2's tags, with those that transformers adds: `generation`, `break` and `continue`.

use std::sync::Arc;

use super::ast::{Action, Body, Expr, For, Kind, Procedure, Signature, Statement};
use super::error::{Error, Result};
use super::expressions::TupleRules;
use super::lexer::{normal_lines, tokens, Token};
use super::parser::Parser;
use super::value::Text;

const NO_LOADER: &str = "no loader for this environment specified";

/// The statements of a whole template.
pub fn parse(source: &str) -> Result<Body> {
    let mut parser = Parser::new(tokens(&normal_lines(source))?);
    let body = parser.body(&[]).map_err(|error| error.at(parser.line()))?;
    parser.unknown.into_iter().next().map_or(Ok(body), Err)
}

fn names_in(expr: &Expr) -> Vec<&str> {
    match &expr.kind {
        Kind::Name(name) => vec![name],
        Kind::Tuple(items) => items.iter().flat_map(names_in).collect(),
        _ => Vec::new(),
    }
}

fn assignable(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Name(_) | Kind::NamespaceTarget(..) => true,
        Kind::Tuple(items) => items.iter().all(assignable),
        _ => false,
    }
}

impl Parser {
    /// Up to a tag that begins with one of `ends`, whose word is read next; of no ends: to the end of the template.
    fn body(&mut self, ends: &[&str]) -> Result<Body> {
        let mut made = Body::new();
        loop {
            let line = self.line();
            self.links = 0;
            match self.token().clone() {
                Token::Data(text) => {
                    self.advance();
                    made.push(Statement { line, kind: Action::Data(text) });
                }
                Token::VariableBegin => {
                    self.advance();
                    let expr = self.tuple(TupleRules::default())?;
                    if *self.token() != Token::VariableEnd {
                        return self.unexpected("expected end of print statement");
                    }
                    self.advance();
                    made.push(Statement { line, kind: Action::Print(expr) });
                }
                Token::BlockBegin => {
                    self.advance();
                    if ends.iter().any(|end| self.is_word(end)) {
                        return Ok(made);
                    }
                    let kind = self.nested(|p| p.statement())?;
                    self.block_end()?;
                    made.push(Statement { line, kind });
                }
                Token::End if ends.is_empty() => return Ok(made),
                _ => return self.unexpected(&format!("expected {}", ends.join(" or "))),
            }
        }
    }

    fn block_end(&mut self) -> Result<()> {
        if *self.token() != Token::BlockEnd {
            return self.unexpected("expected end of statement block");
        }
        self.advance();
        Ok(())
    }

    /// What follows a tag's head.
    fn statements(&mut self, ends: &[&str]) -> Result<Body> {
        self.skip_operator(":");
        self.block_end()?;
        self.conditional &= ends.contains(&"endif");
        self.body(ends)
    }

    /// The same, with the word of its end.
    fn closed(&mut self, end: &str) -> Result<Body> {
        let made = self.statements(&[end])?;
        self.advance();
        Ok(made)
    }

    fn statement(&mut self) -> Result<Action> {
        let line = self.line();
        let tag = self.expect_name()?;
        // Other tags' bodies are compiled on their own.
        let outer = self.conditional;
        let action = self.tag(&tag, line);
        self.conditional = outer;
        action
    }

    fn tag(&mut self, tag: &str, line: u32) -> Result<Action> {
        match tag {
            "if" => self.if_tag(),
            "for" => self.for_tag(),
            "set" => self.set_tag(),
            "with" => self.with_tag(),
            "macro" => self.macro_tag(),
            "call" => self.call_tag(),
            "filter" => {
                let filter = self.filter_chain()?;
                Ok(Action::FilterBlock(filter, self.closed("endfilter")?))
            }
            "print" => self.print_tag(),
            "generation" => self.generation_tag(),
            "block" => self.block_tag(),
            "autoescape" => {
                let wanted = self.expression()?;
                let body = self.closed("endautoescape")?;
                let off = matches!(wanted.kind, Kind::Bool(false));
                Ok(if off { Action::Scope(body) } else { Action::Refused("autoescape is not known") })
            }
            "break" | "continue" if self.loops == 0 => Err(Error::new(format!("'{tag}' outside loop")).at(line)),
            "break" => Ok(Action::Break),
            "continue" => Ok(Action::Continue),
            "include" | "import" | "from" | "extends" => {
                while !matches!(self.token(), Token::BlockEnd | Token::End) {
                    self.advance();
                }
                Ok(Action::Refused(NO_LOADER))
            }
            _ => Err(Error::new(format!("Encountered unknown tag '{tag}'.")).at(line)),
        }
    }

    fn if_tag(&mut self) -> Result<Action> {
        let mut branches = Vec::new();
        let outer = std::mem::replace(&mut self.conditional, true);
        loop {
            let test = self.tuple(TupleRules { no_condition: true, ..Default::default() })?;
            let body = self.statements(&["elif", "else", "endif"])?;
            branches.push((test, body));
            if self.skip_word("elif") {
                continue;
            }
            let otherwise = if self.skip_word("else") { self.closed("endif")? } else { self.ended() };
            self.conditional = outer;
            return Ok(Action::If(branches, otherwise));
        }
    }

    /// Passes the word of an end tag.
    fn ended(&mut self) -> Body {
        self.advance();
        Body::new()
    }

    fn target(&mut self, end_word: Option<&'static str>, namespaces: bool) -> Result<Expr> {
        let line = self.line();
        let target = self.tuple(TupleRules { target: true, end_word, ..Default::default() })?;
        if !assignable(&target) || (!namespaces && matches!(target.kind, Kind::NamespaceTarget(..))) {
            return Err(Error::new("can't assign to this expression").at(line));
        }
        Ok(target)
    }

    fn for_tag(&mut self) -> Result<Action> {
        let line = self.line();
        let target = self.target(Some("in"), false)?;
        if names_in(&target).contains(&"loop") {
            return Err(Error::new("Can't assign to special loop variable in for-loop target").at(line));
        }
        if !self.skip_word("in") {
            return self.unexpected("expected 'in'");
        }
        let rules = TupleRules { no_condition: true, end_word: Some("recursive"), ..Default::default() };
        let iterable = self.tuple(rules)?;
        let filter = if self.skip_word("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_word("recursive");
        self.loops += 1;
        let body = self.statements(&["endfor", "else"])?;
        self.loops -= 1;
        let otherwise = if self.skip_word("else") { self.closed("endfor")? } else { self.ended() };
        Ok(Action::For(Arc::new(For { target, iterable, filter, recursive, body, otherwise })))
    }

    fn set_tag(&mut self) -> Result<Action> {
        let target = self.target(None, true)?;
        if self.skip_operator("=") {
            return Ok(Action::Set(target, self.tuple(TupleRules::default())?));
        }
        let filter = if self.skip_operator("|") { Some(self.filter_chain()?) } else { None };
        Ok(Action::SetBlock(target, filter, self.closed("endset")?))
    }

    fn with_tag(&mut self) -> Result<Action> {
        let mut values = Vec::new();
        while *self.token() != Token::BlockEnd {
            if !values.is_empty() {
                self.expect_operator(",")?;
            }
            let target = self.target(None, false)?;
            self.expect_operator("=")?;
            values.push((target, self.expression()?));
        }
        Ok(Action::With(values, self.closed("endwith")?))
    }

    fn parameters(&mut self) -> Result<Vec<(Text, Option<Expr>)>> {
        self.expect_operator("(")?;
        let mut made: Vec<(Text, Option<Expr>)> = Vec::new();
        while !self.is_operator(")") {
            if !made.is_empty() {
                self.expect_operator(",")?;
            }
            let name = self.expect_name()?;
            let default = if self.skip_operator("=") { Some(self.expression()?) } else { None };
            if default.is_none() && made.last().is_some_and(|(_, d)| d.is_some()) {
                return self.unexpected("non-default argument follows default argument");
            }
            made.push((name, default));
        }
        self.expect_operator(")")?;
        Ok(made)
    }

    /// The body of a macro or call block.
    fn procedure(&mut self, name: Text, parameters: Vec<(Text, Option<Expr>)>, end: &str) -> Result<Signature> {
        let begin = self.at;
        let loops = std::mem::take(&mut self.loops);
        let body = self.closed(end)?;
        self.loops = loops;
        let reads = |word: &str| {
            let dot = Token::Operator(".");
            let is_name = |i: usize| matches!(&self.tokens[i].token, Token::Name(name) if &**name == word);
            (begin + 1..self.at).any(|i| is_name(i) && self.tokens[i - 1].token != dot)
                && !parameters.iter().any(|(name, _)| &**name == word)
        };
        let (reads_varargs, reads_kwargs, reads_caller) = (reads("varargs"), reads("kwargs"), reads("caller"));
        Ok(Arc::new(Procedure { name, parameters, body, reads_varargs, reads_kwargs, reads_caller }))
    }

    fn macro_tag(&mut self) -> Result<Action> {
        let name = self.expect_name()?;
        let parameters = self.parameters()?;
        Ok(Action::Macro(self.procedure(name, parameters, "endmacro")?))
    }

    fn call_tag(&mut self) -> Result<Action> {
        let parameters = if self.is_operator("(") { self.parameters()? } else { Vec::new() };
        let call = self.expression()?;
        if !matches!(call.kind, Kind::Call(..)) {
            return Err(Error::new("expected call").at(call.line));
        }
        let body = self.procedure("caller".into(), parameters, "endcall")?;
        Ok(Action::CallBlock(call, body))
    }

    /// `{% generation %}` marks what a model learns from; it has variables of its own.
    fn generation_tag(&mut self) -> Result<Action> {
        let loops = std::mem::take(&mut self.loops);
        let body = self.closed("endgeneration")?;
        self.loops = loops;
        Ok(Action::Scope(body))
    }

    fn block_tag(&mut self) -> Result<Action> {
        let name = self.expect_name()?;
        self.skip_word("scoped");
        self.skip_word("required");
        let body = self.closed("endblock")?;
        self.skip_word(&name);
        Ok(Action::Scope(body))
    }

    fn print_tag(&mut self) -> Result<Action> {
        let mut printed = Vec::new();
        let line = self.line();
        while *self.token() != Token::BlockEnd {
            if !printed.is_empty() {
                self.expect_operator(",")?;
            }
            let expr = self.expression()?;
            printed.push(Statement { line, kind: Action::Print(expr) });
        }
        Ok(Action::If(Vec::new(), printed))
    }
}
