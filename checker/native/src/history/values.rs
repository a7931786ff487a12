//! Values, each kept once by its canonical JSON text.

/// The number of null, and of what is absent.
pub const NULL: u32 = 0;

const EMPTY: u32 = u32::MAX;

/// Gives equal texts equal numbers, in order of first appearance; null is number 0.
#[derive(Clone)]
pub struct Values {
    pub texts: Vec<u8>,
    pub ends: Vec<i64>,
    hashes: Vec<u32>,
    slots: Vec<u32>,
}

impl Values {
    pub fn new() -> Self {
        let mut values = Values {
            texts: Vec::new(),
            ends: Vec::new(),
            hashes: Vec::new(),
            slots: vec![EMPTY; 1 << 6],
        };
        values.number(b"null");
        values
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn text(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 {
            0
        } else {
            self.ends[number - 1] as usize
        };
        &self.texts[start..self.ends[number] as usize]
    }

    /// The number of this canonical text.
    pub fn number(&mut self, text: &[u8]) -> u32 {
        let hash = hash(text);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let number = self.slots[slot];
            if number == EMPTY {
                break;
            }
            if self.hashes[number as usize] == hash && self.text(number) == text {
                return number;
            }
            slot = (slot + 1) & mask;
        }
        let number = self.ends.len() as u32;
        self.texts.extend_from_slice(text);
        self.ends.push(self.texts.len() as i64);
        self.hashes.push(hash);
        self.slots[slot] = number;
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        number
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        self.slots = vec![EMPTY; mask + 1];
        for (number, hash) in self.hashes.iter().enumerate() {
            let mut slot = *hash as usize & mask;
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = number as u32;
        }
    }
}

/// Folded multiplication over words of 8 bytes. The seed is fixed: numbers follow the order of
/// appearance, so nothing that is seen depends on it.
fn hash(text: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = FACTOR ^ text.len() as u64;
    let mut words = text.chunks_exact(8);
    for word in &mut words {
        state = fold(state ^ u64::from_le_bytes(word.try_into().unwrap()), FACTOR);
    }
    let mut rest = [0; 8];
    rest[..words.remainder().len()].copy_from_slice(words.remainder());
    fold(state ^ u64::from_le_bytes(rest), FACTOR) as u32
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}
