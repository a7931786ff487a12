//! A history of a model that the core knows, made ready for the search in one call: grouped by key,
//! judged by rules, numbered. Of many small histories the calls take longer than what they do.

use super::budget::Budget;
use super::columns::{group_rows, number_values};
use super::known::{Known, Numbered, Operations};
use super::registers::{Columns, Reader};
use super::rules::{judge_all, Judged};
use super::zones::Zones;
use crate::history::values::NULL;

/// What is left to be searched, and what rules say of all objects.
pub struct Ready {
    pub judged: Judged,
    /// The outcomes where rules decided something: what is left happened, and nothing else.
    pub kept: Option<Vec<i32>>,
    pub rows: Vec<i32>,
    pub ends: Vec<i32>,
    /// The first row of each object that is left.
    pub first: Vec<u32>,
    pub numbered: Numbered,
}

/// Makes a history ready; None where Python has to say what is wrong with it. `columns` and
/// `operations` are of one history; `initial` is the value of a register whose rules are asked, as
/// long as the budget has time.
pub fn ready(
    known: &mut Known,
    columns: Columns,
    operations: &Operations,
    initial: Option<(&[u8], bool)>,
    budget: &Budget,
) -> Option<Ready> {
    let (outcome, fail) = (operations.outcome, operations.fail);
    let (numbers, mut first) = number_values(operations.key, outcome, fail);
    let is_null = |&row: &u32| operations.key[row as usize] == NULL as i32;
    if first.len() > 1 && first.iter().any(is_null) {
        return None;
    }
    let (mut rows, mut ends) = group_rows(&numbers);
    let mut judged = Judged::default();
    if let Some((initial, has_cas)) = initial {
        let places: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        let bounds: Vec<u32> = ends.iter().map(|&end| end as u32).collect();
        let codes = (fail, operations.info);
        let mut reader = Reader::new(columns, operations.values, codes, has_cas);
        let (initial, mut zones) = (reader.initial(initial), Zones::default());
        judged = judge_all(&places, &bounds, budget, |rows| {
            reader.judge(&mut zones, rows, initial, budget)
        });
    }
    if judged.codes.iter().all(|&code| code == 0) {
        let numbered = known.number(operations)?;
        return Some(Ready {
            judged,
            kept: None,
            rows,
            ends,
            first,
            numbered,
        });
    }
    let kept = kept(outcome, &rows, &ends, &judged, fail);
    let left = Operations {
        outcome: &kept,
        ..*operations
    };
    let numbered = known.number(&left)?;
    let (numbers, again) = number_values(operations.key, &kept, fail);
    first = again;
    (rows, ends) = group_rows(&numbers);
    Some(Ready {
        judged,
        kept: Some(kept),
        rows,
        ends,
        first,
        numbered,
    })
}

/// The outcomes of what is undecided, and of the rows that are illegal alone.
fn kept(outcome: &[i32], rows: &[i32], ends: &[i32], judged: &Judged, fail: i32) -> Vec<i32> {
    let mut kept = vec![fail; outcome.len()];
    let mut from = 0;
    for (&end, &code) in ends.iter().zip(&judged.codes) {
        for &row in &rows[from..end as usize] {
            if code == 0 {
                kept[row as usize] = outcome[row as usize];
            }
        }
        from = end as usize;
    }
    for &row in judged.illegal.iter().flat_map(|(_, rows)| rows) {
        kept[row as usize] = outcome[row as usize];
    }
    kept
}
