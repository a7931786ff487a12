//! How a configuration lies in words, and when one is at least as good as another.
//!
//! A configuration is what a search knows after some of the open operations have taken effect:
//!
//! * word 0: the state, and above it the number of crashed resets called before its last reset;
//! * `done`: a bit for each slot whose operation has taken effect;
//! * `covered`: a bit for each slot whose operation, not done, was called before the last reset
//!   (only where absorption is on);
//! * `used`: how many crashed operations of each lane have taken effect. A lane is as wide as its
//!   count needs, with a guard bit on top, so that all lanes of a word are compared at once: with
//!   the guards of `b` set, `b - a` borrows from the guard of a lane exactly if `a > b` in it.

use super::schedule::Lane;

#[derive(Clone, Copy, Debug)]
pub struct Place {
    word: usize,
    shift: u32,
    mask: u64,
}

/// Crashed operations that lead to one state: the resets among them can stand in for the others.
#[derive(Default, Clone, Debug)]
pub struct StandIns {
    pub target: u32,
    pub resets: Vec<usize>,
    pub others: Vec<usize>,
}

#[derive(Default)]
pub struct Layout {
    /// Words for a set of slots.
    pub words: usize,
    pub absorbing: bool,
    /// Whether the last word numbers the last use of a crashed operation; it is not compared.
    pub tracing: bool,
    shared: bool,
    pub stride: usize,
    used_from: usize,
    places: Vec<Place>,
    guards: Vec<u64>,
    /// Where substitution is on: groups of lanes that lead to one state, resets among them.
    pub stand_ins: Vec<StandIns>,
    /// Lanes that are in no group as others.
    pub alone: Vec<usize>,
}

/// Which open slots hold what: it decides how their bits are compared.
#[derive(Default, Clone)]
pub struct Roles {
    /// Operations without effect that are done as soon as they can be: more done is better.
    pub pure: Vec<u64>,
    /// Operations that are always possible, where absorption is on and there are resets.
    pub blind: Vec<u64>,
    /// All other open slots: done or not makes two configurations incomparable.
    pub exact: Vec<u64>,
}

impl Layout {
    /// `shared`: one count serves for all lanes.
    pub fn arrange(
        &mut self,
        slots: usize,
        lanes: &[Lane],
        absorbing: bool,
        tracing: bool,
        shared: bool,
    ) {
        self.tracing = tracing;
        self.shared = shared;
        let in_all = lanes.iter().map(|lane| lane.count).sum();
        self.words = slots.div_ceil(64).max(1);
        self.absorbing = absorbing;
        self.used_from = 1 + self.words * if absorbing { 2 } else { 1 };
        self.places.clear();
        self.guards.clear();
        self.stand_ins.clear();
        self.alone.clear();
        let mut next = 64;
        for lane in lanes {
            if let (true, Some(&place)) = (shared, self.places.first()) {
                self.places.push(place);
                continue;
            }
            let count = if shared { in_all } else { lane.count };
            let bits = 32 - count.leading_zeros();
            if next + bits + 1 > 64 {
                self.guards.push(0);
                next = 0;
            }
            let word = self.used_from + self.guards.len() - 1;
            *self.guards.last_mut().expect("a word was begun") |= 1 << (next + bits);
            self.places.push(Place {
                word,
                shift: next,
                mask: (1 << bits) - 1,
            });
            next += bits + 1;
        }
        self.stride = self.used_from + self.guards.len() + usize::from(tracing);
    }

    #[inline]
    pub fn state(config: &[u64]) -> u32 {
        config[0] as u32
    }

    #[inline]
    pub fn epoch(config: &[u64]) -> u32 {
        (config[0] >> 32) as u32
    }

    #[inline]
    pub fn set_state(config: &mut [u64], state: u32) {
        config[0] = config[0] & !0xffff_ffff | u64::from(state);
    }

    #[inline]
    pub fn set_epoch(config: &mut [u64], epoch: u32) {
        config[0] = config[0] & 0xffff_ffff | u64::from(epoch) << 32;
    }

