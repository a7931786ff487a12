//! Relaxations of crashed operations: fewer counts than there are kinds of them.
//!
//! A crashed operation that always leads to one state, wherever it is possible, acts as a reset to
//! that state. With one count for each such state there is little more than was before, and a way
//! that is found can mostly be walked exactly. With one count for all of them, each may act as any
//! other that was called by then: that keeps the walk narrow, and where an object went on as two it
//! soon needs more of them than crashed. Both allow more, so what is illegal under one is illegal.

use super::schedule::resets;
use super::table::{FastMap, Stepper, Table, MADE_UP, PURE, SETTLES};

/// Transitions to look at before the targets of crashed operations are given up.
const TRANSITIONS_MAX: usize = 20_000;

/// What stands for an action that crashed. Actions that are never possible have nothing.
pub struct Relaxation {
    /// Whether one count serves for all.
    pub shared: bool,
    stands_for: FastMap<u32, Option<u32>>,
}

impl Relaxation {
    pub fn of(&self, action: u32) -> Option<u32> {
        self.stands_for.get(&action).copied().flatten()
    }

    /// The relaxation of these crashed actions, if each always leads to one state that can be
    /// found with these other actions; `shared` if one count is to serve for all. None if nothing
    /// would be relaxed.
    pub fn find<S: Stepper>(
        table: &mut Table,
        stepper: &mut S,
        initial: u32,
        crashed: &[u32],
        actions: &[u32],
        shared: bool,
    ) -> Option<Self> {
        let settles = |&action: &u32| table.flags(action) & (SETTLES | PURE) == SETTLES;
        let exact = !shared && crashed.iter().all(|&a| resets(table.flags(a)));
        if exact || !crashed.iter().all(settles) {
            return None;
        }
        learn_targets(table, stepper, initial, crashed, actions)?;
        let mut reset_to: FastMap<u32, u32> = FastMap::default();
        for &action in actions
            .iter()
            .filter(|&&action| resets(table.flags(action)))
        {
            if let Some(target) = table.target(action) {
                reset_to.entry(target).or_insert(action);
            }
        }
        let stands_for = crashed.iter().map(|&action| {
            let target = table.target(action);
            let reset = |target| reset_to.get(&target).copied().unwrap_or(target | MADE_UP);
            (action, target.map(reset))
        });
        Some(Relaxation {
            shared,
            stands_for: stands_for.collect(),
        })
    }
}

/// Walks the states that the actions reach until the target of every crashed one is known, or all
/// states are: then what has no target is never possible. None if there are too many.
fn learn_targets<S: Stepper>(
    table: &mut Table,
    stepper: &mut S,
    initial: u32,
    crashed: &[u32],
    actions: &[u32],
) -> Option<()> {
    let mut states = vec![initial];
    let mut known: FastMap<u32, ()> = FastMap::default();
    known.insert(initial, ());
    let mut looked = 0;
    let mut place = 0;
    while let Some(&state) = states.get(place) {
        if crashed.iter().all(|&action| table.target(action).is_some()) {
            return Some(());
        }
        for &action in actions {
            looked += 1;
            if looked > TRANSITIONS_MAX {
                return None;
            }
            let next = table.next(state, action, stepper).ok()?;
            if let Some(after) = next.only() {
                if known.insert(after, ()).is_none() {
                    states.push(after);
                }
            } else if !next.refused() {
                return None;
            }
        }
        place += 1;
    }
    Some(())
}
