// SPDX-License-Identifier: Apache-2.0
//! `wordwrap`: Python's textwrap, a paragraph for each line.

use std::collections::VecDeque;

use crate::jinja::args::{given, int_or, str_of, Args};
use crate::jinja::chars::is_space;
use crate::jinja::error::{fail, Result};
use crate::jinja::methods::lines;
use crate::jinja::value::{string, Value};
use crate::jinja::vm::Vm;

pub fn word_wrap(vm: &Vm, value: Value, args: Args) -> Result<Value> {
    let names = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let [width, long, between, hyphens] = args.bind("wordwrap", names)?;
    let width = int_or(&width, 79)?;
    if width <= 0 {
        return fail(format!("invalid width {width} (must be > 0)"));
    }
    let truth = |value: &Option<Value>| value.as_ref().is_none_or(Value::truth);
    let wrap = Wrap { width: width.min(1 << 40) as usize, long: truth(&long), hyphens: truth(&hyphens) };
    let between = given(between).unwrap_or_else(|| string("\n"));
    let between = str_of(&between)?;
    let text = str_of(&value)?;
    vm.budget.bytes(4 * text.len() as u64)?;
    let mut out = String::new();
    for (i, line) in lines(text, false).into_iter().enumerate() {
        let joined = wrap.paragraph(line).join(between);
        vm.budget.bytes((joined.len() + between.len()) as u64)?;
        out.push_str(if i > 0 { between } else { "" });
        out.push_str(&joined);
    }
    Ok(string(out))
}

struct Wrap {
    width: usize,
    long: bool,
    hyphens: bool,
}

fn is_blank(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}

impl Wrap {
    /// Words, the blanks between them, and the parts of words with hyphens.
    fn chunks(&self, text: &str) -> VecDeque<Vec<char>> {
        let mut made: VecDeque<Vec<char>> = VecDeque::new();
        let all: Vec<char> = text.chars().collect();
        for (i, c) in all.iter().enumerate() {
            let joins = i > 0 && is_blank(all[i - 1]) == is_blank(*c) && !(self.hyphens && self.breaks(&all, i));
            match made.back_mut().filter(|_| joins) {
                Some(chunk) => chunk.push(*c),
                None => made.push_back(vec![*c]),
            }
        }
        made
    }

    /// Whether a word may be cut before `at`: behind a hyphen between letters.
    fn breaks(&self, all: &[char], at: usize) -> bool {
        let letter = |i: usize| all.get(i).is_some_and(|c| c.is_alphabetic() || *c == '_');
        all[at - 1] == '-' && at >= 3 && letter(at - 2) && letter(at - 3) && letter(at) && letter(at + 1)
    }

    fn paragraph(&self, text: &str) -> Vec<String> {
        let mut chunks = self.chunks(text);
        let mut made: Vec<String> = Vec::new();
        while !chunks.is_empty() {
            if !made.is_empty() && chunks[0].iter().all(|c| is_space(*c)) {
                chunks.pop_front();
            }
            let (mut line, mut length) = (Vec::new(), 0);
            while let Some(chunk) = chunks.pop_front() {
                if length + chunk.len() > self.width {
                    chunks.push_front(chunk);
                    break;
                }
                length += chunk.len();
                line.push(chunk);
            }
            if chunks.front().is_some_and(|chunk| chunk.len() > self.width) {
                self.cut_long(&mut chunks, &mut line, length);
            }
            if line.last().is_some_and(|chunk| chunk.iter().all(|c| is_space(*c))) {
                line.pop();
            }
            if !line.is_empty() {
                made.push(line.into_iter().flatten().collect());
            }
        }
        made
    }

    /// A word that fits no line: its beginning fills this one, or it has a line of its own.
    fn cut_long(&self, chunks: &mut VecDeque<Vec<char>>, line: &mut Vec<Vec<char>>, length: usize) {
        let Some(mut chunk) = chunks.pop_front() else { return };
        let room = self.width.saturating_sub(length).max(1);
        if self.long {
            let hyphen = chunk[..room]
                .iter()
                .rposition(|c| *c == '-')
                .filter(|at| self.hyphens && *at > 0 && chunk[..*at].iter().any(|c| *c != '-') && chunk.len() > room);
            let rest = chunk.split_off(hyphen.map_or(room, |at| at + 1));
            line.push(chunk);
            chunks.push_front(rest);
        } else if line.is_empty() {
            line.push(chunk);
        } else {
            chunks.push_front(chunk);
        }
    }
}
