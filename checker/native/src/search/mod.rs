//! Searches for a linearization.
//!
//! `schedule` lays a history out as calls and returns, `table` remembers a model's transitions,
//! `layout` and `antichain` hold configurations, `frontier` walks and `closure` expands. The simple
//! twin is `checker/linearizability/twin.py`.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;

mod antichain;
mod budget;
mod closed;
mod closure;
mod columns;
mod dive;
mod floor;
mod follow;
mod fork;
mod frontier;
mod items;
mod known;
mod ladder;
mod layout;
mod marks;
mod model;
mod objects;
mod open;
mod peaks;
mod prune;
mod queues;
mod reach;
mod reached;
mod ready;
mod registers;
mod relaxation;
mod replay;
mod rules;
mod schedule;
mod space;
mod spare;
mod stacks;
mod stream;
mod table;
mod zones;

use budget::{Budget, Spent};
use columns::Recorded;
use known::Known;
use ladder::{Ended, Engine, Found, Rung};
use model::Model;
use objects::Object;
use prune::Prune;
use space::Space;
use spare::Buffers;
use table::{Broken, Miss, Table};

/// What a search found out about one object.
#[pyclass(module = "checker._core", frozen, get_all)]
struct SearchResult {
    /// "legal", "illegal", "broken", "undecided" by the rung asked for, or what was spent: "steps", "seconds", "memory".
    outcome: &'static str,
    /// What decided: see `ladder`.
    rung: &'static str,
    /// The row that could not be linearized, or that was being tried when the budget was spent.
    row: Option<u32>,
    /// Configurations right before: the state and the rows that had taken effect early.
    configurations: Vec<(u32, Vec<u32>)>,
    /// Every state from which that row was tried.
    tried: Vec<u32>,
    /// How many of the returns were passed.
    passed: usize,
    returns: usize,
    frontier: usize,
    widest: usize,
    walked: Option<usize>,
    crashed: usize,
    steps: u64,
    /// For "broken": the state, the action, and "failed" or the declaration that was not kept.
    broken: Option<(u32, u32, &'static str)>,
}

impl SearchResult {
    /// The rows of the history instead of their places among those that were searched.
    fn name_rows(&mut self, rows: &[u32]) {
        let row_of = |place: u32| rows[place as usize];
        self.row = self.row.map(row_of);
        for (_, done) in &mut self.configurations {
            done.iter_mut().for_each(|place| *place = row_of(*place));
        }
    }

    fn of(found: Found<PyErr>, steps: u64) -> PyResult<Self> {
        let mut broken = None;
        let outcome = match found.ended {
            Ended::Legal => "legal",
            Ended::Illegal(_) => "illegal",
            Ended::Undecided => "undecided",
            Ended::Spent(spent) => spent.name(),
            Ended::Failed(error) => return Err(error),
            Ended::Broken(Broken {
                state,
                action,
                declaration,
            }) => {
                broken = Some((state, action, declaration));
                "broken"
            }
        };
        Ok(SearchResult {
            outcome,
            rung: found.rung.name(),
            row: found.row,
            configurations: found.configurations,
            tried: found.tried,
            passed: found.passed,
            returns: found.returns,
            frontier: found.frontier,
            widest: found.widest,
            walked: found.walked,
            crashed: found.crashed,
            steps,
            broken,
        })
    }
}

/// What the searches of one check may spend together; its clock starts when it is made.
#[pyclass(module = "checker._core")]
struct SearchBudget {
    budget: Budget,
}

#[pymethods]
impl SearchBudget {
    #[new]
    #[pyo3(signature = (*, steps=None, seconds=None, memory_mb=None, until=None))]
    fn new(
        steps: Option<u64>,
        seconds: Option<f64>,
        memory_mb: Option<usize>,
        until: Option<f64>,
    ) -> Self {
        let seconds =
            seconds.map(|s| until.map_or(s, |until| s.min(until - since_epoch()).max(0.0)));
        SearchBudget {
            budget: Budget::new(steps, seconds, memory_mb),
        }
    }

