//! The transitions of an automaton, asked of the model once each and then remembered.
//!
//! States and actions are numbers; what they stand for only the owner of the `Stepper` knows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What an action is declared to be. Every declaration is verified when a transition is learned.
pub const PURE: u8 = 1;
pub const BLIND: u8 = 2;
pub const SETTLES: u8 = 4;

/// A transition that nobody has asked for yet, and one that the model refuses.
const UNASKED: u32 = u32::MAX;
const REFUSED: u32 = u32::MAX - 1;
/// From here on an entry numbers a list of several states.
const SEVERAL: u32 = 1 << 31;
/// An action made up by a relaxation: possible in every state, it leads to the state in the other
/// bits.
pub const MADE_UP: u32 = 1 << 31;
/// The state that stands for all from which nothing can be read before the next reset: see `reach`.
pub const NOWHERE: u32 = SEVERAL - 1;
/// Above this many entries a dense table gives way to a map.
const DENSE_MAX: usize = 1 << 22;

/// Answers what may follow an action in a state: empty if the model refuses, None if it failed.
pub trait Stepper: Send {
    type Error: Send;
    fn step(&mut self, state: u32, action: u32) -> Result<Option<Vec<u32>>, Self::Error>;
    /// Called every few thousand steps: whoever waits may interrupt.
    fn pause(&mut self) -> Result<(), Self::Error>;
    /// Whether this read may come to be possible in what follows a state without resets. If not,
    /// it may not in any state that follows either.
    fn may_lead_to(&self, state: u32, read: u32) -> bool;
    /// Whether `may_lead_to` ever says no.
    fn foresees(&self) -> bool;
    /// Bytes in use.
    fn memory(&self) -> usize;
    /// Whether it can be used in another thread: the core steps it, or all that can be asked is in
    /// the table.
    fn steps_alone(&self, table: &Table) -> bool;
    /// Another that steps in the same way.
    fn twin(&self) -> Self;
    /// The number here of a state of the twin's.
    fn adopt(&mut self, twin: &Self, state: u32) -> u32;
}

/// A model that does not keep what it declared, or failed altogether.
#[derive(Clone, Copy, Debug)]
pub struct Broken {
    pub state: u32,
    pub action: u32,
    pub declaration: &'static str,
}

pub enum Miss<E> {
    Failed(E),
    Broken(Broken),
}

/// Mixes a pair of numbers; keys come from a search, not from an adversary.
#[derive(Default)]
pub struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = mix(self.0 ^ n);
    }
    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }
}

/// A bijection that spreads every bit over the word (the finalizer of SplitMix64).
#[inline]
pub fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

pub type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// A map with room for so many.
pub fn map_for<K, V>(many: usize) -> FastMap<K, V> {
    FastMap::with_capacity_and_hasher(many, BuildHasherDefault::default())
}

#[derive(Clone)]
pub struct Table {
    flags: Vec<u8>,
    target: Vec<u32>,
    dense: Option<Vec<u32>>,
    sparse: FastMap<u64, u32>,
    several: Vec<Box<[u32]>>,
    states: usize,
    targets_known: usize,
    /// How many actions there were when every transition was looked at.
    pub closed_for: usize,
    pub misses: u64,
}

impl Table {
    pub fn new(flags: Vec<u8>) -> Self {
        Table {
            target: vec![UNASKED; flags.len()],
            dense: Some(Vec::new()),
            sparse: FastMap::default(),
            several: Vec::new(),
            states: 0,
            targets_known: 0,
            closed_for: 0,
            misses: 0,
            flags,
        }
    }

    pub fn actions(&self) -> usize {
        self.flags.len()
    }

    pub fn flags(&self, action: u32) -> u8 {
        if action & MADE_UP != 0 {
            return BLIND | SETTLES;
        }
        self.flags[action as usize]
    }

    /// Adds what an action was seen to do in every state; it leads to this state if to one only.
    pub fn declare(&mut self, action: u32, flags: u8, target: Option<u32>) {
        let at = action as usize;
        let Some(target) = target else {
            self.flags[at] |= flags & PURE;
            return;
        };
        self.flags[at] |= flags;
        if self.flags[at] & SETTLES != 0 && self.target[at] == UNASKED {
            self.target[at] = target;
            self.targets_known += 1;
        }
    }

    /// The state that an action always leads to, if it is declared to and has been seen to.
    pub fn target(&self, action: u32) -> Option<u32> {
        if action & MADE_UP != 0 {
            return Some(action & !MADE_UP);
        }
        Some(self.target[action as usize]).filter(|&target| target != UNASKED)
    }

    /// How many such states are known.
    pub fn targets_known(&self) -> usize {
        self.targets_known
    }

    /// Adds actions after those that are there.
    pub fn extend(&mut self, flags: &[u8]) {
        let (old, new) = (self.flags.len(), self.flags.len() + flags.len());
        if self.states.saturating_mul(new) > DENSE_MAX {
            self.make_sparse();
        }
        if let Some(dense) = self.dense.as_mut().filter(|dense| !dense.is_empty()) {
            let mut wider = vec![UNASKED; dense.len() / old * new];
            for (from, to) in dense.chunks(old).zip(wider.chunks_mut(new)) {
                to[..old].copy_from_slice(from);
            }
            *dense = wider;
        }
        self.flags.extend_from_slice(flags);
        self.target.resize(new, UNASKED);
    }

