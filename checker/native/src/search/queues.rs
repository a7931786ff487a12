//! The order of a queue, first in first out: of two values the one that was put in first is not
//! taken out last.
//!
//! After Bouajjani, Emmi, Enea and Hamza (ICALP 2015), here over closed intervals. Not both
//! `put(x)` before `put(y)` and `take(y)` before `take(x)`, where what is never taken is taken last.
//! With the rules of `items` that is enough, for a union of two interval orders has a cycle only if
//! it has one of length two: in a longer one take two steps of one order, `a -> b` and `c -> d`;
//! then `a -> d` or `c -> b` too, which makes the cycle shorter.

use super::items::{Item, Span};

/// Two values of which the later was taken out first.
pub fn out_of_order(items: &[Item]) -> Option<Vec<u32>> {
    let mut earlier: Vec<&Item> = items.iter().collect();
    earlier.sort_unstable_by_key(|item| item.put.ret);
    let mut later: Vec<(&Item, Span)> = items
        .iter()
        .filter_map(|item| Some((item, item.taken?)))
        .collect();
    later.sort_unstable_by_key(|(item, _)| item.put.call);
    let mut earlier = earlier.into_iter().peekable();
    let mut last: Option<&Item> = None;
    for (item, taken) in later {
        while let Some(before) = earlier.next_if(|before| before.put.ret < item.put.call) {
            if last.map_or(true, |last| last.leaves() < before.leaves()) {
                last = Some(before);
            }
        }
        if let Some(last) = last.filter(|last| taken.ret < last.leaves()) {
            return Some(last.rows().chain(item.rows()).collect());
        }
    }
    None
}
