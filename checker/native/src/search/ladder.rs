//! What to try on one object, and in which order.
//!
//! The walk over everything mostly ends soon. Where it does not, the walk with crashed operations
//! taken for resets mostly decides, and where that does not, the search depth first. They are tried
//! in rounds, each with more steps, so that the quickest of them costs at most a few times what it
//! would cost alone; and of several objects all have a round before one has two.

use super::budget::{Budget, Spent};
use super::frontier::{Search, Stop};
use super::prune::Prune;
use super::reached::Reached;
use super::relaxation::Relaxation;
use super::schedule::{resets, Columns, Event, Rules, Schedule, NEVER};
use super::space::Space;
use super::table::{Broken, Stepper, Table, PURE};

/// Steps of each search of the first round, beside those for each event.
const FIRST_STEPS: u64 = 4096;
/// With so many crashed operations that may matter, in so many events (of fewer the walk is soon
/// done), the search depth first is tried before anything else, with so many steps, and so many for
/// each event.
const GLANCE_FROM: u32 = 16;
const GLANCE_EVENTS: usize = 4_000;
const GLANCE_STEPS: u64 = 1024;
const GLANCE_EACH: u64 = 6;
/// By how much the searches of the next round may be longer.
const ROUND_FACTOR: u64 = 4;
/// At most so many configurations, and states, are told of a violation.
const TOLD_MAX: usize = 64;

pub struct Engine<S: Stepper> {
    pub table: Table,
    pub stepper: S,
    pub space: Space,
    pub schedule: Schedule,
    pub deterministic: bool,
    pub prune: Prune,
    pub initial: u32,
    /// How many configurations the search depth first goes on with at a time.
    pub width: usize,
    /// How many threads may be used; as many as run at once, if that is not said.
    pub threads: Option<usize>,
}

/// How a search ended.
pub enum Ended<E> {
    Legal,
    /// The operation in this row could not be linearized.
    Illegal(u32),
    /// The way of searching that was asked for does not decide.
    Undecided,
    Spent(Spent),
    Failed(E),
    Broken(Broken),
}

/// What a search found out about one object.
pub struct Found<E> {
    pub ended: Ended<E>,
    pub rung: Rung,
    /// How many returns were passed, of how many, and the row of the next.
    pub passed: usize,
    pub returns: usize,
    pub row: Option<u32>,
    pub crashed: usize,
    /// Configurations: right before `row`, or where it was spent those that were come upon since
    /// the last return; the most at once; and how many returns the walk passed that held them.
    pub frontier: usize,
    pub widest: usize,
    pub walked: Option<usize>,
    /// Of a violation, right before it: configurations, and states from which it was tried.
    pub configurations: Vec<(u32, Vec<u32>)>,
    pub tried: Vec<u32>,
}

/// A way of searching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// The walk over everything.
    Exact,
    /// The walk with one count for all crashed operations.
    Counted,
    /// The walk with crashed operations taken for resets.
    Relaxed,
    /// The walk with the crashed operations that the relaxed one used.
    Followed,
    /// The search depth first.
    Dived,
    /// The only order of operations that do not overlap.
    Replayed,
}

impl Rung {
    pub fn of(name: &str) -> Option<Self> {
        let all = [
            Rung::Exact,
            Rung::Counted,
            Rung::Relaxed,
            Rung::Dived,
            Rung::Replayed,
        ];
        all.into_iter().find(|rung| rung.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Rung::Exact => "exact",
            Rung::Counted => "counted",
            Rung::Relaxed => "relaxed",
            Rung::Followed => "followed",
            Rung::Dived => "dived",
            Rung::Replayed => "replayed",
        }
    }
}

/// How far one object has come: the ways that are still worth trying.
#[derive(Clone)]
pub struct Climb {
    steps: Option<u64>,
    pub walk: bool,
    pub count: bool,
    pub relax: bool,
    pub dive: bool,
    /// How many rounds were begun.
    pub rounds: u32,
    pub reached: Reached,
}

impl Climb {
    /// All ways, or one alone.
    pub fn new(only: Option<Rung>) -> Self {
        let wanted = |rung| only.map_or(true, |only| only == rung);
        Climb {
            steps: only.map(|_| u64::MAX),
            walk: wanted(Rung::Exact),
            count: wanted(Rung::Counted),
            relax: wanted(Rung::Relaxed),
            dive: wanted(Rung::Dived),
            rounds: 0,
            reached: Reached::default(),
        }
    }

    /// How many ways are still worth trying.
    fn ways(&self) -> usize {
        let ways = [self.walk, self.count, self.relax, self.dive];
        ways.iter().filter(|&&way| way).count()
    }
}

