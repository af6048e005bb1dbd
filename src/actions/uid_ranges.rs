//! Which user ids on the host belong to which app.

use std::collections::BTreeSet;

use super::ActionError;
use crate::store::State;

/// User ids in the range of one app: as many as a user namespace usually holds.
const WIDTH: u32 = 65_536;

/// Among so many ranges one is chosen at random; those beyond come when these are taken.
const NEAR: u32 = 8192;

/// The start of a range from `first` on that no app of `state` has.
///
/// Not the lowest one: that would often be the range of an app that was deleted just now, whose
/// instances may still be ending and whose files may still be there. Chosen at random, it is as
/// good as never one that was in use a short while ago.
///
/// # Errors
/// Where every range is taken.
pub(super) fn free_range(state: &State, first: u32) -> Result<u32, ActionError> {
    let taken = state.apps.values().filter_map(|app| app.uid_range);
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    choose(first, &taken.collect(), random).ok_or_else(|| {
        ActionError::Unprocessable(
            "Every range of user ids on this host belongs to an app: delete apps that are no \
             longer needed."
                .to_owned(),
        )
    })
}

/// The first free range from a random one on, and around.
fn choose(first: u32, taken: &BTreeSet<u32>, random: u64) -> Option<u32> {
    // The kernel has no user with the last id: it stands for "none" (setresuid(2)).
    let all = (u32::MAX - first) / WIDTH;
    let near = all.min(NEAR);
    let begin = random.checked_rem(u64::from(near))?;
    let begin = u32::try_from(begin).ok()?;
    (begin..near)
        .chain(0..begin)
        .chain(near..all)
        .map(|range| first + range * WIDTH)
        .find(|start| !taken.contains(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_range_is_found_wherever_the_search_begins_and_there_is_an_end() {
        let check = |first: u32, taken: &[u32], random: u64, expected: Option<u32>| {
            let taken = taken.iter().copied().collect();
            assert_eq!(choose(first, &taken, random), expected);
        };
        check(100_000, &[], 0, Some(100_000));
        check(100_000, &[], 2, Some(231_072));
        check(100_000, &[231_072], 2, Some(296_608));
        // Around, and then beyond.
        let last = 100_000 + (NEAR - 1) * WIDTH;
        check(100_000, &[last], u64::from(NEAR) - 1, Some(100_000));
        let near: Vec<u32> = (0..NEAR).map(|range| 100_000 + range * WIDTH).collect();
        check(100_000, &near, 7, Some(last + WIDTH));
        let end = u32::MAX - 2 * WIDTH;
        check(end, &[], 0, Some(end));
        check(end, &[end], 0, Some(end + WIDTH));
        check(end, &[end, end + WIDTH], 1, None);
        check(u32::MAX - WIDTH + 1, &[], 0, None);
        check(u32::MAX, &[], u64::MAX, None);
    }
}
