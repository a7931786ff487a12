//! Registers in which no value is written twice: decided by zones, in O(n log n).
//!
//! After Gibbons and Korach (SIAM J. Comput. 1997) and Golab, Li and Shah (PODC 2011), extended to
//! compare-and-sets that took place and to crashed writers. A cluster is a writer with the reads of
//! its value. A compare-and-set writes its new value right after the cluster of its old one, so
//! clusters join to blocks, in each of which the order is known. A block has to come before another
//! if one of its operations returned before one of the other was called: with f its first return
//! and g its last call, f(A) < g(B). Any cycle of that relation holds one of length two, so it is
//! enough that no two blocks have to come before each other.

use std::collections::{BTreeSet, HashMap};

use super::budget::Budget;
use super::marks::Marks;
use super::rules::{Verdict, LATE, LOOK_EVERY};
use super::schedule::{NEVER, NONE};

/// Before everything: the stamps of the writer of the initial value.
const BEGINNING: i64 = i64::MIN;

/// An operation of a register as zones see it.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub row: u32,
    pub process: u32,
    pub call: i64,
    pub ret: i64,
    /// The value that was read, and the one that was written; NONE for neither.
    pub reads: u32,
    pub writes: u32,
}

/// A writer and the readers of its value.
#[derive(Clone, Copy)]
struct Cluster {
    /// Its writer, and the cluster of the value that the writer read.
    writer: u32,
    from: u32,
    /// The cluster of the value that was swapped in for this one.
    to: u32,
    /// First return and last call, each with its operation.
    first: (i64, u32),
    last: (i64, u32),
}

impl Cluster {
    fn beginning() -> Self {
        Cluster {
            writer: NONE,
            from: NONE,
            to: NONE,
            first: (BEGINNING, NONE),
            last: (BEGINNING, NONE),
        }
    }

    fn of(writer: u32, access: &Access) -> Self {
        let (first, last) = ((access.ret, writer), (access.call, writer));
        Cluster {
            writer,
            first,
            last,
            ..Cluster::beginning()
        }
    }

    fn add(&mut self, reader: u32, access: &Access) {
        self.first = self.first.min((access.ret, reader));
        self.last = self.last.max((access.call, reader));
    }
}

/// Joined clusters: first return and last call of all, each with its operation.
#[derive(Clone, Copy)]
struct Block {
    first: (i64, u32),
    last: (i64, u32),
}

impl Block {
    fn is_forward(&self) -> bool {
        self.first.0 < self.last.0
    }
}

struct Register<'a> {
    accesses: &'a [Access],
    clusters: Vec<Cluster>,
    /// The cluster of a value; that of the initial value is 0.
    cluster_of: &'a mut Marks,
}

/// Buffers, kept from one register to the next.
#[derive(Default)]
pub struct Zones {
    returned: Marks,
    writer_of: Marks,
    cluster_of: Marks,
}

impl Zones {
    /// Judges one register by its accesses, in order of invocation. Crashed reads are left out;
    /// processes are numbered from 0. A single register may hold all of a long history, so it is
    /// seen within one whether there is time left.
    pub fn judge(&mut self, accesses: &[Access], initial: u32, budget: &Budget) -> Verdict {
        if self.touching(accesses) {
            return Verdict::Inapplicable("operations of one process touch");
        }
        if accesses.len() >= LOOK_EVERY && budget.is_late() {
            return Verdict::Inapplicable(LATE);
        }
        let kept = match self.without_the_unobserved(accesses, initial) {
            Ok(kept) => kept,
            Err(reason) => return Verdict::Inapplicable(reason),
        };
        self.cluster_of.clear();
        self.cluster_of.set(initial, 0);
        let mut register = Register {
            accesses: &kept,
            clusters: vec![Cluster::beginning()],
            cluster_of: &mut self.cluster_of,
        };
        register.judge(budget)
    }

