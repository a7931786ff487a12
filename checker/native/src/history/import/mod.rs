//! Reads histories of other tools: Jepsen's EDN and its logs, into the columns of our own form.
//!
//! `edn` and `atoms` turn EDN into canonical JSON, `events` finds the events, `mapping` brings them
//! into our form, operation by operation as `forms` says. The simple twin of all this is
//! `checker/history/importers/twin.py`; a test compares them on random bytes.

mod atoms;
mod edn;
mod events;
mod forms;
mod mapping;

pub use mapping::{Notes, Reading};

use super::reader::Reader;
use events::RawEvents;
use mapping::Mapping;

/// How a history is written.
pub enum Format {
    Edn,
    Log,
}

/// Read a whole file. The number of the half-written last line if it was left out.
pub fn read(
    data: &[u8],
    format: &Format,
    drop_partial: bool,
    reading: &Reading,
) -> (Reader, Option<usize>, Notes) {
    let mut reader = Reader::new();
    let mut raw = RawEvents::new();
    if let Err(error) = std::str::from_utf8(data) {
        let (line, column) = place(data, error.valid_up_to());
        reader.problems.add(line, column, "not-utf8", String::new());
        return (reader, None, Notes::default());
    }
    match format {
        Format::Edn => raw.read_edn(data, drop_partial),
        Format::Log => raw.read_log(data, drop_partial),
    }
    if !raw.problems.listed.is_empty() {
        reader.problems = std::mem::take(&mut raw.problems);
        return (reader, None, Notes::default());
    }
    let mut mapping = Mapping::new(&raw, reading);
    mapping.feed(&mut reader);
    let notes = std::mem::take(&mut mapping.notes);
    (reader, raw.dropped, notes)
}

/// Line and column (from 1, in bytes) of a byte.
fn place(data: &[u8], at: usize) -> (usize, usize) {
    let before = &data[..at];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let begins = before.iter().rposition(|&byte| byte == b'\n');
    (line, at - begins.map_or(0, |newline| newline + 1) + 1)
}
