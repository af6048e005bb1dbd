//! `login` and `logout`.

use std::{
    fs,
    io::{self, IsTerminal as _},
    net::SocketAddr,
};

use anyhow::Context as _;

use crate::cli::{
    api::Api,
    args::{Login, Target},
    context::Context,
    endpoint::Endpoint,
    failure::{Failure, Outcome},
    output::Output,
    places::Places,
    profile::Profile,
};

use super::target;

pub(crate) async fn login(
    args: Login,
    before: Profile,
    places: &Places,
    output: &Output,
) -> Outcome<()> {
    let named = args.api.as_deref().map(normal).transpose()?;
    // Naming this machine's platform by its address is no reason not to know it.
    let endpoint =
        Endpoint::find(places).filter(|here| named.as_ref().is_none_or(|named| *named == here.api));
    let profile = profile_for(&args, before, endpoint.as_ref())?;
    output.note(format!("Logging in to {}", profile.api));
    let api = Api::try_new(profile, places.client_dir.clone(), output)?;
    let context = Context { api, output };
    context.api.discover().await?;
    if args.sso || args.sso_passcode.is_some() {
        let page = format!("{}/passcode", context.api.profile().login);
        let ask = || {
            ask_hidden(
                &format!("Code from {page}: "),
                "give it with --sso-passcode",
            )
        };
        let code = args.sso_passcode.map_or_else(ask, Ok)?;
        context.api.log_in_with(&code).await?;
    } else {
        let username = match (args.username, &endpoint) {
            (Some(username), _) => username,
            (None, Some(endpoint)) => endpoint.admin_username.clone(),
            (None, None) => ask("User name: ", "-u")?,
        };
        let password = match args.password {
            Some(password) => password,
            None => known_password(endpoint.as_ref(), &username).map_or_else(
                || ask_hidden(&format!("Password of {username}: "), LOGIN),
                Ok,
            )?,
        };
        context.api.log_in(&username, &password).await?;
    }
    let wanted = Target {
        org: args.org,
        space: args.space,
    };
    target::settle(&context, &wanted).await?;
    target::show(&context);
    Ok(())
}

/// What is remembered once the platform is chosen: the named one, else this machine's, else
/// the last one.
fn profile_for(args: &Login, before: Profile, endpoint: Option<&Endpoint>) -> Outcome<Profile> {
    let api = match (&args.api, endpoint) {
        (Some(api), _) => normal(api)?,
        (None, Some(endpoint)) => normal(&endpoint.api)?,
        (None, None) if !before.api.is_empty() => before.api.clone(),
        (None, None) => {
            let message = "no platform runs on this machine: start one with `pastina serve`, \
                           or name one with -a URL";
            return Err(Failure::Usage(message.to_owned()));
        }
    };
    let same = api == before.api;
    let trusted = endpoint.and_then(|endpoint| endpoint.ca_file.clone());
    let kept = before.ca_file.clone().filter(|_| same);
    let (org, space) = if same {
        (before.org, before.space)
    } else {
        (None, None)
    };
    Ok(Profile {
        api,
        skip_ssl_validation: args.skip_ssl_validation,
        ca_file: args.ca_file.clone().or(trusted).or(kept),
        local_http: endpoint.and_then(local_http),
        org,
        space,
        ..Profile::default()
    })
}

/// The port of plain HTTP of a platform that listens on the loopback alone: nobody can read
/// along there, and browsers do not know its certificate.
fn local_http(endpoint: &Endpoint) -> Option<u16> {
    let at: SocketAddr = endpoint.http_listen.as_ref()?.parse().ok()?;
    at.ip().is_loopback().then_some(at.port())
}

/// An address with its scheme and without a `/` at its end.
fn normal(api: &str) -> Outcome<String> {
    let bare = api.trim().trim_end_matches('/');
    let full = if bare.contains("://") {
        bare.to_owned()
    } else {
        format!("https://{bare}")
    };
    let uri = full.parse::<http::Uri>().ok();
    let known = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    if uri.is_none_or(|uri| !known(&uri)) {
        let message = format!("{api:?} is not an address such as https://api.example.kr");
        return Err(Failure::Usage(message));
    }
    Ok(full)
}

/// The password that the daemon of this machine has written down for its administrator.
fn known_password(endpoint: Option<&Endpoint>, username: &str) -> Option<String> {
    let endpoint = endpoint.filter(|endpoint| endpoint.admin_username == username)?;
    let text = fs::read_to_string(&endpoint.admin_password_file).ok()?;
    Some(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask(prompt: &str, flag: &str) -> Outcome<String> {
    if !io::stdin().is_terminal() {
        let message = format!("nobody is here to answer {prompt:?}; give it with {flag}");
        return Err(Failure::Usage(message));
    }
    io::Write::write_all(&mut io::stderr(), prompt.as_bytes()).context("cannot ask")?;
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    Ok(answer.trim().to_owned())
}

/// How scripts tell passwords.
const LOGIN: &str = "give it with -p or PASTINA_PASSWORD";
const NEW: &str = "give it with --password or PASTINA_NEW_PASSWORD";

/// Asks for something that does not show; `otherwise` says what to do where nobody can answer.
pub(super) fn ask_hidden(prompt: &str, otherwise: &str) -> Outcome<String> {
    if !io::stdin().is_terminal() {
        let message = format!(
            "nobody is here to answer {:?}; {otherwise}",
            prompt.trim_end()
        );
        return Err(Failure::Usage(message));
    }
    let typed = rpassword::prompt_password(prompt);
    Ok(typed.context("cannot read the answer")?)
}

/// Asks twice for a password that nobody has seen typed.
pub(super) fn ask_new(username: &str) -> Outcome<String> {
    let first = ask_hidden(&format!("New password of {username}: "), NEW)?;
    if ask_hidden("The same again: ", NEW)? != first {
        return Err(Failure::Usage("the two passwords differ".to_owned()));
    }
    Ok(first)
}

pub(crate) async fn logout(context: &Context<'_>) -> Outcome<()> {
    context.api.log_out().await?;
    context.output.note("Logged out");
    Ok(())
}
