//! Many objects in rounds of growing length, so that one without an end never keeps another from
//! being found illegal; the largest first, for it takes longest and is most often wrong.
//!
//! With several threads each takes the next object of the round, on a table of its own. What they
//! find is taken over in the order of the round, and each takes its steps off the budget then; what
//! is left in the budget at its turn may be too little for what a thread has taken meanwhile, and
//! then the object is searched again with what is left. So the answers and the steps are those of
//! one thread, whatever the budget, and only time is won. Of a limit of memory each thread has an
//! equal part, and what does not fit into that is searched again alone, with the whole.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::budget::{Budget, Spent};
use super::fork::{processors, NAP};
use super::ladder::{Climb, Ended, Engine, Found, Rung};
use super::schedule::Columns;
use super::table::Stepper;

/// A first round of fewer operations is over before other threads have begun.
const ROWS_MIN: usize = 20_000;
const THREADS_MAX: usize = 32;

/// One object of several that are searched together.
pub struct Object<'a, E> {
    pub rows: &'a [u32],
    climb: Climb,
    /// Whether it is still to be seen if it has one order.
    replay: bool,
    pub found: Option<Found<E>>,
    /// Steps of all rounds.
    pub steps: u64,
}

impl<'a, E> Object<'a, E> {
    pub fn new(rows: &'a [u32], only: Option<Rung>, replay: bool) -> Self {
        Object {
            rows,
            climb: Climb::new(only),
            replay,
            found: None,
            steps: 0,
        }
    }
}

/// What threads found in a round, and the engines by whose numbers it is told.
type Searched<S> = (Vec<Option<Ahead<<S as Stepper>::Error>>>, Vec<Engine<S>>);

/// A round of one object that a thread has searched, and what may change in the object by that.
struct Ahead<E> {
    found: Found<E>,
    more: bool,
    climb: Climb,
    steps: u64,
    /// By whose table it numbers states.
    thread: usize,
}

impl<S: Stepper> Engine<S> {
    /// Gives every object a round, then another to those that are undecided, and so on. Nothing is
    /// found of those that are left when one is illegal and that is enough.
    pub fn search_all(
        &mut self,
        columns: &Columns,
        objects: &mut [Object<S::Error>],
        stop_at_first: bool,
        budget: &mut Budget,
    ) {
        let mut todo: Vec<usize> = (0..objects.len()).collect();
        todo.sort_by_key(|&place| std::cmp::Reverse(objects[place].rows.len()));
        let mut first = true;
        while !todo.is_empty() {
            let threads = self.threads_for(objects, &todo, first, budget);
            let (mut ahead, twins) = if threads < 2 {
                (Vec::new(), Vec::new())
            } else {
                let part = budget.shared(threads);
                match self.ahead(columns, objects, &todo, threads, stop_at_first, &part) {
                    Ok(done) => done,
                    Err(error) => {
                        objects[todo[0]].found =
                            Some(self.found(Ended::Failed(error), Rung::Exact));
                        return;
                    }
                }
            };
            first = false;
            let mut again = Vec::new();
            for (number, &place) in todo.iter().enumerate() {
                let object = &mut objects[place];
                let done = ahead.get_mut(number).and_then(Option::take);
                let more = match done.filter(|done| done.steps <= budget.left()) {
                    Some(done) => self.take_over(object, done, &twins, budget),
                    None => self.one_round(columns, object, budget),
                };
                let ended = object.found.as_ref().map(|found| &found.ended);
                if matches!(ended, Some(Ended::Failed(_))) {
                    return;
                }
                if matches!(ended, Some(Ended::Illegal(_))) && stop_at_first {
                    return;
                }
                if more {
                    again.push(place);
                }
            }
            todo = again;
        }
    }

    /// How many threads are worth their while for this round.
    fn threads_for(
        &self,
        objects: &[Object<S::Error>],
        todo: &[usize],
        first: bool,
        budget: &Budget,
    ) -> usize {
        let rows = || {
            todo.iter()
                .map(|&place| objects[place].rows.len())
                .sum::<usize>()
        };
        let alone = budget.limits_memory() && budget.limits_steps();
        if todo.len() < 2 || alone || (first && self.threads.is_none() && rows() < ROWS_MIN) {
            return 1;
        }
        if !self.stepper.steps_alone(&self.table) {
            return 1;
        }
        let most = self.threads.unwrap_or_else(processors);
        most.min(todo.len()).min(THREADS_MAX)
    }

    fn one_round(
        &mut self,
        columns: &Columns,
        object: &mut Object<S::Error>,
        budget: &mut Budget,
    ) -> bool {
        let before = budget.steps;
        let (found, more) = self.searched(
            columns,
            object.rows,
            &mut object.climb,
            object.replay,
            budget,
        );
        object.replay = false;
        object.steps += budget.steps - before;
        object.found = Some(found);
        more
    }

