//! Queues in which no value is put in twice: decided by four rules, in O(n log n).
//!
//! The rules are those of Bouajjani, Emmi, Enea and Hamza (ICALP 2015), here over closed intervals
//! and with crashed enqueues:
//!
//! * a value is taken out at most once;
//! * it is taken out only if it was put in, and not before that began;
//! * of two values the one that was put in first is not taken out last: not both `put(x)` before
//!   `put(y)` and `take(y)` before `take(x)`, where what is never taken is taken last;
//! * who found the queue empty has a moment at which no value has to be inside. One has to be from
//!   the return of its enqueue to the call of its dequeue, both left out.
//!
//! Four are enough, for a union of two interval orders has a cycle only if it has one of length
//! two: in a longer one take two steps of one order, `a -> b` and `c -> d`; then `a -> d` or
//! `c -> b` too, which makes the cycle shorter. A crashed enqueue whose value nobody took need not
//! have happened, another returns never. A crashed dequeue took nobody knows what: rules cannot say.

use super::registers::{Columns, Values};
use super::rules::Verdict;
use super::schedule::NEVER;
use super::table::FastMap;

/// An operation: its row and its interval.
#[derive(Clone, Copy)]
struct Span {
    row: u32,
    call: i64,
    ret: i64,
}

/// A value, by who put it in and who took it out.
#[derive(Clone, Copy)]
struct Item {
    put: Span,
    taken: Option<Span>,
}

impl Item {
    /// When it begins to be taken out at the earliest.
    fn leaves(&self) -> i64 {
        self.taken.map_or(NEVER, |taken| taken.call)
    }

    fn rows(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.put.row).chain(self.taken.map(|taken| taken.row))
    }
}

pub struct Queues<'a> {
    columns: Columns<'a>,
    values: Values<'a>,
    fail: i32,
    info: i32,
    /// By the number of the name: 1 for an enqueue, 2 for a dequeue, 0 for neither.
    verbs: FastMap<u32, u8>,
    /// When each process returned last.
    returned: FastMap<u64, i64>,
    /// The place in `items` of each value.
    item_of: FastMap<u32, usize>,
    items: Vec<Item>,
    taken: Vec<(u32, Span)>,
    empty: Vec<Span>,
}

impl<'a> Queues<'a> {
    pub fn new(columns: Columns<'a>, values: Values<'a>, (fail, info): (i32, i32)) -> Self {
        Queues {
            columns,
            values,
            fail,
            info,
            verbs: FastMap::default(),
            returned: FastMap::default(),
            item_of: FastMap::default(),
            items: Vec::new(),
            taken: Vec::new(),
            empty: Vec::new(),
        }
    }

    /// Judges the queue of these rows, which are in order of invocation; empty at the beginning.
    pub fn judge(&mut self, rows: &[u32]) -> (Verdict, bool) {
        self.returned.clear();
        self.item_of.clear();
        self.items.clear();
        self.taken.clear();
        self.empty.clear();
        for &row in rows {
            if let Err(reason) = self.read(row) {
                return (Verdict::Inapplicable(reason), false);
            }
        }
        let observed = !self.taken.is_empty() || !self.empty.is_empty();
        let illegal = self
            .take()
            .or_else(|| self.out_of_order())
            .or_else(|| self.never_empty());
        (illegal.map_or(Verdict::Legal, Verdict::Illegal), observed)
    }

    fn read(&mut self, row: u32) -> Result<(), &'static str> {
        let at = row as usize;
        if self.columns.outcome[at] == self.fail {
            return Ok(());
        }
        let crashed = self.columns.outcome[at] == self.info || self.columns.ret[at] == NEVER;
        let call = self.columns.call[at];
        let ret = if crashed { NEVER } else { self.columns.ret[at] };
        let process = self.columns.process[at] as u64;
        if self.returned.insert(process, ret) == Some(call) {
            return Err("operations of one process touch");
        }
        let span = Span { row, call, ret };
        match self.verb(self.columns.f[at]) {
            1 => self.put(self.columns.input[at] as u32, span),
            2 if crashed => Err("a dequeue crashed"),
            2 => {
                match self.columns.output[at] as u32 {
                    0 => self.empty.push(span),
                    value => self.taken.push((value, span)),
                }
                Ok(())
            }
            _ => Err("an operation is none of a queue"),
        }
    }

    fn put(&mut self, value: u32, put: Span) -> Result<(), &'static str> {
        if value == 0 {
            return Err("null is put in");
        }
        if self.item_of.insert(value, self.items.len()).is_some() {
            return Err("a value is put in twice");
        }
        self.items.push(Item { put, taken: None });
        Ok(())
    }

    fn verb(&mut self, f: i32) -> u8 {
        let values = &self.values;
        *self
            .verbs
            .entry(f as u32)
            .or_insert_with(|| match values.text(f) {
                b"\"enqueue\"" => 1,
                b"\"dequeue\"" => 2,
                _ => 0,
            })
    }

    /// Takes the values out. Rows that are illegal alone: one that was taken twice, or too early.
    fn take(&mut self) -> Option<Vec<u32>> {
        for &(value, taken) in &self.taken {
            let Some(&place) = self.item_of.get(&value) else {
                return Some(vec![taken.row]);
            };
            let item = &mut self.items[place];
            if item.taken.is_some() || taken.ret < item.put.call {
                return Some(item.rows().chain([taken.row]).collect());
            }
            item.taken = Some(taken);
        }
        self.items
            .retain(|item| item.put.ret != NEVER || item.taken.is_some());
        None
    }

    /// Two values of which the later was taken out first.
    fn out_of_order(&self) -> Option<Vec<u32>> {
        let mut earlier: Vec<&Item> = self.items.iter().collect();
        earlier.sort_unstable_by_key(|item| item.put.ret);
        let mut later: Vec<(&Item, Span)> = self
            .items
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

    /// Who found the queue empty although at every moment some value had to be inside, and values
    /// that were, one after another.
    fn never_empty(&self) -> Option<Vec<u32>> {
        let mut inside: Vec<(i64, i64, &Item)> = self
            .items
            .iter()
            .map(|item| (item.put.ret, item.leaves(), item))
            .filter(|(from, to, _)| from < to)
            .collect();
        inside.sort_unstable_by_key(|&(from, to, _)| (from, to));
        // Where the intervals are joined: those that only touch leave the moment between.
        let mut joined: Vec<(i64, i64)> = Vec::new();
        for &(from, to, _) in &inside {
            match joined.last_mut() {
                Some(last) if from < last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        let covered = |span: &&Span| {
            let after = joined.partition_point(|&(from, _)| from < span.call);
            after > 0 && span.ret < joined[after - 1].1
        };
        let span = self.empty.iter().find(covered)?;
        let mut rows = vec![span.row];
        let (mut until, mut next) = (span.call, inside.iter().peekable());
        while until <= span.ret {
            let mut longest: Option<&(i64, i64, &Item)> = None;
            while let Some(one) = next.next_if(|&&(from, _, _)| from < until) {
                if longest.map_or(true, |longest| longest.1 < one.1) {
                    longest = Some(one);
                }
            }
            let &(_, to, item) = longest.expect("the interval is covered");
            rows.extend(item.rows());
            until = to;
        }
        Some(rows)
    }
}
