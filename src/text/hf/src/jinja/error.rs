// SPDX-License-Identifier: Apache-2.0
//! What goes wrong in a template, and the bounds of one rendering.

use std::cell::Cell;

#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    pub message: String,
    /// The template's line, where it says something to the reader.
    pub line: Option<u32>,
    /// Whether the template itself raised it: its words are for the client as they are.
    pub raised: bool,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: None, raised: false }
    }

    pub fn raised(message: String) -> Self {
        Self { message, line: None, raised: true }
    }

    /// The innermost line stays.
    pub fn at(mut self, line: u32) -> Self {
        self.line.get_or_insert(line);
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) if !self.raised => write!(f, "{} (line {line})", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

pub fn fail<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::new(message))
}

/// Steps of one rendering: some tenths of a second. A chat of a thousand messages takes some hundred thousand.
const MAX_STEPS: u64 = 5_000_000;
/// Bytes written to strings, lists and the output, all of them together; what is freed counts too.
const MAX_BYTES: u64 = 1 << 30;
/// The longest string or list, in bytes.
const MAX_VALUE_BYTES: u64 = 64 << 20;
/// Statements, expressions and macro calls inside each other.
const MAX_DEPTH: u32 = 1500;

/// Counts down; refuses what is left over.
pub struct Budget {
    steps: Cell<u64>,
    bytes: Cell<u64>,
    depth: Cell<u32>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: Cell::new(MAX_STEPS), bytes: Cell::new(MAX_BYTES), depth: Cell::new(0) }
    }
}

impl Budget {
    pub fn step(&self) -> Result<()> {
        self.steps(1)
    }

    pub fn steps(&self, count: u64) -> Result<()> {
        match self.steps.get().checked_sub(count) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => fail("the template takes too many steps"),
        }
    }

    /// Before a value or text of so many bytes is made.
    pub fn bytes(&self, count: u64) -> Result<()> {
        match self.bytes.get().checked_sub(count) {
            Some(left) if count <= MAX_VALUE_BYTES => {
                self.bytes.set(left);
                Ok(())
            }
            _ => fail("the template writes too much"),
        }
    }

    /// Before a list of so many values is made.
    pub fn items(&self, count: u64) -> Result<()> {
        self.bytes(count.saturating_mul(32))
    }

    /// For a search through so many bytes.
    pub fn scan(&self, bytes: usize) -> Result<()> {
        self.steps(bytes as u64 / 256)
    }

    pub fn deeper<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.depth.get() >= MAX_DEPTH {
            return fail("the template nests too deeply");
        }
        self.depth.set(self.depth.get() + 1);
        let result = body();
        self.depth.set(self.depth.get() - 1);
        result
    }
}
