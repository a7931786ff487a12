//! Objects judged by rules, without a search: what the rules say of each, and how Python asks.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::budget::Budget;
use super::columns::Recorded;
use super::items::{Containers, Kind};
use super::registers::Reader;
use super::{clock_of, columns, zones, SearchBudget};

/// What rules say of one object.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They do not apply, for this reason.
    Inapplicable(&'static str),
    Legal,
    /// These rows alone are not linearizable.
    Illegal(Vec<u32>),
}

/// The verdicts on all objects.
#[derive(Default)]
pub struct Judged {
    /// For each object: 0 the rules do not apply, 1 legal, 2 illegal.
    pub codes: Vec<u8>,
    pub illegal: Vec<(usize, Vec<u32>)>,
    /// The first to which the rules do not apply, and why.
    pub inapplicable: Option<(usize, &'static str)>,
    /// Whether anybody was told anything of the state, where the rules apply.
    pub observed: bool,
}

/// After so many operations it is seen whether there is time left.
pub const LOOK_EVERY: usize = 4096;
pub const LATE: &str = "the seconds are spent";

/// Judges every group of rows; `judge` answers a verdict, and whether anything was observed. Those
/// that are left when the time is over are not judged.
pub fn judge_all(
    rows: &[u32],
    ends: &[u32],
    budget: &Budget,
    mut judge: impl FnMut(&[u32]) -> (Verdict, bool),
) -> Judged {
    let mut judged = Judged::default();
    let (mut from, mut late) = (0, false);
    for (number, &end) in ends.iter().enumerate() {
        let group = &rows[from..end as usize];
        if from / LOOK_EVERY != end as usize / LOOK_EVERY {
            late = late || budget.is_late();
        }
        let (verdict, observed) = if late {
            (Verdict::Inapplicable(LATE), false)
        } else {
            judge(group)
        };
        from = end as usize;
        let code = match verdict {
            Verdict::Inapplicable(reason) => {
                judged.inapplicable.get_or_insert((number, reason));
                0
            }
            Verdict::Legal => 1,
            Verdict::Illegal(rows) => {
                judged.illegal.push((number, rows));
                2
            }
        };
        judged.codes.push(code);
        judged.observed |= code != 0 && observed;
    }
    judged
}

type Told<'py> = (
    Bound<'py, PyBytes>,
    Vec<(usize, Vec<u32>)>,
    Option<(usize, &'static str)>,
    bool,
);

/// Judges objects, each the rows of a group, by the rules of this name: a code
/// for each (0 the rules do not apply, 1 legal, 2 illegal), for the illegal ones rows that alone
/// are illegal, to which first the rules do not apply and why, and whether anybody saw a value in
/// those to which they do. `initial` is the value of a register, which may have
/// compare-and-set, or a list of what is inside a container.
#[pyfunction]
#[pyo3(signature = (name, wide, narrow, texts, text_ends, rows, ends, initial, fail, info, has_cas, budget=None))]
#[allow(clippy::too_many_arguments)]
pub fn judge_by_rules<'py>(
    py: Python<'py>,
    name: &str,
    wide: [PyBuffer<i64>; 3],
    narrow: [PyBuffer<i32>; 5],
    texts: &[u8],
    text_ends: PyBuffer<i64>,
    rows: PyBuffer<i32>,
    ends: PyBuffer<i32>,
    initial: &[u8],
    fail: i32,
    info: i32,
    has_cas: bool,
    budget: Option<&Bound<'py, SearchBudget>>,
) -> PyResult<Told<'py>> {
    let [call, ret, process] = wide.map(|column| columns::numbers(py, &column));
    let (call, ret, process) = (call?, ret?, process?);
    let recorded = Recorded::of(py, narrow, texts, &text_ends, (fail, info))?;
    let (rows, ends) = (columns::unsigned(py, &rows)?, columns::unsigned(py, &ends)?);
    let (columns, values) = (
        recorded.timed([&call, &ret, &process]),
        recorded.operations().values,
    );
    if !columns.fit(&rows, &ends) {
        return Err(columns::apart());
    }
    let clock = clock_of(budget);
    let judged = match name {
        "zones" => py.detach(|| {
            let mut reader = Reader::new(columns, values, (fail, info), has_cas);
            let (initial, mut zones) = (reader.initial(initial), zones::Zones::default());
            judge_all(&rows, &ends, &clock, |rows| {
                reader.judge(&mut zones, rows, initial, &clock)
            })
        }),
        _ => {
            let kind = Kind::of(name).ok_or_else(|| unknown(name))?;
            py.detach(|| {
                let mut containers = Containers::new(kind, columns, values, (fail, info), initial);
                judge_all(&rows, &ends, &clock, |rows| containers.judge(rows))
            })
        }
    };
    Ok((
        PyBytes::new(py, &judged.codes),
        judged.illegal,
        judged.inapplicable,
        judged.observed,
    ))
}

fn unknown(name: &str) -> PyErr {
    PyValueError::new_err(format!("there are no rules {name:?}"))
}
