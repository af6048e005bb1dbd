//! One push as it is read.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use cap_std::{ambient_authority, fs::Dir};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    Head, Oid,
    kept::Kept,
    script::{self, BAD_PACK, EMPTY, HISTORY, NO_COMMIT, NO_PATH, NOT_FETCHED, SUBMODULES},
};
use crate::{
    build::{Builder, builder::blocking, cache, failure, folder::Folder, leftovers::Guard},
    model::{AppId, Exit, Failure, Megabytes, NetworkPolicy, RegistryLogin},
    sandbox::{self, Bind, Ids, Kind, Limits, Network, Sandbox, Spec, Status},
};

/// Memory of a git that reads a push: twice what it needs for a repository of some 100 MB.
const MEMORY: Megabytes = Megabytes(512);
/// Processes and open files of one.
const PIDS: u32 = 64;
const FILES: u64 = 1024;
/// How long one may run; a pack of a gibibyte takes a minute or two.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// A push's share of the processors against apps, which have 100.
const CPU_WEIGHT: u32 = 50;
/// Output that is kept until it is read: what is passed on is some lines.
const LOG_BYTES: u64 = 1 << 20;
/// Longest manifest that is read, as when one is applied; one byte more tells that it is longer.
const MANIFEST: u64 = (1 << 20) + 1;

/// Where the host's git is looked for.
const PLACES: [&str; 3] = ["/usr/local/bin/git", "/usr/bin/git", "/bin/git"];

/// Whether the host has git.
#[must_use]
pub fn is_installed() -> bool {
    PLACES.iter().any(|place| Path::new(place).is_file())
}

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// The manifest of the repository, where it has one.
    pub manifest: Option<Vec<u8>>,
    /// Packs that were added to what is kept.
    packs: Vec<String>,
    /// Whether they are all that there is.
    alone: bool,
}

/// A push that is read. Dropped, it leaves nothing behind but packs that the next one removes.
#[derive(Debug)]
pub struct Reading {
    builder: Builder,
    folder: Folder,
    guard: Guard,
    ids: Ids,
    kept: Kept,
    head: Option<Head>,
    /// Whether it comes from elsewhere, so that nothing of it is kept.
    fetched: bool,
}

/// A branch of a repository elsewhere.
#[derive(Debug)]
pub struct Remote<'a> {
    /// Where it is.
    pub url: &'a str,
    /// Who asks for it.
    pub login: Option<&'a RegistryLogin>,
    /// The branch, without `refs/heads/`.
    pub branch: &'a str,
}

impl Builder {
    /// What was deployed of `app` by git the last time.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub async fn pushed(&self, app: AppId) -> Result<Option<Head>, Failure> {
        let kept = self.kept(app);
        blocking("look at the app's repository", move || Ok(kept.head())).await
    }

    fn kept(&self, app: AppId) -> Kept {
        Kept::of(&self.config.dir.join(cache::FOLDER), app)
    }

    /// Begins to read a push for `app`, which nobody else does at the time.
    ///
    /// # Errors
    /// Where there is no room for it on the host.
    pub async fn read_push(&self, app: AppId, ids: Ids) -> Result<Reading, Failure> {
        let name = format!("push-{}", uuid::Uuid::new_v4().simple());
        let dir = self.config.dir.join(name);
        let guard = Guard::new(self.leftovers.clone(), dir.clone());
        let (disks, size, kept) = (self.config.disks.clone(), self.config.disk, self.kept(app));
        let opened = blocking("make room for the push", move || {
            let failed = |error: io::Error| failure::host("make room for the push", &error);
            let folder = Folder::create(dir, &disks, size).map_err(failed)?;
            let head = kept.open().map_err(failed)?;
            Ok((folder, head, kept))
        });
        let (folder, head, kept) = opened.await?;
        Ok(Reading {
            builder: self.clone(),
            folder,
            guard,
            ids,
            kept,
            head,
            fetched: false,
        })
    }
}

