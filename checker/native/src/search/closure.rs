//! What may take effect before a return: the expansion of one configuration.

use super::frontier::{Forced, Search, Stop};
use super::layout::Layout;
use super::open::{has, put, take, Crashed, Mover};
use super::reach::nowhere;
use super::schedule::NONE;
use super::space::{Space, Use};
use super::table::Stepper;

/// What takes effect: an open operation, or a crashed one of a lane.
#[derive(Clone, Copy)]
enum Taken {
    Open(u32),
    Crashed(usize),
}

impl Taken {
    fn is(self, forced: &Forced) -> bool {
        matches!(self, Taken::Open(slot) if slot == forced.slot)
    }
}

/// Where a crashed operation is to be made useful at once: the state before it, and its action.
#[derive(Clone, Copy)]
struct Before {
    state: u32,
    action: u32,
    lane: usize,
}

impl<S: Stepper> Search<'_, S> {
    /// Lets one more operation take effect in every way that matters.
    pub fn expand(&mut self, config: &[u64], forced: &Forced) -> Result<(), Stop<S::Error>> {
        let mut last = NONE;
        for place in 0..self.space.open.movers.len() {
            let mover = self.space.open.movers[place];
            if !self.is_next(config, &mover, &mut last) {
                continue;
            }
            if mover.resets {
                self.reset(config, mover.action, Taken::Open(mover.slot), forced)?;
            } else {
                self.take(config, mover.action, Taken::Open(mover.slot), forced)?;
            }
        }
        for lane in 0..self.space.open.crashed.len() {
            if !self.is_free(config, lane) {
                continue;
            }
            let crashed = &self.space.open.crashed[lane];
            if crashed.resets {
                self.reset(config, crashed.action, Taken::Crashed(lane), forced)?;
            } else {
                self.take_crashed(config, lane, forced)?;
            }
        }
        Ok(())
    }

    /// Whether an open operation may go now: not done, nothing of its process before it, and of
    /// equal ones the first to return. Swapping two equal operations that are both open so that
    /// the earlier deadline goes first breaks no deadline; only one whose process goes on at the
    /// very stamp of its return cannot be moved back.
    #[inline]
    fn is_next(&self, config: &[u64], mover: &Mover, last: &mut u32) -> bool {
        let done = self.space.layout.done(config);
        if has(done, mover.slot) || (self.touching && !self.space.open.may_go(done, mover.slot)) {
            return false;
        }
        if self.prune.deadlines && !mover.followed {
            if mover.action == *last {
                return false;
            }
            *last = mover.action;
        }
        true
    }

    /// Whether a crashed operation of this lane is left, and no equal one is open: that goes first.
    #[inline]
    fn is_free(&self, config: &[u64], lane: usize) -> bool {
        let open = &self.space.open;
        let crashed = &open.crashed[lane];
        if self.space.layout.used(config, lane) >= crashed.called {
            return false;
        }
        let done = self.space.layout.done(config);
        !self.prune.deadlines
            || crashed.equals == 0
            || !open.movers.iter().any(|mover| {
                mover.lane == lane as u32
                    && !has(done, mover.slot)
                    && (!self.touching || open.may_go(done, mover.slot))
            })
    }

    /// Takes an operation as it is, whatever it leads to.
    fn take(
        &mut self,
        config: &[u64],
        action: u32,
        taken: Taken,
        forced: &Forced,
    ) -> Result<(), Stop<S::Error>> {
        let next = self.advance(Layout::state(config), action)?;
        if next.only().is_some_and(nowhere) && !taken.is(forced) {
            return Ok(());
        }
        let mut place = 0;
        while let Some(state) = self.state_of(next, place) {
            let mut after = self.copy(config);
            self.mark(&mut after, taken);
            Layout::set_state(&mut after, state);
            self.normalize(&mut after)?;
            self.reach(&mut after, forced);
            self.give_back(after);
            place += 1;
        }
        Ok(())
    }

    /// Marks what takes effect in the state that the configuration is in.
    fn mark(&mut self, config: &mut [u64], taken: Taken) {
        let state = Layout::state(config);
        self.mark_in(config, taken, state);
    }

    fn mark_in(&mut self, config: &mut [u64], taken: Taken, state: u32) {
        let passed = self.passed as u32;
        let Space { layout, uses, .. } = &mut *self.space;
        match taken {
            Taken::Open(slot) => {
                put(layout.done_mut(config), slot);
                if layout.absorbing {
                    take(layout.covered_mut(config), slot);
                }
            }
            Taken::Crashed(lane) => {
                layout.use_one(config, lane);
                if layout.tracing {
                    let last = &mut config[layout.stride - 1];
                    let (before, lane) = (*last as u32, lane as u32);
                    *last = uses.len() as u64;
                    uses.push(Use {
                        before,
                        lane,
                        state,
                        passed,
                    });
                }
            }
        }
    }

    /// A crashed operation that is no reset. With enablement it must pay at once: do a read that
    /// was not possible, or be followed by an operation that was not possible before it or led
    /// elsewhere. Otherwise it can be put off (they commute) or left out (it is overwritten).
    fn take_crashed(
        &mut self,
        config: &[u64],
        lane: usize,
        forced: &Forced,
    ) -> Result<(), Stop<S::Error>> {
        let action = self.space.open.crashed[lane].action;
        if !self.prune.enablement {
            return self.take(config, action, Taken::Crashed(lane), forced);
        }
        let before = Before {
            state: Layout::state(config),
            action,
            lane,
        };
        let Some(state) = self.advance(before.state, action)?.only() else {
            return Ok(());
        };
        if state == before.state || nowhere(state) {
            return Ok(());
        }
        let mut after = self.copy(config);
        self.mark(&mut after, Taken::Crashed(lane));
        Layout::set_state(&mut after, state);
        if self.normalize(&mut after)? {
            self.reach(&mut after, forced);
        } else {
            self.follow(&after, Some(before), forced)?;
        }
        self.give_back(after);
        Ok(())
    }

    /// Continues with one operation that is no reset; `before` if it must justify a crashed one.
    fn follow(
        &mut self,
        config: &[u64],
        before: Option<Before>,
        forced: &Forced,
    ) -> Result<(), Stop<S::Error>> {
        let mut last = NONE;
        for place in 0..self.space.open.movers.len() {
            let mover = self.space.open.movers[place];
            if !self.is_next(config, &mover, &mut last) || mover.resets {
                continue;
            }
            if self.justified(config, before, mover.action, None)? {
                self.take(config, mover.action, Taken::Open(mover.slot), forced)?;
            }
        }
        for lane in 0..self.space.open.crashed.len() {
            let crashed = &self.space.open.crashed[lane];
            let action = crashed.action;
            if crashed.resets || !self.is_free(config, lane) {
                continue;
            }
            if before.is_none() {
                self.take_crashed(config, lane, forced)?;
            } else if self.justified(config, before, action, Some(lane))? {
                self.take(config, action, Taken::Crashed(lane), forced)?;
            }
        }
        Ok(())
    }

    /// Whether the action after a crashed one was made possible or changed by it. Of two crashed
    /// ones that commute only one order is needed.
    fn justified(
        &mut self,
        config: &[u64],
        before: Option<Before>,
        action: u32,
        lane: Option<usize>,
    ) -> Result<bool, Stop<S::Error>> {
        let Some(before) = before else {
            return Ok(true);
        };
        let Some(with) = self.step(Layout::state(config), action)?.only() else {
            return Ok(false);
        };
        let Some(without) = self.step(before.state, action)?.only() else {
            return Ok(true);
        };
        if without == with {
            return Ok(false);
        }
        if lane.is_some_and(|lane| lane >= before.lane) {
            return Ok(true);
        }
        Ok(self.step(without, before.action)?.only() != Some(with))
    }

    /// A reset: everything open is covered by it. With detours a reset goes on only through an
    /// operation that is none: a reset after a reset, with reads at most between, is looked for
    /// when one of those returns (`release`, `detour`).
    fn reset(
        &mut self,
        config: &[u64],
        action: u32,
        taken: Taken,
        forced: &Forced,
    ) -> Result<(), Stop<S::Error>> {
        let Some(state) = self.advance(Layout::state(config), action)?.only() else {
            return Ok(());
        };
        if nowhere(state) && !taken.is(forced) {
            return Ok(());
        }
        let mut after = self.copy(config);
        self.mark(&mut after, taken);
        Layout::set_state(&mut after, state);
        self.cover(&mut after);
        let gained = self.normalize(&mut after)?;
        if !self.prune.detours || has(self.space.layout.done(&after), forced.slot) {
            self.reach(&mut after, forced);
        } else {
            let before = match taken {
                Taken::Crashed(lane)
                    if self.prune.enablement && !gained && !self.hides(config, lane) =>
                {
                    Some(Before {
                        state: Layout::state(config),
                        action,
                        lane,
                    })
                }
                _ => None,
            };
            let space = &mut *self.space;
            let (layout, roles) = (&space.layout, &space.open.roles);
            let dominance = self.prune.dominance;
            if before.is_some() || space.landed.add(layout, roles, dominance, &after) {
                self.follow(&after, before, forced)?;
            }
        }
        self.give_back(after);
        Ok(())
    }

    /// Whether something may have taken effect right before a crashed reset that is not in the
    /// configuration yet, because of detours. The operation after it may then be impossible
    /// without the reset, even if it is possible in the configuration's own state. With 1 in a
    /// register, `write 5` open and `write 1` crashed, `cas [1,2]` may come after both of them.
    fn hides(&self, config: &[u64], lane: usize) -> bool {
        let Space { layout, open, .. } = &*self.space;
        let (done, covered) = (layout.done(config), layout.covered(config));
        let among = |role: &[u64]| {
            let words = role.iter().zip(done).zip(covered);
            words.fold((0, 0), |(new, old), ((role, done), covered)| {
                (new | (role & !done & !covered), old | (role & covered))
            })
        };
        let (blind, absorbed) = among(&open.roles.blind);
        let (read, _) = among(&open.roles.pure);
        let free = |(other, crashed): (usize, &Crashed)| {
            other != lane && crashed.resets && layout.used(config, other) < crashed.called
        };
        blind != 0 || (read != 0 && (absorbed != 0 || open.crashed.iter().enumerate().any(free)))
    }

    fn cover(&self, config: &mut [u64]) {
        let (layout, roles) = (&self.space.layout, &self.space.open.roles);
        for word in 0..layout.words {
            let open = roles.pure[word] | roles.blind[word];
            config[1 + layout.words + word] = open & !config[1 + word];
        }
        Layout::set_epoch(config, self.space.open.epoch);
    }

    /// A covered reset returns: it took effect right before the reset that covers it, and the
    /// covered reads that are possible after it did so in between.
    pub fn release(&mut self, config: &[u64], forced: &Forced) -> Result<(), Stop<S::Error>> {
        let next = self.step(Layout::state(config), forced.action)?;
        let mut after = self.copy(config);
        self.mark(&mut after, Taken::Open(forced.slot));
        if let (true, Some(state)) = (self.prune.detours, next.only()) {
            self.read_covered(&mut after, state)?;
        }
        self.leave(&mut after, forced);
        self.give_back(after);
        Ok(())
    }

    /// A covered operation returns that is always possible and no reset: it took effect right before
    /// the reset that covers it, and nobody saw it.
    pub fn release_unseen(&mut self, config: &[u64], forced: &Forced) {
        let mut after = self.copy(config);
        self.mark(&mut after, Taken::Open(forced.slot));
        self.leave(&mut after, forced);
        self.give_back(after);
    }

    fn read_covered(&mut self, config: &mut [u64], state: u32) -> Result<(), Stop<S::Error>> {
        let from = self.possible_reads(state)?;
        let words = self.space.layout.words;
        for word in 0..words {
            let read = self.space.possible[from + word] & config[1 + words + word];
            config[1 + word] |= read;
            config[1 + words + word] &= !read;
        }
        Ok(())
    }

    /// A covered read returns: another covered reset, or a crashed one called before the last
    /// reset, may have taken effect before that reset, and the read right after it.
    pub fn detour(&mut self, config: &[u64], forced: &Forced) -> Result<(), Stop<S::Error>> {
        let mut last = NONE;
        for place in 0..self.space.open.movers.len() {
            let mover = self.space.open.movers[place];
            let covered = mover.resets && has(self.space.layout.covered(config), mover.slot);
            if covered && self.is_next(config, &mover, &mut last) {
                self.detour_through(config, mover.action, Taken::Open(mover.slot), forced)?;
            }
        }
        let epoch = Layout::epoch(config);
        for lane in 0..self.space.open.crashed.len() {
            let crashed = &self.space.open.crashed[lane];
            let action = crashed.action;
            let left = self.space.layout.used(config, lane) < crashed.called_by(epoch);
            if crashed.resets && left && !self.equal_covered(config, lane) {
                self.detour_through(config, action, Taken::Crashed(lane), forced)?;
            }
        }
        Ok(())
    }

    fn equal_covered(&self, config: &[u64], lane: usize) -> bool {
        let covered = self.space.layout.covered(config);
        let mut movers = self.space.open.movers.iter();
        self.prune.deadlines
            && movers.any(|mover| mover.lane == lane as u32 && has(covered, mover.slot))
    }

    fn detour_through(
        &mut self,
        config: &[u64],
        action: u32,
        taken: Taken,
        forced: &Forced,
    ) -> Result<(), Stop<S::Error>> {
        let Some(state) = self.step(Layout::state(config), action)?.only() else {
            return Ok(());
        };
        if self.step(state, forced.action)?.refused() {
            return Ok(());
        }
        let mut after = self.copy(config);
        self.mark_in(&mut after, taken, NONE);
        self.read_covered(&mut after, state)?;
        self.leave(&mut after, forced);
        self.give_back(after);
        Ok(())
    }
}
