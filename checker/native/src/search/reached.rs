//! How far the searches of one object came, for whoever is told that nobody knows.

use super::ladder::{Found, Rung};

/// The best of all rounds. The last search of all may have had no steps left: what it tells of
/// itself, one configuration and no return passed, says nothing of how hard the history is.
#[derive(Clone, Copy, Default)]
pub struct Reached {
    /// The most returns that any way passed which allows no more than the model, and the row of the
    /// next.
    passed: usize,
    row: Option<u32>,
    /// Of the walk over everything: the most returns that it passed, the configurations that it held
    /// there, and the most that it held at once.
    walked: Option<usize>,
    held: usize,
    widest: usize,
}

impl Reached {
    /// Remembers what one search came to.
    pub fn note<E>(&mut self, found: &Found<E>) {
        if matches!(found.rung, Rung::Exact | Rung::Dived) {
            self.pass(found.passed, found.row);
        }
        if found.rung == Rung::Exact {
            self.walk(found.passed, found.frontier, found.widest);
        }
    }

    /// Joins what another thread came to.
    pub fn join(&mut self, other: &Reached) {
        self.pass(other.passed, other.row);
        if let Some(walked) = other.walked {
            self.walk(walked, other.held, other.widest);
        }
    }

    /// Tells it instead of what the last search came to.
    pub fn tell<E>(&self, found: &mut Found<E>) {
        if self.row.is_some() {
            (found.passed, found.row) = (self.passed, self.row);
        }
        if let Some(walked) = self.walked {
            (found.walked, found.frontier, found.widest) = (Some(walked), self.held, self.widest);
        }
    }

    /// Whether no search has told how far it came.
    pub fn is_nothing(&self) -> bool {
        self.row.is_none()
    }

    fn pass(&mut self, passed: usize, row: Option<u32>) {
        if self.row.is_none() || passed > self.passed {
            (self.passed, self.row) = (passed, row);
        }
    }

    fn walk(&mut self, passed: usize, held: usize, widest: usize) {
        if self
            .walked
            .map_or(true, |walked| (walked, self.held) < (passed, held))
        {
            (self.walked, self.held) = (Some(passed), held);
        }
        self.widest = self.widest.max(widest).max(held);
    }
}
