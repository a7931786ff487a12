//! The calls and returns of one object's operations in the order in which a search walks them.
//!
//! Intervals are closed: at equal stamps calls come before returns. Operations that must happen, and
//! crashed ones that are told apart, have a slot (a bit) while they are open; equal crashed ones
//! are counted in a lane of their action. Buffers are kept from one object to the next.

use std::collections::HashMap;

use super::relaxation::Relaxation;
use super::table::{FastMap, Table, BLIND, PURE};

pub const NEVER: i64 = i64::MAX;
pub const NONE: u32 = u32::MAX;

/// The operations of a history as borrowed columns; `action` is negative for what did not happen.
pub struct Columns<'a> {
    pub call: &'a [i64],
    pub ret: &'a [i64],
    pub process: &'a [i64],
    pub action: &'a [i32],
}

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Call(Open),
    /// One more crashed operation of this lane.
    Crash {
        lane: u32,
    },
    Return {
        slot: u32,
        action: u32,
        row: u32,
    },
}

/// An operation that got a slot.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    pub slot: u32,
    pub action: u32,
    pub row: u32,
    /// In the order of returns; the last of all if it never returns.
    pub deadline: i64,
    /// The slot of the operation of the same process that returned at the very stamp of this call.
    pub after: u32,
    /// Whether the process called its next operation at the very stamp of this return.
    pub followed: bool,
}

/// A kind of crashed operations that are counted.
#[derive(Clone, Debug)]
pub struct Lane {
    pub action: u32,
    pub count: u32,
}

#[derive(Default)]
pub struct Schedule {
    pub events: Vec<Event>,
    pub lanes: Vec<Lane>,
    pub slots: usize,
    pub returns: usize,
    pub crashed: usize,
    /// Whether one count serves for all lanes.
    pub shared: bool,
    /// Whether one process's operations touch somewhere: their order is no order of intervals then.
    pub touching: bool,
    returning: Vec<(i64, u32)>,
    rank: Vec<u32>,
    after: Vec<u32>,
    followed: Vec<bool>,
    lane_of: FastMap<u32, u32>,
    free: Vec<u32>,
    slot_of: Vec<u32>,
}

/// What the compilation may assume; see `Prune`.
#[derive(Clone, Copy)]
pub struct Rules {
    /// Crashed operations without effect are left out.
    pub reads: bool,
    /// Equal crashed operations are counted.
    pub multisets: bool,
}

impl Schedule {
    /// Lays out these rows, which are in order of invocation.
    pub fn compile(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        table: &Table,
        rules: &Rules,
        relax: Option<&Relaxation>,
    ) {
        self.clear(rows.len());
        self.shared = relax.is_some_and(|relax| relax.shared);
        for (place, &row) in rows.iter().enumerate() {
            let row = row as usize;
            if columns.action[row] >= 0 && columns.ret[row] != NEVER {
                self.returning.push((columns.ret[row], place as u32));
            }
        }
        self.returning.sort_unstable();
        for (rank, &(_, place)) in self.returning.iter().enumerate() {
            self.rank[place as usize] = rank as u32;
        }
        self.returns = self.returning.len();
        self.find_touching(columns, rows);
        self.merge(columns, rows, table, rules, relax);
    }

    /// The row of the return with this number.
    pub fn returned(&self, number: usize) -> Option<u32> {
        let mut returns = self.events.iter().filter_map(|event| match *event {
            Event::Return { row, .. } => Some(row),
            _ => None,
        });
        returns.nth(number)
    }

    /// Bytes in use.
    pub fn memory(&self) -> usize {
        self.events.capacity() * std::mem::size_of::<Event>() + self.rank.capacity() * 32
    }

    fn clear(&mut self, rows: usize) {
        self.events.clear();
        self.lanes.clear();
        self.returning.clear();
        self.lane_of.clear();
        self.free.clear();
        self.slots = 0;
        self.crashed = 0;
        self.touching = false;
        for (list, value) in [
            (&mut self.rank, NONE),
            (&mut self.after, NONE),
            (&mut self.slot_of, NONE),
        ] {
            list.clear();
            list.resize(rows, value);
        }
        self.followed.clear();
        self.followed.resize(rows, false);
    }

    /// Finds operations that a process called at the very stamp at which its last one returned.
    fn find_touching(&mut self, columns: &Columns, rows: &[u32]) {
        let called = rows.iter().map(|&row| columns.call[row as usize]);
        let mut returned = self.returning.iter().map(|&(time, _)| time).peekable();
        let stamps_meet = called.into_iter().any(|call| {
            while returned.next_if(|&time| time < call).is_some() {}
            returned.peek() == Some(&call)
        });
        if !stamps_meet {
            return;
        }
        let mut last: HashMap<i64, u32> = HashMap::new();
        for (place, &row) in rows.iter().enumerate() {
            let row = row as usize;
            if columns.action[row] < 0 {
                continue;
            }
            let place = place as u32;
            if let Some(before) = last.insert(columns.process[row], place) {
                if columns.ret[rows[before as usize] as usize] == columns.call[row] {
                    self.after[place as usize] = before;
                    self.followed[before as usize] = true;
                    self.touching = true;
                }
            }
        }
    }

    fn merge(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        table: &Table,
        rules: &Rules,
        relax: Option<&Relaxation>,
    ) {
        let mut cursor = 0;
        for (place, &row) in rows.iter().enumerate() {
            let action = columns.action[row as usize];
            if action < 0 {
                continue;
            }
            let call = columns.call[row as usize];
            cursor = self.return_until(cursor, Some(call), columns, rows);
            let action = action as u32;
            let crashed = self.rank[place] == NONE;
            self.crashed += usize::from(crashed);
            if crashed && rules.reads && table.flags(action) & PURE != 0 {
                continue;
            }
            if crashed && rules.multisets && self.after[place] == NONE {
                if let Some(action) = relax.map_or(Some(action), |relax| relax.of(action)) {
                    self.crash(action);
                }
            } else {
                self.open(place, row, action);
            }
        }
        self.return_until(cursor, None, columns, rows);
    }

    fn return_until(
        &mut self,
        mut cursor: usize,
        call: Option<i64>,
        columns: &Columns,
        rows: &[u32],
    ) -> usize {
        while cursor < self.returning.len() {
            let (time, place) = self.returning[cursor];
            if call.is_some_and(|call| time >= call) {
                break;
            }
            let row = rows[place as usize];
            let slot = self.slot_of[place as usize];
            let action = columns.action[row as usize] as u32;
            self.events.push(Event::Return { slot, action, row });
            self.free.push(slot);
            cursor += 1;
        }
        cursor
    }

    fn crash(&mut self, action: u32) {
        let next = self.lanes.len() as u32;
        let lane = *self.lane_of.entry(action).or_insert(next);
        if lane == next {
            self.lanes.push(Lane { action, count: 0 });
        }
        self.lanes[lane as usize].count += 1;
        self.events.push(Event::Crash { lane });
    }

    fn open(&mut self, place: usize, row: u32, action: u32) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots as u32 - 1
        });
        self.slot_of[place] = slot;
        let after = match self.after[place] {
            NONE => NONE,
            before => self.slot_of[before as usize],
        };
        self.events.push(Event::Call(Open {
            slot,
            action,
            row,
            deadline: i64::from(self.rank[place]),
            after,
            followed: self.followed[place],
        }));
    }
}

/// Whether a flag of an action says that it can never be refused and always leads to one state.
pub fn resets(flags: u8) -> bool {
    flags & BLIND != 0 && flags & super::table::SETTLES != 0
}