    /// Bytes in use; a state of the model counts for 256.
    pub fn memory(&self) -> usize {
        let dense = self.dense.as_ref().map_or(0, |d| d.capacity() * 4);
        dense + self.sparse.capacity() * 16 + self.states * 256
    }

    /// The states that may follow, of which a deterministic model has at most one.
    #[inline]
    pub fn next<S: Stepper>(
        &mut self,
        state: u32,
        action: u32,
        stepper: &mut S,
    ) -> Result<Next, Miss<S::Error>> {
        if action & MADE_UP != 0 {
            return Ok(Next(action & !MADE_UP));
        }
        let known = match &self.dense {
            Some(dense) => {
                let place = state as usize * self.flags.len() + action as usize;
                dense.get(place).copied().unwrap_or(UNASKED)
            }
            None => {
                let place = u64::from(state) << 32 | u64::from(action);
                self.sparse.get(&place).copied().unwrap_or(UNASKED)
            }
        };
        if known != UNASKED {
            return Ok(Next(known));
        }
        self.learn(state, action, stepper)
    }

    #[cold]
    fn learn<S: Stepper>(
        &mut self,
        state: u32,
        action: u32,
        stepper: &mut S,
    ) -> Result<Next, Miss<S::Error>> {
        if state == NOWHERE {
            return match self.flags(action) {
                flags if flags & PURE != 0 => Ok(Next(REFUSED)),
                flags if flags & SETTLES != 0 => self.next(0, action, stepper),
                _ => Ok(Next(NOWHERE)),
            };
        }
        self.misses += 1;
        let Some(after) = stepper.step(state, action).map_err(Miss::Failed)? else {
            return Err(Miss::Broken(Broken {
                state,
                action,
                declaration: "failed",
            }));
        };
        self.verify(state, action, &after).map_err(Miss::Broken)?;
        let highest = after.iter().copied().max().unwrap_or(0).max(state);
        self.states = self.states.max(highest as usize + 1);
        let entry = match after.as_slice() {
            [] => REFUSED,
            [only] => *only,
            _ => {
                self.several.push(after.into_boxed_slice());
                SEVERAL | (self.several.len() - 1) as u32
            }
        };
        self.remember(state, action, entry);
        Ok(Next(entry))
    }

    fn verify(&mut self, state: u32, action: u32, after: &[u32]) -> Result<(), Broken> {
        let broken = |declaration| Broken {
            state,
            action,
            declaration,
        };
        let flags = self.flags[action as usize];
        if flags & PURE != 0 && after.iter().any(|&next| next != state) {
            return Err(broken("pure"));
        }
        if flags & BLIND != 0 && after.is_empty() {
            return Err(broken("blind"));
        }
        if flags & SETTLES != 0 && !after.is_empty() {
            let target = &mut self.target[action as usize];
            if *target == UNASKED && after.len() == 1 {
                *target = after[0];
                self.targets_known += 1;
            }
            if after != [*target] {
                return Err(broken("settles"));
            }
        }
        Ok(())
    }

    fn remember(&mut self, state: u32, action: u32, entry: u32) {
        let width = self.flags.len();
        if self.dense.is_some() && self.states.saturating_mul(width) > DENSE_MAX {
            self.make_sparse();
        }
        match &mut self.dense {
            Some(dense) => {
                if dense.len() < self.states * width {
                    dense.resize(self.states * width, UNASKED);
                }
                dense[state as usize * width + action as usize] = entry;
            }
            None => {
                self.sparse
                    .insert(u64::from(state) << 32 | u64::from(action), entry);
            }
        }
    }

    fn make_sparse(&mut self) {
        let width = self.flags.len();
        for (place, entry) in self.dense.take().into_iter().flatten().enumerate() {
            if entry != UNASKED {
                let (state, action) = ((place / width) as u64, (place % width) as u64);
                self.sparse.insert(state << 32 | action, entry);
            }
        }
    }

    /// The states of an answer.
    #[inline]
    pub fn states<'a>(&'a self, next: &'a Next) -> &'a [u32] {
        match next.0 {
            REFUSED => &[],
            several if several >= SEVERAL => &self.several[(several - SEVERAL) as usize],
            _ => std::slice::from_ref(&next.0),
        }
    }
}

/// An answer of the table; `Table::states` tells what is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Next(u32);

impl Next {
    #[inline]
    pub fn refused(self) -> bool {
        self.0 == REFUSED
    }

    /// One state.
    #[inline]
    pub fn to(state: u32) -> Self {
        Next(state)
    }

    /// The one state that follows, if there is exactly one.
    #[inline]
    pub fn only(self) -> Option<u32> {
        (self.0 < SEVERAL).then_some(self.0)
    }
}
