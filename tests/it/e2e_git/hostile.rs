//! Packs that were made to do harm, and what is no push at all.

use std::{fs, io::Write as _, process::Stdio};

use super::{
    program,
    support::{Repo, refused, told},
};
use crate::support::{Api, Daemon, Setup, eventually};

/// Makes an object whatever git thinks of it, and gives its name.
fn object(repo: &Repo, kind: &str, content: &[u8]) -> String {
    let mut command = repo.command(&["hash-object", "-w", "--literally", "-t", kind, "--stdin"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// One entry of a tree.
fn entry(mode: &str, name: &str, object: &str) -> Vec<u8> {
    let mut entry = format!("{mode} {name}\0").into_bytes();
    let digits = |at: usize| u8::from_str_radix(&object[at..at + 2], 16).unwrap();
    entry.extend((0..object.len()).step_by(2).map(digits));
    entry
}

/// A commit of such a tree.
fn commit(repo: &Repo, tree: &str) -> String {
    let text = format!(
        "tree {tree}\nauthor a <a@b> 1700000000 +0000\ncommitter a <a@b> 1700000000 +0000\n\nx\n"
    );
    object(repo, "commit", text.as_bytes())
}

#[test]
fn what_could_do_harm_is_refused_and_leaves_nothing() {
    let daemon = Daemon::shared();
    let repo = Repo::new(&daemon, "git-hostile");
    program(&repo, "safe");
    repo.commit("safe");
    told(&repo.push(&["main"]));
    let push = |commit: &str| refused(&repo.push(&["--force", &format!("{commit}:main")]));

    // A tree that would write into a repository's own folder.
    let blob = object(&repo, "blob", b"[core]\nsshCommand = id\n");
    let hooks = object(&repo, "tree", &entry("100644", "config", &blob));
    for name in [".git", ".GIT", "..", "a/b"] {
        let tree = object(&repo, "tree", &entry("40000", name, &hooks));
        let said = push(&commit(&repo, &tree));
        assert!(said.contains("git refuses these objects"), "{name}: {said}");
    }
    // A .gitmodules that would give an option to a command.
    let modules = object(
        &repo,
        "blob",
        b"[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=id\n",
    );
    let tree = object(&repo, "tree", &entry("100644", ".gitmodules", &modules));
    let said = push(&commit(&repo, &tree));
    assert!(said.contains("git refuses these objects"), "{said}");
    // Submodules, which are elsewhere.
    let tree = object(&repo, "tree", &entry("160000", "library", &repo.head()));
    let said = push(&commit(&repo, &tree));
    assert!(said.contains("submodules"), "{said}");
    assert!(said.contains("library"), "{said}");
    // Nothing at all.
    let tree = object(&repo, "tree", b"");
    let said = push(&commit(&repo, &tree));
    assert!(said.contains("nothing to deploy"), "{said}");
    // Links are the app's own affair, inside its sandbox, but lead no reader of ours astray.
    let link = object(&repo, "blob", b"/etc/passwd");
    let tree = object(&repo, "tree", &entry("120000", "manifest.yml", &link));
    let said = push(&commit(&repo, &tree));
    assert!(!said.contains("root:"), "{said}");

    assert_eq!(daemon.get_ok("git-hostile"), "safe");
    let builds = daemon.state_dir().join("builds");
    eventually("what pushes left to be gone", || {
        let left = fs::read_dir(&builds).unwrap();
        let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mine: Vec<String> = names.filter(|name| name.starts_with("push-")).collect();
        mine.is_empty().then_some(())
    });
}

#[test]
fn what_is_no_push_is_refused() {
    let daemon = Daemon::shared();
    let api = Api::login(&daemon);
    let place = "/git/dev/dev/git-nonsense";
    let send = |body: &str| {
        let kind = "application/x-git-receive-pack-request";
        api.raw("POST", &format!("{place}/git-receive-pack"), kind, body)
    };
    for bad in ["0001", "zzzz", "0009abcd", "fff0x", "000cpush-cer"] {
        let answer = send(bad);
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
    }
    // So clients find out whether they are let in.
    assert_eq!(send("0000").status, 200);
    let answer = api.get(&format!("{place}/info/refs?service=git-upload-pack"));
    assert_eq!(answer.status, 403, "{answer:?}");
    let none = "0".repeat(40);
    let one = "1".repeat(40);
    let line = format!("{none} {one} refs/heads/main\\0 report-status");
    let length = line.len() - 1 + 4;
    let script = format!(
        "printf '%04x{line}0000PACKnonsense' {length} | curl -sk --max-time 60 --data-binary @- \
         -H 'Authorization: bearer {}' {}{place}/git-receive-pack",
        api.token,
        daemon.https()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("ng refs/heads/main git refuses these objects"),
        "{said}"
    );
}

#[test]
fn a_push_is_no_larger_than_a_package_may_be() {
    let daemon = Daemon::with(Setup {
        arguments: vec!["--set".to_owned(), "limits.upload=1M".to_owned()],
        ..Setup::default()
    });
    let repo = Repo::new(&daemon, "large");
    let mut seed = 1_u32;
    let noise: String = (0..400_000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{seed:08x}")
        })
        .collect();
    repo.file("noise.txt", &noise);
    repo.commit("too much");
    refused(&repo.push(&["main"]));
    // What is read is what is sent: the daemon is well, and takes the next one.
    repo.git_ok(&["rm", "-q", "noise.txt"]);
    repo.file("Staticfile", "");
    repo.file("index.html", "small");
    repo.git_ok(&["add", "-A"]);
    repo.git_ok(&["commit", "-q", "--amend", "-m", "small"]);
    told(&repo.push(&["main"]));
    assert_eq!(daemon.get_ok("large"), "small");
}
