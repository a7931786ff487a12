//! One line of a history: the fields of an event, checked, their values numbered.

use std::ops::Range;

use super::canonical::{named_twice, write_object, Member};
use super::scan::{shown, Fault, Scanner};
use super::values::{Values, NULL};

/// Stamps, indexes and processes stay below this, so that sums of two fit into 64 bits.
const STAMP_MAX: i64 = 1 << 62;
const LINE_BYTES_MAX: usize = 64 << 20;

/// The nemesis in a column of processes.
pub const NEMESIS: i64 = -1;

pub const INVOKE: u8 = 0;
pub const INFO: u8 = 3;
pub const TYPES: [&[u8]; 4] = [b"\"invoke\"", b"\"ok\"", b"\"fail\"", b"\"info\""];

/// Fields that are known, in the order in which problems with them are told.
const NAMES: [&str; 12] = [
    "index", "time", "process", "type", "f", "node", "request", "fault", "key", "input", "output",
    "error",
];
pub const INDEX: usize = 0;
pub const TIME: usize = 1;
pub const PROCESS: usize = 2;
pub const TYPE: usize = 3;
pub const F: usize = 4;
pub const NODE: usize = 5;
pub const REQUEST: usize = 6;
pub const FAULT: usize = 7;
pub const KEY: usize = 8;
pub const INPUT: usize = 9;
pub const OUTPUT: usize = 10;
pub const ERROR: usize = 11;

/// Fields that are kept as numbers of values, in the order of the columns; `extra` follows them.
pub const VALUED: [usize; 8] = [F, KEY, INPUT, OUTPUT, ERROR, NODE, REQUEST, FAULT];
pub const EXTRA: usize = VALUED.len();
pub const VALUE_COLUMNS: usize = VALUED.len() + 1;

/// One event: the numbers of its values stand in the order of `VALUED`, then `extra`.
pub struct Row {
    pub index: i64,
    pub time: i64,
    pub process: i64,
    pub kind: u8,
    pub values: [u32; VALUE_COLUMNS],
}

