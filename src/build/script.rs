//! The one script that does all steps of a build, with marks that tell where it stands.

use std::fmt::Write as _;

use crate::runtimes::PlannedStep;

/// The first byte of a mark; no tool writes it, and a build that did would need the nonce.
pub(super) const MARK: u8 = 0x1e;

/// The script for bash. Each step runs in a shell of its own that ends at the first command
/// that fails; `nonce` tells its marks from the output of the steps.
pub(super) fn script(steps: &[PlannedStep], nonce: &str) -> String {
    let mut script = format!(
        "mark() {{ printf '\\036%s %s\\n' {nonce} \"$*\"; }}\n\
         failed() {{ mark fail \"$1\" \"${{2//$'\\n'/ }}\"; }}\n\
         cd /home/vcap/app || exit\n"
    );
    for (number, step) in steps.iter().enumerate() {
        // Writing into a String cannot fail. The status is asked for afterwards, since behind
        // `||` the shell would go on after a command that fails.
        let _ = write!(
            script,
            "mark begin {number}\n\
             (\n\
             set -eEo pipefail\n\
             trap 'failed \"$?\" \"$BASH_COMMAND\"' ERR\n\
             {}\n\
             ) < /dev/null\n\
             status=$?; [ $status -eq 0 ] || exit $status\n",
            step.run.trim()
        );
    }
    script
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn steps(runs: &[&str]) -> Vec<PlannedStep> {
        let step = |run: &&str| PlannedStep {
            name: "A step".to_owned(),
            run: (*run).to_owned(),
        };
        runs.iter().map(step).collect()
    }

    /// What the script writes and how it ends, with the app's folder replaced.
    fn run(runs: &[&str]) -> (String, Option<i32>) {
        let script = script(&steps(runs), "nonce").replace("cd /home/vcap/app", "cd /");
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (text.replace('\u{1e}', "@"), output.status.code())
    }

    #[test]
    fn is_what_bash_runs() {
        insta::assert_snapshot!(script(&steps(&["npm ci", "a=1\nnpm run \"$a\"\n"]), "0af3"));
    }

    #[test]
    fn marks_tell_how_far_it_came() {
        let check = |runs: &[&str], output: &str, status: i32| {
            assert_eq!(run(runs), (output.to_owned(), Some(status)), "{runs:?}");
        };
        check(
            &["echo one", "echo two"],
            "@nonce begin 0\none\n@nonce begin 1\ntwo\n",
            0,
        );
        check(
            &["echo one\nfalse\necho never", "echo never"],
            "@nonce begin 0\none\n@nonce fail 1 false\n",
            1,
        );
        check(
            &["(exit 7)"],
            "@nonce begin 0\n@nonce fail 7 ( exit 7 )\n",
            7,
        );
        check(&["exit 3"], "@nonce begin 0\n", 3);
        check(&["false | cat"], "@nonce begin 0\n@nonce fail 1 cat\n", 1);
        check(&["if false; then :; fi; cat"], "@nonce begin 0\n", 0);
        check(
            &["a=x\nls \"/no$a\" 2> /dev/null"],
            "@nonce begin 0\n@nonce fail 2 ls \"/no$a\" 2> /dev/null\n",
            2,
        );
    }
}
