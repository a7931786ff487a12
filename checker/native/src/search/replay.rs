//! A history without overlap has one order: it is walked, and nothing is searched.

use super::budget::{Budget, Spent};
use super::ladder::{Ended, Engine, Found, Rung};
use super::schedule::{Columns, NEVER};
use super::table::{Miss, Stepper, PURE};

impl<S: Stepper> Engine<S> {
    /// Walks these rows, which are in order of invocation; None if two of them overlap or one
    /// crashed that could have changed anything.
    pub fn replay(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        budget: &mut Budget,
    ) -> Option<Found<S::Error>> {
        let mut order = Vec::with_capacity(rows.len());
        let mut last: Option<usize> = None;
        for row in rows.iter().map(|&row| row as usize) {
            let Ok(action) = u32::try_from(columns.action[row]) else {
                continue;
            };
            if columns.ret[row] == NEVER {
                if self.prune.reads && self.table.flags(action) & PURE != 0 {
                    continue;
                }
                return None;
            }
            if last.is_some_and(|last| !is_before(columns, last, row)) {
                return None;
            }
            last = Some(row);
            order.push((row as u32, action));
        }
        let mut found = Found {
            ended: Ended::Legal,
            rung: Rung::Replayed,
            passed: 0,
            returns: order.len(),
            row: None,
            crashed: rows.len() - order.len(),
            frontier: 1,
            widest: 1,
            walked: Some(0),
            configurations: Vec::new(),
            tried: Vec::new(),
        };
        let mut states = vec![self.initial];
        for &(row, action) in &order {
            found.row = Some(row);
            let mut after = Vec::new();
            for &state in &states {
                match self.follow_one(state, action, budget) {
                    Ok(next) => after.extend(next),
                    Err(ended) => {
                        found.ended = ended;
                        return Some(found);
                    }
                }
            }
            after.sort_unstable();
            after.dedup();
            if after.is_empty() {
                found.ended = Ended::Illegal(row);
                found.configurations = states.iter().map(|&state| (state, Vec::new())).collect();
                found.tried = states;
                return Some(found);
            }
            found.passed += 1;
            found.walked = Some(found.passed);
            found.frontier = after.len();
            found.widest = found.widest.max(after.len());
            states = after;
        }
        found.row = None;
        Some(found)
    }

    fn follow_one(
        &mut self,
        state: u32,
        action: u32,
        budget: &mut Budget,
    ) -> Result<Vec<u32>, Ended<S::Error>> {
        let spent = |spent: Spent| Ended::Spent(spent);
        budget.step().map_err(spent)?;
        if budget.due() {
            self.stepper.pause().map_err(Ended::Failed)?;
            budget.look(self.table.memory()).map_err(spent)?;
        }
        let before = self.table.misses;
        let next = self.table.next(state, action, &mut self.stepper);
        if self.table.misses != before && !self.stepper.steps_alone(&self.table) {
            budget.asked();
        }
        match next {
            Ok(next) => Ok(self.table.states(&next).to_vec()),
            Err(Miss::Failed(error)) => Err(Ended::Failed(error)),
            Err(Miss::Broken(broken)) => Err(Ended::Broken(broken)),
        }
    }
}

/// Whether one operation returned before another was called, in a stable order of invocation: at
/// equal stamps only operations of one process are in order.
fn is_before(columns: &Columns, first: usize, second: usize) -> bool {
    let (ret, call) = (columns.ret[first], columns.call[second]);
    ret < call || (ret == call && columns.process[first] == columns.process[second])
}
