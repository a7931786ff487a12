//! The walk fed event by event: the frontier is kept from one piece of a history to the next.
//!
//! A piece holds calls and returns in the order of time, up to a moment before which every operation
//! called is decided: answered, or known to have crashed. So what an event needs is there with it,
//! but not how many operations will be open at once nor how many will crash. When a slot or a lane
//! is lacking the configurations are laid out anew, with room to spare.

use std::collections::HashMap;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use super::antichain::Antichain;
use super::budget::Budget;
use super::columns;
use super::frontier::{Search, Stop};
use super::layout::Layout;
use super::open::Sorting;
use super::prune::Prune;
use super::schedule::{Lane, Open, Schedule, NONE};
use super::space::Space;
use super::table::{Stepper, Table, PURE};
use super::{SearchBudget, TransitionTable};

const CALL: i32 = 0;
const CRASH: i32 = 1;
const RETURN: i32 = 2;

/// The events of a piece as columns: what happens, to which operation, its action, when it returns.
struct Piece {
    kind: Vec<i32>,
    row: Vec<u32>,
    action: Vec<u32>,
    deadline: Vec<i64>,
}

/// One object of a history that is still going on.
#[pyclass(module = "checker._core")]
pub struct SearchStream {
    space: Space,
    prune: Prune,
    deterministic: bool,
    /// Lanes with as many operations as there is room for.
    lanes: Vec<Lane>,
    lane_of: HashMap<u32, u32>,
    slots: usize,
    slots_max: usize,
    free: Vec<u32>,
    slot_of: HashMap<u32, u32>,
    passed: usize,
    widest: usize,
}

#[pymethods]
impl SearchStream {
    /// A stream at the initial state, number 0.
    #[new]
    #[pyo3(signature = (table, *, prune))]
    fn new(table: &mut TransitionTable, prune: Vec<PyBackedStr>) -> PyResult<Self> {
        let prune = Prune::of(&prune)
            .map_err(|name| PyValueError::new_err(format!("there is no pruning {name:?}")))?;
        if !prune.multisets {
            return Err(PyValueError::new_err("a stream counts crashed operations"));
        }
        let mut stream = SearchStream {
            space: Space::default(),
            prune,
            deterministic: table.engine.deterministic,
            lanes: Vec::new(),
            lane_of: HashMap::new(),
            slots: 0,
            slots_max: 0,
            free: Vec::new(),
            slot_of: HashMap::new(),
            passed: 0,
            widest: 1,
        };
        let mut budget = Budget::new(None, None, None);
        let engine = &mut table.engine;
        let mut search = stream.search(&mut engine.table, &mut engine.stepper, &mut budget);
        let nothing = Schedule::default();
        search.prepare(&nothing);
        search.begin(&nothing, 0);
        Ok(stream)
    }

    /// Walks on over a piece. None while some order explains everything; else what ended the walk,
    /// "illegal", "broken", or what was spent, and the operation at whose return it was.
    #[allow(clippy::too_many_arguments)]
    fn feed(
        &mut self,
        py: Python<'_>,
        table: &mut TransitionTable,
        kind: PyBuffer<i32>,
        row: PyBuffer<i32>,
        action: PyBuffer<i32>,
        deadline: PyBuffer<i64>,
        budget: &Bound<'_, SearchBudget>,
        steps: u64,
    ) -> PyResult<Option<(&'static str, Option<u32>)>> {
        let piece = Piece {
            kind: columns::numbers(py, &kind)?,
            row: columns::unsigned(py, &row)?,
            action: columns::unsigned(py, &action)?,
            deadline: columns::numbers(py, &deadline)?,
        };
        let length = piece.kind.len();
        let equal = [piece.row.len(), piece.action.len(), piece.deadline.len()];
        let known = table.engine.table.actions();
        if equal.iter().any(|&other| other != length)
            || piece.action.iter().any(|&a| a as usize >= known)
        {
            return Err(PyValueError::new_err(
                "these columns do not belong together",
            ));
        }
        let mut part = budget.borrow().budget.part(Some(steps));
        let engine = &mut table.engine;
        let (transitions, stepper) = (&mut engine.table, &mut engine.stepper);
        let ended = py.detach(|| self.walk(transitions, stepper, &piece, &mut part));
        budget.borrow_mut().budget.spend(&part);
        match ended {
            Ok(culprit) => Ok(culprit.map(|row| ("illegal", Some(row)))),
            Err(Stop::Spent(spent)) => Ok(Some((spent.name(), None))),
            Err(Stop::Broken(_)) => Ok(Some(("broken", None))),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// The states of the frontier, and the actions of open and of crashed operations.
    fn numbers(&self) -> (Vec<u32>, Vec<u32>) {
        let (layout, open) = (&self.space.layout, &self.space.open);
        let mut states: Vec<u32> = self
            .space
            .frontier
            .iter(layout)
            .map(Layout::state)
            .collect();
        states.sort_unstable();
        states.dedup();
        let movers = open.movers.iter().map(|mover| mover.action);
        let reads = open.reads.iter().map(|read| read.action);
        let lanes = self.lanes.iter().map(|lane| lane.action);
        let mut actions: Vec<u32> = movers.chain(reads).chain(lanes).collect();
        actions.sort_unstable();
        actions.dedup();
        (states, actions)
    }

    /// Goes over to another table of the same model, in which states and actions have other numbers.
    fn renumber(&mut self, states: HashMap<u32, u32>, actions: HashMap<u32, u32>) -> PyResult<()> {
        let (known_states, known_actions) = self.numbers();
        if !known_states.iter().all(|state| states.contains_key(state))
            || !known_actions
                .iter()
                .all(|action| actions.contains_key(action))
        {
            return Err(PyValueError::new_err("a number has no mapping"));
        }
        let open = &mut self.space.open;
        for mover in &mut open.movers {
            mover.action = actions[&mover.action];
        }
        open.movers
            .sort_by_key(|mover| (mover.action, mover.deadline));
        for read in &mut open.reads {
            read.action = actions[&read.action];
        }
        for crashed in &mut open.crashed {
            crashed.action = actions[&crashed.action];
        }
        for lane in &mut self.lanes {
            lane.action = actions[&lane.action];
        }
        self.lane_of = (0..)
            .zip(&self.lanes)
            .map(|(n, lane)| (lane.action, n))
            .collect();
        self.lay_out(|state| states[&state]);
        Ok(())
    }

    /// How many returns were passed, and the widest frontier.
    #[getter]
    fn passed(&self) -> usize {
        self.passed
    }

    #[getter]
    fn widest(&self) -> usize {
        self.widest
    }
}

impl SearchStream {
    fn search<'a, S: Stepper>(
        &'a mut self,
        table: &'a mut Table,
        stepper: &'a mut S,
        budget: &'a mut Budget,
    ) -> Search<'a, S> {
        Search {
            table,
            stepper,
            budget,
            space: &mut self.space,
            prune: self.prune,
            deterministic: self.deterministic,
            touching: false,
            tracing: false,
            width: None,
            grouped_for: usize::MAX,
            passed: self.passed,
            widest: self.widest,
        }
    }

