//! Ranges of user ids on the host, one for each app.

use std::collections::BTreeSet;

use crate::{
    drivers::Identity,
    model::AppId,
    sandbox::RANGE,
    store::{State, Store, StoreError},
};

/// Why an app has no range.
#[derive(Debug, thiserror::Error)]
pub enum UidError {
    /// The store could not write it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// All ranges are taken.
    #[error("the host has no user ids left: each app takes {RANGE} of them")]
    Exhausted,
}

/// Gives `app` a range of user ids for good, where it needs one and has none.
///
/// # Errors
/// Where that could not be written, or there are none left.
pub async fn allot(store: &Store, identity: Identity, app: AppId) -> Result<(), UidError> {
    let Identity::Ranges { first } = identity else {
        return Ok(());
    };
    let has = |state: &State| {
        state
            .apps
            .get(&app)
            .is_none_or(|app| app.uid_range.is_some())
    };
    if has(&store.state()) {
        return Ok(());
    }
    store
        .commit(|tx| {
            let Some(app) = tx.apps.get(&app).filter(|app| app.uid_range.is_none()) else {
                return Ok(());
            };
            let taken: BTreeSet<u32> = tx.apps.values().filter_map(|app| app.uid_range).collect();
            let mut app = (**app).clone();
            app.uid_range = Some(free(first, &taken).ok_or(UidError::Exhausted)?);
            tx.put(app);
            Ok(())
        })
        .await
}

/// The first range from `first` on that nobody has.
fn free(first: u32, taken: &BTreeSet<u32>) -> Option<u32> {
    let mut range = first;
    while taken.contains(&range) {
        range = range.checked_add(RANGE)?;
    }
    // The whole of it must exist; the last id means "no id".
    range.checked_add(RANGE).map(|_| range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_the_end_is_seen() {
        let check = |taken: &[u32], expected| {
            assert_eq!(free(100_000, &taken.iter().copied().collect()), expected);
        };
        check(&[], Some(100_000));
        check(&[100_000, 231_072], Some(165_536));
        assert_eq!(free(u32::MAX - 5, &BTreeSet::new()), None);
    }
}