    fn searched(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        climb: &mut Climb,
        replay: bool,
        budget: &mut Budget,
    ) -> (Found<S::Error>, bool) {
        if replay {
            if let Some(found) = self.replay(columns, rows, budget) {
                return (found, false);
            }
        }
        self.round(columns, rows, climb, budget)
    }

    fn take_over(
        &mut self,
        object: &mut Object<S::Error>,
        done: Ahead<S::Error>,
        twins: &[Self],
        budget: &mut Budget,
    ) -> bool {
        // It is no more than there is.
        let _ = budget.take(done.steps);
        object.steps += done.steps;
        object.climb = done.climb;
        object.replay = false;
        object.found = Some(self.adopt(done.found, &twins[done.thread]));
        done.more
    }

    /// Searches the objects of a round in several threads; nothing of those that are not worth it.
    /// Answers also the engines by whose numbers it is told.
    fn ahead(
        &mut self,
        columns: &Columns,
        objects: &[Object<S::Error>],
        todo: &[usize],
        threads: usize,
        stop_at_first: bool,
        part: &Budget,
    ) -> Result<Searched<S>, S::Error> {
        let mut twins: Vec<Self> = (0..threads).map(|_| self.twin()).collect();
        let slots: Vec<Mutex<Option<Ahead<S::Error>>>> =
            todo.iter().map(|_| Mutex::default()).collect();
        let tasks: Vec<Task> = todo
            .iter()
            .map(|&place| Task {
                rows: objects[place].rows,
                climb: objects[place].climb.clone(),
                replay: objects[place].replay,
            })
            .collect();
        let round = Round {
            columns,
            tasks: &tasks,
            slots: &slots,
            next: AtomicUsize::new(0),
            enough: AtomicUsize::new(usize::MAX),
            spent: AtomicU64::new(0),
            stop: Arc::new(AtomicBool::new(false)),
            stop_at_first,
            part,
        };
        let interrupted = std::thread::scope(|scope| {
            let round = &round;
            let workers: Vec<_> = twins
                .iter_mut()
                .enumerate()
                .map(|(thread, twin)| scope.spawn(move || round.work(thread, twin)))
                .collect();
            let mut interrupted = None;
            while workers.iter().any(|worker| !worker.is_finished()) {
                std::thread::sleep(NAP);
                if let Err(error) = self.stepper.pause() {
                    round.stop.store(true, Ordering::Relaxed);
                    interrupted = Some(error);
                }
            }
            interrupted
        });
        if let Some(error) = interrupted {
            return Err(error);
        }
        let found = slots
            .into_iter()
            .map(|slot| slot.into_inner().expect("no search panics"));
        Ok((found.collect(), twins))
    }
}

/// An object as a thread takes it.
struct Task<'a> {
    rows: &'a [u32],
    climb: Climb,
    replay: bool,
}

/// What the threads of a round share.
struct Round<'a, E> {
    columns: &'a Columns<'a>,
    tasks: &'a [Task<'a>],
    slots: &'a [Mutex<Option<Ahead<E>>>],
    next: AtomicUsize,
    /// The first place in the round that is illegal, if that is enough.
    enough: AtomicUsize,
    spent: AtomicU64,
    stop: Arc<AtomicBool>,
    stop_at_first: bool,
    part: &'a Budget,
}

impl<E: Send> Round<'_, E> {
    /// Searches one object after another, until none is left or no more are worth it.
    fn work<S: Stepper<Error = E>>(&self, thread: usize, engine: &mut Engine<S>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let spent = self.spent.load(Ordering::Relaxed) >= self.part.left();
            let over = number >= self.tasks.len() || number > self.enough.load(Ordering::Relaxed);
            if over || spent || self.stop.load(Ordering::Relaxed) {
                return;
            }
            let task = &self.tasks[number];
            let mut budget = self.part.part(None);
            budget.stop_at(Arc::clone(&self.stop));
            let mut climb = task.climb.clone();
            let (found, more) = engine.searched(
                self.columns,
                task.rows,
                &mut climb,
                task.replay,
                &mut budget,
            );
            self.spent.fetch_add(budget.steps, Ordering::Relaxed);
            let again = matches!(found.ended, Ended::Spent(Spent::Memory) | Ended::Failed(_));
            if again || self.stop.load(Ordering::Relaxed) {
                continue;
            }
            if matches!(found.ended, Ended::Illegal(_)) && self.stop_at_first {
                self.enough.fetch_min(number, Ordering::Relaxed);
            }
            let done = Ahead {
                found,
                more,
                climb,
                steps: budget.steps,
                thread,
            };
            *self.slots[number].lock().expect("no search panics") = Some(done);
        }
    }
}
