//! The same search, depth first: at each return it goes on with the first configurations found,
//! those that used the fewest crashed operations, and comes back for others when they lead nowhere.
//!
//! Complete like the walk, and much faster where most ways lead to the end: crashed operations make
//! closures wide, of which a legal history needs little. Slower where no way does.

use super::antichain::Antichain;
use super::frontier::{Culprit, Search, Stop};
use super::open::Sorting;
use super::schedule::{Event, Open, Schedule};
use super::table::Stepper;

/// What is known at one return, before it.
#[derive(Default)]
struct Floor {
    /// The configurations to go on from.
    frontier: Antichain,
    /// Every configuration that ever came out of it.
    reached: Antichain,
    /// Whether others may still come out of `frontier`.
    more: bool,
}

/// The walk over the events, forward and backward.
struct Path<'a> {
    schedule: &'a Schedule,
    /// For each event that is a return: the operation that returns.
    returning: Vec<Option<Open>>,
    /// The events that are returns.
    returns: Vec<usize>,
    /// The next event.
    at: usize,
    sorting: Sorting,
}

impl<'a> Path<'a> {
    fn new(schedule: &'a Schedule, sorting: Sorting) -> Self {
        let mut open: Vec<Option<Open>> = vec![None; schedule.slots];
        let mut path = Path {
            schedule,
            returning: Vec::new(),
            returns: Vec::new(),
            at: 0,
            sorting,
        };
        for (at, event) in schedule.events.iter().enumerate() {
            path.returning.push(match *event {
                Event::Call(one) => {
                    open[one.slot as usize] = Some(one);
                    None
                }
                Event::Crash { .. } => None,
                Event::Return { slot, .. } => {
                    path.returns.push(at);
                    open[slot as usize]
                }
            });
        }
        path
    }
}

impl<S: Stepper> Search<'_, S> {
    /// Searches depth first. A culprit is the return that no way came past.
    pub fn dive(
        &mut self,
        schedule: &Schedule,
        initial: u32,
    ) -> Result<Option<Culprit>, Stop<S::Error>> {
        self.prepare(schedule);
        self.begin(schedule, initial);
        let mut path = Path::new(schedule, self.sorting(schedule));
        let mut floors: Vec<Floor> = vec![Floor::default()];
        std::mem::swap(&mut floors[0].frontier, &mut self.space.frontier);
        let mut furthest = 0;
        while floors.len() <= path.returns.len() {
            let floor = floors.len() - 1;
            let at = path.returns[floor];
            self.go(&mut path, at);
            self.passed = floor;
            furthest = furthest.max(floor);
            let last = &mut floors[floor];
            std::mem::swap(&mut self.space.frontier, &mut last.frontier);
            std::mem::swap(&mut self.space.reached, &mut last.reached);
            let Event::Return { slot, action, .. } = schedule.events[at] else {
                unreachable!("a floor stands before a return");
            };
            let unfinished = self.force(slot, action)?;
            std::mem::swap(&mut self.space.frontier, &mut last.frontier);
            std::mem::swap(&mut self.space.reached, &mut last.reached);
            last.more = unfinished;
            if self.space.next.live > 0 {
                let frontier = std::mem::take(&mut self.space.next);
                self.held += frontier.memory() + 2 * std::mem::size_of::<Floor>();
                self.widest = self.widest.max(frontier.live);
                floors.push(Floor {
                    frontier,
                    ..Floor::default()
                });
                continue;
            }
            while floors.last().is_some_and(|floor| !floor.more) {
                floors.pop();
            }
            if floors.is_empty() {
                self.passed = furthest;
                let at = path.returns[furthest];
                let Event::Return { row, .. } = schedule.events[at] else {
                    unreachable!("a floor stands before a return");
                };
                return Ok(Some(Culprit { row }));
            }
        }
        self.passed = path.returns.len();
        Ok(None)
    }

    /// Opens and closes operations up to an event, forward or backward.
    fn go(&mut self, path: &mut Path, to: usize) {
        let sorting = path.sorting;
        while path.at < to {
            match path.schedule.events[path.at] {
                Event::Call(open) => {
                    let flags = self.table.flags(open.action);
                    self.space.open.call(&open, flags, sorting);
                }
                Event::Crash { lane } => self.space.open.crash(lane, self.prune.absorption),
                Event::Return { slot, .. } => self.space.open.close(slot),
            }
            path.at += 1;
        }
        while path.at > to {
            path.at -= 1;
            match path.schedule.events[path.at] {
                Event::Call(open) => self.space.open.close(open.slot),
                Event::Crash { lane } => self.space.open.uncrash(lane),
                Event::Return { .. } => {
                    let open = path.returning[path.at].expect("what returns was called");
                    let flags = self.table.flags(open.action);
                    self.space.open.call(&open, flags, sorting);
                }
            }
        }
    }
}
