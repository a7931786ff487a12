//! What a search may leave out, by name: `checker/linearizability/search.py` says each in a sentence.

use pyo3::pybacked::PyBackedStr;

/// What a search leaves out. Each can be switched off, and none changes an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prune {
    /// Operations without effect happen as soon as they can; crashed ones are dropped.
    pub reads: bool,
    /// Equal crashed operations are counted, not told apart.
    pub multisets: bool,
    /// A configuration gives way to one that is at least as good.
    pub dominance: bool,
    /// Of equal operations the one that returns first goes first, a crashed one last.
    pub deadlines: bool,
    /// A crashed operation happens only right before one that it makes possible or changes.
    pub enablement: bool,
    /// A crashed reset stands in for any crashed operation that leads to the same state.
    pub substitution: bool,
    /// A reset that is open while another happens owes nothing any more.
    pub absorption: bool,
    /// A reset that only reads profit from, before the next reset, is looked for when they return.
    pub detours: bool,
    /// States from which nothing can be read before the next reset are one: see `reach`.
    pub reach: bool,
    /// What a model with few states is seen to do counts as declared: see `closed`.
    pub closure: bool,
    /// Crashed operations that are hard to tell apart are first taken for resets: see `ladder`.
    pub relaxation: bool,
    /// What is wide is also searched depth first.
    pub diving: bool,
}

impl Prune {
    /// The prunings of these names, or the first name that is none.
    pub fn of(names: &[PyBackedStr]) -> Result<Self, &str> {
        let mut prune = Prune::default();
        for name in names {
            *prune.switch(name).ok_or(&**name)? = true;
        }
        Ok(prune)
    }

    fn switch(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "reads" => &mut self.reads,
            "multisets" => &mut self.multisets,
            "dominance" => &mut self.dominance,
            "deadlines" => &mut self.deadlines,
            "enablement" => &mut self.enablement,
            "substitution" => &mut self.substitution,
            "absorption" => &mut self.absorption,
            "detours" => &mut self.detours,
            "reach" => &mut self.reach,
            "closure" => &mut self.closure,
            "relaxation" => &mut self.relaxation,
            "diving" => &mut self.diving,
            _ => return None,
        })
    }
}
