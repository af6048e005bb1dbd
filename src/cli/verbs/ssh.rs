//! `ssh`: into an instance, with the machine's own OpenSSH.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::cli::{
    args::Ssh,
    context::{Context, query},
    failure::{Failure, Outcome},
};

/// Prints the code that the platform takes for a password. OpenSSH asks a program for it.
const ASKED: &str = "#!/bin/sh\nprintf '%s\\n' \"$PASTINA_SSH_CODE\"\n";

/// Knows the platform's key by its fingerprint, which is had from the API over TLS. Its arguments
/// are what OpenSSH was shown: fingerprint, host, type and key (ssh_config(5), KnownHostsCommand).
const KNOWN: &str =
    "#!/bin/sh\n[ \"$1\" = \"$PASTINA_SSH_HOST_KEY\" ] && echo \"$2 $3 $4\"\nexit 0\n";

pub(crate) async fn ssh(context: &Context<'_>, args: &Ssh) -> Outcome<()> {
    let app = context.app(&args.app).await?;
    let path = format!("/v3/apps/{}/processes/{}", app.guid, query(&args.process));
    let process: Value = context.api.get(&path).await?;
    let process = process["guid"].as_str().unwrap_or_default().to_owned();
    let root = context.api.root().await?;
    let door = &root["links"]["app_ssh"];
    let at = door["href"].as_str();
    let at = at.context("the platform offers no SSH; listen.ssh of its configuration does")?;
    let (host, port) = at.rsplit_once(':').unwrap_or((at, "2222"));
    let key = door["meta"]["host_key_fingerprint"]
        .as_str()
        .unwrap_or_default();
    let code = context.api.ssh_code().await?;

    let tools = tempfile::tempdir().context("cannot make a folder")?;
    let asked = tool(tools.path(), "asked", ASKED)?;
    let known = tool(tools.path(), "known", KNOWN)?;
    let mut command = Command::new("ssh");
    command
        .env("PASTINA_SSH_CODE", code)
        .env("PASTINA_SSH_HOST_KEY", format!("SHA256:{key}"))
        .env("SSH_ASKPASS", asked)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .args(["-F", "none", "-p", port])
        .args(options(&known))
        .args(["-o", &format!("User=cf:{process}/{}", args.index)])
        .args(args.forward.iter().flat_map(|forward| ["-L", forward]));
    if args.no_command {
        command.arg("-N");
    }
    command.arg("--").arg(host).args(&args.command);
    let status = command.status().map_err(|error| {
        let error = anyhow::Error::from(error);
        Failure::Other(error.context("cannot run ssh; install an OpenSSH client"))
    })?;
    match status.code() {
        Some(0) => Ok(()),
        code => Err(Failure::Remote(code)),
    }
}

/// The code is the only way in, and the key is known without anybody being asked.
fn options(known: &Path) -> impl Iterator<Item = String> {
    let known = format!("KnownHostsCommand={} %f %H %t %K", known.display());
    [
        known.as_str(),
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "PreferredAuthentications=password",
        "NumberOfPasswordPrompts=1",
        "LogLevel=ERROR",
        "ExitOnForwardFailure=yes",
    ]
    .map(|option| format!("-o{option}"))
    .into_iter()
}

fn tool(dir: &Path, name: &str, script: &str) -> Outcome<PathBuf> {
    let path = dir.join(name);
    fs::write(&path, script)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
