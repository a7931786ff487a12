//! The sets and buffers of a search, kept from one object to the next.

use super::antichain::Antichain;
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
    /// Where the search is eager: every configuration that came out of this return before.
    pub reached: Antichain,
    /// Configurations right after a reset, whose continuations were all looked at.
    pub landed: Antichain,
    /// By state: the reads that are possible in it, and the version of the reads they are of.
    pub possible: Vec<u64>,
    pub possible_at: Vec<u32>,
    pub spare: Vec<Vec<u64>>,
    pub reach: Reach,
    /// Places in `visited` by the number of crashed operations used.
    pub levels: Vec<Vec<usize>>,
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
    /// Bytes in use.
    pub fn memory(&self) -> usize {
        let sets = [
            &self.frontier,
            &self.next,
            &self.visited,
            &self.reached,
            &self.landed,
        ];
        let possible = self.possible.capacity() * 8 + self.possible_at.capacity() * 4;
        let uses = self.uses.capacity() * std::mem::size_of::<Use>();
        sets.iter().map(|set| set.memory()).sum::<usize>() + possible + uses + self.reach.memory()
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
