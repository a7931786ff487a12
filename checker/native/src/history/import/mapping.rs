//! Brings Jepsen's events into our form: inputs and outputs, keys, stamps, outcomes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::line::{Row, INFO, INVOKE, NEMESIS, VALUE_COLUMNS};
use super::super::reader::Reader;
use super::super::scan::shown;
use super::super::values::{Values, NULL};
use super::edn::elements;
use super::events::{Raw, RawEvents, ABSENT};
use super::forms::{
    complaint, is_read, map_steps, role, steps, swap, swapped, told, Complaint, Role, NOTHING,
};

const OK: u8 = 1;
const FAIL: u8 = 2;
const NO_PARTNER: u32 = u32::MAX;

/// How the parts of Jepsen's form that have more than one reading are to be read.
pub struct Reading {
    /// A failed compare-and-set saw another value: it is ok, with output false.
    pub observe_failed_cas: bool,
    /// A read that was answered nil saw nothing, not null.
    pub drop_nil_reads: bool,
    /// Values are pairs of a key and a value; None: look at them and decide.
    pub independent: Option<bool>,
    /// A read or write of a map is a transaction on several registers.
    pub maps_are_txns: bool,
    /// With a field `:key` and no read of nil, an absent key holds the empty string.
    pub blank_is_absent: bool,
}

/// What was decided, and how often it mattered.
#[derive(Default)]
pub struct Notes {
    pub independent: bool,
    pub by_time: bool,
    pub blank_is_absent: bool,
    pub failed_cas: usize,
    pub nil_reads: usize,
}

pub struct Mapping<'a> {
    events: &'a [Raw],
    values: &'a Values,
    partners: Vec<u32>,
    reading: &'a Reading,
    by_index: bool,
    pub notes: Notes,
}

/// The values of an event in our form.
struct Mapped<'a> {
    kind: u8,
    input: Cow<'a, [u8]>,
    output: Cow<'a, [u8]>,
}

impl<'a> Mapping<'a> {
    pub fn new(raw: &'a RawEvents, reading: &'a Reading) -> Self {
        let events = &raw.events[..];
        let clients = || events.iter().filter(|event| event.process != NEMESIS);
        let mut mapping = Mapping {
            events,
            values: &raw.values,
            partners: partners(events),
            reading,
            by_index: events.iter().all(|event| event.index != ABSENT),
            notes: Notes::default(),
        };
        let keyed = clients().any(|event| event.key != NULL);
        let independent = |event| mapping.looks_independent(event);
        let all = !keyed && clients().all(|event| independent(event) != Some(false));
        let looks = all && (raw.tuples || clients().any(|event| independent(event) == Some(true)));
        let nil = |event: &Raw| {
            event.kind == OK && event.value == NULL && is_read(raw.values.text(event.f))
        };
        let blank = reading.blank_is_absent && keyed && !clients().any(nil);
        mapping.notes.independent = reading.independent.unwrap_or(looks);
        mapping.notes.by_time = clients().all(|event| event.time != ABSENT);
        mapping.notes.blank_is_absent = blank;
        mapping
    }

    /// Put every event into the reader, in our form.
    pub fn feed(&mut self, reader: &mut Reader) {
        let mut time = 0;
        let mut numbers = vec![NULL; self.values.len()];
        for (number, event) in self.events.iter().enumerate() {
            if !self.notes.by_time {
                time = number as i64;
            } else if event.time != ABSENT {
                time = event.time;
            }
            let index = if self.by_index {
                event.index
            } else {
                number as i64
            };
            let line = event.line as usize;
            match self.mapped(number) {
                Ok((key, mapped)) => {
                    let mut intern = |text: &[u8]| match text {
                        NOTHING => NULL,
                        _ => reader.values.number(text),
                    };
                    let row = Row {
                        index,
                        time,
                        process: event.process,
                        kind: mapped.kind,
                        values: self.row_values(number, &key, &mapped, &mut numbers, &mut intern),
                    };
                    reader.push(&row, line);
                }
                Err((kind, value)) => reader.refuse(line, kind, shown(&value)),
            }
        }
    }

