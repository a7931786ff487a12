//! The events of a Jepsen history as they are written, before they are brought into our form.

use super::super::canonical::{named_twice, write_object, write_string, Member};
use super::super::line::{process_number, stamp, TYPES};
use super::super::problems::Problems;
use super::super::scan::{shown, Checked, Fault};
use super::super::values::{Values, NULL};
use super::edn::{Edn, PARTIAL};

/// Stands where an event has no integer.
pub const ABSENT: i64 = i64::MIN;

/// Fields that the mapping looks at; the others are kept as they are.
const NAMES: [&str; 9] = [
    "process", "type", "f", "value", "key", "error", "node", "time", "index",
];
const PROCESS: usize = 0;
const TYPE: usize = 1;
const F: usize = 2;
const VALUE: usize = 3;
const KEY: usize = 4;
const ERROR: usize = 5;
const NODE: usize = 6;
const TIME: usize = 7;
const INDEX: usize = 8;

/// Names that mean something else in our form, where fields that are kept must not take them.
const TAKEN: [&[u8]; 4] = [b"input", b"output", b"request", b"fault"];

/// One event: `f`, `value`, `key`, `error`, `node`, `extra` are numbers of canonical JSON texts.
pub struct Raw {
    pub line: u32,
    pub kind: u8,
    pub process: i64,
    pub time: i64,
    pub index: i64,
    pub f: u32,
    pub value: u32,
    pub key: u32,
    pub error: u32,
    pub node: u32,
    pub extra: u32,
}

/// The events of a file, and what is wrong with it.
pub struct RawEvents {
    pub events: Vec<Raw>,
    pub values: Values,
    pub problems: Problems,
    /// The line of a half-written last event that was left out.
    pub dropped: Option<usize>,
    /// Whether a tagged tuple of key and value was met.
    pub tuples: bool,
    fields: Fields,
    line: usize,
    line_at: usize,
}

/// The canonical texts of the fields of one event.
#[derive(Default)]
struct Fields {
    known: [Vec<u8>; NAMES.len()],
    extra: Vec<Member>,
}

impl RawEvents {
    pub fn new() -> Self {
        RawEvents {
            events: Vec::new(),
            values: Values::new(),
            problems: Problems::default(),
            dropped: None,
            tuples: false,
            fields: Fields::default(),
            line: 1,
            line_at: 0,
        }
    }

    /// Read EDN: maps one after another, or vectors and lists of maps.
    ///
    /// What follows a syntax error is not read, for nobody knows where the next event begins.
    pub fn read_edn(&mut self, data: &[u8], drop_partial: bool) {
        let mut edn = Edn::new(data);
        let mut begun = 0;
        if let Err(fault) = self.forms(&mut edn, &mut begun) {
            if fault.kind == PARTIAL && drop_partial {
                self.dropped = Some(self.line_of(data, begun));
            } else {
                let at = if fault.kind == PARTIAL {
                    begun
                } else {
                    fault.at
                };
                self.complain(data, at, fault);
            }
        }
        self.tuples |= edn.tuples;
    }

    /// Read all forms; `begun` is where the last event begins, or what is left open at the end.
    fn forms(&mut self, edn: &mut Edn, begun: &mut usize) -> Checked<()> {
        let mut closing = None;
        loop {
            *begun = edn.at;
            edn.blank()?;
            *begun = edn.at;
            match (edn.peek(), closing) {
                (None, None) => return Ok(()),
                (None, Some(_)) => return Err(edn.partial()),
                (Some(byte), Some(close)) if byte == close => {
                    edn.at += 1;
                    closing = None;
                }
                (Some(b'['), None) => (edn.at, closing) = (edn.at + 1, Some(b']')),
                (Some(b'('), None) => (edn.at, closing) = (edn.at + 1, Some(b')')),
                _ => self.event(edn)?,
            }
        }
    }

    /// Step over one event, a map with or without a tag, and keep it.
    fn event(&mut self, edn: &mut Edn) -> Checked<()> {
        let start = edn.at;
        let tag = edn.text[start..].first() == Some(&b'#')
            && edn.text.get(start + 1).is_some_and(u8::is_ascii_alphabetic);
        if tag {
            edn.at += 1;
            edn.token()?;
            edn.blank()?;
        }
        if edn.peek() != Some(b'{') {
            edn.at = start;
            edn.form(&mut Vec::new())?;
            let line = self.line_of(edn.text, start);
            self.problems.add(line, 0, "not-an-event", String::new());
            return Ok(());
        }
        self.fields(edn)?;
        let line = self.line_of(edn.text, start);
        self.keep(line);
        Ok(())
    }