    /// Whether a process called an operation at the very stamp at which its last one returned: the
    /// order of these two is not one of stamps.
    fn touching(&mut self, accesses: &[Access]) -> bool {
        self.returned.clear();
        accesses.iter().enumerate().any(|(place, access)| {
            let last = self.returned.get(access.process);
            self.returned.set(access.process, place as u32);
            last.is_some_and(|last| accesses[last as usize].ret == access.call)
        })
    }

    /// Leaves out crashed writers whose value nobody saw: they need not have happened. Refuses
    /// values that are written twice, and the initial one among them.
    fn without_the_unobserved(
        &mut self,
        accesses: &[Access],
        initial: u32,
    ) -> Result<Vec<Access>, &'static str> {
        self.writer_of.clear();
        for (place, access) in accesses.iter().enumerate() {
            if access.writes == NONE {
                continue;
            }
            if access.writes == initial {
                return Err("the initial value is written");
            }
            if self.writer_of.get(access.writes).is_some() {
                return Err("a value is written twice");
            }
            self.writer_of.set(access.writes, place as u32);
        }
        if accesses.iter().all(|access| access.ret != NEVER) {
            return Ok(accesses.to_vec());
        }
        let mut needed: Vec<bool> = accesses.iter().map(|access| access.ret != NEVER).collect();
        let mut todo: Vec<usize> = (0..accesses.len()).filter(|&place| needed[place]).collect();
        while let Some(place) = todo.pop() {
            let read = accesses[place].reads;
            let writer = if read == NONE {
                None
            } else {
                self.writer_of.get(read)
            };
            if let Some(writer) = writer.map(|writer| writer as usize) {
                if !needed[writer] {
                    needed[writer] = true;
                    todo.push(writer);
                }
            }
        }
        let kept = accesses.iter().zip(needed).filter(|(_, needed)| *needed);
        Ok(kept.map(|(access, _)| *access).collect())
    }
}

