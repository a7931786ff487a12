//! The walk over everything and the other ways at the same time, in two threads.
//!
//! What comes out is what would come out of one after the other: the walk goes first, so if it
//! decides within its steps the other answer is thrown away, and with it the steps that it took.
//! Only time is won. So both must be independent: the model is stepped without Python, and no
//! budget of steps or memory is so tight that what one takes leaves less to the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::budget::Budget;
use super::ladder::{Climb, Ended, Engine, Found, Rung};
use super::schedule::{Columns, Schedule};
use super::space::Space;
use super::table::Stepper;

/// More searches than a round has: the walk, the relaxed one and those of its ways, the dive.
const SEARCHES_MAX: u64 = 12;
/// How long to wait before it is looked again whether the other thread is done.
pub const NAP: Duration = Duration::from_micros(200);

/// How many threads run at once. It is asked once, for the answer takes longer than a small search.
pub fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl<S: Stepper> Engine<S> {
    /// Whether the ways of this round may be tried at the same time. The first round is too short.
    pub fn may_fork(&self, climb: &Climb, budget: &Budget, steps: u64) -> bool {
        climb.rounds > 1
            && self.threads.unwrap_or_else(processors) > 1
            && (climb.count || climb.relax || climb.dive)
            && self.stepper.steps_alone(&self.table)
            && !budget.is_tight(steps.saturating_mul(SEARCHES_MAX))
    }

    /// One round, the walk in this thread and the rest in another.
    pub fn forked(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        climb: &mut Climb,
        budget: &mut Budget,
        steps: u64,
    ) -> (Found<S::Error>, bool) {
        let mut twin = self.twin();
        let stop = Arc::new(AtomicBool::new(false));
        let mut part = budget.part(None);
        part.stop_at(Arc::clone(&stop));
        let mut others = climb.clone();
        let (mut last, found, failed) = std::thread::scope(|scope| {
            let side = scope.spawn(|| twin.others(columns, rows, &mut others, &mut part, steps));
            let last = self.search(Rung::Exact, budget, steps);
            let mut failed = None;
            if last.decides() {
                stop.store(true, Ordering::Relaxed);
            }
            while !side.is_finished() {
                std::thread::sleep(NAP);
                if let Err(error) = self.stepper.pause() {
                    stop.store(true, Ordering::Relaxed);
                    failed = Some(error);
                }
            }
            (last, side.join().expect("a search does not panic"), failed)
        });
        climb.reached.note(&last);
        climb.walk &= last.may_go_on();
        if let Some(error) = failed {
            return (self.found(Ended::Failed(error), Rung::Exact), false);
        }
        if last.decides() {
            return (last, false);
        }
        budget.spend(&part);
        climb.reached.join(&others.reached);
        (climb.count, climb.relax, climb.dive) = (others.count, others.relax, others.dive);
        if let Some(found) = found {
            if found.decides() || last.tells_nothing() {
                last = self.adopt(found, &twin);
            }
        }
        self.ended(last, climb, budget)
    }

    /// Another engine that searches in the same way, in a thread of its own.
    pub fn twin(&self) -> Self {
        Engine {
            table: self.table.clone(),
            stepper: self.stepper.twin(),
            space: Space::default(),
            schedule: Schedule::default(),
            deterministic: self.deterministic,
            prune: self.prune,
            initial: self.initial,
            width: self.width,
            threads: Some(1),
        }
    }

    /// What the twin found, its states under the numbers that they have here.
    pub fn adopt(&mut self, mut found: Found<S::Error>, twin: &Self) -> Found<S::Error> {
        for (state, _) in &mut found.configurations {
            *state = self.stepper.adopt(&twin.stepper, *state);
        }
        for state in &mut found.tried {
            *state = self.stepper.adopt(&twin.stepper, *state);
        }
        found
    }
}
