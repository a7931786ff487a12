//! What a model with few states is seen to do counts as declared.
//!
//! A model in Python mostly declares nothing but which operations are pure. Where its whole state
//! space can be walked in less time than the search takes anyway, the rest is seen: which actions
//! are always possible, which always lead to one state, which change nothing.

use super::budget::Budget;
use super::table::{FastMap, Miss, Stepper, Table, BLIND, PURE, SETTLES};

/// More transitions are never looked at.
const TRANSITIONS_MAX: usize = 200_000;

/// What an action was seen to do in some states.
#[derive(Clone, Copy)]
struct Seen {
    flags: u8,
    target: Option<u32>,
}

impl Seen {
    fn add(&mut self, state: u32, after: Option<u32>) {
        let Some(after) = after else {
            self.flags &= !BLIND;
            return;
        };
        if after != state {
            self.flags &= !PURE;
        }
        if *self.target.get_or_insert(after) != after {
            self.flags &= !SETTLES;
        }
    }
}

/// Walks all states that the actions reach, at most so many transitions. Answers how many it
/// looked at; declares what it saw if that were all. As soon as the states that are known have more
/// transitions than that it ends: a queue or a counter is not asked in vain.
pub fn close<S: Stepper>(
    table: &mut Table,
    stepper: &mut S,
    initial: u32,
    most: usize,
    budget: &Budget,
) -> Result<u64, Miss<S::Error>> {
    let actions = table.actions() as u32;
    let most = most.min(TRANSITIONS_MAX);
    let all = Seen {
        flags: PURE | BLIND | SETTLES,
        target: None,
    };
    let mut seen = vec![all; actions as usize];
    let mut states = vec![initial];
    let mut known: FastMap<u32, ()> = FastMap::default();
    known.insert(initial, ());
    let mut looked = 0;
    let mut place = 0;
    while let Some(&state) = states.get(place) {
        place += 1;
        for action in 0..actions {
            if looked == most || budget.is_spent() {
                return Ok(looked as u64);
            }
            looked += 1;
            let next = table.next(state, action, stepper)?;
            let after = next.only();
            if after.is_none() && !next.refused() {
                return Ok(looked as u64);
            }
            seen[action as usize].add(state, after);
            if let Some(after) = after {
                if known.insert(after, ()).is_none() {
                    states.push(after);
                    if states.len() * actions as usize > most {
                        return Ok(looked as u64);
                    }
                }
            }
        }
    }
    for (action, seen) in seen.iter().enumerate() {
        table.declare(action as u32, seen.flags, seen.target);
    }
    table.closed_for = table.actions();
    Ok(looked as u64)
}
