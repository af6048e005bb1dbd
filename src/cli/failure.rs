//! Why a verb failed: what to say, what to do next, and the exit code.

use std::process::ExitCode;

use crate::net::NetError;

use super::api::ApiError;

/// What a verb gives.
pub(super) type Outcome<T> = Result<T, Failure>;

/// Everything that ends a verb early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("not logged in")]
    NotLoggedIn,
    #[error("the login has expired or was taken back")]
    Expired,
    #[error("the user name or the password is wrong")]
    BadCredentials,
    #[error("no {0} is targeted")]
    NoTarget(&'static str),
    #[error("there is no {what} {name:?}")]
    NotFound { what: &'static str, name: String },
    #[error("{0}")]
    Api(ApiError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the build failed: {0}")]
    Build(String),
    #[error("{app} did not start: {reason}")]
    Start { app: String, reason: String },
    /// What it said was shown as it came.
    #[error("what ran in the instance failed")]
    Remote(Option<i32>),
    #[error("{0} failed: {1}")]
    Job(&'static str, String),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Exit codes, told in `pastina help` and README.md.
pub(super) mod code {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const NOT_AUTHORISED: u8 = 3;
    pub(crate) const NOT_FOUND: u8 = 4;
    pub(crate) const REFUSED: u8 = 5;
    pub(crate) const BUILD: u8 = 6;
    pub(crate) const START: u8 = 7;
    pub(crate) const UNREACHABLE: u8 = 8;
}

impl Failure {
    pub(super) fn number(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::NoTarget(_) => code::USAGE,
            Self::NotLoggedIn | Self::Expired | Self::BadCredentials => code::NOT_AUTHORISED,
            Self::NotFound { .. } => code::NOT_FOUND,
            Self::Api(error) => match error.status.as_u16() {
                401 | 403 => code::NOT_AUTHORISED,
                404 => code::NOT_FOUND,
                400..500 => code::REFUSED,
                _ => code::FAILED,
            },
            Self::Net(_) => code::UNREACHABLE,
            Self::Build(_) => code::BUILD,
            Self::Start { .. } => code::START,
            Self::Remote(status) => status
                .and_then(|status| u8::try_from(status).ok())
                .unwrap_or(code::FAILED),
            Self::Job(..) | Self::Other(_) => code::FAILED,
        }
    }

    pub(super) fn exit(&self) -> ExitCode {
        ExitCode::from(self.number())
    }

    /// The message with its whole chain of causes.
    pub(super) fn message(&self) -> String {
        let mut message = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat their cause in their own text, and hyper's client says first
            // that it is a client.
            if !message.ends_with(&text) && !text.starts_with("client error (") {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        message
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotLoggedIn | Self::Expired => "run `pastina login`",
            Self::BadCredentials => {
                "run `pastina login` again; an administrator can set a new password"
            }
            Self::NoTarget(_) => "run `pastina target -o ORG -s SPACE`",
            Self::NotFound { what: "app", .. } => "`pastina apps` lists what there is",
            Self::NotFound {
                what: "address" | "domain",
                ..
            } => "`pastina route list` lists what there is",
            Self::NotFound {
                what: "uploaded code of",
                ..
            } => "`pastina push` uploads it",
            Self::NotFound {
                what: "variable", ..
            } => "`pastina env APP` lists what there is",
            Self::NotFound {
                what: "organization" | "space",
                ..
            } => {
                "`pastina target` shows where you are; names are as they were created, case and all"
            }
            Self::NotFound { .. } => return None,
            Self::Net(NetError::Certificate { .. }) => {
                "if you know this server, name its authority with `pastina login --ca-file FILE`, \
                 or trust it blindly with --skip-ssl-validation"
            }
            Self::Net(NetError::Connect { .. }) => {
                "is the platform running? `pastina serve` starts one here; \
                 `pastina login -a URL` chooses another"
            }
            Self::Net(NetError::Timeout { .. }) => {
                "try again; if it stays so, see the platform's own log"
            }
            Self::Api(error) => return error.hint().map(str::to_owned),
            Self::Build(reason) => return Some(build_hint(reason).to_owned()),
            Self::Start { app, reason } => return Some(start_hint(app, reason)),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn build_hint(reason: &str) -> &'static str {
    if reason.contains("NoAppDetected") {
        "push the folder that holds requirements.txt, package.json, go.mod, pom.xml, index.html or \
         a Procfile (-p FOLDER), or name a runtime with -b, such as python_buildpack"
    } else if reason.contains("BuildpackReleaseFailed") {
        "say how it is started, and push again"
    } else if reason.contains("is not installed on this host") {
        "once it is installed, push again"
    } else if reason.contains("Timeout") || reason.contains("timed out") {
        "the build took too long; builds.timeout in the platform's configuration sets how long it may"
    } else if reason.contains("needed more than") {
        "the build ran out of memory; builds.memory in the platform's configuration sets how much it has"
    } else {
        "the last lines above say what the failing command printed; fix it and push again"
    }
}

fn start_hint(app: &str, reason: &str) -> String {
    if reason.contains("out of memory") {
        format!("give it more: `pastina scale {app} -m 512M`")
    } else if reason.contains("insufficient resources") {
        "the machine has no room for it: scale something down, or ask for less with -m".to_owned()
    } else if reason.contains("health check") {
        "the app must listen on 0.0.0.0 at the port in $PORT; for an app without a port set \
         health-check-type: process in its manifest"
            .to_owned()
    } else if reason.contains("Exit status 0") {
        "the command ended by itself; a web app has to go on running and listen on 0.0.0.0 at the \
         port in $PORT"
            .to_owned()
    } else {
        format!("`pastina logs {app}` shows more; `pastina events {app}` tells what happened")
    }
}
