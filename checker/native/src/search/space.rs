//! The sets and buffers of a search, kept from one object to the next.

use std::collections::VecDeque;

use super::antichain::Antichain;
use super::floor::Floor;
use super::layout::Layout;
use super::open::{has, OpenOperations};
use super::reach::{nowhere, Reach};

/// Buffers of a search, kept from one object to the next.
#[derive(Default)]
pub struct Space {
    pub layout: Layout,
    pub open: OpenOperations,
    pub frontier: Antichain,
    pub next: Antichain,
    pub visited: Antichain,
    /// Depth first: every configuration that ever came out of this return.
    pub reached: Antichain,
    /// Configurations right after a reset, whose continuations were all looked at.
    pub landed: Antichain,
    /// By state: the reads that are possible in it, and the version of the reads they are of.
    pub possible: Vec<u64>,
    pub possible_at: Vec<u32>,
    pub spare: Vec<Vec<u64>>,
    pub reach: Reach,
    /// Places in `visited` still to be expanded, by `Layout::effort`.
    pub levels: Vec<VecDeque<usize>>,
    /// Depth first: what is known at each return but the one that is being forced.
    pub floors: Vec<Floor>,
    /// Bytes in use for the floors.
    pub held: usize,
    /// Every use of a crashed operation that was tried, where tracing is on.
    pub uses: Vec<Use>,
}

/// A use of a crashed operation, and the one before it on the same way.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    pub before: u32,
    pub lane: u32,
    /// The state in which it was used; NONE if it was used before an earlier reset.
    pub state: u32,
    /// The return that was being forced.
    pub passed: u32,
}

impl Space {
    /// Forgets every configuration.
    pub fn clear(&mut self) {
        for set in [
            &mut self.frontier,
            &mut self.next,
            &mut self.visited,
            &mut self.reached,
            &mut self.landed,
        ] {
            set.clear();
        }
        self.levels.iter_mut().for_each(VecDeque::clear);
        self.floors.clear();
        self.held = 0;
    }

    /// Bytes in use.
    pub fn memory(&self) -> usize {
        let sets = [
            &self.frontier,
            &self.next,
            &self.visited,
            &self.reached,
            &self.landed,
        ];
        let sets: usize = sets.iter().map(|set| set.memory()).sum();
        let possible = self.possible.capacity() * 8 + self.possible_at.capacity() * 4;
        let uses = self.uses.capacity() * std::mem::size_of::<Use>();
        let spare = self.spare.len() * (self.layout.stride * 8 + std::mem::size_of::<Vec<u64>>());
        let levels = memory_of(&self.levels);
        sets + possible + uses + spare + levels + self.reach.memory() + self.held
    }

    pub fn tell_frontier(&self, most: usize) -> Vec<(u32, Vec<u32>)> {
        let rows_of = |config: &[u64]| {
            let done = self.layout.done(config);
            let slots = (0..self.open.row.len() as u32).filter(|&slot| has(done, slot));
            slots.map(|slot| self.open.row[slot as usize]).collect()
        };
        let somewhere = |config: &&[u64]| !nowhere(Layout::state(config));
        let configs = self
            .frontier
            .iter(&self.layout)
            .filter(somewhere)
            .take(most);
        configs
            .map(|config| (Layout::state(config), rows_of(config)))
            .collect()
    }

    pub fn tell_tried(&self, most: usize) -> Vec<u32> {
        let sets = [&self.frontier, &self.visited, &self.landed];
        let configs = sets.into_iter().flat_map(|set| set.iter(&self.layout));
        let mut states: Vec<u32> = configs
            .map(Layout::state)
            .filter(|&state| !nowhere(state))
            .collect();
        states.sort_unstable();
        states.dedup();
        states.truncate(most);
        states
    }
}

/// Bytes in use for the places of all levels.
pub fn memory_of(levels: &[VecDeque<usize>]) -> usize {
    let places: usize = levels.iter().map(|level| level.capacity() * 8).sum();
    places + std::mem::size_of_val(levels)
}