impl<S: Stepper> Engine<S> {
    /// One round of the search of these rows, which are in order of invocation. Answers what was
    /// found out, and whether another round may find out more.
    pub fn round(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        climb: &mut Climb,
        budget: &mut Budget,
    ) -> (Found<S::Error>, bool) {
        self.compile(columns, rows, None);
        climb.relax &= self.may_relax();
        climb.count &= self.may_relax();
        climb.dive &= self.prune.diving && !self.schedule.touching;
        let alone = climb.ways() == 1;
        let steps = if alone {
            u64::MAX
        } else {
            climb.steps.unwrap_or(self.first_steps())
        };
        climb.steps = Some(steps.saturating_mul(ROUND_FACTOR));
        climb.rounds += 1;
        if climb.walk && self.may_fork(climb, budget, steps) {
            return self.forked(columns, rows, climb, budget, steps);
        }
        if climb.rounds == 1 && climb.walk && climb.dive && self.is_worth_a_glance() {
            let found = self.search(Rung::Dived, budget, self.glance());
            climb.reached.note(&found);
            if found.decides() {
                return self.ended(found, climb, budget);
            }
        }
        let mut last = self.found(Ended::Undecided, Rung::Exact);
        if climb.walk && (climb.reached.is_nothing() || !budget.is_spent()) {
            last = self.search(Rung::Exact, budget, steps);
            climb.reached.note(&last);
            climb.walk &= last.may_go_on();
        }
        if !last.decides() {
            if let Some(found) = self.others(columns, rows, climb, budget, steps) {
                if found.decides() || last.tells_nothing() {
                    last = found;
                }
            }
        }
        self.ended(last, climb, budget)
    }

    /// The end of a round: whether there is another, and if the budget is what ended it, which part
    /// of it. A way of searching may have used up its own steps when the time was over.
    pub fn ended(
        &self,
        mut last: Found<S::Error>,
        climb: &Climb,
        budget: &Budget,
    ) -> (Found<S::Error>, bool) {
        if last.decides() {
            return (last, false);
        }
        climb.reached.tell(&mut last);
        if let Some(spent) = budget.spent() {
            last.ended = Ended::Spent(spent);
            return (last, false);
        }
        (last, climb.ways() > 0)
    }

    /// The ways other than the walk over everything. Answers what the one that decides found, or
    /// the last; None if none was tried.
    pub fn others(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        climb: &mut Climb,
        budget: &mut Budget,
        steps: u64,
    ) -> Option<Found<S::Error>> {
        let mut last = None;
        if climb.count && !budget.is_spent() {
            let found = self.counted(columns, rows, budget, steps);
            climb.count = found.may_go_on();
            if found.decides() {
                return Some(found);
            }
            last = Some(found);
        }
        if climb.relax && !budget.is_spent() {
            let (found, more) = self.relaxed(columns, rows, budget, steps);
            climb.relax = more;
            if found.decides() {
                return Some(found);
            }
        }
        if !climb.dive || budget.is_spent() {
            return last;
        }
        self.compile(columns, rows, None);
        let found = self.search(Rung::Dived, budget, steps);
        climb.reached.note(&found);
        climb.dive &= found.may_go_on();
        Some(found)
    }

    fn rules(&self) -> Rules {
        Rules {
            reads: self.prune.reads,
            multisets: self.prune.multisets,
        }
    }

    fn compile(&mut self, columns: &Columns, rows: &[u32], relax: Option<&Relaxation>) {
        let rules = self.rules();
        self.schedule
            .compile(columns, rows, &self.table, &rules, relax);
    }

    fn may_relax(&self) -> bool {
        let all = self.prune.relaxation && self.prune.multisets && self.prune.dominance;
        let crashed = !self.schedule.lanes.is_empty() && !self.schedule.touching;
        all && crashed && self.deterministic
    }

    /// Whether so much crashed, in so long a history, that a legal history is mostly shown to be so by the first way that
    /// is tried depth first, and long before the walk is done.
    fn is_worth_a_glance(&self) -> bool {
        let crashed: u32 = self.schedule.lanes.iter().map(|lane| lane.count).sum();
        crashed >= GLANCE_FROM && self.schedule.events.len() >= GLANCE_EVENTS
    }

    /// The steps of a search depth first that hardly ever turns back.
    fn glance(&self) -> u64 {
        GLANCE_STEPS + GLANCE_EACH * self.schedule.events.len() as u64
    }

    /// Crashed operations make the walk slow and the other ways worth trying soon; resets make it
    /// fast.
    fn first_steps(&self) -> u64 {
        let resets = self.schedule.events.iter().any(|event| match *event {
            Event::Call(open) => resets(self.table.flags(open.action)),
            _ => false,
        });
        let each = if resets && self.schedule.lanes.is_empty() {
            256
        } else {
            16
        };
        FIRST_STEPS + each * self.schedule.events.len() as u64
    }

