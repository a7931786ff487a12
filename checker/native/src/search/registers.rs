//! The accesses of registers, read off the columns of a history.

use std::collections::HashMap;

use super::budget::Budget;
use super::rules::{Verdict, LATE, LOOK_EVERY};
use super::schedule::{NEVER, NONE};
use super::table::FastMap;
use super::zones::{Access, Zones};

/// The operations of a history as borrowed columns; f, input and output are numbers of values.
pub struct Columns<'a> {
    pub call: &'a [i64],
    pub ret: &'a [i64],
    pub process: &'a [i64],
    pub f: &'a [i32],
    pub input: &'a [i32],
    pub output: &'a [i32],
    pub outcome: &'a [i32],
}

impl Columns<'_> {
    /// Whether the columns are of equal length, and rows and ends inside.
    pub fn fit(&self, rows: &[u32], ends: &[u32]) -> bool {
        let length = self.call.len();
        let wide = [self.ret.len(), self.process.len()];
        let narrow = [
            self.f.len(),
            self.input.len(),
            self.output.len(),
            self.outcome.len(),
        ];
        wide.iter().chain(&narrow).all(|&other| other == length)
            && rows.iter().all(|&row| (row as usize) < length)
            && ends.windows(2).all(|pair| pair[0] <= pair[1])
            && ends.last().map_or(0, |&end| end as usize) <= rows.len()
    }
}

/// Values by number: canonical JSON texts one after another, and where each ends.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    pub texts: &'a [u8],
    pub ends: &'a [i64],
}

impl<'a> Values<'a> {
    pub fn text(&self, number: i32) -> &'a [u8] {
        let number = number as usize;
        let start = if number == 0 {
            0
        } else {
            self.ends[number - 1] as usize
        };
        &self.texts[start..self.ends[number] as usize]
    }

    /// Whether every number of a column and every end is inside.
    pub fn fits(&self, columns: &[&[i32]]) -> bool {
        let ends = self.ends.windows(2).all(|pair| pair[0] <= pair[1])
            && self.ends.first().map_or(true, |&end| end >= 0)
            && self.ends.last().map_or(0, |&end| end as usize) <= self.texts.len();
        let inside = |&number: &i32| number >= 0 && (number as usize) < self.ends.len();
        ends && columns.iter().all(|column| column.iter().all(inside))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Read,
    Write,
    Cas,
    Other,
}

pub struct Reader<'a> {
    columns: Columns<'a>,
    values: Values<'a>,
    fail: i32,
    info: i32,
    has_cas: bool,
    verbs: FastMap<u32, Verb>,
    /// Numbers of values by their text, made when a compare-and-set is met.
    numbers: Option<HashMap<&'a [u8], u32>>,
    processes: FastMap<u64, u32>,
    accesses: Vec<Access>,
}

impl<'a> Reader<'a> {
    pub fn new(
        columns: Columns<'a>,
        values: Values<'a>,
        (fail, info): (i32, i32),
        has_cas: bool,
    ) -> Self {
        Reader {
            columns,
            values,
            fail,
            info,
            has_cas,
            verbs: FastMap::default(),
            numbers: None,
            processes: FastMap::default(),
            accesses: Vec::new(),
        }
    }

    /// The number of a value by its text; a new one if no operation has it as a value.
    pub fn number(&mut self, text: &'a [u8]) -> u32 {
        let values = &self.values;
        let numbers = self.numbers.get_or_insert_with(|| {
            let all = 0..values.ends.len() as i32;
            all.map(|number| (values.text(number), number as u32))
                .collect()
        });
        let next = numbers.len() as u32;
        *numbers.entry(text).or_insert(next)
    }

    /// The number of the initial value, without making a table of all.
    pub fn initial(&mut self, text: &'a [u8]) -> u32 {
        if text == b"null" {
            return 0;
        }
        self.number(text)
    }

    /// Judges the register of these rows; answers also whether anybody read a value. Nothing is
    /// said when the time is over.
    pub fn judge(
        &mut self,
        zones: &mut Zones,
        rows: &[u32],
        initial: u32,
        budget: &Budget,
    ) -> (Verdict, bool) {
        self.accesses.clear();
        self.processes.clear();
        for (place, &row) in rows.iter().enumerate() {
            if place % LOOK_EVERY == LOOK_EVERY - 1 && budget.is_late() {
                return (Verdict::Inapplicable(LATE), false);
            }
            match self.access(row) {
                Ok(access) => self.accesses.extend(access),
                Err(reason) => return (Verdict::Inapplicable(reason), false),
            }
        }
        let saw = |access: &Access| access.reads != NONE && access.ret != NEVER;
        let observed = self.accesses.iter().any(saw);
        (zones.judge(&self.accesses, initial, budget), observed)
    }

    fn access(&mut self, row: u32) -> Result<Option<Access>, &'static str> {
        let at = row as usize;
        let columns = &self.columns;
        let (outcome, ret) = (columns.outcome[at], columns.ret[at]);
        if outcome == self.fail {
            return Ok(None);
        }
        let crashed = outcome == self.info || ret == NEVER;
        let (input, output) = (columns.input[at], columns.output[at]);
        let (reads, writes) = match self.verb(columns.f[at]) {
            Verb::Read if crashed => return Ok(None),
            Verb::Read => (output as u32, NONE),
            Verb::Write => (NONE, input as u32),
            Verb::Cas if self.has_cas => match self.swap(input, output, crashed)? {
                Some(swap) => swap,
                None => return Ok(None),
            },
            _ => return Err("an operation is none of a register"),
        };
        let next = self.processes.len() as u32;
        let process = *self
            .processes
            .entry(self.columns.process[at] as u64)
            .or_insert(next);
        let (call, ret) = (self.columns.call[at], if crashed { NEVER } else { ret });
        Ok(Some(Access {
            row,
            process,
            call,
            ret,
            reads,
            writes,
        }))
    }

    /// What a compare-and-set read and wrote, None if it says nothing.
    fn swap(
        &mut self,
        input: i32,
        output: i32,
        crashed: bool,
    ) -> Result<Option<(u32, u32)>, &'static str> {
        if !crashed && self.values.text(output) != b"true" {
            return Err("a compare-and-set was refused");
        }
        let pair = pair(self.values.text(input)).ok_or("a compare-and-set has no pair")?;
        let (old, new) = (self.number(pair.0), self.number(pair.1));
        if old == new {
            return Ok((!crashed).then_some((old, NONE)));
        }
        Ok(Some((old, new)))
    }

    fn verb(&mut self, f: i32) -> Verb {
        let values = &self.values;
        *self
            .verbs
            .entry(f as u32)
            .or_insert_with(|| match values.text(f) {
                b"\"read\"" => Verb::Read,
                b"\"write\"" => Verb::Write,
                b"\"cas\"" => Verb::Cas,
                _ => Verb::Other,
            })
    }
}

/// The two elements of a canonical JSON array of two.
pub fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match elements(text)?[..] {
        [first, second] => Some((first, second)),
        _ => None,
    }
}

/// The elements of a canonical JSON array; None if it is none.
pub fn elements(text: &[u8]) -> Option<Vec<&[u8]>> {
    let inner = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut elements = Vec::new();
    let (mut depth, mut quoted, mut escaped, mut from) = (0usize, false, false, 0);
    for (place, &byte) in inner.iter().enumerate() {
        if quoted {
            quoted = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                elements.push(&inner[from..place]);
                from = place + 1;
            }
            _ => {}
        }
    }
    if !inner.is_empty() {
        elements.push(&inner[from..]);
    }
    Some(elements)
}
