//! Pairs invocations with completions, and names the lines that do not fit.
//!
//! A line that cannot be read may be the very one that another misses, so each excuses one
//! completion without invocation, or one invocation while another is open.

use std::collections::HashMap;

use super::line::{Row, INFO, INVOKE, NEMESIS};
use super::problems::Problems;
use super::values::NULL;

/// `completion` of an operation that stays open.
pub const NO_ROW: i32 = -1;

/// The fields that a completion repeats, if it has them at all: places in `VALUED`.
const AGREEING: [(usize, &str); 3] = [(0, "f"), (1, "key"), (2, "input")];

/// An invocation that waits for its completion: its operation, and what it asked.
struct Open {
    operation: usize,
    asked: [u32; AGREEING.len()],
}

/// Where a process stands.
struct Process {
    time: i64,
    open: Option<Open>,
    retired: bool,
}

/// The operations, in order of the file: the rows of their invocations and completions.
#[derive(Default)]
pub struct Pairing {
    pub operations: Vec<(i32, i32)>,
    processes: HashMap<i64, Process>,
    index: Option<i64>,
    excuses: usize,
}

impl Pairing {
    /// A line came that is no event.
    pub fn unreadable(&mut self) {
        self.excuses += 1;
    }

    /// Take the event that stands in this row of the table and on this line of the file.
    pub fn feed(&mut self, row: i32, line: usize, event: &Row, problems: &mut Problems) {
        match self.index {
            Some(last) if event.index <= last => {
                problems.add(
                    line,
                    0,
                    "index-back",
                    format!("{} after {last}", event.index),
                );
            }
            _ => self.index = Some(event.index),
        }
        if event.process == NEMESIS {
            // Faults overlap and are injected and healed by several hands: no pairing, no one clock.
            return;
        }
        let process = self.processes.entry(event.process).or_insert(Process {
            time: event.time,
            open: None,
            retired: false,
        });
        let mut complain = |kind, detail| problems.add(line, 0, kind, detail);
        let name = event.process;
        if event.time < process.time {
            let (last, now) = (process.time, event.time);
            complain(
                "clock-back",
                format!("{name} steps back from {last} to {now}"),
            );
        }
        process.time = event.time;
        if process.retired {
            complain("goes-on-after-info", name.to_string());
        } else if event.kind == INVOKE {
            if process.open.is_some() && !excused(&mut self.excuses) {
                complain("two-open-operations", name.to_string());
            }
            let asked = AGREEING.map(|(place, _)| event.values[place]);
            process.open = Some(Open {
                operation: self.operations.len(),
                asked,
            });
            self.operations.push((row, NO_ROW));
        } else {
            process.retired = event.kind == INFO;
            match process.open.take() {
                Some(open) => {
                    self.operations[open.operation].1 = row;
                    for ((place, name), asked) in AGREEING.iter().zip(open.asked) {
                        let said = event.values[*place];
                        if said != NULL && said != asked {
                            complain("disagrees", name.to_string());
                        }
                    }
                }
                None if excused(&mut self.excuses) => {}
                None => complain("completion-without-invocation", name.to_string()),
            }
        }
    }
}

fn excused(excuses: &mut usize) -> bool {
    let any = *excuses > 0;
    *excuses -= usize::from(any);
    any
}
