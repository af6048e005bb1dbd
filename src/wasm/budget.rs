//! Memory that guests may take: each at most so much, all together so much beyond what they
//! start with.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use wasmtime::ResourceLimiter;

/// Elements that a guest's tables may have; more than any compiler makes.
const TABLE_ELEMENTS: usize = 100_000;

/// What all guests share.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    limit: usize,
    /// How much of `limit` is left for growing.
    left: Arc<AtomicUsize>,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            left: Arc::new(AtomicUsize::new(limit)),
        }
    }

    /// The limiter of one guest.
    pub(super) fn guest(&self) -> Guest {
        Guest {
            budget: self.clone(),
            size: 0,
            grown: 0,
        }
    }
}

/// The limiter of one guest; gives back what it took when it is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    budget: Budget,
    /// All of its memories together.
    size: usize,
    /// What of that was taken out of the budget.
    grown: usize,
}

impl ResourceLimiter for Guest {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if self.size + more > self.budget.limit {
            return Ok(false);
        }
        // What a memory starts with is shared copy-on-write with all other instances until it
        // is written, so only growing is counted.
        if current > 0 {
            let taken = |left: usize| left.checked_sub(more);
            if self
                .budget
                .left
                .fetch_update(Relaxed, Relaxed, taken)
                .is_err()
            {
                return Ok(false);
            }
            self.grown += more;
        }
        self.size += more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.grown, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_share_what_they_grow_into() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (budget.guest(), budget.guest());
        let check = |guest: &mut Guest, from: usize, to: usize, expected: bool| {
            let may = guest.memory_growing(from, to, None).unwrap();
            assert_eq!(may, expected, "{from} to {to}");
        };
        check(&mut one, 0, 40, true);
        check(&mut one, 40, 101, false);
        check(&mut one, 40, 90, true);
        check(&mut other, 0, 40, true);
        check(&mut other, 40, 100, false);
        check(&mut other, 40, 80, true);
        drop(one);
        check(&mut other, 80, 100, true);
    }
}
