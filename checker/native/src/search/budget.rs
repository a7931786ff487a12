//! How much a search may spend. Steps are the same on every machine; time and memory are not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a search ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    Steps,
    Seconds,
    Memory,
}

impl Spent {
    pub fn name(self) -> &'static str {
        match self {
            Spent::Steps => "steps",
            Spent::Seconds => "seconds",
            Spent::Memory => "memory",
        }
    }
}

/// How often, in steps, the clock and the memory are looked at.
const LOOK_EVERY: u64 = 2048;

/// What is left to spend. One search takes a part of it at a time.
#[derive(Clone)]
pub struct Budget {
    pub steps: u64,
    steps_max: u64,
    deadline: Option<Instant>,
    memory_max: usize,
    next_look: u64,
    /// Set by another thread that needs no answer any more.
    stop: Option<Arc<AtomicBool>>,
}

impl Budget {
    /// The clock starts now.
    pub fn new(steps_max: Option<u64>, seconds: Option<f64>, memory_mb: Option<usize>) -> Self {
        let allowed = seconds.map(|s| Duration::try_from_secs_f64(s).unwrap_or(Duration::ZERO));
        Budget {
            steps: 0,
            steps_max: steps_max.unwrap_or(u64::MAX),
            deadline: allowed.and_then(|d| Instant::now().checked_add(d)),
            memory_max: memory_mb.map_or(usize::MAX, |mb| mb.saturating_mul(1 << 20)),
            next_look: 0,
            stop: None,
        }
    }

    /// One that is never spent.
    pub fn endless() -> Self {
        Budget::new(None, None, None)
    }

    /// Ends when this is set, as if the time were spent.
    pub fn stop_at(&mut self, stop: Arc<AtomicBool>) {
        self.stop = Some(stop);
    }

    /// Whether there are fewer steps left than these, or memory is limited.
    pub fn is_tight(&self, steps: u64) -> bool {
        self.left() < steps || self.limits_memory()
    }

    /// Whether memory is limited.
    pub fn limits_memory(&self) -> bool {
        self.memory_max != usize::MAX
    }

    /// Whether steps are limited.
    pub fn limits_steps(&self) -> bool {
        self.steps_max != u64::MAX
    }

    /// What each of so many threads may spend: all steps, for they are counted afterwards, and an
    /// equal part of the memory.
    pub fn shared(&self, threads: usize) -> Self {
        let mut part = self.part(None);
        if self.limits_memory() {
            part.memory_max = self.memory_max / threads;
        }
        part
    }

    fn is_stopped(&self) -> bool {
        let stop = self.stop.as_ref();
        stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// A part of at most so many steps of what is left.
    pub fn part(&self, steps: Option<u64>) -> Self {
        let left = self.steps_max.saturating_sub(self.steps);
        Budget {
            steps: 0,
            steps_max: steps.map_or(left, |steps| steps.min(left)),
            next_look: 0,
            ..self.clone()
        }
    }

    /// Takes off what a part has spent.
    pub fn spend(&mut self, part: &Budget) {
        self.steps = self.steps.saturating_add(part.steps).min(self.steps_max);
    }

    /// Bytes that may be in use, if they are limited.
    pub fn memory_limit(&self) -> Option<usize> {
        (self.memory_max != usize::MAX).then_some(self.memory_max)
    }

    /// Seconds that are left, if they are limited.
    pub fn seconds_left(&self) -> Option<f64> {
        let deadline = self.deadline?;
        Some(
            deadline
                .saturating_duration_since(Instant::now())
                .as_secs_f64(),
        )
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.steps_max - self.steps
    }

    /// What is spent altogether, steps or time.
    pub fn spent(&self) -> Option<Spent> {
        if self.left() == 0 {
            return Some(Spent::Steps);
        }
        self.is_late().then_some(Spent::Seconds)
    }

    /// Whether the time is over, however many steps are left.
    pub fn is_late(&self) -> bool {
        let over = |deadline| Instant::now() >= deadline;
        self.deadline.is_some_and(over) || self.is_stopped()
    }

    /// Whether nothing is left, of steps or of time.
    pub fn is_spent(&self) -> bool {
        self.spent().is_some()
    }

    /// Counts one step.
    #[inline]
    pub fn step(&mut self) -> Result<(), Spent> {
        if self.steps >= self.steps_max {
            return Err(Spent::Steps);
        }
        self.steps += 1;
        Ok(())
    }

    /// Counts so many steps.
    pub fn take(&mut self, steps: u64) -> Result<(), Spent> {
        if steps > self.left() {
            self.steps = self.steps_max;
            return Err(Spent::Steps);
        }
        self.steps += steps;
        Ok(())
    }

    /// Whether it is time to look at the clock and the memory.
    #[inline]
    pub fn due(&self) -> bool {
        self.steps >= self.next_look
    }

    /// A model in Python was asked, which may take any time: looks at the clock with the next step.
    pub fn asked(&mut self) {
        self.next_look = 0;
    }

    /// Bytes to give back where more memory is in use than may be: enough to go on for a while.
    pub fn excess(&self, memory: usize) -> usize {
        if memory <= self.memory_max {
            return 0;
        }
        memory - self.memory_max / 4 * 3
    }

    /// Looks at the clock and at the memory in use (bytes).
    pub fn look(&mut self, memory: usize) -> Result<(), Spent> {
        self.next_look = self.steps + LOOK_EVERY;
        if memory > self.memory_max {
            return Err(Spent::Memory);
        }
        if self.is_stopped() {
            return Err(Spent::Seconds);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Spent::Seconds),
            _ => Ok(()),
        }
    }
}