    #[inline]
    pub fn done<'a>(&self, config: &'a [u64]) -> &'a [u64] {
        &config[1..=self.words]
    }

    #[inline]
    pub fn done_mut<'a>(&self, config: &'a mut [u64]) -> &'a mut [u64] {
        &mut config[1..=self.words]
    }

    #[inline]
    pub fn covered<'a>(&self, config: &'a [u64]) -> &'a [u64] {
        &config[1 + self.words..self.used_from]
    }

    #[inline]
    pub fn covered_mut<'a>(&self, config: &'a mut [u64]) -> &'a mut [u64] {
        &mut config[1 + self.words..self.used_from]
    }

    /// How many crashed operations were used, and how many others taken that are not pure: no
    /// configuration is better than one of less effort.
    pub fn effort(&self, roles: &Roles, config: &[u64]) -> usize {
        let exact = self.done(config).iter().zip(&roles.exact);
        let taken: u32 = exact.map(|(done, exact)| (done & exact).count_ones()).sum();
        self.used_in_all(config) + taken as usize
    }

    pub fn used_in_all(&self, config: &[u64]) -> usize {
        let counts = if self.shared {
            self.places.len().min(1)
        } else {
            self.places.len()
        };
        (0..counts)
            .map(|lane| self.used(config, lane) as usize)
            .sum()
    }

    /// How many lanes there are.
    pub fn lanes(&self) -> usize {
        self.places.len()
    }

    #[inline]
    pub fn used(&self, config: &[u64], lane: usize) -> u32 {
        let place = self.places[lane];
        (config[place.word] >> place.shift & place.mask) as u32
    }

    #[inline]
    pub fn use_one(&self, config: &mut [u64], lane: usize) {
        let place = self.places[lane];
        config[place.word] += 1 << place.shift;
    }

    /// Whether `a` has used no more of any lane than `b`.
    #[inline]
    pub fn uses_no_more(&self, a: &[u64], b: &[u64]) -> bool {
        let lanes = a[self.used_from..].iter().zip(&b[self.used_from..]);
        lanes
            .zip(&self.guards)
            .all(|((a, b), guard)| ((b | guard) - a) & guard == *guard)
    }

    /// Whether two configurations may be comparable at all: state and exact bits agree.
    #[inline]
    pub fn alike(&self, roles: &Roles, a: &[u64], b: &[u64]) -> bool {
        Self::state(a) == Self::state(b)
            && (0..self.words).all(|w| (a[1 + w] ^ b[1 + w]) & roles.exact[w] == 0)
    }

    /// Whether whatever can follow `b` can follow `a`, for two that are alike.
    ///
    /// An absorbed reset owes nothing and can still be used, so it is better than a used one
    /// (which has left no other trace) and than one that is not absorbed; these two cannot be
    /// compared. A read that is done is better than one that is not; among reads not done those
    /// called before the last reset are better, for they may be put before it.
    #[inline]
    pub fn at_least_as_good(&self, roles: &Roles, a: &[u64], b: &[u64]) -> bool {
        for w in 0..self.words {
            let (da, db) = (a[1 + w], b[1 + w]);
            if db & !da & roles.pure[w] != 0 {
                return false;
            }
            if self.absorbing {
                let (ca, cb) = (a[1 + self.words + w], b[1 + self.words + w]);
                let worse = (da & !db) | (db & !da & !ca) | (cb & !ca);
                if worse & roles.blind[w] != 0 || cb & !(ca | da) & roles.pure[w] != 0 {
                    return false;
                }
            }
        }
        (!self.absorbing || Self::epoch(a) >= Self::epoch(b))
            && (self.uses_no_more(a, b) || (!self.stand_ins.is_empty() && self.substitutes(a, b)))
    }

    /// Whether `a` has resets to spare, beyond those that `b` has, for all that it has used more
    /// of: a reset can stand in for any crashed operation that leads to the same state.
    fn substitutes(&self, a: &[u64], b: &[u64]) -> bool {
        let no_more = |&lane: &usize| self.used(a, lane) <= self.used(b, lane);
        self.stand_ins.iter().all(|group| {
            let more = |&lane: &usize| self.used(a, lane).saturating_sub(self.used(b, lane));
            let spare = |&lane: &usize| self.used(b, lane).saturating_sub(self.used(a, lane));
            group.resets.iter().all(no_more)
                && group.others.iter().map(more).sum::<u32>()
                    <= group.resets.iter().map(spare).sum::<u32>()
        }) && self.alone.iter().all(no_more)
    }
}