    /// The numbers of an event's values; `numbers` remembers those of whole raw values.
    fn row_values(
        &self,
        number: usize,
        key: &[u8],
        mapped: &Mapped,
        numbers: &mut [u32],
        intern: &mut impl FnMut(&[u8]) -> u32,
    ) -> [u32; VALUE_COLUMNS] {
        let event = &self.events[number];
        let mut kept = |raw: u32, intern: &mut dyn FnMut(&[u8]) -> u32| {
            if raw != NULL && numbers[raw as usize] == NULL {
                numbers[raw as usize] = intern(self.values.text(raw));
            }
            numbers[raw as usize]
        };
        let f = match self.role(event) {
            Role::ReadMap | Role::WriteMap => intern(b"\"txn\""),
            _ => kept(event.f, intern),
        };
        let (key, input, output) = (intern(key), intern(&mapped.input), intern(&mapped.output));
        let error = kept(self.error(number), intern);
        let node = kept(event.node, intern);
        [
            f,
            key,
            input,
            output,
            error,
            node,
            NULL,
            NULL,
            kept(event.extra, intern),
        ]
    }

    /// What went wrong: the error, or the value that a failed or unknown operation ended with.
    fn error(&self, number: usize) -> u32 {
        let event = &self.events[number];
        if event.kind == INVOKE {
            return NULL;
        }
        let is_client = event.process != NEMESIS;
        if event.error != NULL || !is_client || event.kind == OK {
            return event.error;
        }
        let asked = self.partner(number).map_or(NULL, |asked| asked.value);
        if event.value == asked {
            NULL
        } else {
            event.value
        }
    }