    pub fn search(&mut self, rung: Rung, budget: &mut Budget, steps: u64) -> Found<S::Error> {
        let mut part = budget.part(Some(steps));
        let mut search = Search {
            table: &mut self.table,
            stepper: &mut self.stepper,
            budget: &mut part,
            space: &mut self.space,
            prune: self.prune,
            deterministic: self.deterministic,
            touching: false,
            tracing: rung == Rung::Relaxed,
            width: (rung == Rung::Dived).then_some(self.width),
            grouped_for: usize::MAX,
            passed: 0,
            widest: 0,
        };
        let ended = match rung {
            Rung::Dived => search.dive(&self.schedule, self.initial),
            _ => search.run(&self.schedule, self.initial),
        };
        let (passed, widest) = (search.passed, search.widest);
        let came_upon = self.space.visited.live + self.space.next.live;
        budget.spend(&part);
        let ended = match ended {
            Ok(None) => Ended::Legal,
            Ok(Some(culprit)) => Ended::Illegal(culprit.row),
            Err(Stop::Spent(spent)) => Ended::Spent(spent),
            Err(Stop::Failed(error)) => Ended::Failed(error),
            Err(Stop::Broken(broken)) => Ended::Broken(broken),
        };
        let mut found = Found {
            passed,
            widest,
            walked: (rung == Rung::Exact).then_some(passed),
            ..self.found(ended, rung)
        };
        if matches!(found.ended, Ended::Spent(_)) && rung != Rung::Dived {
            found.frontier = found.frontier.max(came_upon);
            found.widest = found.widest.max(found.frontier);
        }
        found.row = self.schedule.returned(passed);
        self.tell(&mut found);
        found
    }

    pub fn found(&self, ended: Ended<S::Error>, rung: Rung) -> Found<S::Error> {
        Found {
            ended,
            rung,
            passed: 0,
            returns: self.schedule.returns,
            row: None,
            crashed: self.schedule.crashed,
            frontier: self.space.frontier.live,
            widest: 0,
            walked: None,
            configurations: Vec::new(),
            tried: Vec::new(),
        }
    }

    fn tell(&mut self, found: &mut Found<S::Error>) {
        match found.ended {
            Ended::Illegal(row) => {
                found.row = Some(row);
                found.configurations = self.space.tell_frontier(TOLD_MAX);
                found.tried = self.space.tell_tried(TOLD_MAX);
            }
            Ended::Spent(Spent::Memory) => self.space = Space::default(),
            _ => {}
        }
    }

    /// Illegal with one count for all crashed operations is illegal; legal says nothing.
    fn counted(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        budget: &mut Budget,
        steps: u64,
    ) -> Found<S::Error> {
        let Some(relax) = self.relaxation(columns, rows, true) else {
            return self.found(Ended::Undecided, Rung::Counted);
        };
        self.compile(columns, rows, Some(&relax));
        let mut found = self.search(Rung::Counted, budget, steps);
        if matches!(found.ended, Ended::Legal) {
            found.ended = Ended::Undecided;
        }
        found
    }

    /// Illegal under the relaxation is illegal; the ways that it finds are followed exactly.
    /// Answers what was found out, and whether more steps may find out more.
    fn relaxed(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        budget: &mut Budget,
        steps: u64,
    ) -> (Found<S::Error>, bool) {
        let Some(relax) = self.relaxation(columns, rows, false) else {
            return (self.found(Ended::Undecided, Rung::Relaxed), false);
        };
        self.compile(columns, rows, Some(&relax));
        let found = self.search(Rung::Relaxed, budget, steps);
        if !matches!(found.ended, Ended::Legal) {
            let more = found.may_go_on();
            return (found, more);
        }
        for way in self.ways(columns) {
            let Some(walk) = self.walk(columns, rows, &way) else {
                continue;
            };
            let narrowed = Columns {
                ret: &walk.ret,
                ..*columns
            };
            self.compile(&narrowed, &walk.rows, None);
            let found = self.search(Rung::Followed, budget, steps);
            if matches!(found.ended, Ended::Legal) {
                return (found, false);
            }
        }
        (self.found(Ended::Undecided, Rung::Relaxed), false)
    }

    fn relaxation(&mut self, columns: &Columns, rows: &[u32], shared: bool) -> Option<Relaxation> {
        let happened = rows
            .iter()
            .filter(|&&row| columns.action[row as usize] >= 0);
        let changes = happened
            .filter(|&&row| self.table.flags(columns.action[row as usize] as u32) & PURE == 0);
        let mut actions: Vec<u32> = Vec::new();
        let mut crashed: Vec<u32> = Vec::new();
        for &row in changes {
            let action = columns.action[row as usize] as u32;
            actions.push(action);
            if columns.ret[row as usize] == NEVER {
                crashed.push(action);
            }
        }
        for list in [&mut actions, &mut crashed] {
            list.sort_unstable();
            list.dedup();
        }
        Relaxation::find(
            &mut self.table,
            &mut self.stepper,
            self.initial,
            &crashed,
            &actions,
            shared,
        )
    }
}

impl<E> Found<E> {
    /// Whether nothing else need be tried.
    pub fn decides(&self) -> bool {
        !matches!(self.ended, Ended::Undecided | Ended::Spent(_))
    }

    /// Whether no search has told how far it came. The walk tells best.
    pub fn tells_nothing(&self) -> bool {
        matches!(self.ended, Ended::Undecided)
    }

    /// Whether the same way may decide with more steps.
    pub fn may_go_on(&self) -> bool {
        matches!(self.ended, Ended::Spent(Spent::Steps))
    }
}
