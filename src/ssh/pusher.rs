//! `git push` over SSH: who comes under a name of their own, and says where to.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, stream};
use russh::{ChannelWriteHalf, server::Msg};
use tokio::{io::AsyncWriteExt as _, sync::mpsc::UnboundedReceiver};
use tokio_util::io::StreamReader;

use super::{Shared, channel::Input, gate::Gate, pump::say};
use crate::{
    actions::{ActionError, GitPlace},
    git::{Asked, Who},
    identity::{Login, Password},
    wire::platform::SSH_CLIENT,
};

/// What a client runs in order to push.
const COMMANDS: [&str; 2] = ["git-receive-pack ", "git receive-pack "];

/// What is said to somebody who wants anything else.
const ONLY_PUSH: &str = "pastina: only `git push` works here, to ORGANIZATION/SPACE/APP.git; \
                         `cf ssh` and `pastina ssh` enter instances";

/// Lets somebody in by their password, or by a token or a one-time code in its place, which say
/// themselves whose they are.
pub(super) async fn enter(
    shared: &Shared,
    name: &str,
    password: &str,
    from: SocketAddr,
) -> Option<Who> {
    let (identity, now) = (&shared.identity, shared.actions.now());
    if let Some(bearer) = identity.bearer(&shared.actions.store.state(), password, now) {
        return Some(Who {
            user: bearer.user,
            limit: bearer.limit,
        });
    }
    if let Some(user) = identity.redeem_code(password, SSH_CLIENT, now) {
        return Some(Who { user, limit: None });
    }
    let login = Login {
        username: name,
        origin: None,
        password: Password::entered(password),
        client: from.ip(),
    };
    match identity.authenticate(login, now).await {
        Ok(user) => Some(Who {
            user: Arc::new(user),
            limit: None,
        }),
        Err(error) => {
            tracing::info!(%from, %error, "somebody came by SSH with a wrong password");
            None
        }
    }
}

/// Where a command wants to push to: organization, space and app.
fn wanted(command: &str) -> Option<[String; 3]> {
    let quoted = COMMANDS
        .iter()
        .find_map(|name| command.strip_prefix(name))?;
    let path = unquoted(quoted.trim())?;
    let path = path.trim_start_matches('/');
    let path = path.strip_prefix("git/").unwrap_or(path);
    let path = path.strip_suffix(".git").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    let [org, space, app] = parts.try_into().ok()?;
    let named = [org, space, app].map(str::to_owned);
    named.iter().all(|name| !name.is_empty()).then_some(named)
}

/// A word as a shell reads it, as git quotes one.
fn unquoted(word: &str) -> Option<String> {
    let (mut text, mut quoted) = (String::new(), false);
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => quoted = !quoted,
            '\\' if !quoted => text.push(letters.next()?),
            ' ' if !quoted => return None,
            letter => text.push(letter),
        }
    }
    (!quoted).then_some(text)
}

fn place(shared: &Shared, who: &Who, command: &str) -> Result<GitPlace, String> {
    let [org, space, app] = wanted(command).ok_or_else(|| ONLY_PUSH.to_owned())?;
    let caller = who.caller(&shared.actions.store.state());
    let place = caller
        .ok_or(ActionError::Forbidden)
        .and_then(|caller| shared.actions.git_place(&caller, (&org, &space), &app));
    place.map_err(|error| match error {
        ActionError::NotFound(_) => {
            format!("pastina: there is no space {org}/{space}, or you may not see it")
        }
        ActionError::Forbidden => {
            format!("pastina: only developers of the space {space} may push to its apps")
        }
        other => format!("pastina: {other}"),
    })
}

/// Carries out what somebody wants, and gives the exit code.
pub(super) async fn serve(
    (shared, who, gate): (Shared, Who, Gate),
    command: String,
    input: UnboundedReceiver<Input>,
    output: &ChannelWriteHalf<Msg>,
) -> i32 {
    match push(&shared, who, &command, reader(input, gate), output).await {
        Ok(()) => 0,
        Err(reason) => {
            say(output, &reason).await;
            1
        }
    }
}

async fn push(
    shared: &Shared,
    who: Who,
    command: &str,
    from: impl Stream<Item = io::Result<Bytes>> + Send,
    output: &ChannelWriteHalf<Msg>,
) -> Result<(), String> {
    let place = place(shared, &who, command)?;
    let told = shared.git.advertisement(&place).await?;
    let mut to = output.make_writer();
    let gone = |_| "pastina: the client has left".to_owned();
    to.write_all(&told).await.map_err(gone)?;
    let mut from = StreamReader::new(Box::pin(from));
    let asked = shared.git.receive(who, place, &mut from).await;
    match asked.map_err(|error| format!("pastina: {error}"))? {
        Asked::Nothing => Ok(()),
        Asked::Push(push) => {
            let mut said = shared.git.begin(*push);
            while let Some(bytes) = said.recv().await {
                to.write_all(&bytes).await.map_err(gone)?;
            }
            Ok(())
        }
    }
}

/// What comes, a piece at a time.
fn reader(
    input: UnboundedReceiver<Input>,
    gate: Gate,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold((input, gate), async |(mut input, gate)| {
        match input.recv().await? {
            Input::Data(data) => {
                gate.used(data.len());
                Some((Ok(data), (input, gate)))
            }
            Input::End => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_where_to() {
        let check = |command: &str, expected: Option<[&str; 3]>| {
            let expected = expected.map(|names| names.map(str::to_owned));
            assert_eq!(wanted(command), expected, "{command}");
        };
        let dev = Some(["dev", "test", "shop"]);
        check("git-receive-pack '/dev/test/shop.git'", dev);
        check("git receive-pack 'dev/test/shop'", dev);
        check("git-receive-pack '/git/dev/test/shop.git'", dev);
        check(
            "git-receive-pack '/열린 랩/it'\\''s/a.git'",
            Some(["열린 랩", "it's", "a"]),
        );
        for bad in [
            "git-upload-pack '/dev/test/shop.git'",
            "git-receive-pack '/dev/shop.git'",
            "git-receive-pack '/dev//shop.git'",
            "git-receive-pack '/a/b/c/d'",
            "git-receive-pack '/dev/test/shop.git",
            "git-receive-pack a/b/c; id",
            "id",
        ] {
            check(bad, None);
        }
    }
}
