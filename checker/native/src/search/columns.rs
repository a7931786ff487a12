//! Columns of a history as they come from Python, and the numbering of actions and groups.

use std::mem::size_of_val;

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::known::Operations;
use super::registers::{self, Values};
use super::schedule::Columns;
use super::table::FastMap;

/// The rows of some objects, copied out of their buffers so that the search runs without the
/// interpreter. They are numbered anew in the order in which they were given.
pub struct Owned {
    call: Vec<i64>,
    ret: Vec<i64>,
    process: Vec<i64>,
    action: Vec<i32>,
}

impl Owned {
    pub fn of_rows(
        py: Python<'_>,
        wide: [&PyBuffer<i64>; 3],
        action: &PyBuffer<i32>,
        rows: &[u32],
    ) -> PyResult<Self> {
        let length = action.item_count();
        if wide.iter().any(|column| column.item_count() != length) {
            return Err(apart());
        }
        let [call, ret, process] = wide.map(|column| gathered(py, column, rows));
        Ok(Owned {
            call: call?,
            ret: ret?,
            process: process?,
            action: gathered(py, action, rows)?,
        })
    }

    pub fn view(&self) -> Columns<'_> {
        Columns {
            call: &self.call,
            ret: &self.ret,
            process: &self.process,
            action: &self.action,
        }
    }

    /// Refuses groups that end outside or are not in order of invocation, and unknown actions.
    pub fn refuse_bad(&self, ends: &[u32], actions: usize) -> PyResult<()> {
        let fits = ends.windows(2).all(|pair| pair[0] <= pair[1])
            && ends.last().map_or(0, |&end| end as usize) <= self.call.len()
            && self
                .action
                .iter()
                .all(|&action| action < 0 || (action as usize) < actions);
        let in_order = || {
            let mut from = 0;
            ends.iter().all(|&end| {
                let group = &self.call[from..end as usize];
                from = end as usize;
                group.windows(2).all(|pair| pair[0] <= pair[1])
            })
        };
        if fits && in_order() {
            return Ok(());
        }
        Err(apart())
    }
}

/// The operations of a history as Python has them, copied out of their buffers: names, keys and
/// values are numbers of texts.
pub struct Recorded<'a> {
    f: Vec<i32>,
    key: Vec<i32>,
    input: Vec<i32>,
    output: Vec<i32>,
    outcome: Vec<i32>,
    texts: &'a [u8],
    ends: Vec<i64>,
    codes: (i32, i32),
}

impl<'a> Recorded<'a> {
    /// `codes` are those of the outcomes fail and info. Refuses columns that do not belong together.
    pub fn of(
        py: Python<'_>,
        narrow: [PyBuffer<i32>; 5],
        texts: &'a [u8],
        ends: &PyBuffer<i64>,
        codes: (i32, i32),
    ) -> PyResult<Self> {
        let [f, key, input, output, outcome] = narrow.map(|column| numbers(py, &column));
        let recorded = Recorded {
            f: f?,
            key: key?,
            input: input?,
            output: output?,
            outcome: outcome?,
            texts,
            ends: numbers(py, ends)?,
            codes,
        };
        if recorded.operations().fit() {
            return Ok(recorded);
        }
        Err(apart())
    }

    pub fn operations(&self) -> Operations<'_> {
        Operations {
            f: &self.f,
            key: &self.key,
            input: &self.input,
            output: &self.output,
            outcome: &self.outcome,
            values: Values {
                texts: self.texts,
                ends: &self.ends,
            },
            fail: self.codes.0,
            info: self.codes.1,
        }
    }

    /// The same with the intervals and processes.
    pub fn timed<'b>(&'b self, [call, ret, process]: [&'b [i64]; 3]) -> registers::Columns<'b> {
        registers::Columns {
            call,
            ret,
            process,
            f: &self.f,
            input: &self.input,
            output: &self.output,
            outcome: &self.outcome,
        }
    }
}

pub fn apart() -> PyErr {
    PyValueError::new_err("these columns do not belong together")
}

