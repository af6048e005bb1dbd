//! Programs that log in.

use serde_json::json;

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
};
use crate::{
    authz::Place,
    identity::{CLI, end_sessions_of_client},
    model::{Client, ClientId, Timestamp, Username},
    store::{State, Tx},
    wire::client::Body,
};

/// How a client may get tokens.
const GRANTS: [&str; 5] = [
    "authorization_code",
    "client_credentials",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
];
/// Secrets of one client: one takes the other's place.
const MOST_SECRETS: usize = 2;

/// What becomes of a client's secrets, as hashes.
#[derive(Debug)]
pub enum NewSecret {
    /// This one takes the place of all.
    Replace(String),
    /// This one joins.
    Add(String),
    /// The oldest goes.
    DropFirst,
}

impl Actions {
    /// Makes a client; `secret` is a hash. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is taken, or what is said makes no sense.
    pub async fn create_client(
        &self,
        caller: &Caller,
        body: Body,
        secret: Option<String>,
    ) -> Result<Client, ActionError> {
        caller.need_admin()?;
        let name = Username::parse(body.id.clone())?.to_string();
        let now = self.now();
        let mut client = Client {
            id: ClientId::random(),
            name,
            title: String::new(),
            secrets: secret.into_iter().collect(),
            grant_types: Vec::new(),
            scope: Vec::new(),
            authorities: Vec::new(),
            redirect_uris: Vec::new(),
            autoapprove: Vec::new(),
            access_seconds: None,
            refresh_seconds: None,
            revoked_at: None,
            created_at: now,
            updated_at: now,
        };
        say(&mut client, body)?;
        let own = client
            .grant_types
            .iter()
            .any(|grant| grant == "client_credentials");
        if own && client.secrets.is_empty() {
            return Err(ActionError::Unprocessable(
                "client_secret cannot be blank for the grant type client_credentials".to_owned(),
            ));
        }
        self.store
            .commit(move |tx| {
                if client.name == CLI || tx.client_by_name(&client.name).is_some() {
                    return Err(ActionError::Taken(format!(
                        "Client already exists: {}",
                        client.name
                    )));
                }
                tx.put(client.clone());
                note(tx, caller, "create", &client, now);
                Ok(client)
            })
            .await
    }

    /// Makes a client what the body says; its secrets stay. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or what is said makes no sense.
    pub async fn update_client(
        &self,
        caller: &Caller,
        name: &str,
        body: Body,
    ) -> Result<Client, ActionError> {
        caller.need_admin()?;
        if body.id != name {
            return Err(ActionError::Unprocessable(
                "client_id cannot be changed".to_owned(),
            ));
        }
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut client = find(tx, name)?;
                say(&mut client, body)?;
                client.updated_at = now;
                tx.put(client.clone());
                note(tx, caller, "update", &client, now);
                Ok(client)
            })
            .await
    }

    /// Changes a client's secrets. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or it would have none or too many.
    pub async fn set_client_secret(
        &self,
        caller: &Caller,
        name: &str,
        new: NewSecret,
    ) -> Result<(), ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut client = find(tx, name)?;
                match new {
                    NewSecret::Replace(hash) => client.secrets = vec![hash],
                    NewSecret::Add(hash) => client.secrets.push(hash),
                    NewSecret::DropFirst if client.secrets.len() > 1 => {
                        client.secrets.remove(0);
                    }
                    NewSecret::DropFirst => {
                        return Err(ActionError::Unprocessable(
                            "client secret is either empty or client has only one secret."
                                .to_owned(),
                        ));
                    }
                }
                if client.secrets.len() > MOST_SECRETS {
                    return Err(ActionError::Unprocessable(
                        "client secret is already full: delete the old one first".to_owned(),
                    ));
                }
                client.updated_at = now;
                tx.put(client.clone());
                note(tx, caller, "update", &client, now);
                Ok(())
            })
            .await
    }

    /// Deletes a client and ends every login through it. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or there is none.
    pub async fn delete_client(&self, caller: &Caller, name: &str) -> Result<Client, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        self.store
            .commit(move |tx| {
                let client = find(tx, name)?;
                end_sessions_of_client(tx, &client.name);
                tx.delete(client.id);
                note(tx, caller, "delete", &client, now);
                Ok(client)
            })
            .await
    }
}

fn find(state: &State, name: &str) -> Result<Client, ActionError> {
    let client = state.client_by_name(name).cloned();
    client.ok_or(ActionError::NotFound("Client"))
}

/// Sets what is said.
fn say(client: &mut Client, body: Body) -> Result<(), ActionError> {
    let grants = body.authorized_grant_types.0;
    let unknown = grants
        .iter()
        .find(|grant| !GRANTS.contains(&grant.as_str()));
    if let Some(unknown) = unknown {
        return Err(ActionError::Unprocessable(format!(
            "{unknown} is not an allowed grant type. Must be one of: {}",
            GRANTS.join(", ")
        )));
    }
    if grants.is_empty() {
        return Err(ActionError::Unprocessable(
            "An authorized grant type must be provided.".to_owned(),
        ));
    }
    let uris = body.redirect_uri.0;
    if grants.iter().any(|grant| grant == "authorization_code") && uris.is_empty() {
        return Err(ActionError::Unprocessable(
            "authorization_code grant type requires at least one redirect URL.".to_owned(),
        ));
    }
    let wrong = uris.iter().find(|uri| {
        let address = uri.parse::<http::Uri>().ok();
        !address.is_some_and(|uri| uri.scheme().is_some() && uri.authority().is_some())
    });
    if let Some(wrong) = wrong {
        return Err(ActionError::Unprocessable(format!(
            "One of the redirect_uri is invalid: {wrong}"
        )));
    }
    let words = |words: Vec<String>| -> Vec<String> {
        words
            .into_iter()
            .filter(|word| word != "uaa.none")
            .collect()
    };
    client.title = body.name.unwrap_or_default();
    client.grant_types = grants;
    client.scope = words(body.scope.0);
    client.authorities = words(body.authorities.0);
    client.redirect_uris = uris;
    client.autoapprove = body.autoapprove.0;
    client.access_seconds = body.access_token_validity.filter(|seconds| *seconds > 0);
    client.refresh_seconds = body.refresh_token_validity.filter(|seconds| *seconds > 0);
    Ok(())
}

fn note(tx: &mut Tx, caller: &Caller, what: &str, client: &Client, now: Timestamp) {
    let kind = format!("audit.client.{what}");
    let target = target("client", client.id, &client.name);
    let data = json!({ "request": {
        "authorized_grant_types": client.grant_types, "authorities": client.authorities,
    } });
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
