//! Trees over numbered things: which is the greatest in a range, and which place nothing covers.

use std::ops::Range;

/// The value of what is not there.
const ABSENT: i64 = i64::MIN;

/// The greatest of a range. No value may be `i64::MIN`.
pub struct Peaks {
    /// How many leaves; those of the tree come last in `values`, the root is 1.
    leaves: usize,
    values: Vec<i64>,
}

impl Peaks {
    pub fn none(many: usize) -> Self {
        let leaves = many.next_power_of_two();
        Peaks {
            leaves,
            values: vec![ABSENT; 2 * leaves],
        }
    }

    pub fn of(values: impl ExactSizeIterator<Item = i64>) -> Self {
        let mut peaks = Peaks::none(values.len());
        for (number, value) in values.enumerate() {
            peaks.values[peaks.leaves + number] = value;
        }
        for node in (1..peaks.leaves).rev() {
            peaks.values[node] = peaks.values[2 * node].max(peaks.values[2 * node + 1]);
        }
        peaks
    }

    pub fn has(&self, number: usize) -> bool {
        self.values[self.leaves + number] != ABSENT
    }

    pub fn set(&mut self, number: usize, value: i64) {
        let mut node = self.leaves + number;
        self.values[node] = value;
        while node > 1 {
            node /= 2;
            self.values[node] = self.values[2 * node].max(self.values[2 * node + 1]);
        }
    }

    pub fn clear(&mut self, number: usize) {
        self.set(number, ABSENT);
    }

    /// The first of the greatest in the range, if anything is there.
    pub fn best(&self, range: Range<usize>) -> Option<usize> {
        let (mut low, mut high) = (self.leaves + range.start, self.leaves + range.end);
        let mut best = 0;
        let mut greatest = ABSENT;
        while low < high {
            if low & 1 == 1 {
                (best, greatest) = self.greater(best, greatest, low);
                low += 1;
            }
            if high & 1 == 1 {
                high -= 1;
                (best, greatest) = self.greater(best, greatest, high);
            }
            low /= 2;
            high /= 2;
        }
        if greatest == ABSENT {
            return None;
        }
        while best < self.leaves {
            best = 2 * best + usize::from(self.values[2 * best] != greatest);
        }
        Some(best - self.leaves)
    }

    fn greater(&self, best: usize, greatest: i64, node: usize) -> (usize, i64) {
        if self.values[node] > greatest {
            (node, self.values[node])
        } else {
            (best, greatest)
        }
    }
}

/// How often each place is covered.
pub struct Cover {
    leaves: usize,
    /// What was added to all of a node, and the least sum below it with that.
    added: Vec<i32>,
    least: Vec<i32>,
}

impl Cover {
    pub fn new(places: usize) -> Self {
        let leaves = places.next_power_of_two();
        Cover {
            leaves,
            added: vec![0; 2 * leaves],
            least: vec![0; 2 * leaves],
        }
    }

    pub fn add(&mut self, range: Range<usize>, count: i32) {
        self.add_below(1, 0..self.leaves, &range, count);
    }

    fn add_below(&mut self, node: usize, of: Range<usize>, range: &Range<usize>, count: i32) {
        if range.end <= of.start || of.end <= range.start {
            return;
        }
        if range.start <= of.start && of.end <= range.end {
            self.added[node] += count;
            self.least[node] += count;
            return;
        }
        let middle = (of.start + of.end) / 2;
        self.add_below(2 * node, of.start..middle, range, count);
        self.add_below(2 * node + 1, middle..of.end, range, count);
        let least = self.least[2 * node].min(self.least[2 * node + 1]);
        self.least[node] = least + self.added[node];
    }

    /// A place in the range that nothing covers.
    pub fn gap(&self, range: Range<usize>) -> Option<usize> {
        self.gap_below(1, 0..self.leaves, &range, 0)
    }

    fn gap_below(
        &self,
        node: usize,
        of: Range<usize>,
        range: &Range<usize>,
        above: i32,
    ) -> Option<usize> {
        let outside = range.end <= of.start || of.end <= range.start;
        if outside || self.least[node] + above > 0 {
            return None;
        }
        if of.len() == 1 {
            return Some(of.start);
        }
        let middle = (of.start + of.end) / 2;
        let above = above + self.added[node];
        self.gap_below(2 * node, of.start..middle, range, above)
            .or_else(|| self.gap_below(2 * node + 1, middle..of.end, range, above))
    }
}
