//! A set of configurations in which none is at least as good as another.

use super::layout::{Layout, Roles};
use super::table::mix;

const END: u32 = u32::MAX;
/// Buckets of an empty set.
const BUCKETS: usize = 16;

pub struct Antichain {
    data: Vec<u64>,
    next: Vec<u32>,
    dead: Vec<bool>,
    /// Buckets: the clearing in which the bucket was last used, and its first configuration.
    heads: Vec<(u32, u32)>,
    clearing: u32,
    pub live: usize,
}

impl Default for Antichain {
    fn default() -> Self {
        Antichain {
            data: Vec::new(),
            next: Vec::new(),
            dead: Vec::new(),
            heads: vec![(0, END); BUCKETS],
            clearing: 1,
            live: 0,
        }
    }
}

impl Antichain {
    pub fn clear(&mut self) {
        self.data.clear();
        self.next.clear();
        self.dead.clear();
        self.live = 0;
        self.clearing = self.clearing.wrapping_add(1);
        if self.clearing == 0 {
            self.heads.fill((0, END));
            self.clearing = 1;
        }
    }

    /// Configurations ever added since the last clearing, dead ones too.
    pub fn len(&self) -> usize {
        self.next.len()
    }

    pub fn get(&self, layout: &Layout, place: usize) -> Option<&[u64]> {
        let from = place * layout.stride;
        (!self.dead[place]).then(|| &self.data[from..from + layout.stride])
    }

    pub fn iter<'a>(&'a self, layout: &'a Layout) -> impl Iterator<Item = &'a [u64]> {
        (0..self.len()).filter_map(|place| self.get(layout, place))
    }

    pub fn memory(&self) -> usize {
        self.data.capacity() * 8 + self.next.capacity() * 5 + self.heads.capacity() * 8
    }

    /// Adds a configuration unless one that is at least as good is there; takes out those that it
    /// is better than. With `dominance` off only equal ones count. Answers whether it was added.
    pub fn add(&mut self, layout: &Layout, roles: &Roles, dominance: bool, config: &[u64]) -> bool {
        let bucket = self.bucket(layout, roles, dominance, config);
        let mut before = END;
        let mut place = self.first(bucket);
        while place != END {
            let at = place as usize;
            let following = self.next[at];
            let other = &self.data[at * layout.stride..(at + 1) * layout.stride];
            if dominance && layout.alike(roles, other, config) {
                if layout.at_least_as_good(roles, other, config) {
                    return false;
                }
                if layout.at_least_as_good(roles, config, other) {
                    self.unlink(bucket, before, place);
                    place = following;
                    continue;
                }
            } else if !dominance && other == config {
                return false;
            }
            before = place;
            place = following;
        }
        self.append(layout, roles, dominance, bucket, config);
        true
    }

    fn append(
        &mut self,
        layout: &Layout,
        roles: &Roles,
        dominance: bool,
        bucket: usize,
        config: &[u64],
    ) {
        let place = self.next.len() as u32;
        self.data.extend_from_slice(config);
        self.next.push(self.first(bucket));
        self.dead.push(false);
        self.heads[bucket] = (self.clearing, place);
        self.live += 1;
        if self.live > self.heads.len() {
            self.grow(layout, roles, dominance);
        }
    }

    fn unlink(&mut self, bucket: usize, before: u32, place: u32) {
        let following = self.next[place as usize];
        match before {
            END => self.heads[bucket] = (self.clearing, following),
            before => self.next[before as usize] = following,
        }
        self.dead[place as usize] = true;
        self.live -= 1;
    }

    fn grow(&mut self, layout: &Layout, roles: &Roles, dominance: bool) {
        let size = self.heads.len() * 4;
        self.heads.clear();
        self.heads.resize(size, (0, END));
        for place in 0..self.next.len() {
            if !self.dead[place] {
                let from = place * layout.stride;
                let config = &self.data[from..from + layout.stride];
                let bucket = self.bucket(layout, roles, dominance, config);
                self.next[place] = self.first(bucket);
                self.heads[bucket] = (self.clearing, place as u32);
            }
        }
    }

    #[inline]
    fn first(&self, bucket: usize) -> u32 {
        let (clearing, place) = self.heads[bucket];
        if clearing == self.clearing {
            place
        } else {
            END
        }
    }

    #[inline]
    fn bucket(&self, layout: &Layout, roles: &Roles, dominance: bool, config: &[u64]) -> usize {
        let mut hash = mix(u64::from(Layout::state(config)));
        if dominance {
            for (done, exact) in layout.done(config).iter().zip(&roles.exact) {
                hash = mix(hash ^ (done & exact));
            }
        } else {
            for &word in config {
                hash = mix(hash ^ word);
            }
        }
        hash as usize & (self.heads.len() - 1)
    }
}
