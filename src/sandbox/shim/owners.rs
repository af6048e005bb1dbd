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

use crate::sandbox::sys;

/// A namespace that shows what belongs to this process's user and group as `vcap`'s.
pub(super) fn namespace(vcap: u32) -> io::Result<OwnedFd> {
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
            let map = |file: &str, own: u32| {
                fs::write(format!("/proc/{pid}/{file}"), format!("{own} {vcap} 1\n"))
            };
            let made = map("uid_map", nix::unistd::geteuid().as_raw())
                .and_then(|()| map("gid_map", nix::unistd::getegid().as_raw()))
                .and_then(|()| File::open(format!("/proc/{pid}/ns/user")));
            drop(writer);
            let _ = waitpid(Pid::from_raw(pid), None);
            made.map(OwnedFd::from)
        }
    }
}
