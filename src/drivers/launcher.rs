//! How a start command becomes a process.

/// What the shell does before the command, which is its first argument: as Cloud Foundry's
/// launcher, it reads what runtimes (`profile.d`) and the app (`.profile.d`, `.profile`) prepare,
/// in a function, so that a file that sets arguments of its own does not take the command away.
const SCRIPT: &str = r#"cd /home/vcap/app || exit 1
[ -d "$TMPDIR" ] || mkdir -p "$TMPDIR"
read_in() { . "$1"; }
for f in /home/vcap/profile.d/*.sh ./.profile.d/*.sh ./.profile; do
  if [ -f "$f" ]; then read_in "$f"; fi
done
unset f
unset -f read_in
exec SHELL -c "$1"
"#;

/// A shell that apps are started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    Bash,
    /// Where the host has no bash.
    Posix,
}

impl Shell {
    const fn path(self) -> &'static str {
        match self {
            Self::Bash => "/bin/bash",
            Self::Posix => "/bin/sh",
        }
    }

    /// The arguments that run `command` as Cloud Foundry would.
    pub(super) fn argv(self, command: &str) -> Vec<String> {
        let script = SCRIPT.replace("SHELL", self.path());
        [self.path(), "-c", &script, "launcher", command]
            .map(str::to_owned)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_profile_that_sets_arguments_of_its_own_leaves_the_command_alone() {
        let app = tempfile::tempdir().unwrap();
        let profile = app.path().join(".profile");
        std::fs::write(&profile, "set -- other\nexport MADE=by-the-profile\n").unwrap();
        let argv = Shell::Posix.argv("echo $MADE");
        let script = argv[2].replace("/home/vcap/app", app.path().to_str().unwrap());
        let done = Command::new(&argv[0])
            .args(["-c", &script, "launcher", &argv[4]])
            .env("TMPDIR", app.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "by-the-profile\n");
    }
}
