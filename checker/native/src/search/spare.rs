//! Buffers of a search that is over, kept for the next one in the same thread. Many histories are
//! small, and to allocate takes longer than to search them.

use std::cell::RefCell;

use super::schedule::Schedule;
use super::space::Space;

/// Larger ones (bytes) are given back to the system.
const KEPT_MAX: usize = 1 << 20;

#[derive(Default)]
pub struct Buffers {
    pub space: Space,
    pub schedule: Schedule,
}

thread_local! {
    static KEPT: RefCell<Buffers> = RefCell::default();
}

/// What the last search left, or new ones. Each search clears them when it begins.
pub fn take() -> Buffers {
    KEPT.with_borrow_mut(std::mem::take)
}

/// Keeps buffers for the next search.
pub fn keep(buffers: Buffers) {
    if buffers.space.memory() + buffers.schedule.memory() <= KEPT_MAX {
        // A thread that ends keeps nothing.
        let _ = KEPT.try_with(|kept| *kept.borrow_mut() = buffers);
    }
}