    fn partner(&self, number: usize) -> Option<&'a Raw> {
        let partner = self.partners[number];
        (partner != NO_PARTNER).then(|| &self.events[partner as usize])
    }

    fn role(&self, event: &Raw) -> Role {
        if event.process == NEMESIS {
            return Role::Other;
        }
        role(self.values.text(event.f), self.reading.maps_are_txns)
    }

    /// Key and values of an event.
    fn mapped(&mut self, number: usize) -> Result<(Cow<'a, [u8]>, Mapped<'a>), Complaint> {
        let event = &self.events[number];
        let raw = self.values.text(event.value);
        if event.process == NEMESIS {
            return Ok((self.values.text(event.key).into(), plain(event.kind, raw)));
        }
        let (key, value) = self.split(event)?;
        let partner = self.partner(number);
        let mapped = if event.kind == INVOKE {
            let answer = partner.filter(|partner| partner.kind == OK);
            let answered = answer.map(|answer| self.split(answer)).transpose()?;
            self.invocation(event, value, answered.map(|(_, value)| value))
        } else {
            let asked = partner.map(|asked| self.split(asked)).transpose()?;
            self.completion(event, asked.map_or(NOTHING, |(_, value)| value), value)
        };
        let mut mapped = mapped?;
        if self.notes.blank_is_absent {
            self.without_blanks(event, &mut mapped)?;
        }
        Ok((key.into(), mapped))
    }

    /// Key and value: of a tuple, or as the event has them.
    fn split(&self, event: &Raw) -> Result<(&'a [u8], &'a [u8]), Complaint> {
        let (key, value) = (self.values.text(event.key), self.values.text(event.value));
        if !self.notes.independent {
            return Ok((key, value));
        }
        match elements(value).as_deref() {
            Some(&[key, value]) => Ok((key, value)),
            _ if event.kind == FAIL || event.kind == INFO => Ok((key, value)),
            _ => Err(complaint("not-a-tuple", value)),
        }
    }

    /// Whether an event's value is a pair of key and value: None if that cannot be told.
    fn looks_independent(&self, event: &Raw) -> Option<bool> {
        if event.kind == FAIL || event.kind == INFO {
            return None;
        }
        let parts = elements(self.values.text(event.value)).unwrap_or_default();
        let [key, value] = parts[..] else {
            return Some(false);
        };
        let inner = elements(value).map(|parts| parts.len());
        match (event.kind, self.values.text(event.f)) {
            (
                INVOKE,
                b"\"read\"" | b"\"get\"" | b"\"dequeue\"" | b"\"pop\"" | b"\"acquire\""
                | b"\"release\"",
            ) => Some(value == NOTHING),
            (INVOKE, b"\"cas\"") if inner != Some(2) => Some(false),
            (INVOKE, b"\"cas\"") => (key[0] != b'[').then_some(true),
            (INVOKE, b"\"txn\"") => Some(key[0] != b'[' && inner.is_some()),
            _ => None,
        }
    }

    fn invocation(
        &self,
        event: &Raw,
        asked: &'a [u8],
        answered: Option<&'a [u8]>,
    ) -> Result<Mapped<'a>, Complaint> {
        let known = answered.unwrap_or(NOTHING);
        let nil_is_unknown = self.reading.drop_nil_reads;
        let role = self.role(event);
        let input: Cow<'a, [u8]> = match role {
            Role::Ask => NOTHING.into(),
            Role::Tell => told(asked, known).unwrap_or(asked).into(),
            Role::Cas => swap(asked, known)?.into(),
            // A complaint about the answer is made where the answer stands.
            Role::Txn => match steps(asked, answered, nil_is_unknown, false) {
                Err(_) if answered.is_some() => steps(asked, None, nil_is_unknown, false)?.into(),
                written => written?.into(),
            },
            Role::ReadMap | Role::WriteMap => {
                match map_steps(role, asked, answered, nil_is_unknown, false) {
                    Err(_) if answered.is_some() => b"[]"[..].into(),
                    written => written?.into(),
                }
            }
            Role::Other => asked.into(),
        };
        Ok(Mapped {
            kind: INVOKE,
            input,
            output: NOTHING.into(),
        })
    }

    fn completion(
        &mut self,
        event: &Raw,
        asked: &'a [u8],
        answered: &'a [u8],
    ) -> Result<Mapped<'a>, Complaint> {
        let role = self.role(event);
        let mut kind = event.kind;
        let mut output: Cow<'a, [u8]> = NOTHING.into();
        if kind == FAIL && role == Role::Cas {
            let observed = event.error == NULL && (answered == NOTHING || answered == asked);
            self.notes.failed_cas += usize::from(observed);
            if observed && self.reading.observe_failed_cas {
                (kind, output) = (OK, b"false"[..].into());
            }
        } else if kind == OK {
            let nil_is_unknown = self.reading.drop_nil_reads;
            output = match role {
                Role::Ask => answered.into(),
                Role::Tell => {
                    told(asked, answered)?;
                    NOTHING.into()
                }
                Role::Cas => swapped(asked, answered)?.into(),
                Role::Txn => steps(asked, Some(answered), nil_is_unknown, true)?.into(),
                Role::ReadMap | Role::WriteMap => {
                    map_steps(role, asked, Some(answered), nil_is_unknown, true)?.into()
                }
                Role::Other if answered == asked => NOTHING.into(),
                Role::Other => answered.into(),
            };
            let is_nil = answered == NOTHING && is_read(self.values.text(event.f));
            if is_nil && role == Role::Ask && nil_is_unknown {
                self.notes.nil_reads += 1;
                kind = FAIL;
            }
        }
        Ok(Mapped {
            kind,
            input: NOTHING.into(),
            output,
        })
    }

    /// Absent keys hold the empty string: it is null to our map, on the way in and out.
    fn without_blanks(&self, event: &Raw, mapped: &mut Mapped) -> Result<(), Complaint> {
        const BLANK: &[u8] = b"\"\"";
        match self.values.text(event.f) {
            b"\"get\"" if &mapped.output[..] == BLANK => mapped.output = NOTHING.into(),
            b"\"put\"" if &mapped.input[..] == BLANK => mapped.input = NOTHING.into(),
            b"\"append\"" if &mapped.input[..] == BLANK => {
                return Err(complaint("blank-append", BLANK));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The values of a nemesis's event.
fn plain(kind: u8, value: &[u8]) -> Mapped<'_> {
    let (input, output) = if kind == INVOKE {
        (value, NOTHING)
    } else {
        (NOTHING, value)
    };
    Mapped {
        kind,
        input: input.into(),
        output: output.into(),
    }
}

/// For each event the other one of its operation. What does not pair is told of later.
fn partners(events: &[Raw]) -> Vec<u32> {
    let mut partners = vec![NO_PARTNER; events.len()];
    let mut open: HashMap<i64, usize> = HashMap::new();
    for (number, event) in events.iter().enumerate() {
        if event.process == NEMESIS {
            continue;
        }
        if event.kind == INVOKE {
            open.insert(event.process, number);
        } else if let Some(invoked) = open.remove(&event.process) {
            partners[invoked] = number as u32;
            partners[number] = invoked as u32;
        }
    }
    partners
}
