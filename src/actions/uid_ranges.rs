//! Which user ids on the host belong to which app.

use std::collections::BTreeSet;

use super::ActionError;
use crate::store::State;

/// User ids in the range of one app: as many as a user namespace usually holds.
const WIDTH: u32 = 65_536;

/// The start of the lowest range from `first` on that no app of `state` has.
///
/// # Errors
/// Where every range is taken.
pub(super) fn free_range(state: &State, first: u32) -> Result<u32, ActionError> {
    let taken = state.apps.values().filter_map(|app| app.uid_range);
    lowest(first, &taken.collect()).ok_or_else(|| {
        ActionError::Unprocessable(
            "Every range of user ids on this host belongs to an app: delete apps that are no \
             longer needed."
                .to_owned(),
        )
    })
}

fn lowest(first: u32, taken: &BTreeSet<u32>) -> Option<u32> {
    let mut start = first;
    // The kernel has no user with the last id: it stands for "none" (setresuid(2)).
    while start.checked_add(WIDTH)? < u32::MAX {
        if !taken.contains(&start) {
            return Some(start);
        }
        start += WIDTH;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_range_is_taken_and_there_is_an_end() {
        let check = |first: u32, taken: &[u32], expected: Option<u32>| {
            assert_eq!(lowest(first, &taken.iter().copied().collect()), expected);
        };
        check(100_000, &[], Some(100_000));
        check(100_000, &[100_000], Some(165_536));
        check(100_000, &[100_000, 231_072], Some(165_536));
        check(u32::MAX - 2 * WIDTH, &[], Some(u32::MAX - 2 * WIDTH));
        check(u32::MAX - 2 * WIDTH, &[u32::MAX - 2 * WIDTH], None);
        check(u32::MAX, &[], None);
    }
}
