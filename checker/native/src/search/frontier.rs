//! The walk: what may be so after each return, until nothing may be so any more.
//!
//! A breadth-first search over configurations, after Lowe's just-in-time linearization (CPE 2017)
//! and with the prunings of `Prune`. Operations take effect only when a return forces one: between
//! two returns the frontier holds every configuration that matters.

use super::antichain::Antichain;
use super::budget::{Budget, Spent};
use super::layout::Layout;
use super::open::{has, put, take, OpenOperations, Sorting};
use super::schedule::{Event, Schedule};
use super::table::{Broken, Miss, Next, Stepper, Table};

/// What a search leaves out. Each can be switched off, and none changes an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prune {
    /// Operations without effect happen as soon as they can; crashed ones are dropped.
    pub reads: bool,
    /// Equal crashed operations are counted, not told apart.
    pub multisets: bool,
    /// A configuration gives way to one that is at least as good.
    pub dominance: bool,
    /// Of equal operations the one that returns first goes first, a crashed one last.
    pub deadlines: bool,
    /// A crashed operation happens only right before one that it makes possible or changes.
    pub enablement: bool,
    /// A reset that is open while another happens owes nothing any more.
    pub absorption: bool,
    /// A reset that only reads profit from, before the next reset, is looked for when they return.
    pub detours: bool,
}

pub enum Stop<E> {
    Spent(Spent),
    Failed(E),
    Broken(Broken),
}

impl<E> From<Spent> for Stop<E> {
    fn from(spent: Spent) -> Self {
        Stop::Spent(spent)
    }
}

/// The return that is being forced.
#[derive(Clone, Copy)]
pub struct Forced {
    pub slot: u32,
    pub action: u32,
    pub pure: bool,
    pub resets: bool,
}

/// Buffers of a search, kept from one object to the next.
#[derive(Default)]
pub struct Space {
    pub layout: Layout,
    pub open: OpenOperations,
    pub frontier: Antichain,
    pub next: Antichain,
    pub visited: Antichain,
    /// Configurations right after a reset, whose continuations were all looked at.
    pub landed: Antichain,
    /// By state: the reads that are possible in it, and the version of the reads they are of.
    pub possible: Vec<u64>,
    possible_at: Vec<u32>,
    spare: Vec<Vec<u64>>,
}

pub struct Search<'a, S: Stepper> {
    pub table: &'a mut Table,
    pub stepper: &'a mut S,
    pub budget: &'a mut Budget,
    pub space: &'a mut Space,
    pub prune: Prune,
    /// Whether every action has at most one outcome.
    pub deterministic: bool,
    /// Whether operations of one process touch, so that `after` must be looked at.
    pub touching: bool,
    /// How far it came.
    pub passed: usize,
    pub widest: usize,
}

/// Where the frontier became empty.
pub struct Culprit {
    pub row: u32,
}

