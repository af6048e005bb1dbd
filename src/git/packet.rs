//! Packets: a length of four hexadecimal digits, and that many bytes less four
//! (gitprotocol-common(5)).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest packet, its length among it.
const LONGEST: usize = 65_520;

/// What ends a part of a conversation.
pub(super) const FLUSH: &[u8] = b"0000";

/// What one has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    /// The end of a part.
    Flush,
    /// A line, without the line break that it may have.
    Line(Vec<u8>),
}

/// Why what came is no push.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is not in git's protocol.
    #[error("this is not what git sends: {0}")]
    Protocol(&'static str),
    /// It is more than one push may be.
    #[error("a push may bring at most {0} MiB here")]
    TooLarge(u64),
    /// It broke off.
    #[error("the push broke off")]
    Broken(#[from] io::Error),
}

/// The next packet; none where nothing more comes.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Packet>, Malformed> {
    let mut digits = [0; 4];
    if from.read(&mut digits[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut digits[1..]).await?;
    let length = length(digits).ok_or(Malformed::Protocol("a packet has no length"))?;
    match length {
        0 => Ok(Some(Packet::Flush)),
        4..=LONGEST => {
            let mut line = vec![0; length - 4];
            from.read_exact(&mut line).await?;
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            Ok(Some(Packet::Line(line)))
        }
        _ => Err(Malformed::Protocol("a packet has an impossible length")),
    }
}

fn length(digits: [u8; 4]) -> Option<usize> {
    // `from_str_radix` would take a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
}

/// Puts a packet with `parts` behind what `to` has.
pub(super) fn write(to: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    to.extend_from_slice(format!("{length:04x}").as_bytes());
    for part in parts {
        to.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(sent: &[u8], expected: &[Packet]) {
        let mut from = sent;
        let mut found = Vec::new();
        while let Some(packet) = read(&mut from).await.unwrap() {
            found.push(packet);
        }
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn packets_are_read_as_they_are_written() {
        let mut sent = Vec::new();
        write(&mut sent, &[b"one ", b"line\n"]);
        write(&mut sent, &[b""]);
        sent.extend_from_slice(FLUSH);
        let lines = [&b"one line"[..], b""].map(|line| Packet::Line(line.to_vec()));
        let [one, empty] = lines;
        check(&sent, &[one, empty, Packet::Flush]).await;
        check(b"", &[]).await;
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        for bad in [
            &b"000"[..],
            b"0001",
            b"0003",
            b"+004",
            b"fff1",
            b"zzzz",
            b"0009abcd",
        ] {
            let mut from = bad;
            read(&mut from).await.unwrap_err();
        }
    }
}
