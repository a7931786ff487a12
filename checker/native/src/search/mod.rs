//! Searches for a linearization.
//!
//! `schedule` lays a history out as calls and returns, `table` remembers a model's transitions,
//! `layout` and `antichain` hold configurations, `frontier` walks and `closure` expands. The simple
//! twin is `checker/linearizability/twin.py`.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

mod antichain;
mod budget;
mod closure;
mod columns;
mod frontier;
mod layout;
mod open;
mod schedule;
mod table;

use budget::{Budget, Spent};
use frontier::{Prune, Search, Space, Stop};
use layout::Layout;
use schedule::{Columns, Rules, Schedule};
use table::{Stepper, Table};

/// At most so many configurations, and states, are told of a violation.
const TOLD_MAX: usize = 64;

/// Asks a model in Python: `step(state, action)` answers a number, -1 for a refusal, a tuple of
/// numbers, or None if the model failed.
struct Callback {
    step: Py<PyAny>,
}

impl Stepper for Callback {
    type Error = PyErr;

    fn step(&mut self, state: u32, action: u32) -> PyResult<Option<Vec<u32>>> {
        Python::attach(|py| {
            let answer = self.step.bind(py).call1((state, action))?;
            if answer.is_none() {
                return Ok(None);
            }
            if let Ok(one) = answer.extract::<i64>() {
                return Ok(Some(u32::try_from(one).into_iter().collect()));
            }
            let mut several: Vec<u32> = answer.extract()?;
            several.sort_unstable();
            several.dedup();
            Ok(Some(several))
        })
    }

    fn pause(&mut self) -> PyResult<()> {
        Python::attach(|py| py.check_signals())
    }
}

/// What a search found out about one object.
#[pyclass(module = "checker._core", frozen, get_all)]
struct SearchResult {
    /// "legal", "illegal", "broken", or what was spent: "steps", "seconds", "memory".
    outcome: &'static str,
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
    crashed: usize,
    steps: u64,
    /// For "broken": the state, the action, and "failed" or the declaration that was not kept.
    broken: Option<(u32, u32, &'static str)>,
}

/// What the searches of one check may spend together; its clock starts when it is made.
#[pyclass(module = "checker._core")]
struct SearchBudget {
    budget: Budget,
}

#[pymethods]
impl SearchBudget {
    #[new]
    #[pyo3(signature = (*, steps=None, seconds=None, memory_mb=None))]
    fn new(steps: Option<u64>, seconds: Option<f64>, memory_mb: Option<usize>) -> Self {
        SearchBudget {
            budget: Budget::new(steps, seconds, memory_mb),
        }
    }

    /// How many steps were spent.
    #[getter]
    fn steps(&self) -> u64 {
        self.budget.steps
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

/// The transitions of one model over numbered states and actions; a search asks for what it lacks.
#[pyclass(module = "checker._core")]
struct TransitionTable {
    table: Table,
    stepper: Callback,
    space: Space,
    schedule: Schedule,
    deterministic: bool,
}

#[pymethods]
impl TransitionTable {
    #[new]
    #[pyo3(signature = (step, flags, *, deterministic))]
    fn new(step: Py<PyAny>, flags: &[u8], deterministic: bool) -> Self {
        TransitionTable {
            table: Table::new(flags.to_vec()),
            stepper: Callback { step },
            space: Space::default(),
            schedule: Schedule::default(),
            deterministic,
        }
    }

    /// Adds actions after those that are there.
    fn extend(&mut self, flags: &[u8]) {
        self.table.extend(flags);
    }

    /// How often the model was asked.
    #[getter]
    fn misses(&self) -> u64 {
        self.table.misses
    }

    /// Searches each group of rows for a linearization from the initial state.
    #[pyo3(signature = (call, ret, process, action, rows, ends, initial, *, prune, budget,
                        steps=None, stop_at_first=false))]
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
        prune: Vec<String>,
        budget: &Bound<'_, SearchBudget>,
        steps: Option<u64>,
        stop_at_first: bool,
    ) -> PyResult<Vec<SearchResult>> {
        let prune = prune_of(&prune)?;
        let columns = columns::Owned::new(py, [&call, &ret, &process], &action)?;
        let (rows, ends) = (columns::unsigned(py, &rows)?, columns::unsigned(py, &ends)?);
        columns.refuse_bad(&rows, &ends, self.table.actions())?;
        let mut part = budget.borrow().budget.part(steps);
        let results = py.detach(|| {
            let mut results = Vec::with_capacity(ends.len());
            let mut from = 0;
            for &end in &ends {
                let group = &rows[from..end as usize];
                let result = self.search_one(&columns.view(), group, initial, prune, &mut part)?;
                let illegal = result.outcome == "illegal";
                results.push(result);
                if illegal && stop_at_first {
                    break;
                }
                from = end as usize;
            }
            Ok(results)
        });
        budget.borrow_mut().budget.spend(&part);
        results
    }
}

