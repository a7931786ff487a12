//! Reads JSON Lines, chunk by chunk, into columns.

use super::line::{is_blank, is_half_written, LineReader, Row, INFO, VALUE_COLUMNS};
use super::pairing::{Pairing, NO_ROW};
use super::problems::Problems;
use super::values::{Values, NULL};

/// `ret` of an operation that may still happen.
const NEVER: i64 = i64::MAX;

/// Places of the columns of values, as `VALUED` in `line.rs` orders them.
const F: usize = 0;
const KEY: usize = 1;
const INPUT: usize = 2;
const OUTPUT: usize = 3;

/// The lines, column by column.
#[derive(Default)]
pub struct Events {
    pub index: Vec<i64>,
    pub time: Vec<i64>,
    pub process: Vec<i64>,
    pub kind: Vec<i32>,
    pub values: [Vec<i32>; VALUE_COLUMNS],
}

impl Events {
    fn push(&mut self, row: &Row) {
        self.index.push(row.index);
        self.time.push(row.time);
        self.process.push(row.process);
        self.kind.push(i32::from(row.kind));
        for (column, number) in self.values.iter_mut().zip(row.values) {
            column.push(number as i32);
        }
    }
}

/// The operations of the clients in order of invocation, column by column.
#[derive(Default)]
pub struct Operations {
    pub call: Vec<i64>,
    pub ret: Vec<i64>,
    pub process: Vec<i64>,
    pub f: Vec<i32>,
    pub key: Vec<i32>,
    pub input: Vec<i32>,
    pub output: Vec<i32>,
    pub outcome: Vec<i32>,
    pub invocation: Vec<i32>,
    pub completion: Vec<i32>,
}

/// What has been read so far. At most 2^31 lines and values: `feed` says when they are too many.
pub struct Reader {
    pub values: Values,
    pub events: Events,
    pub problems: Problems,
    pairing: Pairing,
    lines: usize,
    unfinished: Vec<u8>,
    line_reader: LineReader,
}

impl Reader {
    pub fn new() -> Self {
        Reader {
            values: Values::new(),
            events: Events::default(),
            problems: Problems::default(),
            pairing: Pairing::default(),
            lines: 0,
            unfinished: Vec::new(),
            line_reader: LineReader::default(),
        }
    }

    /// Whether numbers of lines and values still fit into 32 bits.
    pub fn fits(&self) -> bool {
        self.values.len().max(self.events.index.len()) < i32::MAX as usize
    }

    /// Take the next bytes of the file, which may end anywhere.
    pub fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            if self.unfinished.is_empty() {
                self.line(&rest[..end]);
            } else {
                let mut line = std::mem::take(&mut self.unfinished);
                line.extend_from_slice(&rest[..end]);
                self.line(&line);
            }
            rest = &rest[end + 1..];
        }
        self.unfinished.extend_from_slice(rest);
    }

    /// The file ends here. The number of the half-written last line, if it was left out.
    pub fn finish(&mut self, drop_partial_line: bool) -> Option<usize> {
        let last = std::mem::take(&mut self.unfinished);
        if !is_half_written(&last) {
            self.line(&last);
            return None;
        }
        let number = self.lines + 1;
        if drop_partial_line {
            return Some(number);
        }
        self.problems.add(number, 0, "partial-line", String::new());
        None
    }

    fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        if is_blank(line) {
            return;
        }
        match self.line_reader.read(line, &mut self.values) {
            Ok(row) => self.push(&row, self.lines),
            Err(complaints) => {
                self.pairing.unreadable();
                for (column, kind, detail) in complaints {
                    self.problems.add(self.lines, column, kind, detail);
                }
            }
        }
    }

    /// Take an event that stands on this line.
    pub fn push(&mut self, row: &Row, line: usize) {
        let number = self.events.index.len() as i32;
        self.pairing.feed(number, line, row, &mut self.problems);
        self.events.push(row);
    }

    /// Complain of a line that is no event.
    pub fn refuse(&mut self, line: usize, kind: &'static str, detail: String) {
        self.pairing.unreadable();
        self.problems.add(line, 0, kind, detail);
    }

    /// The operations in order of invocation: by stamp, equal stamps by line.
    pub fn operations(&mut self) -> Operations {
        let mut pairs = std::mem::take(&mut self.pairing.operations);
        let time = &self.events.time;
        // Files are written nearly in order, which a stable sort takes advantage of.
        pairs.sort_by_key(|&(invocation, _)| (time[invocation as usize], invocation));
        let mut operations = Operations::default();
        for (invocation, completion) in pairs {
            self.push_operation(&mut operations, invocation, completion);
        }
        operations
    }

    fn push_operation(&self, operations: &mut Operations, invocation: i32, completion: i32) {
        let (events, row) = (&self.events, invocation as usize);
        let (mut ret, mut outcome, mut output) = (NEVER, i32::from(INFO), NULL as i32);
        if completion != NO_ROW {
            let row = completion as usize;
            outcome = events.kind[row];
            output = events.values[OUTPUT][row];
            if outcome != i32::from(INFO) {
                ret = events.time[row];
            }
        }
        operations.call.push(events.time[row]);
        operations.ret.push(ret);
        operations.process.push(events.process[row]);
        operations.f.push(events.values[F][row]);
        operations.key.push(events.values[KEY][row]);
        operations.input.push(events.values[INPUT][row]);
        operations.output.push(output);
        operations.outcome.push(outcome);
        operations.invocation.push(invocation);
        operations.completion.push(completion);
    }
}
