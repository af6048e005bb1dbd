//! What the process of a way out gives up before it reads its first packet: everything but the
//! host's network, and what it was handed.

use std::{collections::BTreeMap, io};

use nix::{
    libc,
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
    },
    unistd::{Gid, Uid, setgroups, setresgid, setresuid},
};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::sandbox::sys;

/// Conversations that one sandbox may have at once. Each takes a descriptor and mostly a port of
/// the host, which has 28,000 of those for one destination.
const CONVERSATIONS: u64 = 4096;

/// Descriptors beside those of conversations: questions about names, and what we began with.
const OTHERS: u64 = 512;

/// Memory that may be mapped; what is really used counts for the sandbox.
const MEMORY: u64 = 4 << 30;

/// The longest file that is written: the traffic's account, and last words.
const FILE: u64 = 64 << 10;

/// Becomes `become_id` where that is given, and keeps no right. Returns how many conversations
/// there may be at once.
pub(super) fn give_up(become_id: Option<u32>) -> io::Result<usize> {
    sys::map_large_allocations();
    let descriptors = limits()?;
    if let Some(id) = become_id {
        sys::limit_bounding_set(0)?;
        sys::lock_securebits(false)?;
        let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
        setgroups(&[])?;
        setresgid(group, group, group)?;
        setresuid(user, user, user)?;
        // The change has cleared it.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
    }
    sys::set_capabilities(0)?;
    prctl::set_no_new_privs()?;
    prctl::set_dumpable(false)?;
    let conversations = descriptors.saturating_sub(OTHERS).min(CONVERSATIONS);
    usize::try_from(conversations).map_err(io::Error::other)
}

/// Sets limits, and returns how many descriptors there may be.
fn limits() -> io::Result<u64> {
    let lower = |resource, value: u64| {
        let (_, hard) = getrlimit(resource)?;
        let value = value.min(hard);
        setrlimit(resource, value, value).map(|()| value)
    };
    // 0 would still start what the host pipes cores to (core(5)); none is made of us anyway.
    lower(Resource::RLIMIT_CORE, 1)?;
    lower(Resource::RLIMIT_NPROC, 0)?;
    lower(Resource::RLIMIT_FSIZE, FILE)?;
    lower(Resource::RLIMIT_AS, MEMORY)?;
    lower(Resource::RLIMIT_MEMLOCK, 0)?;
    Ok(lower(Resource::RLIMIT_NOFILE, CONVERSATIONS + OTHERS)?)
}

/// Refuses every system call but those that the loop needs. None of them opens a file, makes a
/// process or sends a signal to one.
pub(super) fn filter() -> io::Result<()> {
    let told = |error: seccompiler::Error| io::Error::other(error.to_string());
    let program = rules().map_err(told)?;
    seccompiler::apply_filter(&program).map_err(told)
}

fn rules() -> seccompiler::Result<seccompiler::BpfProgram> {
    let number = |value: i32| u64::from(value.cast_unsigned());
    let is = |argument, value| SeccompCondition::new(argument, Len::Dword, Op::Eq, value);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // To speak, and to ask the kernel where addresses lead; no Unix and no raw sockets.
    let mut sockets = Vec::new();
    let kind_mask = 0xf;
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            sockets.push(SeccompRule::new(vec![
                is(0, number(family))?,
                SeccompCondition::new(1, Len::Dword, Op::MaskedEq(kind_mask), number(kind))?,
            ])?);
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    // Memory, none of it to be executed.
    let not_executable = |argument| {
        let executable = number(libc::PROT_EXEC);
        SeccompRule::new(vec![SeccompCondition::new(
            argument,
            Len::Dword,
            Op::MaskedEq(executable),
            0,
        )?])
    };
    rules.insert(libc::SYS_mmap, vec![not_executable(2)?]);
    rules.insert(libc::SYS_mprotect, vec![not_executable(2)?]);
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let otherwise = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    Ok(SeccompFilter::new(rules, otherwise, SeccompAction::Allow, arch)?.try_into()?)
}

#[cfg(target_arch = "x86_64")]
const WAIT: [i64; 2] = [libc::SYS_epoll_wait, libc::SYS_poll];

#[cfg(not(target_arch = "x86_64"))]
const WAIT: [i64; 2] = [libc::SYS_epoll_pwait, libc::SYS_ppoll];

#[rustfmt::skip] // one call a line would be a page
const ALLOWED: &[i64] = &[
    WAIT[0], WAIT[1], libc::SYS_brk, libc::SYS_clock_gettime, libc::SYS_close, libc::SYS_connect,
    libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_fcntl,
    libc::SYS_futex, libc::SYS_getpid, libc::SYS_getrandom, libc::SYS_getsockopt, libc::SYS_gettid,
    libc::SYS_gettimeofday, libc::SYS_lseek, libc::SYS_madvise, libc::SYS_mremap, libc::SYS_munmap,
    libc::SYS_pread64, libc::SYS_pwrite64, libc::SYS_read, libc::SYS_recvfrom, libc::SYS_recvmsg,
    libc::SYS_restart_syscall, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sendmsg,
    libc::SYS_sendto, libc::SYS_setsockopt, libc::SYS_shutdown, libc::SYS_sigaltstack, libc::SYS_statx,
    libc::SYS_write,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_and_opens_no_file() {
        assert!(rules().unwrap().len() < 4096);
        for call in [
            libc::SYS_openat,
            libc::SYS_execve,
            libc::SYS_clone,
            libc::SYS_kill,
            libc::SYS_bind,
            libc::SYS_ptrace,
        ] {
            assert!(!ALLOWED.contains(&call));
        }
    }
}
