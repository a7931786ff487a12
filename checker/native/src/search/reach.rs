//! From which states nothing can be read any more until the next reset.
//!
//! Where all operations of an object are reads, resets, or always possible (as appending to a text
//! is), a state in which no read that is still to return is possible, nor in any state that
//! follows without a reset, is as good as any other such state: nothing but a reset makes a
//! difference. All of them are one, `NOWHERE`. Without that each order of twenty open appends is a
//! state of its own. It is also the worst state, so only a forced operation leads there, and
//! nothing but resets is worth trying in it.
//!
//! The model tells which read may follow a state (`Stepper::may_lead_to`); what follows a state
//! leads to no more reads than the state does.

use super::schedule::{resets, Event, Schedule};
use super::table::{FastMap, Stepper, Table, BLIND, NOWHERE, PURE};

#[derive(Default)]
pub struct Reach {
    pub on: bool,
    /// Actions that are read, and the last return of each; the latest first.
    reads: Vec<(u32, u32)>,
    known: FastMap<u32, Known>,
    /// Numbers of `reads`, list after list.
    lists: Vec<u32>,
}

/// What is known of a state: where its list of reads is, and the return after which there is none.
#[derive(Clone, Copy)]
struct Known {
    from: usize,
    to: usize,
    until: Option<u32>,
}

impl Reach {
    /// Begins with another object; `wanted` if the prunings that this one needs are on.
    pub fn begin<S: Stepper>(
        &mut self,
        schedule: &Schedule,
        table: &Table,
        stepper: &S,
        wanted: bool,
    ) {
        self.known.clear();
        self.lists.clear();
        self.reads.clear();
        self.on = wanted && stepper.foresees() && fits(schedule, table);
        if !self.on {
            return;
        }
        let mut last: FastMap<u32, u32> = FastMap::default();
        let returns = schedule.events.iter().filter_map(|event| match *event {
            Event::Return { action, .. } => Some(action),
            _ => None,
        });
        for (number, action) in returns.enumerate() {
            if table.flags(action) & PURE != 0 {
                last.insert(action, number as u32);
            }
        }
        self.reads
            .extend(last.iter().map(|(&a, &number)| (number, a)));
        self.reads.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Whether no read that returns at `passed` or later may come to be possible in this state,
    /// before the next reset. It followed `before`, or anything if that is None. Answers also how
    /// often the model was asked.
    pub fn is_nowhere<S: Stepper>(
        &mut self,
        stepper: &S,
        before: Option<u32>,
        state: u32,
        passed: u32,
    ) -> (bool, u64) {
        let mut asked = 0;
        let known = match self.known.get(&state) {
            Some(&known) => known,
            None => {
                let from = before.and_then(|before| self.known.get(&before).copied());
                let known = self.learn(stepper, from, state);
                asked = from.map_or(self.reads.len(), |from| from.to - from.from) as u64;
                self.known.insert(state, known);
                known
            }
        };
        (known.until.map_or(true, |until| until < passed), asked)
    }

    fn learn<S: Stepper>(&mut self, stepper: &S, from: Option<Known>, state: u32) -> Known {
        let start = self.lists.len();
        let all = from.map_or(0..self.reads.len(), |from| from.from..from.to);
        for place in all {
            let number = if from.is_some() {
                self.lists[place]
            } else {
                place as u32
            };
            if stepper.may_lead_to(state, self.reads[number as usize].1) {
                self.lists.push(number);
            }
        }
        Known {
            from: start,
            to: self.lists.len(),
            until: self.lists.get(start).map(|&n| self.reads[n as usize].0),
        }
    }

    pub fn memory(&self) -> usize {
        self.lists.capacity() * 4 + self.known.capacity() * 40
    }
}

/// Whether all that an object does is to read, to reset, or always possible; and some resets.
fn fits(schedule: &Schedule, table: &Table) -> bool {
    let called = schedule.events.iter().filter_map(|event| match *event {
        Event::Call(open) => Some(open.action),
        _ => None,
    });
    let mut grows = false;
    for action in called.chain(schedule.lanes.iter().map(|lane| lane.action)) {
        let flags = table.flags(action);
        if flags & (PURE | BLIND) == 0 {
            return false;
        }
        grows |= flags & PURE == 0 && !resets(flags);
    }
    grows
}

/// Whether a state is one from which nothing can be read.
#[inline]
pub fn nowhere(state: u32) -> bool {
    state == NOWHERE
}
