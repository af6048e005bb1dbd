//! Connections that a way out which has failed leaves behind: the sandbox's kernel still holds
//! them, and a program that waits for an answer would wait for ever.
//!
//! Each is sent a segment that belongs to no connection of ours. The sandbox's kernel answers with
//! where it stands (RFC 5961), which the next way out takes for what it is, and resets.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber},
};

use super::super::address::{INSTANCE, INSTANCE_V6};

/// States of /proc/net/tcp in which an end waits for the other: established, and half-closed.
const WAITING: [&str; 4] = ["01", "04", "05", "08"];

/// The connections of the sandbox whose first process is `init`: who inside, and who outside.
pub(super) fn find(init: i32) -> Vec<(SocketAddr, SocketAddr)> {
    let of =
        |file: &str| fs::read_to_string(format!("/proc/{init}/net/{file}")).unwrap_or_default();
    let (first, second) = (of("tcp"), of("tcp6"));
    parse(&first).chain(parse(&second)).collect()
}

/// proc_pid_net(5): `sl local_address rem_address st ...`, addresses in words of the machine's
/// byte order.
fn parse(text: &str) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (inside, outside) = (place(fields.next()?)?, place(fields.next()?)?);
        let waits = WAITING.contains(&fields.next()?);
        let ours = inside.ip() == INSTANCE || inside.ip() == INSTANCE_V6;
        let ours = ours && inside.is_ipv4() == outside.is_ipv4();
        (waits && ours).then_some((inside, outside))
    })
}

fn place(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let address = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        // A socket of IPv6 that speaks IPv4.
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?).to_canonical(),
    };
    Some(SocketAddr::new(address, port))
}

/// The segment that makes the sandbox's kernel say where a connection stands.
pub(super) fn question((inside, outside): (SocketAddr, SocketAddr)) -> Vec<u8> {
    let segment = TcpRepr {
        src_port: outside.port(),
        dst_port: inside.port(),
        control: TcpControl::None,
        seq_number: TcpSeqNumber(0),
        ack_number: Some(TcpSeqNumber(0)),
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let (from, to) = (outside.ip().into(), inside.ip().into());
    let length = segment.buffer_len();
    let checksums = ChecksumCapabilities::default();
    let header = IpRepr::new(from, to, IpProtocol::Tcp, length, 64);
    let mut bytes = vec![0; header.buffer_len()];
    let room = header.header_len();
    header.emit(&mut bytes[..], &checksums);
    let mut packet = TcpPacket::new_unchecked(&mut bytes[room..]);
    segment.emit(&mut packet, &from, &to, &checksums);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a machine of little-endian byte order shows it.
    #[cfg(target_endian = "little")]
    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n\
        0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
        1: 020012C6:A1B2 146433C6:0007 01 00000000:00000000\n\
        2: 020012C6:A1B3 146433C6:0007 06 00000000:00000000\n\
        3: 0100007F:1F90 0100007F:A1B4 01 00000000:00000000\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn connections_through_the_way_out_that_wait_are_found() {
        let found: Vec<_> = parse(TABLE).collect();
        let inside = SocketAddr::new(INSTANCE.into(), 0xa1b2);
        assert_eq!(found, [(inside, "198.51.100.20:7".parse().unwrap())]);
        let v6 = "h\n0: 736170FD00006974000000000200000000:0001 x 01";
        assert_eq!(parse(v6).count(), 0);
        let mapped =
            "h\n0: 0000000000000000FFFF0000020012C6:A1B2 0000000000000000FFFF0000146433C6:0007 01";
        let found: Vec<_> = parse(mapped).collect();
        assert_eq!(found, [(inside, "198.51.100.20:7".parse().unwrap())]);
    }

    #[test]
    fn a_question_is_a_packet_to_the_sandbox() {
        for (inside, outside) in [
            (IpAddr::from(INSTANCE), "198.51.100.20:7"),
            (INSTANCE_V6.into(), "[2001:db8::1]:7"),
        ] {
            let outside: SocketAddr = outside.parse().unwrap();
            let packet = question((SocketAddr::new(inside, 5000), outside));
            let segment = TcpPacket::new_checked(&packet[packet.len() - 20..]).unwrap();
            assert_eq!((segment.src_port(), segment.dst_port()), (7, 5000));
            assert!(segment.verify_checksum(&outside.ip().into(), &inside.into()));
        }
    }
}