impl Reading {
    /// Fetches a branch from elsewhere, in place of a pack that comes; gives its newest commit.
    /// What may be reached is what `policy` says, and what the operator named for builds.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub async fn fetch(
        &mut self,
        remote: &Remote<'_>,
        mut policy: NetworkPolicy,
        say: &mut (dyn FnMut(String) + Send),
    ) -> Result<Oid, Failure> {
        let (user, password) = remote
            .login
            .map_or(("", ""), |login| (&login.username, &login.password));
        let own = script::environment(&[
            ("URL", remote.url),
            ("BRANCH", remote.branch),
            ("GIT_USER", user),
            ("GIT_PASSWORD", password),
        ]);
        // Proxies and authorities are the builds'.
        let mut env: BTreeMap<String, String> = self.builder.config.env.clone();
        env.extend(own);
        policy.grants.extend(self.builder.config.registries());
        self.fetched = true;
        let env = env.into_iter().collect();
        self.run(&script::fetch(), env, "", Some(policy), say)
            .await?;
        let folder = self.folder.clone();
        blocking("read what was fetched", move || {
            let read = out(&folder).and_then(|out| read_all(&out, "commit"));
            let text = read.map_err(|error| failure::host("read what was fetched", &error))?;
            let text = text.unwrap_or_default();
            let commit = std::str::from_utf8(&text).ok();
            let commit = commit.and_then(|text| Oid::parse(text.trim()));
            commit.ok_or_else(|| refused("git has fetched no commit"))
        })
        .await
    }

    /// What was deployed the last time.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Where the new pack goes, for [`Reading::check`].
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn pack(&self) -> io::Result<tokio::fs::File> {
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.folder.home().join("push.pack"))?;
        Ok(tokio::fs::File::from_std(file))
    }

    /// Reads the pack, whose bytes are at most `limit`, and packs the files of `commit`. What git
    /// has to say is told to `say` while it happens.
    ///
    /// # Errors
    /// What is wrong with it, in words for who pushed.
    pub async fn check(
        &mut self,
        commit: &Oid,
        limit: u64,
        say: &mut (dyn FnMut(String) + Send),
    ) -> Result<Checked, Failure> {
        let limit = limit.to_string();
        let before = self.head.as_ref().map_or("", |head| head.commit.as_str());
        let together = if Kept::has_many(self.head.as_ref()) {
            "1"
        } else {
            ""
        };
        let env = script::environment(&[
            ("COMMIT", commit.as_str()),
            ("BEFORE", before),
            ("LIMIT", &limit),
            ("FOLDER", ""),
            ("TOGETHER", together),
        ]);
        self.run(&script::check(), env, "", None, say).await?;
        let (folder, kept) = (self.folder.clone(), self.kept.clone());
        let fetched = self.fetched;
        blocking("keep what was pushed", move || {
            let failed = |error: io::Error| failure::host("keep what was pushed", &error);
            let out = out(&folder).map_err(failed)?;
            let packs = match fetched {
                true => Ok(Vec::new()),
                false => kept.add(&folder.home().join("repo/objects/pack")),
            };
            Ok(Checked {
                manifest: read_all(&out, "manifest").map_err(failed)?,
                packs: packs.map_err(failed)?,
                alone: out.exists("alone"),
            })
        })
        .await
    }

    /// Packs the folder or file at `path` of the same commit instead; it has no `.` or `..`.
    ///
    /// # Errors
    /// Where there is nothing.
    pub async fn pick(
        &mut self,
        commit: &Oid,
        path: &str,
        say: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), Failure> {
        let env = script::environment(&[("COMMIT", commit.as_str()), ("FOLDER", path)]);
        self.run(&script::pick(), env, path, None, say).await
    }

    /// The zip of what was packed last.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn archive(&self) -> io::Result<tokio::fs::File> {
        let file = out(&self.folder)?.open("app.zip")?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("what git packed is not a file"));
        }
        Ok(tokio::fs::File::from_std(file.into_std()))
    }

    /// Ends it, and gives what remembers that it was deployed.
    pub async fn end(mut self) -> Remembered {
        self.guard.clear().await;
        Remembered((!self.fetched).then_some(self.kept))
    }

    async fn run(
        &mut self,
        script: &str,
        env: Vec<(String, String)>,
        path: &str,
        network: Option<NetworkPolicy>,
        say: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), Failure> {
        let _turn = self.turn().await?;
        let argv = ["bash", "-c", script].map(str::to_owned);
        let id = format!("push-{}", uuid::Uuid::new_v4().simple());
        let spec = Spec {
            kind: Kind::Build,
            home: Some(self.folder.home()),
            home_writable: true,
            binds: vec![Bind {
                source: self.kept.objects().to_owned(),
                target: PathBuf::from(script::KEPT),
                writable: false,
            }],
            env,
            hostname: "git".to_owned(),
            ids: self.ids,
            network: match network {
                Some(_) => Network::Tunnel,
                None => Network::Isolated,
            },
            egress: network.unwrap_or_default(),
            limits: Limits {
                memory: Some(MEMORY.bytes()),
                cpu_weight: Some(CPU_WEIGHT),
                io_weight: Some(CPU_WEIGHT),
                io_ceiling: self.builder.config.io_ceiling,
                pids: Some(PIDS),
                files: Some(FILES),
                ..Limits::default()
            },
            disk: Some(self.folder.disk().spec().clone()),
            log_bytes: LOG_BYTES,
            ..Spec::new(id, self.folder.sandbox(), argv)
        };
        let sandbox = sandbox::spawn(&spec)
            .await
            .map_err(|error| failure::host("start git", &error))?;
        self.guard.hold(sandbox.clone());
        let exit = timeout(PATIENCE, follow(&sandbox, say)).await;
        self.guard.again().await;
        let folder = self.folder.clone();
        blocking("take over what git has written", move || {
            let taken = folder.reclaim().and_then(|()| folder.renew_sandbox());
            taken.map_err(|error| failure::host("take over what git has written", &error))
        })
        .await?;
        match exit {
            Ok(Ok(Exit::Code { code: 0 })) => Ok(()),
            Ok(Ok(exit)) => Err(refused(words(&exit, path))),
            Ok(Err(error)) => Err(failure::host("read what git says", &error)),
            Err(_) => Err(refused(format!(
                "git could not read it within {} minutes",
                PATIENCE.as_secs() / 60
            ))),
        }
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let turns = self.builder.pushes.clone();
        let turn = turns.acquire_owned().await;
        turn.map_err(|error| failure::host("wait for other pushes", &error))
    }
}