    /// How many steps were spent.
    #[getter]
    fn steps(&self) -> u64 {
        self.budget.steps
    }

    /// How many bytes may be in use, if that is limited.
    #[getter]
    fn memory(&self) -> Option<usize> {
        self.budget.memory_limit()
    }

    /// The seconds that are left, and when they are over by the wall clock, in seconds since 1970.
    fn left(&self) -> Option<(f64, f64)> {
        let left = self.budget.seconds_left()?;
        Some((left, since_epoch() + left))
    }

    /// What is spent already, if anything is.
    fn spent(&self) -> Option<&'static str> {
        let mut part = self.budget.part(None);
        part.step()
            .and_then(|()| part.look(0))
            .err()
            .map(Spent::name)
    }
}

/// The clock of a budget, an endless one where there is none.
fn clock_of(budget: Option<&Bound<'_, SearchBudget>>) -> Budget {
    budget.map_or_else(Budget::endless, |budget| budget.borrow().budget.part(None))
}

fn since_epoch() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0.0, |now| now.as_secs_f64())
}

/// Bytes of numbers, first rows, the actions that were answered, and bytes of flags.
type NumberedByCore<'py> = (Bound<'py, PyBytes>, Vec<u32>, Vec<u32>, Bound<'py, PyBytes>);

/// A history made ready for the search.
#[pyclass(module = "checker._core", frozen, get_all)]
struct Prepared {
    /// What rules say of each object: see `judge_by_rules`. Empty if they were not asked.
    codes: Py<PyBytes>,
    illegal: Vec<(usize, Vec<u32>)>,
    observed: bool,
    /// Outcomes in which only what is left happened, if rules decided anything.
    kept: Option<Py<PyBytes>>,
    /// What is left by object, the first row of each, and its actions: see `number`.
    rows: Py<PyBytes>,
    ends: Py<PyBytes>,
    first: Vec<u32>,
    actions: Py<PyBytes>,
    action_rows: Vec<u32>,
    told: Vec<u32>,
    flags: Py<PyBytes>,
}

/// The transitions of one model over numbered states and actions; a search asks for what it lacks.
#[pyclass(module = "checker._core")]
struct TransitionTable {
    engine: Engine<Model>,
    /// How many actions there were when it was tried to look at the whole model.
    tried_for: usize,
}

#[pymethods]
impl TransitionTable {
    #[new]
    #[pyo3(signature = (step, flags, *, deterministic, known=None, held=None))]
    fn new(
        step: Py<PyAny>,
        flags: &[u8],
        deterministic: bool,
        known: Option<(&str, &[u8])>,
        held: Option<Py<PyAny>>,
    ) -> Self {
        let known = known.and_then(|(name, initial)| Known::new(name, initial));
        let kept = spare::take();
        let engine = Engine {
            table: Table::new(flags.to_vec()),
            stepper: known.map_or(Model::Asked(step, held), |known| {
                Model::Known(Box::new(known))
            }),
            space: kept.space,
            schedule: kept.schedule,
            deterministic,
            prune: Prune::default(),
            initial: 0,
            width: 1,
            threads: None,
        };
        TransitionTable {
            engine,
            tried_for: 0,
        }
    }

    /// Adds actions after those that are there.
    fn extend(&mut self, flags: &[u8]) {
        self.engine.table.extend(flags);
    }

