// SPDX-License-Identifier: Apache-2.0
//! A parsed template. Immutable, and shared between threads.

use std::sync::Arc;

use super::value::Text;

pub struct Expr {
    pub line: u32,
    pub kind: Kind,
}

pub type Boxed = Box<Expr>;

pub enum Kind {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Text),
    Name(Text),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Not(Boxed),
    Negative(Boxed),
    Positive(Boxed),
    Binary(Binary, Boxed, Boxed),
    Concat(Vec<Expr>),
    And(Boxed, Boxed),
    Or(Boxed, Boxed),
    Compare(Boxed, Vec<(Compare, Expr)>),
    /// The test, what it is when that holds, and what otherwise.
    Condition(Boxed, Boxed, Option<Boxed>),
    Attribute(Boxed, Text),
    Item(Boxed, Boxed),
    Slice(Box<[Option<Expr>; 3]>),
    Call(Boxed, Box<Arguments>),
    Filter(Box<Filter>),
    Test(Boxed, Text, Box<Arguments>),
    /// `name.attribute` where something is assigned to it.
    NamespaceTarget(Text, Text),
}

pub struct Filter {
    /// None: the body of a block.
    pub target: Option<Expr>,
    pub name: Text,
    pub arguments: Arguments,
}

#[derive(Default)]
pub struct Arguments {
    pub list: Vec<Expr>,
    pub named: Vec<(Text, Expr)>,
    pub more_list: Option<Expr>,
    pub more_named: Option<Expr>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

pub struct Statement {
    pub line: u32,
    pub kind: Action,
}

pub type Body = Vec<Statement>;

pub enum Action {
    Data(Text),
    Print(Expr),
    If(Vec<(Expr, Body)>, Body),
    For(Arc<For>),
    Set(Expr, Expr),
    /// The target, the filter of the body.
    SetBlock(Expr, Option<Expr>, Body),
    With(Vec<(Expr, Expr)>, Body),
    /// A body with variables of its own.
    Scope(Body),
    Macro(Signature),
    /// The call, and what `caller` is.
    CallBlock(Expr, Signature),
    FilterBlock(Expr, Body),
    Break,
    Continue,
    /// What transformers refuses too, with its reason.
    Refused(&'static str),
}

pub struct For {
    pub target: Expr,
    pub iterable: Expr,
    pub filter: Option<Expr>,
    pub recursive: bool,
    pub body: Body,
    pub otherwise: Body,
}

/// Shared with the macro's values at run time.
pub type Signature = Arc<Procedure>;

pub struct Procedure {
    pub name: Text,
    pub parameters: Vec<(Text, Option<Expr>)>,
    pub body: Body,
    /// Which of the special names the body reads.
    pub reads_varargs: bool,
    pub reads_kwargs: bool,
    pub reads_caller: bool,
}
