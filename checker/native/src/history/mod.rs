//! Reads histories: JSON Lines into columns.
//!
//! `scan` checks JSON, `canonical` writes it in one form, `values` numbers canonical texts, `line` makes an
//! event of a line, `pairing` makes operations of events, `reader` puts it all into columns. The
//! simple twin of all this is `checker/history/twin.py`; a test compares them on random bytes.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

mod canonical;
mod import;
mod line;
mod pairing;
mod problems;
mod reader;
mod scan;
pub(crate) mod values;

/// Reads a history from chunks of its file: `feed` each, then `finish`.
#[pyclass(module = "checker._core")]
struct HistoryReader {
    reader: reader::Reader,
}

impl HistoryReader {
    fn check_size(&self) -> PyResult<()> {
        if self.reader.fits() {
            return Ok(());
        }
        Err(PyValueError::new_err(
            "the history has more than 2^31 lines or values: split it",
        ))
    }
}

type ReadByNotes<'py> = (HistoryReader, Option<usize>, Bound<'py, PyDict>);
type TextsAndEnds<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);
type ProblemFields = (usize, usize, &'static str, String);

#[pymethods]
impl HistoryReader {
    #[new]
    fn new() -> Self {
        HistoryReader {
            reader: reader::Reader::new(),
        }
    }

    /// Take the next bytes of the file; the interpreter runs on meanwhile.
    fn feed(&mut self, py: Python<'_>, chunk: &[u8]) -> PyResult<()> {
        py.detach(|| self.reader.feed(chunk));
        self.check_size()
    }

    /// The number of the half-written last line if it was left out, the first problems as (line,
    /// column, kind, detail), and how many more there are.
    fn finish(
        &mut self,
        py: Python<'_>,
        drop_partial_line: bool,
    ) -> (Option<usize>, Vec<ProblemFields>, usize) {
        let dropped = py.detach(|| self.reader.finish(drop_partial_line));
        let (listed, more) = self.problems();
        (dropped, listed, more)
    }

    /// The first problems as (line, column, kind, detail), and how many more there are.
    fn problems(&mut self) -> (Vec<ProblemFields>, usize) {
        let problems = std::mem::take(&mut self.reader.problems);
        let listed = problems.listed.into_iter();
        let listed = listed
            .map(|p| (p.line, p.column, p.kind, p.detail))
            .collect();
        (listed, problems.more)
    }

    /// The columns of the operations by name, as bytes. To be asked for before `events`.
    fn operations<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let operations = py.detach(|| self.reader.operations());
        let columns = PyDict::new(py);
        columns.set_item("call", int64(py, operations.call)?)?;
        columns.set_item("ret", int64(py, operations.ret)?)?;
        columns.set_item("process", int64(py, operations.process)?)?;
        columns.set_item("f", int32(py, operations.f)?)?;
        columns.set_item("key", int32(py, operations.key)?)?;
        columns.set_item("input", int32(py, operations.input)?)?;
        columns.set_item("output", int32(py, operations.output)?)?;
        columns.set_item("outcome", int32(py, operations.outcome)?)?;
        columns.set_item("invocation", int32(py, operations.invocation)?)?;
        columns.set_item("completion", int32(py, operations.completion)?)?;
        Ok(columns)
    }

    /// The columns of the events by name, as bytes. They are handed over: to be asked for once.
    fn events<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let events = std::mem::take(&mut self.reader.events);
        let columns = PyDict::new(py);
        columns.set_item("index", int64(py, events.index)?)?;
        columns.set_item("time", int64(py, events.time)?)?;
        columns.set_item("process", int64(py, events.process)?)?;
        columns.set_item("type", int32(py, events.kind)?)?;
        let names = [
            "f", "key", "input", "output", "error", "node", "request", "fault", "extra",
        ];
        for (name, column) in names.into_iter().zip(events.values) {
            columns.set_item(name, int32(py, column)?)?;
        }
        Ok(columns)
    }

    /// The canonical texts one after another, and where each ends (int64), as bytes.
    fn values<'py>(&mut self, py: Python<'py>) -> PyResult<TextsAndEnds<'py>> {
        let texts = std::mem::take(&mut self.reader.values.texts);
        let ends = std::mem::take(&mut self.reader.values.ends);
        Ok((PyBytes::new(py, &texts), int64(py, ends)?))
    }
}

/// Read a history of another tool: `format` is "edn" or "log". The reader that holds its columns
/// and problems, the number of the half-written last line if it was left out, and notes on how it
/// was read.
#[pyfunction]
#[pyo3(signature = (data, format, *, drop_partial_line, observe_failed_cas, drop_nil_reads,
    independent, maps_are_txns, blank_is_absent))]
#[allow(clippy::too_many_arguments)]
fn import_history<'py>(
    py: Python<'py>,
    data: &[u8],
    format: &str,
    drop_partial_line: bool,
    observe_failed_cas: bool,
    drop_nil_reads: bool,
    independent: Option<bool>,
    maps_are_txns: bool,
    blank_is_absent: bool,
) -> PyResult<ReadByNotes<'py>> {
    let format = match format {
        "edn" => import::Format::Edn,
        "log" => import::Format::Log,
        _ => {
            return Err(PyValueError::new_err(format!(
                "no format is called {format}"
            )))
        }
    };
    let reading = import::Reading {
        observe_failed_cas,
        drop_nil_reads,
        independent,
        maps_are_txns,
        blank_is_absent,
    };
    let (reader, dropped, notes) =
        py.detach(|| import::read(data, &format, drop_partial_line, &reading));
    let told = PyDict::new(py);
    told.set_item("independent", notes.independent)?;
    told.set_item("by_time", notes.by_time)?;
    told.set_item("blank_is_absent", notes.blank_is_absent)?;
    told.set_item("failed_cas", notes.failed_cas)?;
    told.set_item("nil_reads", notes.nil_reads)?;
    let reader = HistoryReader { reader };
    reader.check_size()?;
    Ok((reader, dropped, told))
}

fn int64(py: Python<'_>, column: Vec<i64>) -> PyResult<Bound<'_, PyBytes>> {
    bytes(py, &column, i64::to_ne_bytes)
}

fn int32(py: Python<'_>, column: Vec<i32>) -> PyResult<Bound<'_, PyBytes>> {
    bytes(py, &column, i32::to_ne_bytes)
}

fn bytes<'py, T: Copy, const WIDTH: usize>(
    py: Python<'py>,
    column: &[T],
    bytes_of: fn(T) -> [u8; WIDTH],
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, column.len() * WIDTH, |buffer| {
        for (place, number) in buffer.chunks_exact_mut(WIDTH).zip(column) {
            place.copy_from_slice(&bytes_of(*number));
        }
        Ok(())
    })
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(import_history, module)?)?;
    module.add_class::<HistoryReader>()
}
