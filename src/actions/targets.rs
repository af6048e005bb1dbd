//! The spaces that something is to be shared with.

use super::{ActionError, Caller};
use crate::{authz::Verb, model::SpaceId, store::State, wire::ToMany};

/// The spaces that are named, all of which the caller has to see and to write in. `what` says what
/// is shared (`route x`), and `needed` what writing takes, both in what a refusal says.
pub(super) fn targets(
    state: &State,
    caller: &Caller,
    with: &ToMany,
    what: &str,
    needed: &str,
) -> Result<Vec<SpaceId>, ActionError> {
    let (mut spaces, mut unseen, mut unwritable) = (Vec::new(), Vec::new(), Vec::new());
    for named in &with.data {
        let id: Option<SpaceId> = named.id();
        let need = |id| caller.need_in_space(state, Verb::WriteApps, id, "Space");
        match id.map(|id| (id, need(id))) {
            Some((id, Ok(()))) => spaces.push(id),
            None | Some((_, Err(ActionError::NotFound(_)))) => unseen.push(&named.guid),
            Some((_, Err(_))) => unwritable.push(&named.guid),
        }
    }
    let refusal = |guids: &[&String], why: &str| {
        let guids: Vec<_> = guids.iter().map(|guid| format!("'{guid}'")).collect();
        format!(
            "Unable to share {what} with spaces [{}]. {why}",
            guids.join(", ")
        )
    };
    let mut errors = Vec::new();
    if !unseen.is_empty() {
        let why = "Ensure the spaces exist and that you have access to them.";
        errors.push(refusal(&unseen, why));
    }
    if !unwritable.is_empty() {
        errors.push(refusal(&unwritable, needed));
    }
    if errors.is_empty() {
        Ok(spaces)
    } else {
        Err(ActionError::Unprocessable(errors.join("\n")))
    }
}