impl TransitionTable {
    fn search_one(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        initial: u32,
        prune: Prune,
        budget: &mut Budget,
    ) -> PyResult<SearchResult> {
        let rules = Rules {
            reads: prune.reads,
            multisets: prune.multisets,
        };
        self.schedule
            .compile(columns, rows, |action| self.table.flags(action), &rules);
        let steps_before = budget.steps;
        let mut search = Search {
            table: &mut self.table,
            stepper: &mut self.stepper,
            budget,
            space: &mut self.space,
            prune,
            deterministic: self.deterministic,
            touching: false,
            passed: 0,
            widest: 0,
        };
        let ended = search.run(&self.schedule, initial);
        let (passed, widest) = (search.passed, search.widest);
        let mut result = SearchResult {
            outcome: "legal",
            row: None,
            configurations: Vec::new(),
            tried: Vec::new(),
            passed,
            returns: self.schedule.returns,
            frontier: self.space.frontier.live,
            widest,
            crashed: self.schedule.crashed,
            steps: budget.steps - steps_before,
            broken: None,
        };
        match ended {
            Ok(None) => {}
            Ok(Some(culprit)) => {
                result.outcome = "illegal";
                result.row = Some(culprit.row);
                result.configurations = self.space.tell_frontier(TOLD_MAX);
                result.tried = self.space.tell_tried(TOLD_MAX);
            }
            Err(Stop::Spent(spent)) => {
                result.outcome = spent.name();
                result.row = self.schedule.returned(passed);
                if spent == Spent::Memory {
                    self.space = Space::default();
                }
            }
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Broken(broken)) => {
                result.outcome = "broken";
                result.broken = Some((broken.state, broken.action, broken.declaration));
            }
        }
        Ok(result)
    }
}

impl Space {
    fn tell_frontier(&self, most: usize) -> Vec<(u32, Vec<u32>)> {
        let rows_of = |config: &[u64]| {
            let done = self.layout.done(config);
            let slots = (0..self.open.row.len() as u32).filter(|&slot| open::has(done, slot));
            slots.map(|slot| self.open.row[slot as usize]).collect()
        };
        let configs = self.frontier.iter(&self.layout).take(most);
        configs
            .map(|config| (Layout::state(config), rows_of(config)))
            .collect()
    }

    fn tell_tried(&self, most: usize) -> Vec<u32> {
        let sets = [&self.frontier, &self.visited, &self.landed];
        let configs = sets.into_iter().flat_map(|set| set.iter(&self.layout));
        let mut states: Vec<u32> = configs.map(Layout::state).collect();
        states.sort_unstable();
        states.dedup();
        states.truncate(most);
        states
    }
}

fn prune_of(names: &[String]) -> PyResult<Prune> {
    let mut prune = Prune::default();
    for name in names {
        let switch = match name.as_str() {
            "reads" => &mut prune.reads,
            "multisets" => &mut prune.multisets,
            "dominance" => &mut prune.dominance,
            "deadlines" => &mut prune.deadlines,
            "enablement" => &mut prune.enablement,
            "absorption" => &mut prune.absorption,
            "detours" => &mut prune.detours,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "there is no pruning {name:?}"
                )))
            }
        };
        *switch = true;
    }
    Ok(prune)
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

/// Numbers the distinct values of a column, -1 where nothing happened: see `columns`.
#[pyfunction]
fn number_values<'py>(
    py: Python<'py>,
    column: PyBuffer<i32>,
    outcome: PyBuffer<i32>,
    fail: i32,
) -> PyResult<(Bound<'py, PyBytes>, Vec<u32>)> {
    let (column, outcome) = (
        columns::numbers(py, &column)?,
        columns::numbers(py, &outcome)?,
    );
    let (numbers, first) = py.detach(|| columns::number_values(&column, &outcome, fail));
    Ok((columns::bytes(py, &numbers), first))
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
    module.add_class::<SearchBudget>()?;
    module.add_function(wrap_pyfunction!(number_actions, module)?)?;
    module.add_function(wrap_pyfunction!(number_values, module)?)?;
    module.add_function(wrap_pyfunction!(renumber, module)?)?;
    module.add_function(wrap_pyfunction!(group_rows, module)?)
}
