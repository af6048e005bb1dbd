//! What became of a push (gitprotocol-pack(5), report-status).

use super::{commands::Update, packet};

/// What the answer to a push is, as HTTP says it.
pub const RESULT: &str = "application/x-git-receive-pack-result";

/// Longest reason, which git shows on one line.
const LONGEST: usize = 200;

/// The report on `updates`, of which the one with the name `done` was carried out; the others
/// were not, for the reason that `why` gives.
pub(super) fn report(
    updates: &[Update],
    done: Option<&str>,
    why: impl Fn(&Update) -> String,
) -> Vec<u8> {
    let mut text = Vec::new();
    packet::write(&mut text, &[b"unpack ok\n"]);
    for update in updates {
        let name = &update.name;
        let line = if done == Some(name) {
            format!("ok {name}\n")
        } else {
            format!("ng {name} {}\n", one_line(&why(update)))
        };
        packet::write(&mut text, &[line.as_bytes()]);
    }
    text.extend_from_slice(packet::FLUSH);
    text
}

/// The first line of a text, as short as need be.
pub(super) fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::git::Oid;

    #[test]
    fn each_branch_is_told_of() {
        let update = |name: &str| Update {
            old: Oid::none(),
            new: Oid::none(),
            name: name.to_owned(),
        };
        let updates = ["refs/heads/main", "refs/heads/x"].map(update);
        let told = report(&updates, Some("refs/heads/main"), |_| "no\nmore".to_owned());
        assert_eq!(
            String::from_utf8(told).unwrap(),
            "000eunpack ok\n0017ok refs/heads/main\n0017ng refs/heads/x no\n0000"
        );
    }
}
