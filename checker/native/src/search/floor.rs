//! What a search depth first knows at one return.

use std::collections::VecDeque;

use super::antichain::Antichain;
use super::space::{memory_of, Space};

/// What is known at one return. It is kept when the search comes past and when it comes back, so
/// nothing is expanded twice there: what came to the same return on another way, no better, led
/// nowhere or is still on the stack.
#[derive(Default)]
pub struct Floor {
    visited: Antichain,
    landed: Antichain,
    levels: Vec<VecDeque<usize>>,
    reached: Antichain,
    /// Configurations that came out and were not gone on with, one after another, the best last.
    pub waiting: Vec<u64>,
}

impl Floor {
    /// Whether more may come out without more going in.
    pub fn is_pending(&self) -> bool {
        !self.waiting.is_empty() || self.levels.iter().any(|level| !level.is_empty())
    }

    fn memory(&self) -> usize {
        let sets = [&self.visited, &self.landed, &self.reached];
        let sets: usize = sets.iter().map(|set| set.memory()).sum();
        let waiting = self.waiting.capacity() * 8;
        sets + waiting + memory_of(&self.levels) + std::mem::size_of::<Self>()
    }

    /// Forgets what only spares work: everything, or all but what is still to be expanded.
    fn thin(&mut self) {
        self.reached = Antichain::default();
        self.landed = Antichain::default();
        if !self.is_pending() {
            *self = Floor::default();
        }
    }
}

impl Space {
    /// Puts what is known at a return where the search works on it, or back.
    fn swap_floor(&mut self, number: usize) {
        let floor = &mut self.floors[number];
        std::mem::swap(&mut floor.visited, &mut self.visited);
        std::mem::swap(&mut floor.landed, &mut self.landed);
        std::mem::swap(&mut floor.levels, &mut self.levels);
        std::mem::swap(&mut floor.reached, &mut self.reached);
    }

    /// Takes up what is known at a return.
    pub fn take_up(&mut self, number: usize) {
        while self.floors.len() <= number {
            self.floors.push(Floor::default());
            self.held += self.floors[self.floors.len() - 1].memory();
        }
        self.held -= self.floors[number].memory();
        self.swap_floor(number);
    }

    /// Lays it down again.
    pub fn lay_down(&mut self, number: usize) {
        self.swap_floor(number);
        self.held += self.floors[number].memory();
    }

    /// Forgets what is known at a return to which the search never comes back.
    pub fn forget_floor(&mut self, number: usize) {
        self.held -= self.floors[number].memory();
        self.floors[number] = Floor::default();
        self.held += self.floors[number].memory();
    }

    /// Gives back at least so many bytes, if there are, of what spares work at other returns than
    /// this one: first where nothing is left to be expanded, and first what is far away, for the
    /// search comes back to it last. What is to be expanded stays, so every way is still tried,
    /// each once from where it branches: the search ends, later.
    pub fn evict(&mut self, number: usize, bytes: usize) {
        let least = Floor::default().memory();
        let mut order: Vec<usize> = (0..self.floors.len())
            .filter(|&other| other != number && self.floors[other].memory() > least)
            .collect();
        order.sort_by_key(|&other| {
            let far = std::cmp::Reverse(other.abs_diff(number));
            (self.floors[other].is_pending(), far)
        });
        let mut given = 0;
        for other in order {
            if given >= bytes {
                return;
            }
            let before = self.floors[other].memory();
            self.floors[other].thin();
            let after = self.floors[other].memory();
            given += before - after;
            self.held -= before - after;
        }
    }
}
