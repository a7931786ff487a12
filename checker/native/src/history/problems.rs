//! What is wrong with the lines: kinds and details. The sentences stand in `problems.py`.

/// How many problems are told in full; the rest is counted.
const PROBLEMS_MAX: usize = 100;

/// One thing wrong with one line; `column` counts bytes from 1 and is 0 where there is no place.
pub struct Problem {
    pub line: usize,
    pub column: usize,
    pub kind: &'static str,
    pub detail: String,
}

/// The first problems, and a count of the others.
#[derive(Default)]
pub struct Problems {
    pub listed: Vec<Problem>,
    pub more: usize,
}

impl Problems {
    pub fn add(&mut self, line: usize, column: usize, kind: &'static str, detail: String) {
        if self.listed.len() == PROBLEMS_MAX {
            self.more += 1;
        } else {
            self.listed.push(Problem {
                line,
                column,
                kind,
                detail,
            });
        }
    }
}
