//! What is refused of calls that are allowed, by their arguments.
//!
//! The kernel reads most of these as 32 bits, and so do the conditions: what a program puts into
//! the upper half of the register must not hide the lower.

use nix::libc;
use seccompiler::{
    SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition, SeccompRule,
};

use super::Rules;

/// Flags of clone(2) that make namespaces.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Requests of ioctl(2): putting characters into a terminal's input, changing its line
/// discipline (which loads modules of the kernel), taking the host's console, and changing the
/// project that a file's blocks are counted for (`FS_IOC_FSSETXATTR`).
const REQUESTS: [u64; 5] = [
    libc::TIOCSTI,
    libc::TIOCLINUX,
    libc::TIOCSETD,
    libc::TIOCCONS,
    0x401c_5820,
];

/// Options of setsockopt(2) that give the kernel a program to run: its machine code is not
/// counted for any group, and the host has `net.core.bpf_jit_limit` of it for all.
const PROGRAMS: [i32; 4] = [
    libc::SO_ATTACH_FILTER,
    libc::SO_ATTACH_BPF,
    libc::SO_ATTACH_REUSEPORT_CBPF,
    libc::SO_ATTACH_REUSEPORT_EBPF,
];

/// uapi/linux/tcp.h; it loads modules, and TLS in the kernel has had many faults.
const TCP_ULP: i32 = 31;

const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Linux, its 32-bit and uname-2.6 variants, and the question.
const PERSONALITIES: [u64; 5] = [0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];

type Result<T> = seccompiler::Result<T>;

fn int(argument: u8, op: Op, value: i32) -> Result<Condition> {
    number(argument, op, u64::from(value.cast_unsigned()))
}

fn number(argument: u8, op: Op, value: u64) -> Result<Condition> {
    Ok(Condition::new(argument, Len::Dword, op, value)?)
}

/// Where all of the conditions hold.
fn all(conditions: impl IntoIterator<Item = Result<Condition>>) -> Result<SeccompRule> {
    let conditions = conditions.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(SeccompRule::new(conditions)?)
}

/// Where the argument is one of `values`.
fn one_of(argument: u8, values: impl IntoIterator<Item = u64>) -> Result<Vec<SeccompRule>> {
    let rules = values
        .into_iter()
        .map(|value| all([number(argument, Op::Eq, value)]));
    rules.collect()
}

/// Where the argument is none of `values`.
fn none_of(argument: u8, values: &[i32]) -> impl Iterator<Item = Result<Condition>> {
    values
        .iter()
        .map(move |value| int(argument, Op::Ne, *value))
}

/// Answered with `EPERM`.
pub(super) fn refused() -> Result<Rules> {
    let clone = NAMESPACES.into_iter().map(|flag| {
        let bit = u64::from(flag.cast_unsigned());
        all([number(0, Op::MaskedEq(bit), bit)])
    });
    let programs = PROGRAMS
        .into_iter()
        .map(|option| all([int(1, Op::Eq, libc::SOL_SOCKET), int(2, Op::Eq, option)]));
    let layer = [int(1, Op::Eq, libc::IPPROTO_TCP), int(2, Op::Eq, TCP_ULP)];
    let personality = PERSONALITIES
        .into_iter()
        .map(|persona| number(0, Op::Ne, persona));
    Ok(Rules::from([
        (libc::SYS_clone, clone.collect::<Result<_>>()?),
        (libc::SYS_ioctl, one_of(1, REQUESTS)?),
        (
            libc::SYS_setsockopt,
            programs.chain([all(layer)]).collect::<Result<_>>()?,
        ),
        (libc::SYS_personality, vec![all(personality)?]),
    ]))
}

/// Kinds of sockets that the kernel would make, and load modules for, before it looks at
/// anybody's rights.
pub(super) fn families() -> Result<Rules> {
    Ok(Rules::from([
        (libc::SYS_socket, vec![all(none_of(0, &FAMILIES))?]),
        (
            libc::SYS_socketpair,
            vec![all([int(0, Op::Ne, libc::AF_UNIX)])?],
        ),
    ]))
}

/// The same for what a family has more of than everybody uses: of the internet TCP, UDP and the
/// echo of ICMP (SCTP, DCCP, MPTCP, SMC and L2TP are modules with faults of their own), of
/// netlink what tells of interfaces and routes.
pub(super) fn protocols() -> Result<Rules> {
    const TYPE: u64 = 0xf;
    let mut rules = Vec::new();
    for (family, echo) in [
        (libc::AF_INET, libc::IPPROTO_ICMP),
        (libc::AF_INET6, libc::IPPROTO_ICMPV6),
    ] {
        let usual = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP, echo];
        rules.push(all(
            std::iter::once(int(0, Op::Eq, family)).chain(none_of(2, &usual))
        )?);
        let usual = [libc::SOCK_STREAM, libc::SOCK_DGRAM];
        for kind in (0..=15).filter(|kind| !usual.contains(kind)) {
            let kind = u64::from(kind.cast_unsigned());
            rules.push(all([
                int(0, Op::Eq, family),
                number(1, Op::MaskedEq(TYPE), kind),
            ])?);
        }
    }
    rules.push(all([
        int(0, Op::Eq, libc::AF_NETLINK),
        int(2, Op::Ne, libc::NETLINK_ROUTE),
    ])?);
    Ok(Rules::from([(libc::SYS_socket, rules)]))
}

/// Answered as if it had been done.
pub(super) fn done_already() -> Result<Rules> {
    // No core is written whatever the limit. To lower it from 1, where it is, to 0 would let
    // the kernel start the host's handler of cores (core(5): a pipe knows no other limit).
    let core = || int(1, Op::Eq, libc::RLIMIT_CORE.cast_signed());
    let sets = Condition::new(2, Len::Qword, Op::Ne, 0).map_err(Into::into);
    Ok(Rules::from([
        (libc::SYS_prlimit64, vec![all([core(), sets])?]),
        #[cfg(target_arch = "x86_64")]
        (
            libc::SYS_setrlimit,
            vec![all([int(0, Op::Eq, libc::RLIMIT_CORE.cast_signed())])?],
        ),
        // Would wait for every disk of the host, and make it write. What a sandbox writes goes
        // with it; files that matter have fsync.
        (libc::SYS_sync, Vec::new()),
    ]))
}

/// More filters, answered with `EPERM` once ours are in place: their machine code is memory that
/// no group pays for, and `net.core.bpf_jit_limit` is one number for the whole host.
pub(super) fn filters() -> Result<Rules> {
    let by_prctl = all([int(0, Op::Eq, libc::PR_SET_SECCOMP)])?;
    Ok(Rules::from([
        (libc::SYS_seccomp, Vec::new()),
        (libc::SYS_prctl, vec![by_prctl]),
    ]))
}

/// Answered with `EPERM` where threads will do.
pub(super) fn processes() -> Result<Rules> {
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let clone = all([number(0, Op::MaskedEq(thread), 0)])?;
    Ok(Rules::from([(libc::SYS_clone, vec![clone])]))
}