impl Register<'_> {
    fn judge(&mut self, budget: &Budget) -> Verdict {
        self.make_clusters();
        for place in 0..self.accesses.len() {
            if place % LOOK_EVERY == LOOK_EVERY - 1 && budget.is_late() {
                return Verdict::Inapplicable(LATE);
            }
            if let Some(rows) = self.place(place as u32) {
                return Verdict::Illegal(rows);
            }
        }
        let blocks = match self.blocks() {
            Ok(blocks) if blocks.len() >= LOOK_EVERY && budget.is_late() => {
                return Verdict::Inapplicable(LATE)
            }
            Ok(blocks) => blocks,
            Err(rows) => return Verdict::Illegal(rows),
        };
        match conflict(blocks) {
            None => Verdict::Legal,
            Some((a, b)) => {
                Verdict::Illegal(self.rows(vec![a.first.1, a.last.1, b.first.1, b.last.1]))
            }
        }
    }

    fn make_clusters(&mut self) {
        for (place, access) in self.accesses.iter().enumerate() {
            if access.writes != NONE {
                self.cluster_of
                    .set(access.writes, self.clusters.len() as u32);
                self.clusters.push(Cluster::of(place as u32, access));
            }
        }
    }

    /// Puts what an access read where it belongs.
    fn place(&mut self, place: u32) -> Option<Vec<u32>> {
        let access = self.accesses[place as usize];
        if access.reads == NONE {
            return None;
        }
        let Some(cluster) = self.cluster_of.get(access.reads) else {
            return Some(self.rows(vec![place]));
        };
        if access.writes == NONE {
            let writer = self.clusters[cluster as usize].writer;
            if writer != NONE && access.ret < self.accesses[writer as usize].call {
                return Some(self.rows(vec![place]));
            }
            self.clusters[cluster as usize].add(place, &access);
            return None;
        }
        let swapped = self.cluster_of.get(access.writes)?;
        let other = std::mem::replace(&mut self.clusters[cluster as usize].to, swapped);
        if other != NONE {
            return Some(self.rows(vec![place, self.clusters[other as usize].writer]));
        }
        self.clusters[swapped as usize].from = cluster;
        None
    }

    /// Joins clusters along compare-and-sets; in a block each cluster comes after those before it.
    fn blocks(&self) -> Result<Vec<Block>, Vec<u32>> {
        let mut blocks = Vec::new();
        let mut joined = 0;
        for root in self.clusters.iter().filter(|cluster| cluster.from == NONE) {
            let mut block = Block {
                first: root.first,
                last: root.last,
            };
            let mut next = root.to;
            joined += 1;
            while next != NONE {
                let cluster = &self.clusters[next as usize];
                if cluster.first.0 < block.last.0 {
                    return Err(self.rows(vec![cluster.first.1, block.last.1]));
                }
                block.first = block.first.min(cluster.first);
                block.last = block.last.max(cluster.last);
                next = cluster.to;
                joined += 1;
            }
            blocks.push(block);
        }
        if joined == self.clusters.len() {
            return Ok(blocks);
        }
        Err(self.circle())
    }

    /// Compare-and-sets of which each needs the value of the next.
    fn circle(&self) -> Vec<u32> {
        let mut seen = vec![false; self.clusters.len()];
        for root in (0..self.clusters.len()).filter(|&c| self.clusters[c].from == NONE) {
            let mut at = root as u32;
            while at != NONE {
                seen[at as usize] = true;
                at = self.clusters[at as usize].to;
            }
        }
        let start = seen
            .iter()
            .position(|&seen| !seen)
            .expect("some cluster was not joined");
        self.rows(vec![self.clusters[start].writer])
    }

    /// The rows of these operations and of all that makes them matter: the writers that what they
    /// read comes from, and for a crashed writer somebody who read its value, without whom it need
    /// not have happened.
    fn rows(&self, mut todo: Vec<u32>) -> Vec<u32> {
        let mut kept = BTreeSet::new();
        let readers = self.readers();
        while let Some(place) = todo.pop() {
            if place == NONE || !kept.insert(place) {
                continue;
            }
            let access = &self.accesses[place as usize];
            if access.reads != NONE {
                let cluster = self.cluster_of.get(access.reads);
                todo.extend(cluster.map(|cluster| self.clusters[cluster as usize].writer));
            }
            if access.ret == NEVER {
                todo.extend(readers.get(&access.writes));
            }
        }
        kept.into_iter()
            .map(|place| self.accesses[place as usize].row)
            .collect()
    }

    /// Somebody who read each value; the first who returned, if there is one.
    fn readers(&self) -> HashMap<u32, u32> {
        let mut readers = HashMap::new();
        for (place, access) in self.accesses.iter().enumerate().rev() {
            let better = |of: &u32| access.ret != NEVER || self.accesses[*of as usize].ret == NEVER;
            if access.reads != NONE && readers.get(&access.reads).map_or(true, better) {
                readers.insert(access.reads, place as u32);
            }
        }
        readers
    }
}

/// Two blocks of which each has to come before the other. Among forward blocks (first return before
/// last call) those are two that overlap; a backward block has to lie inside a forward one.
fn conflict(mut blocks: Vec<Block>) -> Option<(Block, Block)> {
    blocks.sort_unstable_by_key(|block| block.first);
    let (forward, backward): (Vec<Block>, Vec<Block>) =
        blocks.into_iter().partition(Block::is_forward);
    for pair in forward.windows(2) {
        if pair[1].first.0 < pair[0].last.0 {
            return Some((pair[0], pair[1]));
        }
    }
    for block in backward {
        let before = forward.partition_point(|zone| zone.first.0 < block.last.0);
        if let Some(zone) = before.checked_sub(1).map(|place| forward[place]) {
            if block.first.0 < zone.last.0 {
                return Some((zone, block));
            }
        }
    }
    None
}
