//! The same search, depth first: a beam of so many configurations goes from return to return, and
//! what it leaves behind is come back to when it leads nowhere.
//!
//! Kept are those that used the fewest crashed operations, then those that have the fewest done.
//! Complete like the walk, whatever the width, and much faster where most ways lead to the end:
//! crashed operations make closures wide, of which a legal history needs little. Slower where no
//! way does. After beam-stack search (Zhou and Hansen, ICAPS 2005).

use super::frontier::{Culprit, Forced, Search, Stop};
use super::open::Sorting;
use super::schedule::{Event, Open, Schedule};
use super::table::Stepper;

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
        let (mut floor, mut furthest) = (0, 0);
        // Nothing is left to be expanded below this one.
        let mut lowest = 0;
        let mut seeded = false;
        while floor < path.returns.len() {
            self.go(&mut path, floor);
            self.passed = floor;
            furthest = furthest.max(floor);
            let Event::Return { slot, action, .. } = schedule.events[path.at] else {
                unreachable!("a floor stands before a return");
            };
            let forced = self.forced(slot, action);
            self.space.take_up(floor);
            let come = self.come_out(floor, seeded, &forced);
            self.space.lay_down(floor);
            let pending = self.space.floors[floor].is_pending();
            if come? {
                if !pending && lowest == floor {
                    self.space.forget_floor(floor);
                    lowest += 1;
                }
                floor += 1;
                seeded = false;
                continue;
            }
            let back = (lowest..floor).rev();
            let Some(behind) = back
                .into_iter()
                .find(|&at| self.space.floors[at].is_pending())
            else {
                self.passed = furthest;
                self.space.take_up(furthest);
                let Event::Return { row, .. } = schedule.events[path.returns[furthest]] else {
                    unreachable!("a floor stands before a return");
                };
                return Ok(Some(Culprit { row }));
            };
            floor = behind;
            seeded = true;
        }
        self.passed = path.returns.len();
        Ok(None)
    }

    /// The next configurations that come out of a return become the frontier; answers whether
    /// there are any. The frontier goes in first, unless it did.
    fn come_out(
        &mut self,
        floor: usize,
        seeded: bool,
        forced: &Forced,
    ) -> Result<bool, Stop<S::Error>> {
        self.space.next.clear();
        if !seeded {
            self.seed_frontier(forced)?;
        }
        if self.space.floors[floor].waiting.is_empty() {
            self.expand_by_use(forced)?;
        }
        let space = &mut *self.space;
        let (layout, roles) = (&space.layout, &space.open.roles);
        let mut come: Vec<&[u64]> = space.next.iter(layout).collect();
        come.sort_by_cached_key(|config| {
            let done = layout.done(config).iter().map(|word| word.count_ones());
            std::cmp::Reverse((layout.used_in_all(config), done.sum::<u32>()))
        });
        let waiting = &mut space.floors[floor].waiting;
        waiting.extend(come.into_iter().flatten());
        space.frontier.clear();
        let width = self
            .width
            .unwrap_or(usize::MAX)
            .saturating_mul(layout.stride);
        let kept = waiting.split_off(waiting.len() - waiting.len().min(width));
        for config in kept.chunks(layout.stride).rev() {
            space
                .frontier
                .add(layout, roles, self.prune.dominance, config);
        }
        self.widest = self.widest.max(space.frontier.live);
        Ok(space.frontier.live > 0)
    }

    /// Opens and closes operations up to a return, forward or backward.
    fn go(&mut self, path: &mut Path, floor: usize) {
        let (to, sorting) = (path.returns[floor], path.sorting);
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
