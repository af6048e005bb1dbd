//! `cf ssh` and its kin with the real clients: the stock command line and OpenSSH.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use crate::support::{Cf, Daemon, eventually, example, text};

/// An app whose instances can be entered, and those who enter them.
struct Story {
    daemon: Daemon,
    cf: Cf,
    dir: tempfile::TempDir,
}

impl Story {
    fn begin() -> Self {
        let daemon = Daemon::start();
        let cf = Cf::login(&daemon);
        cf.run_in(
            &example("procfile"),
            &["push", "procfile", "-i", "2", "-m", "128M"],
        );
        daemon.get_ok("procfile");
        let dir = tempfile::tempdir().unwrap();
        Self { daemon, cf, dir }
    }

    /// `ssh`, `scp` or `sftp` with a fresh code for a password.
    fn openssh(&self, program: &str, arguments: &[&str]) -> Output {
        let code = self.cf.run(&["ssh-code"]);
        self.openssh_with(code.trim(), program, arguments)
    }

    fn openssh_with(&self, code: &str, program: &str, arguments: &[&str]) -> Output {
        let ask = self.dir.path().join("ask");
        fs::write(&ask, format!("#!/bin/sh\necho '{code}'\n")).unwrap();
        fs::set_permissions(&ask, fs::Permissions::from_mode(0o700)).unwrap();
        let guid = self.cf.guid("procfile");
        let (_, port) = self.port();
        let options = [
            format!("User=cf:{guid}/0"),
            format!("Port={port}"),
            "StrictHostKeyChecking=no".to_owned(),
            "UserKnownHostsFile=/dev/null".to_owned(),
            "NumberOfPasswordPrompts=1".to_owned(),
            "LogLevel=ERROR".to_owned(),
            "BatchMode=no".to_owned(),
        ];
        Command::new(program)
            .args(options.iter().flat_map(|option| ["-o", option.as_str()]))
            .args(arguments)
            .env("SSH_ASKPASS", &ask)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("HOME", self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn port(&self) -> (String, u16) {
        let at = self.daemon.ssh();
        let (host, port) = at.rsplit_once(':').unwrap();
        (host.to_owned(), port.parse().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[track_caller]
fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn instances_are_entered_and_left() {
    let story = Story::begin();
    let Story { daemon, cf, .. } = &story;
    a_command_runs_in_the_instance(cf);
    a_terminal_is_given_where_it_is_asked_for(cf);
    ports_are_forwarded_into_the_instance_alone(&story);
    files_are_copied_with_openssh(&story);
    much_passes_both_ways_at_once(&story);
    wrong_codes_lock_the_door(&story);
    who_may_not_is_kept_out(&story);
    let events = cf.run(&["events", "procfile"]);
    for kind in ["audit.app.ssh-authorized", "audit.app.ssh-unauthorized"] {
        assert!(events.contains(kind), "no {kind} in {events}");
    }
    let logs = cf.run(&["logs", "procfile", "--recent"]);
    assert!(logs.contains("Successful remote access by"), "{logs}");
    assert!(daemon.get_ok("procfile").contains("Hello"));
}

fn a_command_runs_in_the_instance(cf: &Cf) {
    let ssh = |more: &[&str]| {
        let arguments: Vec<&str> = ["ssh", "procfile"].iter().chain(more).copied().collect();
        cf.output(&arguments)
    };
    let seen = good(&ssh(&[
        "-c",
        "pwd; ls app; echo $CF_INSTANCE_INDEX $VCAP_APPLICATION; id -un",
    ]));
    assert!(seen.starts_with("/home/vcap\n"), "{seen}");
    for part in [
        "Procfile",
        "\n0 {",
        "\"application_name\":\"procfile\"",
        "\nvcap\n",
    ] {
        assert!(seen.contains(part), "no {part:?} in {seen}");
    }
    let second = good(&ssh(&["-i", "1", "-c", "echo $CF_INSTANCE_INDEX"]));
    assert_eq!(second.trim(), "1");
    let both = ssh(&["--process", "web", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(both.status.code(), Some(7), "{}", text(&both));
    assert_eq!(String::from_utf8_lossy(&both.stdout), "out\n");
    assert!(String::from_utf8_lossy(&both.stderr).contains("err"));
    let none = ssh(&["-i", "9", "-c", "true"]);
    assert!(!none.status.success());
    // The limits of the instance are those of whoever comes.
    let memory = good(&ssh(&[
        "-c",
        "cat /sys/fs/cgroup/memory.max /proc/self/cgroup 2>/dev/null; ulimit -n",
    ]));
    assert!(memory.contains("16384"), "{memory}");
}

fn a_terminal_is_given_where_it_is_asked_for(cf: &Cf) {
    let tty = |flag: &str| text(&cf.output(&["ssh", "procfile", flag, "-c", "tty"]));
    assert!(tty("--force-pseudo-tty").contains("/dev/pts/0"));
    assert!(tty("--disable-pseudo-tty").contains("not a tty"));

    let mut command = cf.command();
    let mut shell = command
        .args(["ssh", "procfile", "--force-pseudo-tty"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    stdin
        .write_all(b"echo $((6 * 7)) in $PWD; tty; exit 3\n")
        .unwrap();
    let mut seen = String::new();
    shell
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut seen)
        .unwrap();
    assert!(seen.contains("42 in /home/vcap"), "{seen}");
    assert!(seen.contains("/dev/pts/0"), "{seen}");
    assert_eq!(shell.wait().unwrap().code(), Some(3));
}

fn ports_are_forwarded_into_the_instance_alone(story: &Story) {
    let free = || {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        taken.local_addr().unwrap().port()
    };
    let (inside, host) = (free(), free());
    let (_, own) = story.port();
    let mut command = story.cf.command();
    let forwards = [
        format!("{inside}:localhost:8080"),
        format!("{host}:127.0.0.1:{own}"),
    ];
    let mut ssh = command
        .args([
            "ssh",
            "procfile",
            "-N",
            "-L",
            &forwards[0],
            "-L",
            &forwards[1],
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ask = |port: u16| -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream
            .write_all(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        // What is refused is reset or ends without a word.
        let _ = stream.read_to_string(&mut answer);
        Some(answer)
    };
    eventually("the app to answer through the tunnel", || {
        ask(inside).filter(|answer| answer.contains("Hello"))
    });
    // The host listens on that port; the instance does not.
    let answer = ask(host).unwrap();
    assert!(!answer.contains("SSH-"), "{answer}");
    ssh.kill().unwrap();
    ssh.wait().unwrap();
}

fn files_are_copied_with_openssh(story: &Story) {
    let host = "127.0.0.1";
    let seen = good(&story.openssh("ssh", &[host, "echo over ssh; cat /proc/self/comm"]));
    assert!(seen.starts_with("over ssh\n"), "{seen}");

    let data: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let (here, back) = (story.file("here"), story.file("back"));
    fs::write(&here, &data).unwrap();
    let there = format!("{host}:there");
    let here = here.to_str().unwrap();
    good(&story.openssh("scp", &["-q", here, &there]));
    let sum = good(&story.openssh("ssh", &[host, "wc -c < /home/vcap/there"]));
    assert_eq!(sum.trim(), data.len().to_string());
    good(&story.openssh("scp", &["-q", &there, back.to_str().unwrap()]));
    assert!(fs::read(&back).unwrap() == data);
    let gone = story.openssh("scp", &["-q", &format!("{host}:/nowhere"), here]);
    assert!(text(&gone).contains("No such file"), "{}", text(&gone));

    let folder = story.file("folder");
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    fs::write(folder.join("deep/er/file"), "found").unwrap();
    good(&story.openssh(
        "scp",
        &[
            "-q",
            "-r",
            folder.to_str().unwrap(),
            &format!("{host}:app/"),
        ],
    ));
    let found = good(&story.openssh("ssh", &[host, "cat app/folder/deep/er/file"]));
    assert_eq!(found, "found");

    let batch = story.file("batch");
    fs::write(
        &batch,
        "mkdir new\nrename there new/moved\nls -l new\nrm new/moved\nrmdir new\n",
    )
    .unwrap();
    let listed = good(&story.openssh("sftp", &["-q", "-b", batch.to_str().unwrap(), host]));
    assert!(
        listed.contains("moved") && listed.contains("12000000"),
        "{listed}"
    );
}

/// What would lock up where a program does not read before its output is taken.
fn much_passes_both_ways_at_once(story: &Story) {
    let big = story.file("big");
    fs::write(&big, vec![b'x'; 24 << 20]).unwrap();
    let mut command = story.cf.command();
    let copied = command
        .args(["ssh", "procfile", "-c", "sleep 0.5; cat"])
        .stdin(fs::File::open(&big).unwrap())
        .output()
        .unwrap();
    assert!(copied.status.success());
    assert_eq!(copied.stdout.len(), 24 << 20);
}

fn wrong_codes_lock_the_door(story: &Story) {
    for _ in 0..5 {
        let refused = story.openssh_with("wrong", "ssh", &["127.0.0.1", "true"]);
        assert!(
            text(&refused).contains("Permission denied"),
            "{}",
            text(&refused)
        );
    }
    // Also for a code that is good, from here and for this name.
    let locked = story.openssh("ssh", &["127.0.0.1", "true"]);
    assert!(!locked.status.success());
    // Another instance is another name.
    let open = story
        .cf
        .output(&["ssh", "procfile", "-i", "1", "-c", "echo open"]);
    assert_eq!(good(&open), "open\n");
}

fn who_may_not_is_kept_out(story: &Story) {
    let cf = &story.cf;
    let enter = || cf.output(&["ssh", "procfile", "-i", "1", "-c", "echo in"]);
    cf.run(&["disable-ssh", "procfile"]);
    assert!(
        cf.run(&["ssh-enabled", "procfile"])
            .contains("ssh support is disabled")
    );
    assert!(!enter().status.success());
    cf.run(&["enable-ssh", "procfile"]);
    cf.run(&["disallow-space-ssh", "dev"]);
    assert!(cf.run(&["space-ssh-allowed", "dev"]).contains("disabled"));
    assert!(!enter().status.success());
    cf.run(&["allow-space-ssh", "dev"]);
    assert_eq!(good(&enter()), "in\n");

    // An auditor sees the app and may not enter it.
    cf.run(&["create-user", "kim", "a-long-password"]);
    cf.run(&["set-space-role", "kim", "dev", "dev", "SpaceAuditor"]);
    let kim = Cf::new();
    kim.run(&["api", &story.daemon.https(), "--skip-ssl-validation"]);
    kim.run(&["auth", "kim", "a-long-password"]);
    kim.run(&["target", "-o", "dev", "-s", "dev"]);
    let refused = kim.output(&["ssh", "procfile", "-i", "1", "-c", "echo in"]);
    assert!(!refused.status.success(), "{}", text(&refused));
}

#[test]
fn the_daemons_end_is_the_end_of_visits_and_not_of_the_app() {
    let mut story = Story::begin();
    let mut command = story.cf.command();
    let mut ssh = command
        .args(["ssh", "procfile", "-c", "echo began; exec sleep 5150"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut began = [0; 6];
    ssh.stdout.as_mut().unwrap().read_exact(&mut began).unwrap();
    let there = || crate::support::processes_with(&["5150"]).len();
    assert!(there() > 0);
    story.daemon.kill();
    assert!(!ssh.wait().unwrap().success());
    eventually("the visit to be gone", || (there() == 0).then_some(()));
    story.daemon.spawn();
    assert!(story.daemon.get_ok("procfile").contains("Hello"));
    let again = story.cf.output(&["ssh", "procfile", "-c", "echo again"]);
    assert_eq!(good(&again), "again\n");
}

#[test]
fn what_has_no_process_says_so() {
    let daemon = Daemon::start();
    let cf = Cf::login(&daemon);
    cf.run_in(&example("static-site"), &["push", "site"]);
    let told = text(&cf.output(&["ssh", "site", "-c", "true"]));
    assert!(told.contains("no process of it runs"), "{told}");
    cf.run_in(&example("wasm-c"), &["push", "wasm"]);
    let told = text(&cf.output(&["ssh", "wasm", "-c", "true"]));
    assert!(told.contains("there is no shell in it"), "{told}");
}