    fn walk<S: Stepper>(
        &mut self,
        table: &mut Table,
        stepper: &mut S,
        piece: &Piece,
        budget: &mut Budget,
    ) -> Result<Option<u32>, Stop<S::Error>> {
        let nothing = Schedule::default();
        let mut prune = self.prune;
        prune.absorption &= prune.reads;
        let sorting = Sorting {
            reads: prune.reads,
            absorption: prune.absorption,
            any_resets: true,
        };
        for at in 0..piece.kind.len() {
            let (row, action) = (piece.row[at], piece.action[at]);
            let flags = table.flags(action);
            match piece.kind[at] {
                CALL => {
                    let open = Open {
                        slot: self.slot(row),
                        action,
                        row,
                        deadline: piece.deadline[at],
                        after: NONE,
                        followed: false,
                    };
                    self.space.open.call(&open, flags, sorting);
                }
                CRASH if prune.reads && flags & PURE != 0 => {}
                CRASH => {
                    let lane = self.lane(action, flags);
                    self.space.open.crash(lane, prune.absorption);
                }
                RETURN => {
                    let Some(slot) = self.slot_of.remove(&row) else {
                        continue;
                    };
                    let mut search = self.search(table, stepper, budget);
                    search.prepare(&nothing);
                    search.force(slot, action)?;
                    if self.space.next.live == 0 {
                        return Ok(Some(row));
                    }
                    std::mem::swap(&mut self.space.frontier, &mut self.space.next);
                    self.widest = self.widest.max(self.space.frontier.live);
                    self.space.open.close(slot);
                    self.free.push(slot);
                    self.passed += 1;
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn slot(&mut self, row: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots as u32 - 1
        });
        self.slot_of.insert(row, slot);
        if self.slots > self.slots_max {
            self.slots_max = self.slots.next_multiple_of(64);
            self.lay_out(|state| state);
        }
        slot
    }

    /// The lane of a crashed operation, with room for it.
    fn lane(&mut self, action: u32, flags: u8) -> u32 {
        let next = self.lanes.len() as u32;
        let lane = *self.lane_of.entry(action).or_insert(next);
        if lane == next {
            self.lanes.push(Lane { action, count: 1 });
            self.space.open.add_lane(action, flags);
            self.lay_out(|state| state);
        } else if self.space.open.crashed[lane as usize].called == self.lanes[lane as usize].count {
            self.lanes[lane as usize].count = 2 * self.lanes[lane as usize].count + 1;
            self.lay_out(|state| state);
        }
        lane
    }

    /// Lays every configuration out anew, for the slots and lanes that there are by now.
    fn lay_out(&mut self, renumbered: impl Fn(u32) -> u32) {
        let absorbing = self.space.layout.absorbing;
        let mut layout = Layout::default();
        layout.arrange(self.slots_max, &self.lanes, absorbing, false, false);
        let space = &mut self.space;
        space.open.grow(self.slots_max, layout.words);
        let mut frontier = Antichain::default();
        let old = &space.layout;
        let lanes_before = old.lanes();
        let mut new = Vec::new();
        for config in space.frontier.iter(old) {
            new.clear();
            new.resize(layout.stride, 0);
            new[0] = config[0];
            Layout::set_state(&mut new, renumbered(Layout::state(config)));
            layout.done_mut(&mut new)[..old.words].copy_from_slice(old.done(config));
            if absorbing {
                layout.covered_mut(&mut new)[..old.words].copy_from_slice(old.covered(config));
            }
            for lane in 0..lanes_before {
                for _ in 0..old.used(config, lane) {
                    layout.use_one(&mut new, lane);
                }
            }
            frontier.add(&layout, &space.open.roles, self.prune.dominance, &new);
        }
        space.frontier = frontier;
        space.layout = layout;
        space.spare.clear();
        for set in [
            &mut space.next,
            &mut space.visited,
            &mut space.reached,
            &mut space.landed,
        ] {
            set.clear();
        }
        space.possible.clear();
        space.possible_at.clear();
    }
}
