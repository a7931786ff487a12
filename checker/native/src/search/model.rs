//! What steps: a model in Python that is asked, or one that the core knows.

use pyo3::prelude::*;

use super::known::Known;
use super::table::{Stepper, Table};

pub enum Model {
    /// `step(state, action)` answers a number, -1 for a refusal, a tuple of numbers, or None if the
    /// model failed. The other answers how many bytes its states take.
    Asked(Py<PyAny>, Option<Py<PyAny>>),
    Known(Box<Known>),
}

impl Stepper for Model {
    type Error = PyErr;

    fn step(&mut self, state: u32, action: u32) -> PyResult<Option<Vec<u32>>> {
        let step = match self {
            Model::Asked(step, _) => step,
            Model::Known(known) => {
                return Ok(Some(known.step(state, action).into_iter().collect()))
            }
        };
        Python::attach(|py| {
            let answer = step.bind(py).call1((state, action))?;
            if answer.is_none() {
                return Ok(None);
            }
            if let Ok(one) = answer.extract::<i64>() {
                return Ok(Some(u32::try_from(one).into_iter().collect()));
            }
            let mut several: Vec<u32> = answer.extract()?;
            several.sort_unstable();
            several.dedup();
            Ok(Some(several))
        })
    }

    fn may_lead_to(&self, state: u32, read: u32) -> bool {
        match self {
            Model::Asked(..) => true,
            Model::Known(known) => known.may_lead_to(state, read),
        }
    }

    fn foresees(&self) -> bool {
        matches!(self, Model::Known(_))
    }

    fn memory(&self) -> usize {
        match self {
            Model::Asked(_, held) => held.as_ref().map_or(0, |held| {
                Python::attach(|py| held.call0(py).and_then(|n| n.extract(py)).unwrap_or(0))
            }),
            Model::Known(known) => known.memory(),
        }
    }

    fn steps_alone(&self, table: &Table) -> bool {
        matches!(self, Model::Known(_)) || table.closed_for == table.actions()
    }

    fn twin(&self) -> Self {
        match self {
            Model::Asked(step, held) => Python::attach(|py| {
                Model::Asked(
                    step.clone_ref(py),
                    held.as_ref().map(|held| held.clone_ref(py)),
                )
            }),
            Model::Known(known) => Model::Known(known.clone()),
        }
    }

    fn adopt(&mut self, twin: &Self, state: u32) -> u32 {
        match (self, twin) {
            (Model::Known(known), Model::Known(twin)) => twin
                .text(state)
                .map_or(state, |text| known.state_holding(text)),
            _ => state,
        }
    }

    fn pause(&mut self) -> PyResult<()> {
        Python::attach(|py| py.check_signals())
    }
}