    fn fields(&mut self, edn: &mut Edn) -> Checked<()> {
        self.fields.clear();
        let mut twice = None;
        edn.enter(1)?;
        while edn.goes_on(b'}')? {
            let at = edn.at;
            let name = edn.name(b"")?;
            match field(&name).map(|field| &mut self.fields.known[field]) {
                Some(text) if !text.is_empty() => {
                    edn.member_value(&mut Vec::new())?;
                    twice = twice.or_else(|| Some(named_twice(at, &name)));
                }
                Some(text) => edn.member_value(text)?,
                None => {
                    let mut value = Vec::new();
                    edn.member_value(&mut value)?;
                    let name = name.into_owned();
                    self.fields.extra.push(Member { name, at, value });
                }
            }
        }
        twice.map_or_else(|| self.fields.check_names(), Err)
    }

    /// Read lines of a log: those in which Jepsen logs an operation, the others are not ours.
    pub fn read_log(&mut self, data: &[u8], drop_partial: bool) {
        let mut start = 0;
        for line in data.split(|&byte| byte == b'\n') {
            let end = start + line.len();
            if let Some(begins) = operation_in(line) {
                let told = self.problems.listed.len();
                if let Err(fault) = self.log_line(&data[..end], start + begins) {
                    let fault = within_line(fault);
                    self.complain(data, fault.at, fault);
                }
                if end == data.len() && self.problems.listed.len() > told {
                    self.half_written_line(data, start, told, drop_partial);
                }
            }
            start = end + 1;
        }
    }

    /// What was complained of stands in a last line without its end: that is all there is to say.
    fn half_written_line(&mut self, data: &[u8], start: usize, told: usize, drop_partial: bool) {
        let line = self.line_of(data, start);
        self.problems.listed.truncate(told);
        if drop_partial {
            self.dropped = Some(line);
        } else {
            self.problems.add(line, 0, PARTIAL, String::new());
        }
    }

    /// Keep the operation that stands here in a line: process, type, f, value, error.
    fn log_line(&mut self, text: &[u8], at: usize) -> Checked<()> {
        self.fields.clear();
        let mut edn = Edn::new(text);
        edn.at = at;
        for field in [PROCESS, TYPE, F] {
            edn.form(&mut self.fields.known[field])?;
        }
        if self.fields.known[PROCESS] == b"\"nemesis\"" {
            // What a nemesis did is logged as a text for people, which need not be EDN.
            let text = String::from_utf8_lossy(&text[edn.at..]);
            let value = &mut self.fields.known[VALUE];
            write_string(text.trim_matches([' ', '\t', '\r']).as_bytes(), value);
        } else {
            edn.form(&mut self.fields.known[VALUE])?;
            edn.blank()?;
            if edn.peek().is_some() {
                edn.form(&mut self.fields.known[ERROR])?;
                edn.blank()?;
            }
            if edn.peek().is_some() {
                return Err(edn.not_edn("an operation is process, type, f, value, error"));
            }
        }
        self.tuples |= edn.tuples;
        let line = self.line_of(text, at);
        self.keep(line);
        Ok(())
    }

    fn complain(&mut self, data: &[u8], at: usize, fault: Fault) {
        let line = self.line_of(data, at);
        let begins = data[..at].iter().rposition(|&byte| byte == b'\n');
        let column = match fault.kind {
            PARTIAL => 0,
            _ => at - begins.map_or(0, |newline| newline + 1) + 1,
        };
        self.problems.add(line, column, fault.kind, fault.detail);
    }

    /// The number of the line in which this byte stands; asked for in order.
    fn line_of(&mut self, data: &[u8], at: usize) -> usize {
        if at < self.line_at {
            (self.line, self.line_at) = (1, 0);
        }
        let passed = &data[self.line_at..at];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.line_at = at;
        self.line
    }

