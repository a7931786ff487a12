//! Models that the core steps by itself: registers, and maps from keys to values.
//!
//! The same as `checker/models/register.py` and `kv.py`, which tests compare it with. A state is the
//! value of one register, or under one key; values are canonical JSON texts.

use std::collections::hash_map::Entry;

use super::registers::{pair, Values as Column};
use super::schedule::NONE;
use super::table::{map_for, FastMap, BLIND, PURE, SETTLES};
use crate::history::values::{Values, NULL};

/// For so many actions there is room at once, if a history is as long.
const FEW: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Register,
    CasRegister,
    Map,
}

/// What an action does; values are numbers of texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Act {
    /// Reads, and nobody knows what.
    Look,
    Read(u32),
    Write(u32),
    Swap(u32, u32),
    /// A compare-and-set that found another value than this.
    Refuse(u32),
    Append(u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Read,
    Write,
    Cas,
    Append,
    Delete,
}

/// The operations of a history as borrowed columns of numbers of values.
pub struct Operations<'a> {
    pub f: &'a [i32],
    pub key: &'a [i32],
    pub input: &'a [i32],
    pub output: &'a [i32],
    pub outcome: &'a [i32],
    pub values: Column<'a>,
    pub fail: i32,
    pub info: i32,
}

impl Operations<'_> {
    /// Whether the columns are of equal length and every number has a value.
    pub fn fit(&self) -> bool {
        let columns = [self.f, self.key, self.input, self.output, self.outcome];
        columns.iter().all(|column| column.len() == self.f.len()) && self.values.fits(&columns[..4])
    }
}

/// The numbers of the actions of a history.
pub struct Numbered {
    /// For each operation the number of its action, -1 where nothing happened.
    pub actions: Vec<i32>,
    /// For each action the first operation.
    pub first: Vec<u32>,
    /// The actions that were answered.
    pub told: Vec<u32>,
    pub flags: Vec<u8>,
}

#[derive(Clone)]
pub struct Known {
    kind: Kind,
    texts: Values,
    acts: Vec<Act>,
    /// By state the number of its text; by text the number of its state.
    held: Vec<u32>,
    state_of: Vec<u32>,
    grown: Vec<u8>,
}

impl Known {
    /// The model of this name with this value at the start, if it is one of those.
    pub fn new(name: &str, initial: &[u8]) -> Option<Self> {
        let kind = match name {
            "register" => Kind::Register,
            "cas-register" => Kind::CasRegister,
            "kv" => Kind::Map,
            _ => return None,
        };
        let mut known = Known {
            kind,
            texts: Values::new(),
            acts: Vec::new(),
            held: Vec::new(),
            state_of: Vec::new(),
            grown: Vec::new(),
        };
        let first = known.texts.number(initial);
        known.state(first);
        Some(known)
    }

    /// The text of the value that a state holds.
    pub fn text(&self, state: u32) -> Option<&[u8]> {
        let held = self.held.get(state as usize);
        held.map(|&held| self.texts.text(held))
    }

    /// The state that holds this value.
    pub fn state_holding(&mut self, text: &[u8]) -> u32 {
        let text = self.texts.number(text);
        self.state(text)
    }

    /// The state that follows, if the action is possible.
    pub fn step(&mut self, state: u32, action: u32) -> Option<u32> {
        let held = self.held[state as usize];
        match self.acts[action as usize] {
            Act::Look => Some(state),
            Act::Read(value) => (held == value).then_some(state),
            Act::Refuse(old) => (held != old).then_some(state),
            Act::Write(value) => Some(self.state(value)),
            Act::Swap(old, new) => (held == old).then(|| self.state(new)),
            Act::Append(value) => self.append(held, value),
        }
    }

    /// Whether a read may come to be possible by appending alone. Appending makes a text longer
    /// and changes nothing of it.
    pub fn may_lead_to(&self, state: u32, action: u32) -> bool {
        let held = self.held[state as usize];
        match self.acts[action as usize] {
            Act::Read(value) if held == value => true,
            Act::Read(value) => {
                let (held, value) = (self.texts.text(held), self.texts.text(value));
                is_text(value)
                    && (held == b"null"
                        || (is_text(held) && value.starts_with(&held[..held.len() - 1])))
            }
            _ => true,
        }
    }

    fn append(&mut self, held: u32, value: u32) -> Option<u32> {
        if held == NULL {
            return Some(self.state(value));
        }
        if !is_text(self.texts.text(held)) {
            return None;
        }
        self.grown.clear();
        let (begin, end) = (self.texts.text(held), self.texts.text(value));
        self.grown.extend_from_slice(&begin[..begin.len() - 1]);
        self.grown.extend_from_slice(&end[1..]);
        let grown = self.texts.number(&self.grown);
        Some(self.state(grown))
    }

    fn state(&mut self, text: u32) -> u32 {
        let at = text as usize;
        if self.state_of.len() <= at {
            self.state_of.resize(at + 1, NONE);
        }
        if self.state_of[at] == NONE {
            self.state_of[at] = self.held.len() as u32;
            self.held.push(text);
        }
        self.state_of[at]
    }

    pub fn memory(&self) -> usize {
        self.texts.texts.capacity() + (self.texts.len() + self.held.len()) * 24
    }

