//! How a start command becomes a process.

/// What the shell does before the command, which is its first argument: as Cloud Foundry's
/// launcher, it reads what runtimes (`profile.d`) and the app (`.profile.d`, `.profile`) prepare.
const SCRIPT: &str = r#"cd /home/vcap/app || exit 1
[ -d "$TMPDIR" ] || mkdir -p "$TMPDIR"
for f in /home/vcap/profile.d/*.sh ./.profile.d/*.sh ./.profile; do
  if [ -f "$f" ]; then . "$f"; fi
done
unset f
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