    /// Keep the event that `fields` holds, or complain of it.
    fn keep(&mut self, line: usize) {
        let extra = self.fields.extra_object();
        let text = |field: usize| Some(&self.fields.known[field][..]).filter(|t| is_there(t));
        let process = text(PROCESS).and_then(process_number);
        let kind = text(TYPE).and_then(|text| TYPES.iter().position(|known| *known == text));
        let has_f = text(F).is_some_and(is_string);
        let stamps = [TIME, INDEX].map(|field| text(field).map_or(Some(ABSENT), stamp));
        let node = text(NODE);
        let (Some(process), Some(kind), true, [Some(time), Some(index)], true) =
            (process, kind, has_f, stamps, node.map_or(true, is_string))
        else {
            return self.complain_of_fields(line);
        };
        // Jepsen gives events without a place the index -1.
        let index = if index < 0 { ABSENT } else { index };
        let values = &mut self.values;
        let mut number = |text: Option<&[u8]>| text.map_or(NULL, |text| values.number(text));
        let raw = Raw {
            line: line as u32,
            kind: kind as u8,
            process,
            time,
            index,
            f: number(text(F)),
            value: number(text(VALUE)),
            key: number(text(KEY)),
            error: number(text(ERROR)),
            node: number(node),
            extra: number(extra.as_deref()),
        };
        self.events.push(raw);
    }

    fn complain_of_fields(&mut self, line: usize) {
        for field in [PROCESS, TYPE, F] {
            let text = &self.fields.known[field];
            let (kind, detail) = if !is_there(text) {
                ("missing-field", NAMES[field].to_string())
            } else if field == TYPE && !TYPES.contains(&&text[..]) {
                ("unknown-type", shown(text))
            } else if field == PROCESS && process_number(text).is_none()
                || field == F && !is_string(text)
            {
                ("ill-typed-field", NAMES[field].to_string())
            } else {
                continue;
            };
            self.problems.add(line, 0, kind, detail);
        }
        // Taken as absent, one of them would have those of all events follow the lines.
        for field in [TIME, INDEX, NODE] {
            let text = &self.fields.known[field];
            let fits = match field {
                NODE => is_string(text),
                _ => stamp(text).is_some(),
            };
            if is_there(text) && !fits {
                let name = NAMES[field].to_string();
                self.problems.add(line, 0, "ill-typed-field", name);
            }
        }
    }
}

impl Fields {
    fn clear(&mut self) {
        self.known.iter_mut().for_each(Vec::clear);
        self.extra.clear();
    }

    /// Whether two fields share a name.
    fn check_names(&mut self) -> Checked<()> {
        if self.extra.is_empty() {
            return Ok(());
        }
        write_object(&mut self.extra, &mut Vec::new())
    }

    /// The object of what is not known, without nulls; None if nothing is left.
    fn extra_object(&mut self) -> Option<Vec<u8>> {
        self.extra.retain(|member| is_there(&member.value));
        for member in &mut self.extra {
            if TAKEN.contains(&&member.name[..]) {
                member.name = [b"jepsen/", &member.name[..]].concat();
            }
        }
        let mut text = Vec::new();
        let written = !self.extra.is_empty() && write_object(&mut self.extra, &mut text).is_ok();
        written.then_some(text)
    }
}

fn field(name: &[u8]) -> Option<usize> {
    NAMES.iter().position(|known| known.as_bytes() == name)
}

fn is_string(text: &[u8]) -> bool {
    text.first() == Some(&b'"')
}

fn is_there(text: &[u8]) -> bool {
    !text.is_empty() && text != b"null"
}

/// Where in a line of a log the operation stands, if it tells of one.
fn operation_in(line: &[u8]) -> Option<usize> {
    const LOGGER: &[u8] = b"jepsen.util";
    let logger = line.windows(LOGGER.len()).position(|part| part == LOGGER)?;
    let blanks = |at: usize| line[at..].iter().take_while(|b| b" \t".contains(b)).count();
    let mut at = logger + LOGGER.len();
    at += blanks(at);
    at += usize::from(line.get(at) == Some(&b'-'));
    at += blanks(at);
    let rest = &line[at..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let nemesis = b":nemesis";
    let process = if rest.starts_with(nemesis) {
        nemesis.len()
    } else {
        digits
    };
    let follows = line.get(at + process + blanks(at + process));
    (process > 0 && follows == Some(&b':')).then_some(at)
}

/// The fault of a value that its line does not end.
fn within_line(fault: Fault) -> Fault {
    if fault.kind != PARTIAL {
        return fault;
    }
    let detail = "the line ends within a value".to_string();
    Fault {
        kind: "not-edn",
        detail,
        ..fault
    }
}