impl<S: Stepper> Search<'_, S> {
    /// Walks the schedule from a state. None: some order explains everything.
    pub fn run(
        &mut self,
        schedule: &Schedule,
        initial: u32,
    ) -> Result<Option<Culprit>, Stop<S::Error>> {
        self.touching = schedule.touching;
        self.prune.enablement &= self.deterministic && !self.touching;
        self.prune.absorption &= !self.touching;
        self.prune.absorption &= self.prune.reads;
        self.prune.detours &= self.prune.absorption;
        self.begin(schedule, initial);
        let sorting = Sorting {
            reads: self.prune.reads,
            absorption: self.prune.absorption,
        };
        for event in &schedule.events {
            match *event {
                Event::Call(open) => {
                    let flags = self.table.flags(open.action);
                    self.space.open.call(&open, flags, sorting);
                }
                Event::Crash { lane } => self.space.open.crash(lane, self.prune.absorption),
                Event::Return { slot, action, row } => {
                    if !self.on_return(slot, action)? {
                        return Ok(Some(Culprit { row }));
                    }
                    self.passed += 1;
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, schedule: &Schedule, initial: u32) {
        let space = &mut *self.space;
        space
            .layout
            .arrange(schedule.slots, &schedule.lanes, self.prune.absorption);
        let words = space.layout.words;
        space
            .open
            .clear(schedule.slots, words, &schedule.lanes, |action| {
                self.table.flags(action)
            });
        space.frontier.clear();
        space.spare.clear();
        let mut first = vec![0; space.layout.stride];
        Layout::set_state(&mut first, initial);
        space.frontier.add(
            &space.layout,
            &space.open.roles,
            self.prune.dominance,
            &first,
        );
        self.passed = 0;
        self.widest = 1;
    }

    /// Makes the operation in this slot have taken effect, in every way that matters. Answers
    /// whether there is one.
    fn on_return(&mut self, slot: u32, action: u32) -> Result<bool, Stop<S::Error>> {
        let open = &self.space.open;
        let forced = Forced {
            slot,
            action,
            pure: has(&open.roles.pure, slot),
            resets: has(&open.roles.blind, slot),
        };
        self.space.next.clear();
        self.space.visited.clear();
        self.space.landed.clear();
        for place in 0..self.space.frontier.len() {
            let Some(mut config) = self.copy_of(|space| &space.frontier, place) else {
                continue;
            };
            self.normalize(&mut config)?;
            self.seed(&mut config, &forced)?;
            self.give_back(config);
        }
        let mut place = 0;
        while place < self.space.visited.len() {
            if let Some(config) = self.copy_of(|space| &space.visited, place) {
                self.expand(&config, &forced)?;
                self.give_back(config);
            }
            place += 1;
        }
        if self.space.next.live == 0 {
            return Ok(false);
        }
        std::mem::swap(&mut self.space.frontier, &mut self.space.next);
        self.widest = self.widest.max(self.space.frontier.live);
        self.space.open.close(slot);
        Ok(true)
    }

    fn seed(&mut self, config: &mut [u64], forced: &Forced) -> Result<(), Stop<S::Error>> {
        if has(self.space.layout.done(config), forced.slot) {
            self.leave(config, forced);
            return Ok(());
        }
        if self.prune.absorption && has(self.space.layout.covered(config), forced.slot) {
            if forced.resets {
                self.release(config, forced)?;
            } else if forced.pure && self.prune.detours {
                self.detour(config, forced)?;
            }
        }
        self.visit(config);
        Ok(())
    }

    /// A configuration in which the forced operation is done waits for the next return.
    pub fn leave(&mut self, config: &mut [u64], forced: &Forced) {
        let space = &mut *self.space;
        take(space.layout.done_mut(config), forced.slot);
        space.next.add(
            &space.layout,
            &space.open.roles,
            self.prune.dominance,
            config,
        );
    }

    /// Keeps a configuration to be expanded at this return.
    pub fn visit(&mut self, config: &[u64]) {
        let space = &mut *self.space;
        space.visited.add(
            &space.layout,
            &space.open.roles,
            self.prune.dominance,
            config,
        );
    }

    /// Keeps a configuration, or lets it leave if the forced operation is done in it.
    pub fn reach(&mut self, config: &mut [u64], forced: &Forced) {
        if has(self.space.layout.done(config), forced.slot) {
            self.leave(config, forced);
        } else {
            self.visit(config);
        }
    }

    /// Does all reads that are possible in the state; answers whether there was one.
    pub fn normalize(&mut self, config: &mut [u64]) -> Result<bool, Stop<S::Error>> {
        if self.space.open.reads.is_empty() {
            return Ok(false);
        }
        let from = self.possible_reads(Layout::state(config))?;
        let Space {
            layout,
            open,
            possible,
            ..
        } = &mut *self.space;
        let mut gained = false;
        loop {
            let mut again = false;
            for word in 0..layout.words {
                let mut new = possible[from + word] & !config[1 + word];
                if self.touching {
                    new = open.those_that_may_go(layout.done(config), word, new);
                    again |= new != 0;
                }
                gained |= new != 0;
                config[1 + word] |= new;
                if layout.absorbing {
                    config[1 + layout.words + word] &= !new;
                }
            }
            if !again {
                return Ok(gained);
            }
        }
    }

    /// The open reads that are possible in a state: where their words begin in `space.possible`.
    pub fn possible_reads(&mut self, state: u32) -> Result<usize, Stop<S::Error>> {
        let words = self.space.layout.words;
        let (at, from) = (state as usize, state as usize * words);
        let version = self.space.open.version;
        if self.space.possible_at.len() <= at {
            self.space
                .possible_at
                .resize(at + 1, version.wrapping_sub(1));
        }
        if self.space.possible.len() < from + words {
            self.space.possible.resize(from + words, 0);
        }
        if self.space.possible_at[at] == version {
            return Ok(from);
        }
        self.space.possible[from..from + words].fill(0);
        for place in 0..self.space.open.reads.len() {
            let read = self.space.open.reads[place];
            if !self.step(state, read.action)?.refused() {
                put(&mut self.space.possible[from..from + words], read.slot);
            }
        }
        self.space.possible_at[at] = version;
        Ok(from)
    }

    /// What follows an action in a state; every question is a step of the budget.
    #[inline]
    pub fn step(&mut self, state: u32, action: u32) -> Result<Next, Stop<S::Error>> {
        self.budget.step()?;
        if self.budget.due() {
            self.look()?;
        }
        self.table
            .next(state, action, self.stepper)
            .map_err(|miss| match miss {
                Miss::Failed(error) => Stop::Failed(error),
                Miss::Broken(broken) => Stop::Broken(broken),
            })
    }

    #[cold]
    fn look(&mut self) -> Result<(), Stop<S::Error>> {
        self.stepper.pause().map_err(Stop::Failed)?;
        Ok(self
            .budget
            .look(self.space.memory() + self.table.memory())?)
    }

    /// Where the states that follow are, to be asked one by one while the search goes on.
    pub fn state_of(&self, next: Next, place: usize) -> Option<u32> {
        self.table.states(&next).get(place).copied()
    }

    fn copy_of(&mut self, of: impl Fn(&Space) -> &Antichain, place: usize) -> Option<Vec<u64>> {
        let mut copy = self.space.spare.pop().unwrap_or_default();
        copy.clear();
        let found = of(self.space).get(&self.space.layout, place);
        found.map(|config| copy.extend_from_slice(config))?;
        Some(copy)
    }

    /// A copy of a configuration, to be changed and given back.
    pub fn copy(&mut self, config: &[u64]) -> Vec<u64> {
        let mut copy = self.space.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(config);
        copy
    }

    pub fn give_back(&mut self, config: Vec<u64>) {
        self.space.spare.push(config);
    }
}

impl Space {
    /// Bytes in use.
    pub fn memory(&self) -> usize {
        let sets = [&self.frontier, &self.next, &self.visited, &self.landed];
        let possible = self.possible.capacity() * 8 + self.possible_at.capacity() * 4;
        sets.iter().map(|set| set.memory()).sum::<usize>() + possible
    }
}
