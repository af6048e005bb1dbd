//! How an image is run, out of what it says.

use std::path::Path;

use super::{ImageError, error::quoted, lookup, manifest::RunConfig};
use crate::model::Launch;

/// What is looked up where the image says nothing, as Docker has it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Ids inside go up to here; the rest of a range is nobody's.
const MAX_ID: u32 = 65_533;
/// Words of a command, and bytes of them and of the variables together: what the kernel takes
/// as the arguments of a program is 2 MiB.
const MAX_WORDS: usize = 1024;
const MAX_BYTES: usize = 256 * 1024;
/// Ports that an image may expose.
const MAX_PORTS: usize = 64;

/// How to run an image, and the variables that it sets. `layers` is where its layers are, the
/// lowest first; users' names are looked up there.
pub(super) fn read(
    run: RunConfig,
    layers: &[impl AsRef<Path>],
) -> Result<(Launch, Vec<(String, String)>), ImageError> {
    bounded(&run)?;
    let user = user(&run.user, layers)?;
    let workdir = match run.working_dir.as_str() {
        "" => "/".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    };
    if workdir.split('/').any(|part| part == "..") {
        return Err(refuse(format!("has the working directory {workdir:?}")));
    }
    let mut env: Vec<(String, String)> = run
        .env
        .iter()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if !env.iter().any(|(name, _)| name == "PATH") {
        env.push(("PATH".to_owned(), PATH.to_owned()));
    }
    let launch = Launch {
        entrypoint: run.entrypoint,
        cmd: run.cmd,
        workdir,
        user: run.user,
        ports: ports(run.exposed_ports.keys()),
        stop_signal: signal(&run.stop_signal)?,
        ..user
    };
    Ok((launch, env))
}

fn refuse(why: impl Into<String>) -> ImageError {
    ImageError::refused("the image's configuration", why)
}

fn bounded(run: &RunConfig) -> Result<(), ImageError> {
    let lists = [&run.env, &run.entrypoint, &run.cmd];
    let texts = || lists.iter().flat_map(|list| list.iter());
    let bytes: usize = texts().map(String::len).sum();
    let single = [&run.user, &run.working_dir, &run.stop_signal];
    let long = single.iter().any(|text| text.len() > 4096);
    if long || lists.iter().any(|list| list.len() > MAX_WORDS) || bytes > MAX_BYTES {
        return Err(refuse("has a command or variables that are too long"));
    }
    let nul = texts().chain(single).any(|text| text.contains('\0'));
    if nul {
        return Err(refuse("has a NUL character in its command or variables"));
    }
    Ok(())
}

/// TCP ports, as `80/tcp`, `80` and `8000-8003/tcp`.
fn ports<'a>(exposed: impl Iterator<Item = &'a String>) -> Vec<u16> {
    let mut ports: Vec<u16> = exposed
        .filter_map(|text| match text.split_once('/') {
            None => Some(text.as_str()),
            Some((port, "tcp")) => Some(port),
            Some(_) => None,
        })
        .filter_map(|text| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .filter(|port| *port > 0)
        .take(MAX_PORTS)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The number of a signal by its name, with or without `SIG`, or by its number.
fn signal(text: &str) -> Result<Option<i32>, ImageError> {
    // signal(7); these are the same on both architectures.
    const NAMES: [(&str, i32); 14] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("CONT", 18),
        ("WINCH", 28),
        ("PWR", 30),
        ("RTMIN+3", 37),
    ];
    if text.is_empty() {
        return Ok(None);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = NAMES.iter().find(|(known, _)| *known == name);
    let number = named.map(|(_, number)| *number).or_else(|| {
        let number = text.parse::<i32>().ok();
        number.filter(|number| (1..=64).contains(number))
    });
    number
        .map(Some)
        .ok_or_else(|| refuse(format!("has the unknown stop signal {:?}", quoted(text))))
}

/// Who runs it: `name`, `uid`, and either with `:group` or `:gid`.
fn user(text: &str, layers: &[impl AsRef<Path>]) -> Result<Launch, ImageError> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let passwd = lookup::text(layers, Path::new("etc/passwd"))?.unwrap_or_default();
    let groups = lookup::text(layers, Path::new("etc/group"))?.unwrap_or_default();
    let id = |text: &str| text.parse::<u32>().ok().filter(|id| *id <= MAX_ID);
    let unknown = |what: &str, name: &str, file: &str| {
        let name = quoted(name);
        refuse(format!(
            "says that the image runs as {what} {name:?}, which its {file} does not know"
        ))
    };
    let name = if user.is_empty() { "root" } else { user };
    let found = passwd.lines().map(Account::read).find(|line| {
        line.as_ref()
            .is_some_and(|line| line.name == name || id(name) == Some(line.uid))
    });
    let account = match (found.flatten(), id(name)) {
        (Some(account), _) => account,
        (None, Some(uid)) => Account {
            name: "",
            uid,
            gid: 0,
            home: "/",
        },
        // An image without users at all still has a root.
        (None, None) if name == "root" => Account {
            name,
            uid: 0,
            gid: 0,
            home: "/root",
        },
        (None, None) => return Err(unknown("user", name, "/etc/passwd")),
    };
    let gid = match group.filter(|group| !group.is_empty()) {
        None => account.gid,
        Some(group) => members(&groups)
            .find(|(name, ..)| *name == group)
            .map(|(_, gid, _)| gid)
            .or_else(|| id(group))
            .ok_or_else(|| unknown("group", group, "/etc/group"))?,
    };
    if account.uid > MAX_ID || gid > MAX_ID {
        return Err(refuse(format!("runs as an id past {MAX_ID}")));
    }
    // As Docker does it: with a group of its own, the user has no others.
    let more = members(&groups)
        .filter(|_| group.is_none() && !account.name.is_empty())
        .filter(|(_, _, users)| users.split(',').any(|user| user == account.name))
        .map(|(_, gid, _)| gid)
        .filter(|gid| *gid <= MAX_ID)
        .take(32);
    Ok(Launch {
        uid: account.uid,
        gid,
        groups: more.collect(),
        home: if account.home.starts_with('/') {
            account.home.chars().take(4096).collect()
        } else {
            "/".to_owned()
        },
        ..Launch::default()
    })
}

/// A line of `/etc/passwd`.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Account<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut parts = line.split(':');
        let name = parts.next()?;
        let uid = parts.nth(1)?.parse().ok()?;
        let gid = parts.next()?.parse().ok()?;
        let home = parts.nth(1).unwrap_or("/");
        Some(Self {
            name,
            uid,
            gid,
            home,
        })
    }
}

