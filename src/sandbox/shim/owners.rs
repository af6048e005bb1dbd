//! A user namespace that says which of the host's ids is shown as which: what an id-mapped
//! mount is made with.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::OwnedFd,
};

use nix::{
    fcntl::OFlag,
    libc,
    sys::wait::waitpid,
    unistd::{Pid, pipe2},
};

use crate::sandbox::{RANGE, sys};

/// A namespace that shows what belongs to this process's user and group as `vcap`'s.
pub(super) fn vcap(vcap: u32) -> io::Result<OwnedFd> {
    namespace(
        &format!("{} {vcap} 1\n", nix::unistd::geteuid()),
        &format!("{} {vcap} 1\n", nix::unistd::getegid()),
    )
}

/// A namespace that shows the host's first ids as those of the range from `first` on.
pub(super) fn range(first: u32) -> io::Result<OwnedFd> {
    let map = format!("0 {first} {RANGE}\n");
    namespace(&map, &map)
}

fn namespace(users: &str, groups: &str) -> io::Result<OwnedFd> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    match sys::fork(libc::CLONE_NEWUSER)? {
        sys::Side::Child => {
            drop(writer);
            // A namespace needs a process to be named by; this one is it until the end of the pipe.
            let _ = File::from(reader).read(&mut [0]);
            sys::exit_now(0)
        }
        sys::Side::Parent { pid, .. } => {
            drop(reader);
            let map = |file: &str, text: &str| fs::write(format!("/proc/{pid}/{file}"), text);
            let made = map("uid_map", users)
                .and_then(|()| map("gid_map", groups))
                .and_then(|()| File::open(format!("/proc/{pid}/ns/user")));
            drop(writer);
            let _ = waitpid(Pid::from_raw(pid), None);
            made.map(OwnedFd::from)
        }
    }
}
