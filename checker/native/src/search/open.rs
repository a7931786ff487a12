//! The operations that are open at one moment of the walk, sorted into roles.

use super::layout::Roles;
use super::schedule::{resets, Lane, Open, NONE};
use super::table::{BLIND, PURE};

/// An open operation that can change the state.
#[derive(Clone, Copy, Debug)]
pub struct Mover {
    pub action: u32,
    pub deadline: i64,
    pub slot: u32,
    pub resets: bool,
    pub followed: bool,
    /// The lane of crashed operations that do the same.
    pub lane: u32,
}

/// An open operation that changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    pub action: u32,
    pub slot: u32,
}

/// The crashed operations of one kind called so far.
#[derive(Clone, Debug)]
pub struct Crashed {
    pub action: u32,
    pub resets: bool,
    pub called: u32,
    /// How many open operations do the same.
    pub equals: u32,
    /// For resets: the epoch that each call began.
    epochs: Vec<u32>,
}

impl Crashed {
    /// How many had been called when the epoch began.
    pub fn called_by(&self, epoch: u32) -> u32 {
        self.epochs.partition_point(|&e| e <= epoch) as u32
    }
}

#[derive(Default)]
pub struct OpenOperations {
    pub roles: Roles,
    pub pending: Vec<u64>,
    /// By action, then by deadline.
    pub movers: Vec<Mover>,
    pub reads: Vec<Read>,
    pub crashed: Vec<Crashed>,
    /// Whether any crashed operation may act as any other that was called: see `relaxation`.
    pub shared: bool,
    /// How many crashed resets have been called.
    pub epoch: u32,
    /// Grows whenever `reads` changes.
    pub version: u32,
    /// By slot: the row of the operation, and the slot that it must wait for.
    pub row: Vec<u32>,
    pub after: Vec<u32>,
}

/// What the roles depend on.
#[derive(Clone, Copy)]
pub struct Sorting {
    pub reads: bool,
    pub absorption: bool,
    /// Whether there is a reset anywhere: without one nothing is ever covered.
    pub any_resets: bool,
}

impl OpenOperations {
    pub fn clear(&mut self, slots: usize, words: usize, lanes: &[Lane], flags: impl Fn(u32) -> u8) {
        for list in [
            &mut self.pending,
            &mut self.roles.pure,
            &mut self.roles.blind,
            &mut self.roles.exact,
        ] {
            list.clear();
            list.resize(words, 0);
        }
        self.movers.clear();
        self.reads.clear();
        self.row.clear();
        self.row.resize(slots, NONE);
        self.after.clear();
        self.after.resize(slots, NONE);
        self.epoch = 0;
        self.version = self.version.wrapping_add(1);
        self.crashed.clear();
        self.crashed.extend(lanes.iter().map(|lane| Crashed {
            action: lane.action,
            resets: resets(flags(lane.action)),
            called: 0,
            equals: 0,
            epochs: Vec::new(),
        }));
    }

    pub fn call(&mut self, open: &Open, flags: u8, sorting: Sorting) {
        let (word, bit) = bit_of(open.slot);
        self.pending[word] |= bit;
        self.row[open.slot as usize] = open.row;
        self.after[open.slot as usize] = open.after;
        if sorting.reads && flags & PURE != 0 {
            self.roles.pure[word] |= bit;
            self.reads.push(Read {
                action: open.action,
                slot: open.slot,
            });
            self.version = self.version.wrapping_add(1);
            return;
        }
        let resets = sorting.absorption && resets(flags);
        let coverable = sorting.absorption && sorting.any_resets && flags & BLIND != 0;
        let role = if coverable {
            &mut self.roles.blind
        } else {
            &mut self.roles.exact
        };
        role[word] |= bit;
        let lane = self.crashed.iter().position(|c| c.action == open.action);
        if let Some(lane) = lane {
            self.crashed[lane].equals += 1;
        }
        let mover = Mover {
            action: open.action,
            deadline: open.deadline,
            slot: open.slot,
            resets,
            followed: open.followed,
            lane: lane.map_or(NONE, |lane| lane as u32),
        };
        let key = (mover.action, mover.deadline);
        let place = self
            .movers
            .partition_point(|m| (m.action, m.deadline) <= key);
        self.movers.insert(place, mover);
    }