    /// Numbers the actions of a history, if the core knows the model and all of them are of it: see
    /// `known`. Bytes of numbers, for each action the first row, those that were answered, the flags.
    #[allow(clippy::too_many_arguments)]
    fn number<'py>(
        &mut self,
        py: Python<'py>,
        columns: [PyBuffer<i32>; 5],
        texts: &[u8],
        text_ends: PyBuffer<i64>,
        fail: i32,
        info: i32,
    ) -> PyResult<Option<NumberedByCore<'py>>> {
        let recorded = Recorded::of(py, columns, texts, &text_ends, (fail, info))?;
        let Model::Known(known) = &mut self.engine.stepper else {
            return Ok(None);
        };
        let Some(numbered) = py.detach(|| known.number(&recorded.operations())) else {
            return Ok(None);
        };
        self.engine.table.extend(&numbered.flags);
        Ok(Some((
            columns::bytes(py, &numbered.actions),
            numbered.first,
            numbered.told,
            PyBytes::new(py, &numbered.flags),
        )))
    }

    /// Makes a history ready for the search, if the core knows the model and all operations are of
    /// it: groups it by key, lets the rules of registers judge it if there is an `initial` value
    /// (with whether there is compare-and-set), and numbers what they leave.
    #[allow(clippy::too_many_arguments)]
    fn prepare<'py>(
        &mut self,
        py: Python<'py>,
        wide: [PyBuffer<i64>; 3],
        narrow: [PyBuffer<i32>; 5],
        texts: &[u8],
        text_ends: PyBuffer<i64>,
        fail: i32,
        info: i32,
        initial: Option<(&[u8], bool)>,
        budget: Option<&Bound<'py, SearchBudget>>,
    ) -> PyResult<Option<Prepared>> {
        let [call, ret, process] = wide.map(|column| columns::numbers(py, &column));
        let (call, ret, process) = (call?, ret?, process?);
        let recorded = Recorded::of(py, narrow, texts, &text_ends, (fail, info))?;
        let columns = recorded.timed([&call, &ret, &process]);
        if !columns.fit(&[], &[]) {
            return Err(columns::apart());
        }
        let Model::Known(known) = &mut self.engine.stepper else {
            return Ok(None);
        };
        let clock = clock_of(budget);
        let make = || ready::ready(known, columns, &recorded.operations(), initial, &clock);
        let Some(made) = py.detach(make) else {
            return Ok(None);
        };
        self.engine.table.extend(&made.numbered.flags);
        let bytes = |numbers: &[i32]| columns::bytes(py, numbers).unbind();
        Ok(Some(Prepared {
            codes: PyBytes::new(py, &made.judged.codes).unbind(),
            illegal: made.judged.illegal,
            observed: made.judged.observed,
            kept: made.kept.as_deref().map(bytes),
            rows: bytes(&made.rows),
            ends: bytes(&made.ends),
            first: made.first,
            actions: bytes(&made.numbered.actions),
            action_rows: made.numbered.first,
            told: made.numbered.told,
            flags: PyBytes::new(py, &made.numbered.flags).unbind(),
        }))
    }

    /// The value that a state of a model holds which the core knows: its canonical text.
    fn text<'py>(&self, py: Python<'py>, state: u32) -> Option<Bound<'py, PyBytes>> {
        match &self.engine.stepper {
            Model::Asked(..) => None,
            Model::Known(known) => known.text(state).map(|text| PyBytes::new(py, text)),
        }
    }

    /// The state that follows in a model that the core knows; None if the action is not possible.
    fn follow(&mut self, state: u32, action: u32) -> Option<u32> {
        match &mut self.engine.stepper {
            Model::Asked(..) => None,
            Model::Known(known) => known.step(state, action),
        }
    }

    /// How often the model was asked.
    #[getter]
    fn misses(&self) -> u64 {
        match self.engine.stepper {
            Model::Asked(..) => self.engine.table.misses,
            Model::Known(_) => 0,
        }
    }

    /// Searches each group of rows for a linearization from the state `initial`, which has to be one
    /// that the first, number 0, leads to.
    #[pyo3(signature = (call, ret, process, action, rows, ends, initial, *, prune, budget,
                        steps=None, rung=None, replay=false, stop_at_first=false, width=1, threads=None))]
    #[allow(clippy::too_many_arguments)]
    fn search(
        &mut self,
        py: Python<'_>,
        call: PyBuffer<i64>,
        ret: PyBuffer<i64>,
        process: PyBuffer<i64>,
        action: PyBuffer<i32>,
        rows: PyBuffer<i32>,
        ends: PyBuffer<i32>,
        initial: u32,
        prune: Vec<PyBackedStr>,
        budget: &Bound<'_, SearchBudget>,
        steps: Option<u64>,
        rung: Option<&str>,
        replay: bool,
        stop_at_first: bool,
        width: usize,
        threads: Option<usize>,
    ) -> PyResult<Vec<Option<SearchResult>>> {
        (self.engine.width, self.engine.threads) = (width.max(1), threads);
        let prune = Prune::of(&prune)
            .map_err(|name| PyValueError::new_err(format!("there is no pruning {name:?}")))?;
        let only = rung.map(rung_of).transpose()?;
        let (rows, ends) = (columns::unsigned(py, &rows)?, columns::unsigned(py, &ends)?);
        let columns = columns::Owned::of_rows(py, [&call, &ret, &process], &action, &rows)?;
        columns.refuse_bad(&ends, self.engine.table.actions())?;
        self.engine.prune = prune;
        self.engine.initial = initial;
        let mut part = budget.borrow().budget.part(steps);
        if part.limits_memory() {
            // What an earlier search left would count for this one.
            self.engine.space = Space::default();
        }
        let results = py.detach(|| {
            self.close(rows.len() / 2, &mut part)?;
            let mut objects: Vec<Object<PyErr>> = Vec::with_capacity(ends.len());
            let places: Vec<u32> = (0..rows.len() as u32).collect();
            let mut from = 0;
            for &end in &ends {
                objects.push(Object::new(&places[from..end as usize], only, replay));
                from = end as usize;
            }
            let engine = &mut self.engine;
            engine.search_all(&columns.view(), &mut objects, stop_at_first, &mut part);
            objects.into_iter().map(told).collect::<PyResult<Vec<_>>>()
        });
        budget.borrow_mut().budget.spend(&part);
        let mut results = results?;
        for result in results.iter_mut().flatten() {
            result.name_rows(&rows);
        }
        Ok(results)
    }
}