/// What remembers a deployed commit, or forgets it.
#[derive(Debug)]
pub struct Remembered(Option<Kept>);

impl Remembered {
    /// `commit` is what `branch` is from now on. False where its history became too much to be
    /// kept, so that the next push brings all of it.
    ///
    /// # Errors
    /// Where that cannot be written down.
    pub async fn deployed(
        self,
        branch: String,
        commit: Oid,
        checked: Checked,
    ) -> Result<bool, Failure> {
        let Some(kept) = self.0 else {
            return Ok(true);
        };
        blocking("remember what was pushed", move || {
            let Checked { packs, alone, .. } = checked;
            let kept = kept.deployed(&branch, commit, packs, alone);
            kept.map_err(|error| failure::host("remember what was pushed", &error))
        })
        .await
    }
}

/// What the scripts leave for the platform.
fn out(folder: &Folder) -> io::Result<Dir> {
    let home = Dir::open_ambient_dir(folder.home(), ambient_authority())?;
    home.open_dir("out")
}

/// A small file that they leave; none where there is none.
fn read_all(out: &Dir, name: &str) -> io::Result<Option<Vec<u8>>> {
    use io::Read as _;

    let file = match out.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(MANIFEST).read_to_end(&mut text)?;
    Ok(Some(text))
}

fn refused(detail: impl Into<String>) -> Failure {
    Failure {
        id: "GitPushRefused".to_owned(),
        detail: detail.into(),
    }
}

/// Why git ended as it did.
fn words(exit: &Exit, path: &str) -> String {
    let code = match exit {
        Exit::Code { code } => *code,
        _ => 0,
    };
    match code {
        BAD_PACK => {
            "git refuses these objects: `git fsck` finds what is wrong with them".to_owned()
        }
        HISTORY => "objects of its history are missing: push from a whole clone, which `git fetch \
                    --unshallow` makes"
            .to_owned(),
        NOT_FETCHED => "the repository cannot be fetched: its address, the branch, the name and \
                        password, or what builds may reach (security groups) is not right"
            .to_owned(),
        NO_COMMIT => "a branch has to be a commit".to_owned(),
        SUBMODULES => "it has submodules, whose files are not in the repository and which the \
                       platform does not fetch: bring their files into it (`git subtree add` does \
                       that)"
            .to_owned(),
        NO_PATH => format!("the manifest's path {path:?} is not in the repository"),
        EMPTY => {
            "there is nothing to deploy: no file is left that .cfignore does not name".to_owned()
        }
        _ => match exit {
            Exit::OutOfMemory => format!("git needs more than {MEMORY} of memory to read it"),
            Exit::OutOfDisk { quota, .. } => format!("it needs more than {quota} of disk"),
            other => format!("git could not read it: {}", other.describe()),
        },
    }
}

/// Passes on what git says until it has ended.
async fn follow(sandbox: &Sandbox, say: &mut (dyn FnMut(String) + Send)) -> io::Result<Exit> {
    let mut reader = sandbox.log(0)?;
    let mut status = sandbox.status();
    let mut logged = sandbox.logged();
    loop {
        // Asked before the output is read, so that nothing is written after the reading.
        logged.mark_unchanged();
        let ended = match &*status.borrow_and_update() {
            Status::Ended(exit) => Some(exit.clone()),
            Status::Preparing | Status::Running { .. } => None,
        };
        while let Some(record) = reader.next()? {
            say(String::from_utf8_lossy(&record.line).into_owned());
        }
        if let Some(exit) = ended {
            return Ok(exit);
        }
        tokio::select! {
            // Both may be dropped at any time. A sandbox that nobody tells about any more has
            // vanished.
            changed = status.changed() => if changed.is_err() {
                return Ok(Exit::Lost);
            },
            Ok(()) = logged.changed() => {}
        }
    }
}
