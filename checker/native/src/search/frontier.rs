//! The walk: what may be so after each return, until nothing may be so any more.
//!
//! A breadth-first search over configurations, after Lowe's just-in-time linearization (CPE 2017)
//! and with the prunings of `Prune`. Operations take effect only when a return forces one: between
//! two returns the frontier holds every configuration that matters.

use std::collections::VecDeque;

use super::antichain::Antichain;
use super::budget::{Budget, Spent};
use super::layout::{Layout, StandIns};
use super::open::{has, put, take, Sorting};
use super::prune::Prune;
use super::reach::nowhere;
use super::schedule::{resets, Event, Schedule, NONE};
use super::space::Space;
use super::table::{Broken, Miss, Next, Stepper, Table, NOWHERE};

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
    /// Whether it owes nothing after a reset.
    pub blind: bool,
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
    /// Whether to remember how crashed operations were used.
    pub tracing: bool,
    /// Depth first: how many configurations to go on with at a time.
    pub width: Option<usize>,
    /// How many targets were known when crashed operations were last grouped.
    pub grouped_for: usize,
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
        self.prepare(schedule);
        self.begin(schedule, initial);
        let sorting = self.sorting(schedule);
        for event in &schedule.events {
            match *event {
                Event::Call(open) => {
                    let flags = self.table.flags(open.action);
                    self.space.open.call(&open, flags, sorting);
                }
                Event::Crash { lane } => self.space.open.crash(lane, self.prune.absorption),
                Event::Return { slot, action, row } => {
                    self.force(slot, action)?;
                    if self.space.next.live == 0 {
                        return Ok(Some(Culprit { row }));
                    }
                    std::mem::swap(&mut self.space.frontier, &mut self.space.next);
                    self.widest = self.widest.max(self.space.frontier.live);
                    self.space.open.close(slot);
                    self.passed += 1;
                }
            }
        }
        Ok(None)
    }

    /// Switches off what does not hold for this history or model.
    pub fn prepare(&mut self, schedule: &Schedule) {
        self.touching = schedule.touching;
        self.prune.enablement &= self.deterministic && !self.touching;
        self.prune.absorption &= self.prune.reads && !self.touching;
        self.prune.detours &= self.prune.absorption;
        self.prune.substitution &= self.deterministic && !self.touching && self.prune.dominance;
        self.grouped_for = usize::MAX;
    }

    /// What the roles of open operations depend on.
    pub fn sorting(&self, schedule: &Schedule) -> Sorting {
        let is_reset = |action| resets(self.table.flags(action));
        let mut called = schedule.events.iter().filter_map(|event| match *event {
            Event::Call(open) => Some(open.action),
            _ => None,
        });
        let any = schedule.lanes.iter().any(|lane| is_reset(lane.action)) || called.any(is_reset);
        Sorting {
            reads: self.prune.reads,
            absorption: self.prune.absorption,
            any_resets: any,
        }
    }

    pub fn begin(&mut self, schedule: &Schedule, initial: u32) {
        let space = &mut *self.space;
        space.layout.arrange(
            schedule.slots,
            &schedule.lanes,
            self.prune.absorption,
            self.tracing,
            schedule.shared,
        );
        space.uses.clear();
        let words = space.layout.words;
        space
            .open
            .clear(schedule.slots, words, &schedule.lanes, |action| {
                self.table.flags(action)
            });
        space.open.shared = schedule.shared;
        let wanted = self.prune.reach && self.prune.absorption && self.deterministic;
        space
            .reach
            .begin(schedule, self.table, self.stepper, wanted);
        space.clear();
        let mut first = vec![0; space.layout.stride];
        Layout::set_state(&mut first, initial);
        if self.tracing {
            first[space.layout.stride - 1] = u64::from(NONE);
        }
        space.frontier.add(
            &space.layout,
            &space.open.roles,
            self.prune.dominance,
            &first,
        );
        self.passed = 0;
        self.widest = 1;
    }

    /// Makes the operation in this slot have taken effect, in every way that matters: `next` are
    /// the configurations after that.
    pub fn force(&mut self, slot: u32, action: u32) -> Result<(), Stop<S::Error>> {
        let space = &mut *self.space;
        space.next.clear();
        space.visited.clear();
        space.landed.clear();
        space.levels.iter_mut().for_each(VecDeque::clear);
        let forced = self.forced(slot, action);
        self.seed_frontier(&forced)?;
        self.expand_by_use(&forced)
    }

    pub fn forced(&mut self, slot: u32, action: u32) -> Forced {
        if self.prune.substitution {
            self.group_stand_ins();
        }
        let open = &self.space.open;
        Forced {
            slot,
            action,
            pure: has(&open.roles.pure, slot),
            resets: self.prune.absorption && resets(self.table.flags(action)),
            blind: has(&open.roles.blind, slot),
        }
    }

    /// Begins a return: those of the frontier that have it done leave, the others are visited.
    pub fn seed_frontier(&mut self, forced: &Forced) -> Result<(), Stop<S::Error>> {
        for place in 0..self.space.frontier.len() {
            let Some(mut config) = self.copy_of(|space| &space.frontier, place) else {
                continue;
            };
            self.forget(&mut config)?;
            self.normalize(&mut config)?;
            self.seed(&mut config, forced)?;
            self.give_back(config);
        }
        Ok(())
    }

    /// Groups the crashed operations by the state that they lead to, as far as it is known. One
    /// that has been used is known, so comparing two configurations never lacks a group.
    fn group_stand_ins(&mut self) {
        let known = self.table.targets_known();
        if known == self.grouped_for {
            return;
        }
        self.grouped_for = known;
        let Space { layout, open, .. } = &mut *self.space;
        layout.stand_ins.clear();
        layout.alone.clear();
        for (lane, crashed) in open.crashed.iter().enumerate() {
            let flags = self.table.flags(crashed.action);
            let Some(target) = self.table.target(crashed.action) else {
                layout.alone.push(lane);
                continue;
            };
            let place = layout
                .stand_ins
                .iter()
                .position(|group| group.target == target);
            let group = match place {
                Some(place) => &mut layout.stand_ins[place],
                None => {
                    layout.stand_ins.push(StandIns {
                        target,
                        ..StandIns::default()
                    });
                    layout.stand_ins.last_mut().expect("it was pushed")
                }
            };
            let list = if resets(flags) {
                &mut group.resets
            } else {
                &mut group.others
            };
            list.push(lane);
        }
    }

    /// Expands what is visited, those that have used fewer crashed operations first: they are
    /// better, and the others are often not needed. Depth first it ends once enough came out; what
    /// is left in `levels` is to be expanded when it is called again.
    pub fn expand_by_use(&mut self, forced: &Forced) -> Result<(), Stop<S::Error>> {
        let enough = self.width.unwrap_or(usize::MAX);
        let mut level = 0;
        while level < self.space.levels.len() {
            while self.space.next.live < enough {
                let Some(place) = self.space.levels[level].pop_front() else {
                    break;
                };
                if let Some(config) = self.copy_of(|space| &space.visited, place) {
                    self.expand(&config, forced)?;
                    self.give_back(config);
                }
            }
            level += 1;
        }
        Ok(())
    }

    fn seed(&mut self, config: &mut [u64], forced: &Forced) -> Result<(), Stop<S::Error>> {
        if has(self.space.layout.done(config), forced.slot) {
            self.leave(config, forced);
            return Ok(());
        }
        if self.prune.absorption && has(self.space.layout.covered(config), forced.slot) {
            if forced.resets {
                self.release(config, forced)?;
            } else if forced.blind {
                self.release_unseen(config, forced);
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
        let (layout, roles) = (&space.layout, &space.open.roles);
        let dominance = self.prune.dominance;
        if self.width.is_none() || space.reached.add(layout, roles, dominance, config) {
            space.next.add(layout, roles, dominance, config);
        }
    }

    /// Keeps a configuration to be expanded at this return.
    pub fn visit(&mut self, config: &[u64]) {
        let space = &mut *self.space;
        let (layout, open) = (&space.layout, &space.open);
        if space
            .visited
            .add(layout, &open.roles, self.prune.dominance, config)
        {
            let level = layout.effort(&open.roles, config);
            if space.levels.len() <= level {
                space.levels.resize_with(level + 1, VecDeque::new);
            }
            space.levels[level].push_back(space.visited.len() - 1);
        }
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
        if self.space.open.reads.is_empty() || nowhere(Layout::state(config)) {
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
        let before = self.table.misses;
        let next = self.table.next(state, action, self.stepper);
        if self.table.misses != before && !self.stepper.steps_alone(self.table) {
            self.budget.asked();
        }
        next.map_err(|miss| match miss {
            Miss::Failed(error) => Stop::Failed(error),
            Miss::Broken(broken) => Stop::Broken(broken),
        })
    }

    /// What follows, as far as it makes a difference: see `reach`.
    #[inline]
    pub fn advance(&mut self, state: u32, action: u32) -> Result<Next, Stop<S::Error>> {
        let next = self.step(state, action)?;
        match next.only() {
            Some(after) if self.space.reach.on => {
                let alone = nowhere(state) || resets(self.table.flags(action));
                self.foresee((!alone).then_some(state), after).map(Next::to)
            }
            _ => Ok(next),
        }
    }

    fn foresee(&mut self, before: Option<u32>, state: u32) -> Result<u32, Stop<S::Error>> {
        if nowhere(state) {
            return Ok(state);
        }
        let passed = self.passed as u32;
        let reach = &mut self.space.reach;
        let (is_nowhere, asked) = reach.is_nowhere(self.stepper, before, state, passed);
        self.budget.take(asked)?;
        Ok(if is_nowhere { NOWHERE } else { state })
    }

    /// The configuration's state may be one in which nothing can be read any more.
    fn forget(&mut self, config: &mut [u64]) -> Result<(), Stop<S::Error>> {
        if self.space.reach.on {
            let state = self.foresee(None, Layout::state(config))?;
            Layout::set_state(config, state);
        }
        Ok(())
    }

    #[cold]
    fn look(&mut self) -> Result<(), Stop<S::Error>> {
        self.stepper.pause().map_err(Stop::Failed)?;
        let beside = self.table.memory() + self.stepper.memory();
        let excess = self.budget.excess(self.space.memory() + beside);
        if excess > 0 {
            self.space.evict(self.passed, excess);
        }
        Ok(self.budget.look(self.space.memory() + beside)?)
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