impl Drop for TransitionTable {
    fn drop(&mut self) {
        spare::keep(Buffers {
            space: std::mem::take(&mut self.engine.space),
            schedule: std::mem::take(&mut self.engine.schedule),
        });
    }
}

impl TransitionTable {
    /// Sees what a small model does as a whole, once; `most` transitions are worth the time.
    fn close(&mut self, most: usize, budget: &mut Budget) -> PyResult<()> {
        let engine = &mut self.engine;
        let actions = engine.table.actions();
        let asked = matches!(engine.stepper, Model::Asked(..));
        let wanted = engine.prune.closure && engine.deterministic && asked;
        if !wanted || self.tried_for == actions || most < 2 * actions {
            return Ok(());
        }
        self.tried_for = actions;
        let most = most.min(budget.left() as usize / 4);
        let (table, stepper) = (&mut engine.table, &mut engine.stepper);
        // From the model's own initial state, which leads to every other that a search begins in.
        match closed::close(table, stepper, 0, most, budget) {
            Ok(looked) => {
                // It was at most a quarter of what was left.
                let _ = budget.take(looked);
                Ok(())
            }
            Err(Miss::Failed(error)) => Err(error),
            // Whether the search comes upon that too will be seen.
            Err(Miss::Broken(_)) => Ok(()),
        }
    }
}

/// What is told of one object.
fn told(object: Object<PyErr>) -> PyResult<Option<SearchResult>> {
    let steps = object.steps;
    let result = object.found.map(|found| SearchResult::of(found, steps));
    result.transpose()
}

fn rung_of(name: &str) -> PyResult<Rung> {
    Rung::of(name).ok_or_else(|| PyValueError::new_err(format!("there is no rung {name:?}")))
}

/// Numbers the distinct actions of a history: see `columns::number_actions`.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn number_actions<'py>(
    py: Python<'py>,
    f: PyBuffer<i32>,
    key: PyBuffer<i32>,
    input: PyBuffer<i32>,
    output: PyBuffer<i32>,
    outcome: PyBuffer<i32>,
    fail: i32,
    info: i32,
) -> PyResult<(Bound<'py, PyBytes>, Vec<u32>)> {
    let columns = [&f, &key, &input, &output, &outcome];
    let [f, key, input, output, outcome] = columns.map(|column| columns::numbers(py, column));
    let (f, key, input, output, outcome) = (f?, key?, input?, output?, outcome?);
    let (numbers, first) =
        py.detach(|| columns::number_actions([&f, &key, &input, &output], &outcome, fail, info));
    Ok((columns::bytes(py, &numbers), first))
}