/// Name, id and members of each line of `/etc/group`.
fn members(text: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    text.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        let gid = parts.nth(1)?.parse().ok()?;
        Some((name, gid, parts.next().unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:An app:/srv:/bin/sh\nbroken\n",
        );
        write(
            "etc/group",
            "root:x:0:\napp:x:1001:\nmedia:x:44:app,other\n",
        );
        dir
    }

    #[test]
    fn users_are_looked_up_in_the_image() {
        let dir = root();
        let check = |text: &str, expected: Option<(u32, u32, &[u32], &str)>| {
            let found = user(text, &[dir.path()]).ok();
            let found = found
                .as_ref()
                .map(|it| (it.uid, it.gid, &it.groups[..], it.home.as_str()));
            assert_eq!(found, expected, "{text:?}");
        };
        check("", Some((0, 0, &[], "/root")));
        check("app", Some((1000, 1001, &[44], "/srv")));
        check("1000", Some((1000, 1001, &[44], "/srv")));
        check("app:media", Some((1000, 44, &[], "/srv")));
        check("1234", Some((1234, 0, &[], "/")));
        check("1234:5678", Some((1234, 5678, &[], "/")));
        check("nobody-here", None);
        check("app:nogroup-here", None);
        check("70000", None);
        check("1:70000", None);
    }

    #[test]
    fn what_an_image_says_is_read() {
        let run = |json: serde_json::Value| -> RunConfig { serde_json::from_value(json).unwrap() };
        let dir = root();
        let json = serde_json::json!({
            "User": "app", "WorkingDir": "srv/app", "StopSignal": "SIGQUIT",
            "Env": ["A=1=2", "broken", "B="],
            "Entrypoint": ["/run"], "Cmd": ["a", "b c"],
            "ExposedPorts": { "9000/tcp": {}, "80": {}, "53/udp": {}, "8001-8002/tcp": {}, "x": {} },
        });
        let (launch, env) = read(run(json), &[dir.path()]).unwrap();
        assert_eq!(launch.workdir, "/srv/app");
        assert_eq!(launch.ports, [80, 8001, 8002, 9000]);
        assert_eq!(launch.stop_signal, Some(3));
        assert_eq!(launch.command(), ["/run", "a", "b c"]);
        let names: Vec<_> = env.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B", "PATH"]);
        let check = |json: serde_json::Value| {
            assert!(read(run(json.clone()), &[dir.path()]).is_err(), "{json}");
        };
        check(serde_json::json!({ "WorkingDir": "/a/../../b" }));
        check(serde_json::json!({ "StopSignal": "SIGNOTHING" }));
        check(serde_json::json!({ "Cmd": ["a\0b"] }));
        check(serde_json::json!({ "Env": ["A=".to_owned() + &"x".repeat(300_000)] }));
    }
}