/// A place of the line to complain of (0: none), the kind of the problem, its detail.
pub type Complaint = (usize, &'static str, String);

/// Where the canonical text of a field is: in the line as it stands, or written anew.
#[derive(Clone)]
enum Text {
    InLine(Range<usize>),
    Rewritten(Range<usize>),
}

/// Reads lines; its buffers are kept from one to the next.
#[derive(Default)]
pub struct LineReader {
    fields: [Option<Text>; NAMES.len()],
    extra: Vec<Member>,
    rewritten: Vec<u8>,
}

impl LineReader {
    /// The event on this line, or every complaint about it.
    pub fn read(&mut self, line: &[u8], values: &mut Values) -> Result<Row, Vec<Complaint>> {
        self.fields = Default::default();
        self.extra.clear();
        self.rewritten.clear();
        check_text(line).map_err(|complaint| vec![complaint])?;
        let extra = self
            .scan(line)
            .map_err(|fault| vec![(fault.at + 1, fault.kind, fault.detail)])?;
        self.row(line, extra, values)
    }

    /// Take the object apart; the canonical text of what is not known is returned.
    fn scan(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let mut scanner = Scanner::new(line);
        scanner.blank();
        let is_object = scanner.peek() == Some(b'{');
        if is_object {
            self.members(line, &mut scanner)?;
        } else {
            scanner.value()?;
        }
        scanner.blank();
        if scanner.at < line.len() {
            return Err(scanner.not_json("the line goes on after its value"));
        }
        if !is_object {
            return Err(Fault {
                at: 0,
                kind: "not-an-object",
                detail: String::new(),
            });
        }
        self.extra_object()
    }

    fn members(&mut self, line: &[u8], scanner: &mut Scanner) -> Result<(), Fault> {
        scanner.enter()?;
        scanner.blank();
        if scanner.takes(b'}') {
            return Ok(());
        }
        loop {
            self.member(line, scanner)?;
            scanner.blank();
            if scanner.takes(b'}') {
                return Ok(());
            }
            scanner.expect(b',')?;
            scanner.blank();
        }
    }

    fn member(&mut self, line: &[u8], scanner: &mut Scanner) -> Result<(), Fault> {
        let at = scanner.at;
        let plain = scanner.key()?;
        let mut name = std::borrow::Cow::Borrowed(&line[at + 1..scanner.at - 1]);
        if !plain {
            scanner.at = at;
            name = scanner.decoded()?.into();
        }
        scanner.colon()?;
        let start = scanner.at;
        let text = if scanner.value()? {
            Text::InLine(start..scanner.at)
        } else {
            let begin = self.rewritten.len();
            scanner.at = start;
            scanner.emit(&mut self.rewritten)?;
            Text::Rewritten(begin..self.rewritten.len())
        };
        match field(&name) {
            Some(field) if self.fields[field].is_some() => return Err(named_twice(at, &name)),
            Some(field) => self.fields[field] = Some(text),
            None => {
                let value = self.resolve(line, &text).to_vec();
                self.extra.push(Member {
                    name: name.into_owned(),
                    at,
                    value,
                });
            }
        }
        Ok(())
    }

    /// The object of what is not known, without nulls; None if nothing is left.
    fn extra_object(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        if self.extra.is_empty() {
            return Ok(None);
        }
        let mut text = Vec::new();
        write_object(&mut self.extra, &mut text)?;
        if self.extra.iter().any(|member| member.value == b"null") {
            self.extra.retain(|member| member.value != b"null");
            text.clear();
            write_object(&mut self.extra, &mut text)?;
        }
        Ok(if text == b"{}" { None } else { Some(text) })
    }

    fn resolve<'a>(&'a self, line: &'a [u8], text: &Text) -> &'a [u8] {
        match text {
            Text::InLine(range) => &line[range.clone()],
            Text::Rewritten(range) => &self.rewritten[range.clone()],
        }
    }

    /// The canonical text of a field, None where it is absent or null.
    fn text<'a>(&'a self, line: &'a [u8], field: usize) -> Option<&'a [u8]> {
        let text = self.resolve(line, self.fields[field].as_ref()?);
        (text != b"null").then_some(text)
    }

    fn row(
        &self,
        line: &[u8],
        extra: Option<Vec<u8>>,
        values: &mut Values,
    ) -> Result<Row, Vec<Complaint>> {
        let text = |field| self.text(line, field);
        let index = text(INDEX).and_then(count);
        let time = text(TIME).and_then(stamp);
        let process = text(PROCESS).and_then(process_number);
        let kind = text(TYPE).and_then(|text| TYPES.iter().position(|known| *known == text));
        let has_f = text(F).is_some_and(is_string);
        let others_fit = self.others_fit(line, kind);
        let (Some(index), Some(time), Some(process), Some(kind), true, true) =
            (index, time, process, kind, has_f, others_fit)
        else {
            return Err(self.complaints(line));
        };
        let mut numbers = [NULL; VALUE_COLUMNS];
        for (number, field) in numbers.iter_mut().zip(VALUED) {
            if let Some(text) = text(field) {
                *number = values.number(text);
            }
        }
        if let Some(extra) = extra {
            numbers[EXTRA] = values.number(&extra);
        }
        Ok(Row {
            index,
            time,
            process,
            kind: kind as u8,
            values: numbers,
        })
    }

    /// Whether the fields that may be absent are of their types and in their places.
    fn others_fit(&self, line: &[u8], kind: Option<usize>) -> bool {
        let text = |field| self.text(line, field);
        text(NODE).map_or(true, is_string)
            && text(REQUEST).map_or(true, is_string)
            && text(FAULT).map_or(true, |text| count(text).is_some())
            && (kind != Some(INVOKE.into()) || text(OUTPUT).is_none() && text(ERROR).is_none())
    }

    /// Every complaint about the fields of a line: asked for only when there is one.
    fn complaints(&self, line: &[u8]) -> Vec<Complaint> {
        let text = |field| self.text(line, field);
        let mut complaints = Vec::new();
        let mut complain =
            |kind, field: usize| complaints.push((0, kind, NAMES[field].to_string()));
        for field in [INDEX, TIME, PROCESS, TYPE, F] {
            if text(field).is_none() {
                complain("missing-field", field);
            }
        }
        for field in [INDEX, TIME, PROCESS, F, NODE, REQUEST, FAULT] {
            let fits = |text| match field {
                INDEX | FAULT => count(text).is_some(),
                TIME => stamp(text).is_some(),
                PROCESS => process_number(text).is_some(),
                _ => is_string(text),
            };
            if !text(field).map_or(true, fits) {
                complain("ill-typed-field", field);
            }
        }
        let kind = text(TYPE);
        if kind == Some(TYPES[usize::from(INVOKE)]) {
            for field in [OUTPUT, ERROR] {
                if text(field).is_some() {
                    complain("misplaced-field", field);
                }
            }
        }
        if let Some(kind) = kind.filter(|kind| !TYPES.contains(kind)) {
            complaints.push((0, "unknown-type", shown(kind)));
        }
        complaints
    }
}

fn check_text(line: &[u8]) -> Result<(), Complaint> {
    if line.len() > LINE_BYTES_MAX {
        return Err((0, "line-too-long", LINE_BYTES_MAX.to_string()));
    }
    match std::str::from_utf8(line) {
        Ok(_) => Ok(()),
        Err(error) => Err((error.valid_up_to() + 1, "not-utf8", String::new())),
    }
}

fn field(name: &[u8]) -> Option<usize> {
    match name {
        b"index" => Some(INDEX),
        b"time" => Some(TIME),
        b"process" => Some(PROCESS),
        b"type" => Some(TYPE),
        b"f" => Some(F),
        b"key" => Some(KEY),
        b"input" => Some(INPUT),
        b"output" => Some(OUTPUT),
        b"error" => Some(ERROR),
        b"node" => Some(NODE),
        b"request" => Some(REQUEST),
        b"fault" => Some(FAULT),
        _ => None,
    }
}

fn is_string(text: &[u8]) -> bool {
    text[0] == b'"'
}

pub fn stamp(text: &[u8]) -> Option<i64> {
    let number = std::str::from_utf8(text).ok()?.parse::<i64>().ok()?;
    (-STAMP_MAX < number && number < STAMP_MAX).then_some(number)
}

fn count(text: &[u8]) -> Option<i64> {
    stamp(text).filter(|number| *number >= 0)
}

pub fn process_number(text: &[u8]) -> Option<i64> {
    if text == b"\"nemesis\"" {
        return Some(NEMESIS);
    }
    count(text)
}

/// Whether a string or a bracket is still open where the line ends.
pub fn is_half_written(line: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0i64, false, false);
    for &byte in line {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else {
            in_string = byte == b'"';
            depth += i64::from(b"{[".contains(&byte)) - i64::from(b"}]".contains(&byte));
        }
    }
    in_string || depth > 0
}

pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| b" \t\r".contains(byte))
}
