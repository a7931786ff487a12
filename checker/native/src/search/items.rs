//! Containers into which no value is put twice: decided by rules, in O(n log n).
//!
//! A queue, a stack or a bag, over closed intervals. All three ask that
//!
//! * a value is taken out at most once;
//! * it is taken out only if it was put in, and not before that began;
//! * who found it empty has a moment at which no value has to be inside. One has to be from the
//!   return of who put it in to the call of who took it out, both left out.
//!
//! Of a bag no more is asked; `queues` and `stacks` say what order they ask for. What was inside at
//! the beginning was put in before everything, one after another. Crashed operations need not have
//! happened:
//!
//! * one that put in what nobody took is left out. Wherever it took effect, either its value stayed
//!   inside, and so did all that came after it in a queue and all that lay under it in a stack, or a
//!   crashed operation took it out; without these the others find what they found. Another one
//!   returns never;
//! * one that took out nobody knows what is left out at first: a history that is legal so is legal.
//!   Otherwise each value that nobody took may have left at any time since the first of them was
//!   called. What is illegal even so is illegal. Between the two the rules do not say.

use std::collections::HashMap;

use super::queues;
use super::registers::{elements, Columns, Values};
use super::rules::Verdict;
use super::schedule::{NEVER, NONE};
use super::stacks;
use super::table::FastMap;

/// Before everything: what is inside at the beginning was put in from here on.
const BEGINNING: i64 = i64::MIN + 1;

/// Which container it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// First in, first out.
    Queue,
    /// Last in, first out.
    Stack,
    /// In no order.
    Bag,
}

impl Kind {
    /// By the name of its rules.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "queue" => Some(Kind::Queue),
            "stack" => Some(Kind::Stack),
            "unordered-queue" => Some(Kind::Bag),
            _ => None,
        }
    }

    fn verbs(self) -> [&'static [u8]; 2] {
        match self {
            Kind::Stack => [b"\"push\"", b"\"pop\""],
            _ => [b"\"enqueue\"", b"\"dequeue\""],
        }
    }

    fn unknown(self) -> &'static str {
        match self {
            Kind::Queue => "an operation is none of a queue",
            Kind::Stack => "an operation is none of a stack",
            Kind::Bag => "an operation is none of an unordered queue",
        }
    }

    /// Why it is not decided: what nobody knows may matter.
    fn crashed(self) -> &'static str {
        match self {
            Kind::Stack => "a pop crashed that may matter",
            _ => "a dequeue crashed that may matter",
        }
    }
}

/// An operation: its row and its interval.
#[derive(Clone, Copy)]
pub struct Span {
    pub row: u32,
    pub call: i64,
    pub ret: i64,
}

/// A value, by who put it in and who took it out.
#[derive(Clone, Copy)]
pub struct Item {
    pub put: Span,
    pub taken: Option<Span>,
    /// Since when it may have left where nobody took it: NEVER, if no such operation crashed.
    left: i64,
}

impl Item {
    /// When it begins to be taken out at the earliest.
    pub fn leaves(&self) -> i64 {
        self.taken.map_or(self.left, |taken| taken.call)
    }

    /// When it is out at the latest.
    pub fn gone(&self) -> i64 {
        self.taken.map_or(NEVER, |taken| taken.ret)
    }

    pub fn rows(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.put.row).chain(self.taken.map(|taken| taken.row))
    }
}

/// Reads and judges containers, one after another.
pub struct Containers<'a> {
    kind: Kind,
    columns: Columns<'a>,
    values: Values<'a>,
    fail: i32,
    info: i32,
    /// What is inside at the beginning, the oldest first, by the numbers of the values.
    initial: Vec<u32>,
    /// By the number of the name: 1 for putting in, 2 for taking out, 0 for neither.
    verbs: FastMap<u32, u8>,
    /// When each process returned last.
    returned: FastMap<u64, i64>,
    /// The place in `items` of each value.
    item_of: FastMap<u32, usize>,
    items: Vec<Item>,
    taken: Vec<(u32, Span)>,
    empty: Vec<Span>,
    /// The first call of an operation that took out nobody knows what.
    unknown: i64,
}

impl<'a> Containers<'a> {
    /// `initial` is a canonical JSON list.
    pub fn new(
        kind: Kind,
        columns: Columns<'a>,
        values: Values<'a>,
        (fail, info): (i32, i32),
        initial: &'a [u8],
    ) -> Self {
        let initial = numbered(&values, initial);
        Containers {
            kind,
            columns,
            values,
            fail,
            info,
            initial,
            verbs: FastMap::default(),
            returned: FastMap::default(),
            item_of: FastMap::default(),
            items: Vec::new(),
            taken: Vec::new(),
            empty: Vec::new(),
            unknown: NEVER,
        }
    }

