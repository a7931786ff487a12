//! The order of a stack, last in first out: values lie one inside the other, or one after another.
//!
//! A value *has to be inside* from the return of its push to the call of its pop, both left out; of
//! what nobody popped the pop comes after everything. A value that never has to be inside can be
//! popped at once where it was pushed, which nobody else sees: it is left out.
//!
//! **Where no value has to be inside the stack may as well be empty.** Let an order be given and t be
//! such a moment. What is inside then was either pushed by an operation that has not returned before
//! t, so push it right after t; or popped by one that was called by t, so pop it right before.
//! Pushes go on in their order, and so do pops, so each is still the match of the other. So the
//! stretches in which some value has to be inside at every moment are independent of each other, and
//! all operations of an earlier one may come before all of a later one: each of a later one returns
//! when its stretch begins or after, each of an earlier one is called when its own ends or before.
//!
//! **In one stretch the stack is never empty**, so what is pushed first is popped last. It was called
//! by the first return of a push, and popped by an operation that returned when the last pop was
//! called or after. And *whichever* value is so can be put around all others, in whatever order
//! these are: no push returned before it was called, nor did any pop, since its push did not; and
//! likewise at the end. So one such value is taken away, and the rest, which may fall apart into
//! several stretches, is looked at in the same way. Taking values away makes no order impossible. If
//! no value is so the history is illegal, and so is what a chain of values that reaches from the
//! first push to the last pop tells alone.
//!
//! With trees over the values each is found and taken away in O(log n).

use super::items::Item;
use super::peaks::{Cover, Peaks};

/// A value that has to be inside for a while.
struct Held {
    /// Which of the items it is.
    item: usize,
    /// It has to be inside between these.
    from: i64,
    to: i64,
    /// When its push was called, and when its pop returned.
    enters: i64,
    gone: i64,
    /// What it covers of all moments that differ: see `places`.
    begin: usize,
    end: usize,
}

/// Rows of values that fit into no stack, if there are any.
pub fn not_nested(items: &[Item]) -> Option<Vec<u32>> {
    let mut held: Vec<Held> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.put.ret < item.leaves())
        .map(|(number, item)| Held {
            item: number,
            from: item.put.ret,
            to: item.leaves(),
            enters: item.put.call,
            gone: item.gone(),
            begin: 0,
            end: 0,
        })
        .collect();
    held.sort_unstable_by_key(|held| (held.from, held.to));
    let places = place(&mut held);
    let chain = Nest::new(held, places).peel()?;
    Some(chain.into_iter().flat_map(|n| items[n].rows()).collect())
}

/// Numbers the moments: stamps have even numbers, what lies between two has the odd one between.
/// Answers how many there are.
fn place(held: &mut [Held]) -> usize {
    let mut stamps: Vec<i64> = held.iter().flat_map(|h| [h.from, h.to]).collect();
    stamps.sort_unstable();
    stamps.dedup();
    let number = |stamp| 2 * stamps.partition_point(|&other| other < stamp);
    for held in held {
        held.begin = number(held.from) + 1;
        held.end = number(held.to);
    }
    2 * stamps.len()
}

/// Values in order of their first moments, and trees over them; those taken away are in none.
struct Nest {
    held: Vec<Held>,
    /// By the first moment, the earliest on top.
    first: Peaks,
    /// By the last moment.
    last: Peaks,
    /// Those that are known to be pushed early enough, by the return of the pop.
    early: Peaks,
    /// The others by the call of the push, the earliest on top.
    late: Peaks,
    /// How many values cover each moment.
    cover: Cover,
}

impl Nest {
    fn new(held: Vec<Held>, places: usize) -> Self {
        let mut cover = Cover::new(places);
        for one in &held {
            cover.add(one.begin..one.end, 1);
        }
        Nest {
            // `!` turns the order round, and never overflows.
            first: Peaks::of(held.iter().map(|h| !h.from)),
            last: Peaks::of(held.iter().map(|h| h.to)),
            early: Peaks::none(held.len()),
            late: Peaks::of(held.iter().map(|h| !h.enters)),
            held,
            cover,
        }
    }

    /// Takes values away from outside to inside. Those of a chain that fits into no stack, if there
    /// are any.
    fn peel(&mut self) -> Option<Vec<usize>> {
        let mut todo = vec![(0, self.held.len())];
        while let Some((low, high)) = todo.pop() {
            let (Some(first), Some(last)) = (self.first.best(low..high), self.last.best(low..high))
            else {
                continue;
            };
            if let Some(gap) = self.cover.gap(self.held[first].begin..self.held[last].end) {
                let right = self.held[low..high].partition_point(|held| held.begin <= gap);
                todo.extend([(low, low + right), (low + right, high)]);
                continue;
            }
            match self.outermost(low, high, first, last) {
                Some(outermost) => {
                    self.take_away(outermost);
                    todo.push((low, high));
                }
                None => return Some(self.chain(low, high, first, last)),
            }
        }
        None
    }

    /// A value that can lie around all others of a stretch.
    fn outermost(&mut self, low: usize, high: usize, first: usize, last: usize) -> Option<usize> {
        // What is early enough in a stretch is so in each of those that it falls apart into.
        while let Some(next) = self.late.best(low..high) {
            if self.held[next].enters > self.held[first].from {
                break;
            }
            self.late.clear(next);
            self.early.set(next, self.held[next].gone);
        }
        let outermost = self.early.best(low..high)?;
        (self.held[outermost].gone >= self.held[last].to).then_some(outermost)
    }

    fn take_away(&mut self, number: usize) {
        for tree in [&mut self.first, &mut self.last, &mut self.early] {
            tree.clear(number);
        }
        let held = &self.held[number];
        self.cover.add(held.begin..held.end, -1);
    }

    /// Few values of a stretch, each of which has to be inside when the next comes.
    fn chain(&self, low: usize, high: usize, first: usize, last: usize) -> Vec<usize> {
        let there = (low..high).filter(|&number| self.last.has(number));
        let mut there = there.map(|number| &self.held[number]).peekable();
        let mut chain = vec![self.held[first].item];
        let mut until = self.held[first].to;
        while until < self.held[last].to {
            let mut longest: Option<&Held> = None;
            while let Some(one) = there.next_if(|one| one.from < until) {
                if longest.map_or(true, |longest| longest.to < one.to) {
                    longest = Some(one);
                }
            }
            let next = longest.expect("every moment of the stretch is covered");
            chain.push(next.item);
            until = next.to;
        }
        chain
    }
}