    /// Numbers the actions of a history, once. None if it has one that is not of this model.
    pub fn number(&mut self, operations: &Operations) -> Option<Numbered> {
        let mut reading = Reading {
            known: self,
            operations,
            verbs: FastMap::default(),
            texts: vec![NONE; operations.values.ends.len()],
        };
        // Equal columns are one action; reading them anew each time would take longer.
        let few = operations.f.len().min(FEW);
        let mut seen: FastMap<(u64, u64), i32> = map_for(few);
        let mut numbers: FastMap<(u64, u32), i32> = map_for(few);
        let mut answered: Vec<bool> = Vec::new();
        let mut numbered = Numbered {
            actions: Vec::with_capacity(operations.f.len()),
            first: Vec::new(),
            told: Vec::new(),
            flags: Vec::new(),
        };
        for row in 0..operations.f.len() {
            if operations.outcome[row] == operations.fail {
                numbered.actions.push(-1);
                continue;
            }
            let number = match seen.entry(reading.columns(row)?) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    let act = reading.act(row)?;
                    *entry.insert(*numbers.entry(act.mark()).or_insert_with(|| {
                        numbered.first.push(row as u32);
                        answered.push(false);
                        reading.known.acts.push(act);
                        reading.known.acts.len() as i32 - 1
                    }))
                }
            };
            answered[number as usize] |= operations.outcome[row] != operations.info;
            numbered.actions.push(number);
        }
        let actions = 0..answered.len() as u32;
        numbered.told = actions
            .filter(|&action| answered[action as usize])
            .collect();
        numbered.flags = self.flags();
        Some(numbered)
    }

    /// Appending is always possible where no value is anything but a text.
    fn flags(&self) -> Vec<u8> {
        let grows = |&text: &u32| text == NULL || is_text(self.texts.text(text));
        let written = self.acts.iter().filter_map(|act| match act {
            Act::Write(value) => Some(*value),
            _ => None,
        });
        let texts_only = written.chain([self.held[0]]).all(|text| grows(&text));
        let flags = self.acts.iter().map(|act| match act {
            Act::Look | Act::Read(_) | Act::Refuse(_) => PURE,
            Act::Write(_) => BLIND | SETTLES,
            Act::Swap(old, new) if old == new => PURE | SETTLES,
            Act::Swap(..) => SETTLES,
            Act::Append(_) if texts_only => BLIND,
            Act::Append(_) => 0,
        });
        flags.collect()
    }
}

impl Act {
    /// A number for each kind with its first value, and the second value.
    fn mark(self) -> (u64, u32) {
        let (kind, first, second) = match self {
            Act::Look => (0, 0, 0),
            Act::Read(value) => (1, value, 0),
            Act::Write(value) => (2, value, 0),
            Act::Swap(old, new) => (3, old, new),
            Act::Refuse(old) => (4, old, 0),
            Act::Append(value) => (5, value, 0),
        };
        (kind << 32 | u64::from(first), second)
    }
}

struct Reading<'a> {
    known: &'a mut Known,
    operations: &'a Operations<'a>,
    verbs: FastMap<u32, Option<Verb>>,
    /// By the number of a value in the history that of its text here.
    texts: Vec<u32>,
}

impl Reading<'_> {
    /// What an action depends on: f, input, output and whether it crashed; in one number each two.
    /// None if the operation has no key but should.
    fn columns(&self, row: usize) -> Option<(u64, u64)> {
        let operations = self.operations;
        if self.known.kind == Kind::Map && operations.key[row] == NULL as i32 {
            return None;
        }
        let pair = |a: i32, b: i32| u64::from(a as u32) << 32 | u64::from(b as u32);
        let crashed = operations.outcome[row] == operations.info;
        let output = if crashed { -1 } else { operations.output[row] };
        let (f, input) = (operations.f[row], operations.input[row]);
        Some((pair(f, input), pair(output, i32::from(crashed))))
    }

    fn act(&mut self, row: usize) -> Option<Act> {
        let operations = self.operations;
        let crashed = operations.outcome[row] == operations.info;
        let (input, output) = (operations.input[row], operations.output[row]);
        Some(match self.verb(operations.f[row])? {
            Verb::Read if crashed => Act::Look,
            Verb::Read => Act::Read(self.text(output)),
            Verb::Write => Act::Write(self.text(input)),
            Verb::Delete => Act::Write(NULL),
            Verb::Append => {
                let value = self.text(input);
                if !is_text(self.known.texts.text(value)) {
                    return None;
                }
                Act::Append(value)
            }
            Verb::Cas => {
                let (old, new) = self.pair(input)?;
                match operations.values.text(output) {
                    _ if crashed => Act::Swap(old, new),
                    b"true" => Act::Swap(old, new),
                    b"false" => Act::Refuse(old),
                    _ => return None,
                }
            }
        })
    }

    fn verb(&mut self, f: i32) -> Option<Verb> {
        let (kind, operations) = (self.known.kind, self.operations);
        *self
            .verbs
            .entry(f as u32)
            .or_insert_with(|| match (kind, operations.values.text(f)) {
                (Kind::Map, b"\"get\"") => Some(Verb::Read),
                (Kind::Map, b"\"put\"") => Some(Verb::Write),
                (Kind::Map, b"\"append\"") => Some(Verb::Append),
                (Kind::Map, b"\"delete\"") => Some(Verb::Delete),
                (Kind::Map, _) => None,
                (_, b"\"read\"") => Some(Verb::Read),
                (_, b"\"write\"") => Some(Verb::Write),
                (Kind::CasRegister, b"\"cas\"") => Some(Verb::Cas),
                _ => None,
            })
    }

    fn text(&mut self, value: i32) -> u32 {
        let at = value as usize;
        if self.texts[at] == NONE {
            self.texts[at] = self.known.texts.number(self.operations.values.text(value));
        }
        self.texts[at]
    }

    fn pair(&mut self, value: i32) -> Option<(u32, u32)> {
        let (known, values) = (&mut *self.known, &self.operations.values);
        pair(values.text(value))
            .map(|(old, new)| (known.texts.number(old), known.texts.number(new)))
    }
}

/// Whether a canonical JSON text is that of a string.
fn is_text(text: &[u8]) -> bool {
    text.first() == Some(&b'"')
}
