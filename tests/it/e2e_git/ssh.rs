//! Over SSH.

use std::process::Output;

use super::{
    program,
    support::{PASSWORD, Repo, refused, told, user},
};
use crate::support::{Daemon, text};

fn push(repo: &Repo, who: (&str, &str), to: &str) -> Output {
    let (host, port) = place(repo.daemon);
    let url = format!("ssh://{}@{host}:{port}/{to}", who.0);
    let ask = repo.asked(who);
    let mut command = repo.command(&["push", &url, "main"]);
    command
        .env("GIT_SSH_COMMAND", ssh())
        .env("SSH_ASKPASS", ask)
        .env("SSH_ASKPASS_REQUIRE", "force");
    command.output().unwrap()
}

fn place(daemon: &Daemon) -> (String, String) {
    let at = daemon.ssh();
    let (host, port) = at.rsplit_once(':').unwrap();
    (host.to_owned(), port.to_owned())
}

/// OpenSSH, which knows nobody and asks once.
fn ssh() -> String {
    "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
     -o NumberOfPasswordPrompts=1 -o LogLevel=ERROR"
        .to_owned()
}

#[test]
fn the_same_goes_over_ssh() {
    let daemon = Daemon::shared();
    let repo = Repo::new(&daemon, "git-ssh");
    user(&daemon, "git-kim", &["space_developer"]);
    user(&daemon, "git-lee", &[]);
    program(&repo, "over ssh");
    repo.commit("one");
    let kim = ("git-kim", PASSWORD);
    let said = told(&push(&repo, kim, "dev/dev/git-ssh.git"));
    for part in [
        "remote: -----> ",
        "remote: git-ssh runs at git-ssh.localhost",
        "[new branch]",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert_eq!(daemon.get_ok("git-ssh"), "over ssh");
    let said = told(&push(&repo, kim, "dev/dev/git-ssh.git"));
    assert!(said.contains("Everything up-to-date"), "{said}");

    repo.file("page.txt", "again");
    repo.commit("two");
    told(&push(&repo, kim, "dev/dev/git-ssh.git"));
    assert_eq!(daemon.get_ok("git-ssh"), "again");

    repo.file("Procfile", "web: exit 3\n");
    repo.commit("does not start");
    let said = refused(&push(&repo, kim, "dev/dev/git-ssh.git"));
    assert!(said.contains("! [remote rejected]"), "{said}");
    assert_eq!(daemon.get_ok("git-ssh"), "again");

    let said = refused(&push(&repo, ("git-lee", PASSWORD), "dev/dev/git-ssh.git"));
    assert!(said.contains("there is no space dev/dev"), "{said}");
    let said = refused(&push(&repo, ("git-kim", "wrong"), "dev/dev/git-ssh.git"));
    assert!(said.contains("Permission denied"), "{said}");
    let said = refused(&push(&repo, kim, "nowhere"));
    assert!(said.contains("only `git push` works here"), "{said}");

    // A name and a password lead to no shell, no files and no port.
    let (host, port) = place(&daemon);
    let enter = |arguments: &[&str]| {
        let mut command = std::process::Command::new("ssh");
        command
            .args(ssh().split(' ').skip(1))
            .args(["-p", &port, "-l", "git-kim"])
            .args(arguments)
            .env("SSH_ASKPASS", repo.asked(kim))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(std::process::Stdio::null());
        command.output().unwrap()
    };
    for arguments in [&[&*host][..], &[&*host, "id"], &["-s", &*host, "sftp"]] {
        let output = enter(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", text(&output));
        assert!(!text(&output).contains("uid="), "{}", text(&output));
    }
    let forward = format!("127.0.0.1:{port}");
    let output = enter(&["-W", &forward, &host]);
    assert!(!text(&output).contains("SSH-2.0"), "{}", text(&output));
}