    /// Judges the container of these rows, which are in order of invocation.
    pub fn judge(&mut self, rows: &[u32]) -> (Verdict, bool) {
        if let Err(reason) = self.read_all(rows) {
            return (Verdict::Inapplicable(reason), false);
        }
        let observed = !self.taken.is_empty() || !self.empty.is_empty();
        let verdict = if let Some(rows) = self.take() {
            Verdict::Illegal(self.told(rows))
        } else {
            match self.wrong() {
                None => Verdict::Legal,
                Some(rows) if self.unknown == NEVER => Verdict::Illegal(self.told(rows)),
                Some(_) => self.judge_leaving(),
            }
        };
        (verdict, observed)
    }

    /// The verdict where a crashed operation may have taken anything.
    fn judge_leaving(&mut self) -> Verdict {
        for item in &mut self.items {
            item.left = self.unknown;
        }
        match self.wrong() {
            Some(rows) => Verdict::Illegal(self.told(rows)),
            None => Verdict::Inapplicable(self.kind.crashed()),
        }
    }

    fn wrong(&self) -> Option<Vec<u32>> {
        let order = match self.kind {
            Kind::Queue => queues::out_of_order(&self.items),
            Kind::Stack => stacks::not_nested(&self.items),
            Kind::Bag => None,
        };
        order.or_else(|| self.never_empty())
    }

    /// Rows that are illegal alone: with them whoever took what was inside at the beginning, for
    /// without that it would still be there.
    fn told(&self, mut rows: Vec<u32>) -> Vec<u32> {
        let began = self.items.iter().filter(|item| item.put.row == NONE);
        rows.extend(began.flat_map(Item::rows));
        rows.sort_unstable();
        rows.dedup();
        rows.retain(|&row| row != NONE);
        rows
    }

    fn read_all(&mut self, rows: &[u32]) -> Result<(), &'static str> {
        self.returned.clear();
        self.item_of.clear();
        self.items.clear();
        self.taken.clear();
        self.empty.clear();
        self.unknown = NEVER;
        for place in 0..self.initial.len() {
            let at = BEGINNING + place as i64;
            let put = Span {
                row: NONE,
                call: at,
                ret: at,
            };
            self.put(self.initial[place], put)?;
        }
        rows.iter().try_for_each(|&row| self.read(row))
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
            1 => self.put(self.columns.input[at] as u32, span)?,
            2 if crashed => self.unknown = self.unknown.min(call),
            2 => match self.columns.output[at] as u32 {
                0 => self.empty.push(span),
                value => self.taken.push((value, span)),
            },
            _ => return Err(self.kind.unknown()),
        }
        Ok(())
    }

    fn put(&mut self, value: u32, put: Span) -> Result<(), &'static str> {
        if value == 0 {
            return Err("null is put in");
        }
        if self.item_of.insert(value, self.items.len()).is_some() {
            return Err("a value is put in twice");
        }
        self.items.push(Item {
            put,
            taken: None,
            left: NEVER,
        });
        Ok(())
    }

    fn verb(&mut self, f: i32) -> u8 {
        let (values, [puts, takes]) = (&self.values, self.kind.verbs());
        *self
            .verbs
            .entry(f as u32)
            .or_insert_with(|| match values.text(f) {
                text if text == puts => 1,
                text if text == takes => 2,
                _ => 0,
            })
    }

    /// Takes the values out. Rows that are illegal alone: one that was taken twice, or too early.
    fn take(&mut self) -> Option<Vec<u32>> {
        let mut wrong = None;
        for &(value, taken) in &self.taken {
            let Some(&place) = self.item_of.get(&value) else {
                wrong.get_or_insert_with(|| vec![taken.row]);
                continue;
            };
            let item = &mut self.items[place];
            if item.taken.is_some() || taken.ret < item.put.call {
                wrong.get_or_insert_with(|| item.rows().chain([taken.row]).collect());
            } else {
                item.taken = Some(taken);
            }
        }
        self.items
            .retain(|item| item.put.ret != NEVER || item.taken.is_some());
        wrong
    }

    /// Who found it empty although at every moment some value had to be inside, and values
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

/// The numbers of the elements of a canonical JSON list; new ones for what no operation names.
fn numbered(values: &Values, list: &[u8]) -> Vec<u32> {
    let elements = elements(list).unwrap_or_default();
    if elements.is_empty() {
        return Vec::new();
    }
    let all = 0..values.ends.len() as i32;
    let mut numbers: HashMap<&[u8], u32> = all
        .map(|number| (values.text(number), number as u32))
        .collect();
    let mut number = |text| {
        let next = numbers.len() as u32;
        *numbers.entry(text).or_insert(next)
    };
    elements.into_iter().map(&mut number).collect()
}