/// Sorts rows by the value that each has in a column, stably, those where nothing happened left
/// out. Also where each group ends, and the first row of each.
#[pyfunction]
fn group_by_value<'py>(
    py: Python<'py>,
    column: PyBuffer<i32>,
    outcome: PyBuffer<i32>,
    fail: i32,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<u32>)> {
    let (column, outcome) = (
        columns::numbers(py, &column)?,
        columns::numbers(py, &outcome)?,
    );
    let ((rows, ends), first) = py.detach(|| {
        let (numbers, first) = columns::number_values(&column, &outcome, fail);
        (columns::group_rows(&numbers), first)
    });
    Ok((columns::bytes(py, &rows), columns::bytes(py, &ends), first))
}

/// Sorts rows by the group that each belongs to, stably; negative groups are left out.
#[pyfunction]
fn group_rows<'py>(
    py: Python<'py>,
    group: PyBuffer<i32>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let group = columns::numbers(py, &group)?;
    let (rows, ends) = py.detach(|| columns::group_rows(&group));
    Ok((columns::bytes(py, &rows), columns::bytes(py, &ends)))
}

/// The outcomes of a history in which only some rows happened: those of the groups with this code,
/// and these others.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn keep_rows<'py>(
    py: Python<'py>,
    outcome: PyBuffer<i32>,
    rows: PyBuffer<i32>,
    ends: PyBuffer<i32>,
    codes: &[u8],
    code: u8,
    others: Vec<u32>,
    fail: i32,
) -> PyResult<Bound<'py, PyBytes>> {
    let outcome = columns::numbers(py, &outcome)?;
    let (rows, ends) = (columns::unsigned(py, &rows)?, columns::unsigned(py, &ends)?);
    let mut kept = vec![fail; outcome.len()];
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let groups = starts
        .zip(&ends)
        .zip(codes)
        .filter(|(_, &found)| found == code);
    let inside = groups.flat_map(|((from, &to), _)| rows.get(from as usize..to as usize));
    for &row in inside.flatten().chain(&others) {
        if let (Some(kept), Some(&outcome)) =
            (kept.get_mut(row as usize), outcome.get(row as usize))
        {
            *kept = outcome;
        }
    }
    Ok(columns::bytes(py, &kept))
}

/// The numbers of a column, each replaced by what the mapping says; negative ones stay.
#[pyfunction]
fn renumber<'py>(
    py: Python<'py>,
    column: PyBuffer<i32>,
    mapping: Vec<i32>,
) -> PyResult<Bound<'py, PyBytes>> {
    let column = columns::numbers(py, &column)?;
    let renumbered = column.iter().map(|&n| match usize::try_from(n) {
        Err(_) => Some(n),
        Ok(n) => mapping.get(n).copied(),
    });
    let renumbered: Option<Vec<i32>> = renumbered.collect();
    let renumbered = renumbered.ok_or_else(|| PyValueError::new_err("a number has no mapping"))?;
    Ok(columns::bytes(py, &renumbered))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TransitionTable>()?;
    module.add_class::<SearchResult>()?;
    module.add_class::<Prepared>()?;
    module.add_class::<SearchBudget>()?;
    module.add_class::<stream::SearchStream>()?;
    module.add_function(wrap_pyfunction!(number_actions, module)?)?;
    module.add_function(wrap_pyfunction!(rules::judge_by_rules, module)?)?;
    module.add_function(wrap_pyfunction!(keep_rows, module)?)?;
    module.add_function(wrap_pyfunction!(group_by_value, module)?)?;
    module.add_function(wrap_pyfunction!(renumber, module)?)?;
    module.add_function(wrap_pyfunction!(group_rows, module)?)
}
