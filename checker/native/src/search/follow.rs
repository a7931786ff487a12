//! From a way that the relaxed search found to a history in which exactly its crashed operations
//! happened.

use super::ladder::Engine;
use super::schedule::{resets, Columns, Event, NEVER, NONE};
use super::space::Use;
use super::table::{FastMap, Stepper};

/// Ways of the relaxed search that are followed.
const WAYS_MAX: usize = 8;

/// A history with fewer crashed operations: other returns, fewer rows.
pub struct Walk {
    pub ret: Vec<i64>,
    pub rows: Vec<u32>,
}

/// A crashed operation on a way: the state it led to, the one it was used in, and by which stamp.
#[derive(Clone, Copy)]
pub struct Step {
    target: u32,
    state: u32,
    deadline: i64,
}

impl<S: Stepper> Engine<S> {
    /// The uses of crashed operations on some of the ways that the relaxed search has just found,
    /// each from the first to the last.
    pub fn ways(&self, columns: &Columns) -> Vec<Vec<Step>> {
        let layout = &self.space.layout;
        let deadlines: Vec<i64> = self.deadlines(columns);
        let ends = self.space.frontier.iter(layout).take(WAYS_MAX);
        let ways = ends.map(|config| {
            let mut way = Vec::new();
            let mut last = config[layout.stride - 1] as u32;
            while last != NONE {
                let one = self.space.uses[last as usize];
                last = one.before;
                way.push(self.step_of(&one, &deadlines)?);
            }
            way.reverse();
            Some(way)
        });
        ways.flatten().collect()
    }

    fn step_of(&self, one: &Use, deadlines: &[i64]) -> Option<Step> {
        let action = self.space.open.crashed[one.lane as usize].action;
        Some(Step {
            target: self.table.target(action)?,
            state: one.state,
            deadline: deadlines[one.passed as usize],
        })
    }

    /// The history in which exactly the crashed operations that a way used happened, each by the
    /// return for which it was used; the others never did. If some order explains that, it
    /// explains the whole. None if the crashed operations do not suffice.
    pub fn walk(&mut self, columns: &Columns, rows: &[u32], way: &[Step]) -> Option<Walk> {
        let mut left: FastMap<u32, Vec<u32>> = FastMap::default();
        for &row in rows.iter().rev() {
            let at = row as usize;
            if columns.action[at] >= 0 && columns.ret[at] == NEVER {
                left.entry(columns.action[at] as u32).or_default().push(row);
            }
        }
        let mut walk = Walk {
            ret: columns.ret.to_vec(),
            rows: Vec::new(),
        };
        for one in way {
            let action = self.weakest(&left, one.target, one.state)?;
            let row = left.get_mut(&action)?.pop()?;
            if columns.call[row as usize] > one.deadline {
                return None;
            }
            walk.ret[row as usize] = one.deadline;
        }
        let happened = |&&row: &&u32| walk.ret[row as usize] != NEVER;
        walk.rows = rows.iter().filter(happened).copied().collect();
        Some(walk)
    }

    fn deadlines(&self, columns: &Columns) -> Vec<i64> {
        let returns = self
            .schedule
            .events
            .iter()
            .filter_map(|event| match *event {
                Event::Return { row, .. } => Some(columns.ret[row as usize]),
                _ => None,
            });
        returns.collect()
    }

    /// Of the crashed actions that lead from a state to a target, one that is good for least: one
    /// that is no reset, if there is any left.
    fn weakest(&mut self, left: &FastMap<u32, Vec<u32>>, target: u32, state: u32) -> Option<u32> {
        let mut actions: Vec<u32> = left
            .iter()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(&action, _)| action)
            .collect();
        actions.retain(|&action| self.table.target(action) == Some(target));
        actions.sort_unstable_by_key(|&action| (resets(self.table.flags(action)), action));
        actions.into_iter().find(|&action| {
            resets(self.table.flags(action))
                || (state != NONE
                    && self
                        .table
                        .next(state, action, &mut self.stepper)
                        .is_ok_and(|next| !next.refused()))
        })
    }
}