fn gathered<T: Element + Copy>(
    py: Python<'_>,
    column: &PyBuffer<T>,
    rows: &[u32],
) -> PyResult<Vec<T>> {
    let cells = column
        .as_slice(py)
        .ok_or_else(|| PyValueError::new_err("a column lies in one piece"))?;
    let mut values = Vec::with_capacity(rows.len());
    for &row in rows {
        let cell = cells.get(row as usize);
        values.push(cell.ok_or_else(apart)?.get());
    }
    Ok(values)
}

pub fn numbers<T: Element>(py: Python<'_>, column: &PyBuffer<T>) -> PyResult<Vec<T>> {
    column.to_vec(py)
}

pub fn unsigned(py: Python<'_>, column: &PyBuffer<i32>) -> PyResult<Vec<u32>> {
    let numbers = numbers(py, column)?;
    if numbers.iter().any(|&number| number < 0) {
        return Err(PyValueError::new_err("a row is not negative"));
    }
    Ok(numbers.into_iter().map(|number| number as u32).collect())
}

pub fn bytes<'py>(py: Python<'py>, column: &[i32]) -> Bound<'py, PyBytes> {
    let mut bytes = Vec::with_capacity(size_of_val(column));
    for number in column {
        bytes.extend_from_slice(&number.to_ne_bytes());
    }
    PyBytes::new(py, &bytes)
}

/// Gives equal actions equal numbers, in order of first appearance, and the row of each first.
///
/// Failed operations get -1; the output of an info operation counts as absent.
pub fn number_actions(
    [f, key, input, output]: [&[i32]; 4],
    outcome: &[i32],
    fail: i32,
    info: i32,
) -> (Vec<i32>, Vec<u32>) {
    let mut numbers: FastMap<(u64, u64, bool), i32> = FastMap::default();
    let mut first = Vec::new();
    let pair = |a: i32, b: i32| u64::from(a as u32) << 32 | u64::from(b as u32);
    let actions = (0..outcome.len()).map(|row| {
        if outcome[row] == fail {
            return -1;
        }
        let unknown = outcome[row] == info;
        let answer = if unknown { 0 } else { output[row] };
        let action = (pair(f[row], key[row]), pair(input[row], answer), unknown);
        *numbers.entry(action).or_insert_with(|| {
            first.push(row as u32);
            first.len() as i32 - 1
        })
    });
    (actions.collect(), first)
}

/// Gives equal values equal numbers, in order of first appearance, and the row of each first.
/// Failed operations get -1.
pub fn number_values(column: &[i32], outcome: &[i32], fail: i32) -> (Vec<i32>, Vec<u32>) {
    let mut numbers: FastMap<u32, i32> = FastMap::default();
    let mut first = Vec::new();
    let values = column
        .iter()
        .zip(outcome)
        .enumerate()
        .map(|(row, (&value, &outcome))| {
            if outcome == fail {
                return -1;
            }
            *numbers.entry(value as u32).or_insert_with(|| {
                first.push(row as u32);
                first.len() as i32 - 1
            })
        });
    (values.collect(), first)
}

/// Rows by group, and where each group ends. Groups are numbered from 0 without gaps.
pub fn group_rows(group: &[i32]) -> (Vec<i32>, Vec<i32>) {
    let groups = group
        .iter()
        .copied()
        .max()
        .map_or(0, |most| (most + 1).max(0)) as usize;
    let mut next = vec![0usize; groups + 1];
    for &g in group.iter().filter(|&&g| g >= 0) {
        next[g as usize + 1] += 1;
    }
    for g in 0..groups {
        next[g + 1] += next[g];
    }
    let ends = next[1..].iter().map(|&end| end as i32).collect();
    let mut rows = vec![0; next[groups]];
    for (row, &g) in group.iter().enumerate().filter(|(_, &g)| g >= 0) {
        rows[next[g as usize]] = row as i32;
        next[g as usize] += 1;
    }
    (rows, ends)
}
