//! Users whom another identity provider vouches for.

use super::{ActionError, Actions, users::fresh};
use crate::{
    identity::Arrival,
    model::{Timestamp, User, Username},
    store::State,
};

impl Actions {
    /// The user that somebody is who has come from an identity provider; a new one where there
    /// is none and the provider's users become users here.
    ///
    /// # Errors
    /// Where they are no user here, or their name is somebody else's.
    pub async fn sign_on(&self, arrival: Arrival) -> Result<User, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let user = user(tx, &arrival, now)?;
                let known = tx.users.get(&user.id);
                if known.is_none_or(|known| **known != user) {
                    tx.put(user.clone());
                }
                Ok(user)
            })
            .await
    }
}

/// Accounts are told apart by the provider's own name for them, since what people are called
/// changes, and may be somebody else's later.
fn user(state: &State, arrival: &Arrival, now: Timestamp) -> Result<User, ActionError> {
    let Arrival {
        origin,
        subject,
        username,
        ..
    } = arrival;
    let same = |user: &&User| user.origin == *origin && user.external_id.as_ref() == Some(subject);
    let known = state.users.values().map(|user| &**user).find(same);
    let namesake = state.user_by_name(username, origin);
    match (known, namesake) {
        (Some(known), None) => Ok(User {
            username: Username::parse(username)?,
            updated_at: now,
            ..known.clone()
        }),
        (Some(known), Some(_)) => Ok(known.clone()),
        // Whom an admin has made by name is whoever comes first with it.
        (None, Some(expected)) if expected.external_id.is_none() => Ok(User {
            external_id: Some(subject.clone()),
            updated_at: now,
            ..expected.clone()
        }),
        (None, Some(_)) => Err(ActionError::Unprocessable(format!(
            "The user name '{username}' belongs to another account of '{origin}' here. An \
             administrator can delete that user."
        ))),
        (None, None) if arrival.creates_user => Ok(User {
            external_id: Some(subject.clone()),
            ..fresh(state, username, origin, None, now)?
        }),
        (None, None) => Err(ActionError::Unprocessable(format!(
            "'{username}' is not a user here. An administrator can change that: \
             cf create-user {username} --origin {origin}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::Store;

    const NOW: Timestamp = Timestamp::from_millis(1);

    fn arrival(subject: &str, username: &str, creates_user: bool) -> Arrival {
        Arrival {
            origin: "school".to_owned(),
            subject: subject.to_owned(),
            username: username.to_owned(),
            creates_user,
            purpose: String::new(),
        }
    }

    async fn state(users: &[(&str, &str, Option<&str>)]) -> Arc<State> {
        let store = Store::in_memory();
        for (name, origin, external_id) in users {
            let user = fresh(&store.state(), name, origin, None, NOW).unwrap();
            let external_id = external_id.map(ToOwned::to_owned);
            let user = User {
                external_id,
                ..user
            };
            let put = store.commit(move |tx| {
                tx.put(user);
                Ok::<_, ActionError>(())
            });
            put.await.unwrap();
        }
        store.state()
    }

    #[tokio::test]
    async fn an_account_stays_one_user_whatever_it_is_called() {
        let state = state(&[("ann", "school", Some("1")), ("bob", "uaa", None)]).await;
        let same = user(&state, &arrival("1", "anna", false), NOW).unwrap();
        assert_eq!(same.username.as_str(), "anna");
        assert!(state.users.contains_key(&same.id));
        // The platform's own bob is another one.
        let new = user(&state, &arrival("2", "bob", true), NOW).unwrap();
        assert!(!state.users.contains_key(&new.id));
        assert_eq!(new.origin, "school");
        assert_eq!(new.external_id.as_deref(), Some("2"));
    }

    #[tokio::test]
    async fn a_name_that_changed_hands_does_not_hand_over_the_user() {
        let state = state(&[("ann", "school", Some("1")), ("eve", "school", None)]).await;
        let other = user(&state, &arrival("2", "ann", true), NOW).unwrap_err();
        assert!(other.to_string().contains("another account"), "{other}");
        // A name that is taken is not taken over by renaming either.
        let same = user(&state, &arrival("1", "eve", true), NOW).unwrap();
        assert_eq!(same.username.as_str(), "ann");
        // Whom an admin expects may come.
        let expected = user(&state, &arrival("3", "eve", false), NOW).unwrap();
        assert!(state.users.contains_key(&expected.id));
        let stranger = user(&state, &arrival("4", "zoe", false), NOW).unwrap_err();
        assert!(
            stranger
                .to_string()
                .contains("cf create-user zoe --origin school")
        );
    }
}
