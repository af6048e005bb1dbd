//! Chance that can be had again.

/// Random numbers of a seed (splitmix64: Steele, Lea, Flood, OOPSLA 2014).
#[derive(Debug)]
pub(in crate::reconcile) struct Chance(pub(in crate::reconcile) u64);

impl Chance {
    pub(in crate::reconcile) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(in crate::reconcile) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A small number below `bound`.
    pub(in crate::reconcile) fn few(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).expect("it is below a u32")
    }

    /// One of `count` places; 0 where there is none.
    pub(in crate::reconcile) fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count.max(1) as u64)).expect("it is below a usize")
    }

    /// Whether something with this chance in a thousand happens.
    pub(in crate::reconcile) fn permille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }
}