    pub fn crash(&mut self, lane: u32, absorption: bool) {
        if self.shared {
            return self.crash_any(lane, absorption);
        }
        let crashed = &mut self.crashed[lane as usize];
        crashed.called += 1;
        crashed.resets &= absorption;
        if crashed.resets {
            self.epoch += 1;
            crashed.epochs.push(self.epoch);
        }
    }

    /// One more of all lanes that were called so far; they are resets.
    fn crash_any(&mut self, lane: u32, absorption: bool) {
        let called = 1 + self.crashed.iter().map(|c| c.called).max().unwrap_or(0);
        self.epoch += 1;
        for (number, crashed) in self.crashed.iter_mut().enumerate() {
            if crashed.called > 0 || number == lane as usize {
                crashed.called = called;
                crashed.resets &= absorption;
                crashed.epochs.resize(called as usize, self.epoch);
            }
        }
    }

    /// Takes the last crash of a lane back.
    pub fn uncrash(&mut self, lane: u32) {
        let crashed = &mut self.crashed[lane as usize];
        crashed.called -= 1;
        if crashed.resets {
            self.epoch -= 1;
            crashed.epochs.pop();
        }
    }

    /// Makes room for more slots, in sets of so many words.
    pub fn grow(&mut self, slots: usize, words: usize) {
        for list in [
            &mut self.pending,
            &mut self.roles.pure,
            &mut self.roles.blind,
            &mut self.roles.exact,
        ] {
            list.resize(words, 0);
        }
        self.row.resize(slots, NONE);
        self.after.resize(slots, NONE);
    }

    /// Adds a lane after those that are there.
    pub fn add_lane(&mut self, action: u32, flags: u8) {
        let lane = self.crashed.len() as u32;
        let mut equals = 0;
        for mover in self.movers.iter_mut().filter(|m| m.action == action) {
            mover.lane = lane;
            equals += 1;
        }
        self.crashed.push(Crashed {
            action,
            resets: resets(flags),
            called: 0,
            equals,
            epochs: Vec::new(),
        });
    }

    pub fn close(&mut self, slot: u32) {
        let (word, bit) = bit_of(slot);
        self.pending[word] &= !bit;
        if self.roles.pure[word] & bit != 0 {
            self.reads.retain(|read| read.slot != slot);
            self.version = self.version.wrapping_add(1);
        } else {
            self.close_mover(slot);
        }
        self.roles.pure[word] &= !bit;
        self.roles.blind[word] &= !bit;
        self.roles.exact[word] &= !bit;
        for after in &mut self.after {
            if *after == slot {
                *after = NONE;
            }
        }
    }

    fn close_mover(&mut self, slot: u32) {
        let Some(place) = self.movers.iter().position(|mover| mover.slot == slot) else {
            return;
        };
        let lane = self.movers.remove(place).lane;
        if let Some(crashed) = self.crashed.get_mut(lane as usize) {
            crashed.equals -= 1;
        }
    }

    /// Whether nothing that must come first is still to be done.
    #[inline]
    pub fn may_go(&self, done: &[u64], slot: u32) -> bool {
        match self.after[slot as usize] {
            NONE => true,
            before => has(done, before),
        }
    }

    /// Those bits of a word whose operations have nothing before them that is still to be done.
    pub fn those_that_may_go(&self, done: &[u64], word: usize, bits: u64) -> u64 {
        let mut left = bits;
        let mut may = 0;
        while left != 0 {
            let slot = word as u32 * 64 + left.trailing_zeros();
            if self.may_go(done, slot) {
                may |= left & left.wrapping_neg();
            }
            left &= left - 1;
        }
        may
    }
}

#[inline]
pub fn bit_of(slot: u32) -> (usize, u64) {
    (slot as usize / 64, 1 << (slot % 64))
}

#[inline]
pub fn has(set: &[u64], slot: u32) -> bool {
    let (word, bit) = bit_of(slot);
    set[word] & bit != 0
}

#[inline]
pub fn put(set: &mut [u64], slot: u32) {
    let (word, bit) = bit_of(slot);
    set[word] |= bit;
}

#[inline]
pub fn take(set: &mut [u64], slot: u32) {
    let (word, bit) = bit_of(slot);
    set[word] &= !bit;
}
