//! How the values of one kind of operation are brought into the forms of our models.
//!
//! `docs/importers.md` has the table. All texts are canonical JSON.

use super::edn::{elements, members};

/// What the name of an operation says about its values.
#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    /// The answer is the value: read, get, dequeue.
    Ask,
    /// What is asked is the value, and there is no answer: write, add, enqueue.
    Tell,
    /// `[old new]`, answered by whether it took place.
    Cas,
    /// Micro-operations, answered by the same with reads filled in.
    Txn,
    /// A read or write of a map from registers to values: a transaction, to the multi-register.
    ReadMap,
    WriteMap,
    /// Anything else: the answer is what the completion says, if it says something new.
    Other,
}

pub fn role(f: &[u8], maps_are_txns: bool) -> Role {
    match f {
        b"\"read\"" if maps_are_txns => Role::ReadMap,
        b"\"write\"" if maps_are_txns => Role::WriteMap,
        b"\"read\"" | b"\"get\"" | b"\"dequeue\"" | b"\"pop\"" => Role::Ask,
        b"\"write\"" | b"\"put\"" | b"\"append\"" | b"\"delete\"" | b"\"add\"" | b"\"remove\""
        | b"\"enqueue\"" | b"\"push\"" => Role::Tell,
        b"\"cas\"" => Role::Cas,
        b"\"txn\"" => Role::Txn,
        _ => Role::Other,
    }
}

/// Whether the operation only looks.
pub fn is_read(f: &[u8]) -> bool {
    f == b"\"read\"" || f == b"\"get\""
}

pub const NOTHING: &[u8] = b"null";

/// The kind of a problem, and its detail: the beginning of the value.
pub type Complaint = (&'static str, Vec<u8>);

pub fn complaint(kind: &'static str, value: &[u8]) -> Complaint {
    (kind, value.to_vec())
}

/// `[old, new]`, from the invocation or, where that says nothing, from its answer.
pub fn swap<'a>(asked: &'a [u8], answered: &'a [u8]) -> Result<&'a [u8], Complaint> {
    let pair = if asked == NOTHING { answered } else { asked };
    match elements(pair) {
        Some(parts) if parts.len() == 2 => Ok(pair),
        _ => Err(complaint("unmapped-cas", pair)),
    }
}

/// Whether a compare-and-set that is ok took place: it repeats its value, or answers a boolean.
pub fn swapped<'a>(asked: &[u8], answered: &'a [u8]) -> Result<&'a [u8], Complaint> {
    match answered {
        b"true" | b"false" => Ok(answered),
        _ if answered == NOTHING || asked == NOTHING || answered == asked => Ok(b"true"),
        _ => Err(complaint("unlike-invocation", answered)),
    }
}

/// What was told: by the invocation or, where that says nothing, by its answer.
pub fn told<'a>(asked: &'a [u8], answered: &'a [u8]) -> Result<&'a [u8], Complaint> {
    if asked == NOTHING {
        return Ok(answered);
    }
    if answered == NOTHING || answered == asked {
        return Ok(asked);
    }
    Err(complaint("unlike-invocation", answered))
}

/// The steps of a transaction, as asked or as answered.
///
/// `asked` and `answered` are arrays of micro-operations; with `nil_is_unknown`, a read that was
/// answered nil is left out of both.
pub fn steps(
    asked: &[u8],
    answered: Option<&[u8]>,
    nil_is_unknown: bool,
    want_answers: bool,
) -> Result<Vec<u8>, Complaint> {
    let asked_steps = micro_operations(asked)?;
    let answered_steps = match answered {
        Some(text) => micro_operations(text)?,
        None => asked_steps.clone(),
    };
    if asked_steps.len() != answered_steps.len() {
        return Err(complaint("unlike-invocation", answered.unwrap_or(asked)));
    }
    let mut written = Vec::new();
    for (ask, answer) in asked_steps.iter().zip(&answered_steps) {
        if (ask.verb, ask.name) != (answer.verb, answer.name) || !ask.agrees(answer) {
            return Err(complaint("unlike-invocation", answered.unwrap_or(asked)));
        }
        let is_read = ask.verb == b"\"r\"";
        if is_read && nil_is_unknown && answered.is_some() && answer.value == NOTHING {
            continue;
        }
        let value = match (is_read, want_answers) {
            (false, _) => ask.value,
            (true, true) => answer.value,
            (true, false) => NOTHING,
        };
        written.push(micro_operation(ask.verb, ask.name, value));
    }
    Ok(array(&written))
}

/// One step of a transaction; reads and writes go by their short names.
#[derive(Clone)]
struct Step<'a> {
    verb: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
}

impl Step<'_> {
    /// Whether the answer repeats what was told.
    fn agrees(&self, answer: &Step) -> bool {
        self.verb == b"\"r\"" || self.value == answer.value
    }
}

fn micro_operations(text: &[u8]) -> Result<Vec<Step<'_>>, Complaint> {
    let steps = elements(text).and_then(|steps| steps.into_iter().map(step).collect());
    steps.ok_or_else(|| complaint("unmapped-txn", text))
}

fn step(text: &[u8]) -> Option<Step<'_>> {
    let (verb, name, value) = match elements(text)?[..] {
        [verb, name, value] => (verb, name, value),
        [verb, name] => (verb, name, NOTHING),
        _ => return None,
    };
    let verb: &[u8] = match verb {
        b"\"read\"" => b"\"r\"",
        b"\"write\"" => b"\"w\"",
        _ => verb,
    };
    (verb[0] == b'"').then_some(Step { verb, name, value })
}

/// A read or a write of a map, as the steps of a transaction: asked, or answered.
pub fn map_steps(
    role: Role,
    asked: &[u8],
    answered: Option<&[u8]>,
    nil_is_unknown: bool,
    want_answers: bool,
) -> Result<Vec<u8>, Complaint> {
    let map = match (role, answered) {
        (Role::WriteMap, Some(answered)) => told(asked, answered)?,
        (Role::ReadMap, Some(answered)) => answered,
        // Nobody knows what a crashed read of everything would have seen.
        (Role::ReadMap, None) if asked == NOTHING => b"{}",
        _ => asked,
    };
    let registers = members(map).ok_or_else(|| complaint("unmapped-registers", map))?;
    let mut written = Vec::new();
    for (name, value) in registers {
        if role == Role::WriteMap {
            written.push(micro_operation(b"\"w\"", name, value));
        } else if !(nil_is_unknown && answered.is_some() && value == NOTHING) {
            let value = if want_answers { value } else { NOTHING };
            written.push(micro_operation(b"\"r\"", name, value));
        }
    }
    Ok(array(&written))
}

fn micro_operation(verb: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    array(&[verb.to_vec(), name.to_vec(), value.to_vec()])
}

fn array(parts: &[Vec<u8>]) -> Vec<u8> {
    [b"[", &parts.join(&b',')[..], b"]"].concat()
}
