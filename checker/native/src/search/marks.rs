//! A map from small numbers to numbers that is cleared in no time.

#[derive(Default)]
pub struct Marks {
    clearing: u32,
    marks: Vec<(u32, u32)>,
}

impl Marks {
    pub fn clear(&mut self) {
        if self.clearing == u32::MAX {
            self.marks.clear();
            self.clearing = 0;
        }
        self.clearing += 1;
    }

    #[inline]
    pub fn get(&self, key: u32) -> Option<u32> {
        let &(clearing, mark) = self.marks.get(key as usize)?;
        (clearing == self.clearing).then_some(mark)
    }

    #[inline]
    pub fn set(&mut self, key: u32, mark: u32) {
        let at = key as usize;
        if self.marks.len() <= at {
            self.marks.resize((at + 1).next_power_of_two(), (0, 0));
        }
        self.marks[at] = (self.clearing, mark);
    }
}
