//! The system calls that a sandbox may use: a list of what is allowed, so that a new call of a
//! new kernel is refused until it is looked at.
//!
//! One filter allows what is listed and answers `ENOSYS` to the rest, so that programs fall back
//! to older calls (libc does for `clone3`, whose flags lie in memory, where a filter cannot read
//! them). The others refuse by arguments, each with the error that the kernel itself would give:
//! `ENOSYS` there would be a lie that some programs stumble over.

mod arguments;
mod calls;

use std::{collections::BTreeMap, io};

use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch};

use super::Kind;
use calls::{LEGACY_REFUSED, MORE, MORE_LEGACY, REFUSED, WASM, WASM_LEGACY};

/// Puts the filters of every sandbox on this process and its later children. Cannot be undone;
/// sets no_new_privs, too.
pub(super) fn apply() -> io::Result<()> {
    install(common())
}

/// Takes from this process what a command of this kind has no need of, filters of its own among
/// it.
pub(super) fn close(kind: Kind) -> io::Result<()> {
    match kind {
        Kind::Process | Kind::Build => {}
        Kind::Wasm => install(wasm())?,
    }
    install(last())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn install(programs: seccompiler::Result<Vec<BpfProgram>>) -> io::Result<()> {
    let told = |error: seccompiler::Error| io::Error::other(error.to_string());
    for program in programs.map_err(told)? {
        seccompiler::apply_filter(&program).map_err(told)?;
    }
    Ok(())
}

/// The filters of every sandbox. Where several refuse, the last decides about the error.
fn common() -> seccompiler::Result<Vec<BpfProgram>> {
    let mut refused = every([REFUSED, LEGACY_REFUSED]);
    refused.extend(arguments::refused()?);
    Ok(vec![
        allow(every([WASM, WASM_LEGACY, MORE, MORE_LEGACY]))?,
        answer(refused, libc::EPERM)?,
        answer(arguments::families()?, libc::EAFNOSUPPORT)?,
        answer(arguments::protocols()?, libc::EPROTONOSUPPORT)?,
        answer(arguments::done_already()?, 0)?,
    ])
}

fn wasm() -> seccompiler::Result<Vec<BpfProgram>> {
    Ok(vec![
        allow(every([WASM, WASM_LEGACY]))?,
        answer(arguments::processes()?, libc::EPERM)?,
    ])
}

fn last() -> seccompiler::Result<Vec<BpfProgram>> {
    Ok(vec![answer(arguments::filters()?, libc::EPERM)?])
}

/// Rules for calls whatever their arguments.
fn every<const N: usize>(tables: [&[i64]; N]) -> Rules {
    let calls = tables.into_iter().flatten();
    calls.map(|call| (*call, Vec::new())).collect()
}

fn allow(rules: Rules) -> seccompiler::Result<BpfProgram> {
    compile(rules, errno(libc::ENOSYS), SeccompAction::Allow)
}

/// Answers what the rules match with an error, 0 for success, and lets the rest pass.
fn answer(rules: Rules, error: i32) -> seccompiler::Result<BpfProgram> {
    compile(rules, SeccompAction::Allow, errno(error))
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.cast_unsigned())
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    on_match: SeccompAction,
) -> seccompiler::Result<BpfProgram> {
    // Calls of another architecture kill the process: the filter begins with that check.
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, on_match, arch)?.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_and_are_small_enough_for_the_kernel() {
        for program in common().unwrap().into_iter().chain(wasm().unwrap()) {
            // BPF_MAXINSNS
            assert!(program.len() < 4096, "{}", program.len());
        }
    }

    #[test]
    fn a_call_is_in_one_table_and_a_wasm_host_has_two_thirds_of_them_at_most() {
        let few = every([WASM, WASM_LEGACY]).len();
        let all = every([WASM, WASM_LEGACY, MORE, MORE_LEGACY]).len();
        assert!(few * 3 <= all * 2, "{few} of {all}");
        let tables = [
            WASM,
            WASM_LEGACY,
            MORE,
            MORE_LEGACY,
            REFUSED,
            LEGACY_REFUSED,
        ];
        let once: usize = tables.iter().map(|table| table.len()).sum();
        assert_eq!(every(tables).len(), once);
    }
}
