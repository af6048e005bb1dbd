//! Stacks: the one that every platform has, and those that admins made.

use std::sync::Arc;

use serde_json::json;

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
};
use crate::{
    authz::Place,
    model::{LifecycleKind, Metadata, Stack, StackId, StackState, Timestamp},
    store::{State, Tx},
    wire::{
        platform::{EPOCH, STACK_NAME},
        stack::{Create, Update, parse_state, state},
    },
};

/// Longest name and description in characters (Cloud Foundry's limits).
const LONGEST: usize = 250;
/// Longest reason of a state in characters (Cloud Foundry's limit).
const LONGEST_REASON: usize = 5000;
/// Most stacks: each is looked through when an app names one.
const MOST: usize = 1000;

impl Actions {
    /// Every stack.
    #[must_use]
    pub fn stacks(&self) -> Vec<Arc<Stack>> {
        all(&self.store.state())
    }

    /// One of them.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn stack(&self, id: StackId) -> Result<Arc<Stack>, ActionError> {
        find(&self.store.state(), id)
    }

    /// Makes a stack. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or a value is wrong.
    pub async fn create_stack(&self, caller: &Caller, body: Create) -> Result<Stack, ActionError> {
        caller.need_admin()?;
        let name = body.name.trim().to_owned();
        if name.is_empty() {
            return refuse("Name can't be blank");
        }
        for (what, text) in [
            ("Name", Some(&name)),
            ("Description", body.description.as_ref()),
        ] {
            if text.is_some_and(|text| text.chars().count() > LONGEST) {
                return refuse(format!(
                    "{what} is too long (maximum is {LONGEST} characters)"
                ));
            }
        }
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let state = body.state.as_deref().map(parse_state).transpose();
        let now = self.now();
        let stack = Stack {
            id: StackId::random(),
            name,
            description: body.description,
            state: state
                .map_err(ActionError::Unprocessable)?
                .unwrap_or_default(),
            state_reason: reason(body.state_reason)?,
            metadata,
            created_at: now,
            updated_at: now,
        };
        self.store
            .commit(move |tx| {
                if tx.stacks.len() >= MOST {
                    return refuse(format!(
                        "There are {MOST} stacks already. Delete some first."
                    ));
                }
                if all(tx).iter().any(|other| other.name == stack.name) {
                    return refuse("Name must be unique");
                }
                tx.put(stack.clone());
                note(tx, caller, "create", &stack, now);
                Ok(stack)
            })
            .await
    }

    /// Changes what a stack may be used for, its labels and annotations. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or a value is wrong.
    pub async fn update_stack(
        &self,
        caller: &Caller,
        id: StackId,
        body: Update,
    ) -> Result<Stack, ActionError> {
        self.stack(id)?;
        caller.need_admin()?;
        let state = body.state.as_deref().map(parse_state).transpose();
        let state = state.map_err(ActionError::Unprocessable)?;
        let why = body.state_reason.map(reason).transpose()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut stack = Stack::clone(&*find(tx, id)?);
                stack.state = state.unwrap_or(stack.state);
                stack.state_reason = why.unwrap_or(stack.state_reason);
                body.metadata
                    .apply(&mut stack.metadata)
                    .map_err(ActionError::Unprocessable)?;
                stack.updated_at = now;
                tx.put(stack.clone());
                note(tx, caller, "update", &stack, now);
                Ok(stack)
            })
            .await
    }

    /// Deletes a stack that no app uses. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, an app uses it, or it is the platform's own.
    pub async fn delete_stack(&self, caller: &Caller, id: StackId) -> Result<(), ActionError> {
        self.stack(id)?;
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let stack = find(tx, id)?;
                if tx.apps.values().any(|app| {
                    app.lifecycle.kind != LifecycleKind::Docker
                        && app.lifecycle.stack.as_deref().unwrap_or(STACK_NAME) == stack.name
                }) {
                    return refuse(format!(
                        "Cannot delete stack '{}' because apps are currently using the stack.",
                        stack.name
                    ));
                }
                if id == Stack::FIRST {
                    return refuse(format!(
                        "Cannot delete stack '{}': it is the default of new apps.",
                        stack.name
                    ));
                }
                tx.delete(id);
                note(tx, caller, "delete", &stack, now);
                Ok(())
            })
            .await
    }
}

/// The stacks in `state`: the first, as it is or was changed, and all others.
pub(super) fn all(state: &State) -> Vec<Arc<Stack>> {
    let mut all: Vec<_> = state.stacks.values().cloned().collect();
    if !state.stacks.contains_key(&Stack::FIRST) {
        all.insert(0, Arc::new(Stack::first(STACK_NAME, EPOCH)));
    }
    all
}

fn find(state: &State, id: StackId) -> Result<Arc<Stack>, ActionError> {
    let found = all(state).into_iter().find(|stack| stack.id == id);
    found.ok_or(ActionError::NotFound("Stack"))
}

/// Passes where apps may be built for the stack; where they begin to use it, also where new ones
/// may.
///
/// # Errors
/// Words for the user, in Cloud Foundry's (lib/cloud_controller/stack_state_validator.rb).
pub(super) fn check(stacks: &[Arc<Stack>], name: Option<&str>, begins: bool) -> Result<(), String> {
    let name = name.unwrap_or(STACK_NAME);
    let Some(stack) = stacks.iter().find(|stack| stack.name == name) else {
        let all: Vec<&str> = stacks.iter().map(|stack| stack.name.as_str()).collect();
        return Err(format!(
            "Stack must be an existing stack, not '{name}'; there is: {}",
            all.join(", ")
        ));
    };
    match stack.state {
        StackState::Active | StackState::Deprecated => Ok(()),
        StackState::Restricted if !begins => Ok(()),
        StackState::Restricted | StackState::Disabled => {
            let why = stack.state_reason.as_ref();
            let why = why.map_or(String::new(), |why| format!(" {why}"));
            Err(format!(
                "ERROR: Staging failed. The stack '{name}' is '{}' and cannot be used for \
                 staging.{why}",
                state(stack.state)
            ))
        }
    }
}

fn reason(text: Option<String>) -> Result<Option<String>, ActionError> {
    match text {
        Some(text) if text.chars().count() > LONGEST_REASON => refuse(format!(
            "State reason is too long (maximum is {LONGEST_REASON} characters)"
        )),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, ActionError> {
    Err(ActionError::Unprocessable(text.into()))
}

fn note(tx: &mut Tx, caller: &Caller, what: &str, stack: &Stack, now: Timestamp) {
    let data = json!({ "request": {
        "name": stack.name, "state": state(stack.state), "state_reason": stack.state_reason,
    } });
    let target = target("stack", stack.id, &stack.name);
    let kind = format!("audit.stack.{what}");
    audit(
        tx,
        &caller.actor(),
        &kind,
        target,
        Place::Platform,
        data,
        now,
    );
}
