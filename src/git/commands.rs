//! What a client wants branches to be.

use tokio::io::AsyncRead;

use super::packet::{self, Malformed, Packet};
use crate::build::git::{Head, Oid};

/// Branches that one push may name; an ordinary one names one.
const MOST: usize = 1000;
/// Longest name of one.
const LONGEST: usize = 1024;

/// What clients are told that they may ask for.
pub(super) const CAPABILITIES: &str = concat!(
    "report-status side-band-64k quiet ofs-delta object-format=sha1 agent=pastina/",
    env!("CARGO_PKG_VERSION")
);

/// A branch or tag, and what it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) old: Oid,
    pub(super) new: Oid,
    pub(super) name: String,
}

/// What a client wants.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Commands {
    pub(super) updates: Vec<Update>,
    /// Whether it wants to be told what became of it.
    pub(super) report: bool,
    /// Whether it takes messages meanwhile.
    pub(super) sideband: bool,
    /// Whether it has not got all of its history.
    pub(super) shallow: bool,
}

impl Commands {
    /// What `from` begins with; the pack comes behind it.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Self, Malformed> {
        let mut commands = Self::default();
        loop {
            let line = match packet::read(from).await? {
                None | Some(Packet::Flush) => return Ok(commands),
                Some(Packet::Line(line)) => line,
            };
            commands.take(&line)?;
            if commands.updates.len() > MOST {
                return Err(Malformed::Protocol("it names too many branches"));
            }
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let (line, capabilities) = match line.iter().position(|byte| *byte == 0) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| wrong());
        for capability in text(capabilities)?.split(' ') {
            self.report |= capability == "report-status";
            self.sideband |= capability == "side-band-64k";
        }
        let line = text(line)?;
        if line.starts_with("shallow ") {
            self.shallow = true;
            return Ok(());
        }
        let mut parts = line.splitn(3, ' ');
        let mut oid = || parts.next().and_then(Oid::parse).ok_or_else(wrong);
        let (old, new) = (oid()?, oid()?);
        let name = parts
            .next()
            .filter(|name| is_name(name))
            .ok_or_else(wrong)?;
        self.updates.push(Update {
            old,
            new,
            name: name.to_owned(),
        });
        Ok(())
    }

    /// Whether a pack comes behind them.
    pub(super) fn has_pack(&self) -> bool {
        self.updates.iter().any(|update| !update.new.is_none())
    }

    /// The one update that is carried out, where `branch` is deployed and is at `head`.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn chosen(&self, branch: &str, head: Option<&Head>) -> Result<&Update, String> {
        let named = |update: &&Update| update.name.strip_prefix("refs/heads/") == Some(branch);
        let Some(update) = self.updates.iter().find(named) else {
            return Err(other(branch));
        };
        if update.new.is_none() {
            return Err("the branch that is deployed cannot be deleted".to_owned());
        }
        if self.shallow {
            return Err(
                "a shallow clone cannot be pushed: `git fetch --unshallow` makes it whole"
                    .to_owned(),
            );
        }
        let here = head.filter(|head| head.branch == branch);
        let here = here.map_or_else(Oid::none, |head| head.commit.clone());
        if update.old != here {
            return Err(
                "somebody else has pushed in between: look at what is deployed, then push \
                        again"
                    .to_owned(),
            );
        }
        Ok(update)
    }
}

/// Why a branch is not taken.
pub(super) fn other(branch: &str) -> String {
    format!("only the branch {branch} is deployed: git push REMOTE HEAD:{branch}")
}

/// Whether a name can be that of a branch or a tag, and harms no terminal.
fn is_name(name: &str) -> bool {
    name.starts_with("refs/") && name.len() <= LONGEST && !name.contains(char::is_control)
}

const fn wrong() -> Malformed {
    Malformed::Protocol("a command is not one")
}

/// What a client is told first: which commit the deployed branch is.
pub(super) fn advertisement(head: Option<&Head>) -> Vec<u8> {
    let mut text = Vec::new();
    let (commit, name) = match head {
        Some(head) => (head.commit.clone(), format!("refs/heads/{}", head.branch)),
        None => (Oid::none(), "capabilities^{}".to_owned()),
    };
    let line = format!("{commit} {name}\0{CAPABILITIES}\n");
    packet::write(&mut text, &[line.as_bytes()]);
    text.extend_from_slice(packet::FLUSH);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: char) -> Oid {
        Oid::parse(&digit.to_string().repeat(40)).unwrap()
    }

    async fn commands(lines: &[String]) -> Result<Commands, Malformed> {
        let mut sent = Vec::new();
        for line in lines {
            packet::write(&mut sent, &[line.as_bytes()]);
        }
        sent.extend_from_slice(packet::FLUSH);
        sent.extend_from_slice(b"PACK");
        let mut from = &sent[..];
        let read = Commands::read(&mut from).await?;
        assert_eq!(from, b"PACK");
        Ok(read)
    }

    fn line(old: &Oid, new: &Oid, name: &str) -> String {
        format!("{old} {new} {name}\0 report-status side-band-64k agent=git/2.39.5")
    }

    #[tokio::test]
    async fn commands_are_read_and_the_pack_is_left() {
        let (none, one) = (Oid::none(), oid('1'));
        let read = commands(&[line(&none, &one, "refs/heads/main")])
            .await
            .unwrap();
        assert!(read.report && read.sideband && !read.shallow && read.has_pack());
        assert_eq!(read.chosen("main", None).unwrap().new, one);
        assert!(
            read.chosen("other", None)
                .unwrap_err()
                .contains("HEAD:other")
        );
    }

    #[tokio::test]
    async fn what_cannot_be_deployed_is_refused_with_words() {
        let (none, one) = (Oid::none(), oid('1'));
        let check = async |lines: &[String], part: &str| {
            let error = commands(lines)
                .await
                .unwrap()
                .chosen("main", None)
                .unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        let main = "refs/heads/main";
        check(&[line(&one, &none, main)], "deleted").await;
        check(&[line(&one, &oid('2'), main)], "in between").await;
        check(
            &[format!("shallow {one}"), line(&none, &one, main)],
            "shallow",
        )
        .await;
        check(&[line(&none, &one, "refs/tags/v1")], "only the branch").await;
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        let good = oid('1');
        for bad in [
            String::new(),
            "x".to_owned(),
            format!("{good} {good}"),
            format!("{good} {good} main"),
            format!("{good} {good} refs/heads/\u{1b}[2J"),
            format!("push-cert\0{good}"),
        ] {
            assert!(
                commands(std::slice::from_ref(&bad)).await.is_err(),
                "{bad:?}"
            );
        }
    }
}
