//! Packets of the sandbox, read and written: what is between the device and the flows.

use std::net::{IpAddr, SocketAddr};

use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{
        Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet,
        Icmpv6Repr, IpProtocol, IpRepr, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl,
        TcpPacket, TcpRepr, UdpPacket, UdpRepr,
    },
};

use super::super::address::{INSTANCE, INSTANCE_V6};

const HOPS: u8 = 64;

/// Bytes of a refused packet that its refusal quotes: enough for the kernel to know whose it was.
const QUOTED: usize = 64;

/// A packet that somebody inside sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) body: Body<'a>,
    /// All of it.
    pub(super) bytes: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body<'a> {
    Tcp {
        from: u16,
        to: u16,
        /// It begins a connection.
        begins: bool,
    },
    Udp {
        from: u16,
        to: u16,
        data: &'a [u8],
    },
    /// A ping.
    Echo {
        id: u16,
        sequence: u16,
        data: &'a [u8],
    },
    /// Another message of ICMP; nothing waits for an answer to it.
    Icmp,
    /// A protocol that is not carried.
    Other,
}

impl<'a> Packet<'a> {
    /// Reads a packet; none where it is malformed, a fragment (none is made on a device that
    /// takes the longest packets) or not from the sandbox's own address.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => {
                let packet = Ipv4Packet::new_checked(bytes).ok()?;
                let whole = !packet.more_frags() && packet.frag_offset() == 0;
                let own = packet.src_addr() == INSTANCE;
                let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
                (whole && own).then_some(())?;
                let body = Body::parse(packet.next_header(), packet.payload())?;
                Some(Self {
                    from,
                    to,
                    body,
                    bytes,
                })
            }
            6 => {
                let packet = Ipv6Packet::new_checked(bytes).ok()?;
                let own = packet.src_addr() == INSTANCE_V6;
                let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
                own.then_some(())?;
                let body = Body::parse(packet.next_header(), packet.payload())?;
                Some(Self {
                    from,
                    to,
                    body,
                    bytes,
                })
            }
            _ => None,
        }
    }

    /// What tells the sender of a TCP segment that nobody is there.
    pub(super) fn reset(&self) -> Option<Vec<u8>> {
        let payload = self.payload()?;
        let segment = TcpPacket::new_checked(payload).ok()?;
        if segment.rst() {
            return None;
        }
        let length = segment.segment_len();
        let (sequence, acknowledged) = if segment.ack() {
            (segment.ack_number(), None)
        } else {
            (
                smoltcp::wire::TcpSeqNumber(0),
                Some(segment.seq_number() + length),
            )
        };
        let reset = TcpRepr {
            src_port: segment.dst_port(),
            dst_port: segment.src_port(),
            control: TcpControl::Rst,
            seq_number: sequence,
            ack_number: acknowledged,
            window_len: 0,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let (from, to) = (self.to, self.from);
        Some(compose(
            from,
            to,
            IpProtocol::Tcp,
            reset.buffer_len(),
            |body| {
                let mut packet = TcpPacket::new_unchecked(body);
                reset.emit(&mut packet, &from.into(), &to.into(), &checksums());
            },
        ))
    }

    /// What tells its sender that it went nowhere, and why.
    pub(super) fn unreachable(&self, why: Unreachable) -> Option<Vec<u8>> {
        let payload = self.payload()?;
        let data = &payload[..payload.len().min(QUOTED)];
        // From the one who was meant: it may be any router on the way.
        let (from, to) = (self.to, self.from);
        match (from, to) {
            (IpAddr::V4(source), IpAddr::V4(_)) => {
                let packet = Ipv4Packet::new_checked(self.bytes).ok()?;
                let header = Ipv4Repr::parse(&packet, &checksums()).ok()?;
                let message = Icmpv4Repr::DstUnreachable {
                    reason: why.v4(),
                    header,
                    data,
                };
                let _ = source;
                Some(compose(
                    from,
                    to,
                    IpProtocol::Icmp,
                    message.buffer_len(),
                    |body| {
                        message.emit(&mut Icmpv4Packet::new_unchecked(body), &checksums());
                    },
                ))
            }
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                let packet = Ipv6Packet::new_checked(self.bytes).ok()?;
                let header = Ipv6Repr::parse(&packet).ok()?;
                let message = Icmpv6Repr::DstUnreachable {
                    reason: why.v6(),
                    header,
                    data,
                };
                Some(compose(
                    from,
                    to,
                    IpProtocol::Icmpv6,
                    message.buffer_len(),
                    |body| {
                        let mut packet = Icmpv6Packet::new_unchecked(body);
                        message.emit(&source, &target, &mut packet, &checksums());
                    },
                ))
            }
            _ => None,
        }
    }

    fn payload(&self) -> Option<&'a [u8]> {
        match self.to {
            IpAddr::V4(_) => Some(Ipv4Packet::new_checked(self.bytes).ok()?.payload()),
            IpAddr::V6(_) => Some(Ipv6Packet::new_checked(self.bytes).ok()?.payload()),
        }
    }
}

impl<'a> Body<'a> {
    fn parse(protocol: IpProtocol, bytes: &'a [u8]) -> Option<Self> {
        match protocol {
            IpProtocol::Tcp => {
                let segment = TcpPacket::new_checked(bytes).ok()?;
                Some(Self::Tcp {
                    from: segment.src_port(),
                    to: segment.dst_port(),
                    begins: segment.syn() && !segment.ack() && !segment.rst(),
                })
            }
            IpProtocol::Udp => {
                let datagram = UdpPacket::new_checked(bytes).ok()?;
                Some(Self::Udp {
                    from: datagram.src_port(),
                    to: datagram.dst_port(),
                    data: datagram.payload(),
                })
            }
            IpProtocol::Icmp | IpProtocol::Icmpv6 => {
                let request = if protocol == IpProtocol::Icmp {
                    ECHO
                } else {
                    ECHO_V6
                };
                match bytes {
                    [kind, 0, _, _, a, b, c, d, data @ ..] if *kind == request => {
                        Some(Self::Echo {
                            id: u16::from_be_bytes([*a, *b]),
                            sequence: u16::from_be_bytes([*c, *d]),
                            data,
                        })
                    }
                    _ => Some(Self::Icmp),
                }
            }
            _ => Some(Self::Other),
        }
    }
}

/// The type of a ping.
pub(super) const ECHO: u8 = 8;
/// The type of a ping over IPv6.
pub(super) const ECHO_V6: u8 = 128;

/// Why a packet went nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreachable {
    Network,
    Host,
    Port,
    Protocol,
    Prohibited,
}

impl Unreachable {
    const fn v4(self) -> Icmpv4DstUnreachable {
        match self {
            Self::Network => Icmpv4DstUnreachable::NetUnreachable,
            Self::Host => Icmpv4DstUnreachable::HostUnreachable,
            Self::Port => Icmpv4DstUnreachable::PortUnreachable,
            Self::Protocol => Icmpv4DstUnreachable::ProtoUnreachable,
            Self::Prohibited => Icmpv4DstUnreachable::HostProhibited,
        }
    }

    const fn v6(self) -> Icmpv6DstUnreachable {
        match self {
            Self::Network => Icmpv6DstUnreachable::NoRoute,
            Self::Host => Icmpv6DstUnreachable::AddrUnreachable,
            Self::Port => Icmpv6DstUnreachable::PortUnreachable,
            Self::Protocol | Self::Prohibited => Icmpv6DstUnreachable::AdminProhibit,
        }
    }
}

/// A datagram for the sandbox.
pub(super) fn datagram(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let header = UdpRepr {
        src_port: from.port(),
        dst_port: to.port(),
    };
    let length = header.header_len() + data.len();
    let (from, to) = (from.ip(), to.ip());
    compose(from, to, IpProtocol::Udp, length, |body| {
        header.emit(
            &mut UdpPacket::new_unchecked(body),
            &from.into(),
            &to.into(),
            data.len(),
            |payload| payload.copy_from_slice(data),
            &checksums(),
        );
    })
}

/// The answer to a ping of the sandbox.
pub(super) fn echo(from: IpAddr, to: IpAddr, id: u16, sequence: u16, data: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            let message = Icmpv6Repr::EchoReply {
                ident: id,
                seq_no: sequence,
                data,
            };
            compose(from, to, IpProtocol::Icmpv6, message.buffer_len(), |body| {
                let mut packet = Icmpv6Packet::new_unchecked(body);
                message.emit(&source, &target, &mut packet, &checksums());
            })
        }
        _ => {
            let message = Icmpv4Repr::EchoReply {
                ident: id,
                seq_no: sequence,
                data,
            };
            compose(from, to, IpProtocol::Icmp, message.buffer_len(), |body| {
                message.emit(&mut Icmpv4Packet::new_unchecked(body), &checksums());
            })
        }
    }
}

fn checksums() -> ChecksumCapabilities {
    ChecksumCapabilities::default()
}

fn compose(
    from: IpAddr,
    to: IpAddr,
    protocol: IpProtocol,
    length: usize,
    body: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let header = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => IpRepr::Ipv4(Ipv4Repr {
            src_addr: from,
            dst_addr: to,
            next_header: protocol,
            payload_len: length,
            hop_limit: HOPS,
        }),
        (IpAddr::V6(from), IpAddr::V6(to)) => IpRepr::Ipv6(Ipv6Repr {
            src_addr: from,
            dst_addr: to,
            next_header: protocol,
            payload_len: length,
            hop_limit: HOPS,
        }),
        // A packet has both addresses of one family.
        _ => return Vec::new(),
    };
    let mut bytes = vec![0; header.buffer_len()];
    let room = header.header_len();
    header.emit(&mut bytes[..], &checksums());
    body(&mut bytes[room..]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(to: IpAddr, body: impl FnOnce(IpAddr, IpAddr) -> Vec<u8>) -> Vec<u8> {
        let from = match to {
            IpAddr::V4(_) => INSTANCE.into(),
            IpAddr::V6(_) => INSTANCE_V6.into(),
        };
        body(from, to)
    }

    fn udp(to: &str, data: &[u8]) -> Vec<u8> {
        sent(to.parse().unwrap(), |from, to| {
            datagram(SocketAddr::new(from, 5000), SocketAddr::new(to, 53), data)
        })
    }

    fn syn(to: &str) -> Vec<u8> {
        let segment = TcpRepr {
            src_port: 5000,
            dst_port: 80,
            control: TcpControl::Syn,
            seq_number: smoltcp::wire::TcpSeqNumber(7),
            ack_number: None,
            window_len: 1000,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        sent(to.parse().unwrap(), |from, to| {
            compose(from, to, IpProtocol::Tcp, segment.buffer_len(), |body| {
                let mut packet = TcpPacket::new_unchecked(body);
                segment.emit(&mut packet, &from.into(), &to.into(), &checksums());
            })
        })
    }

    #[test]
    fn what_is_sent_is_read_in_both_families() {
        for to in ["203.0.113.1", "2001:db8::1"] {
            let bytes = udp(to, b"question");
            let packet = Packet::parse(&bytes).unwrap();
            assert_eq!(packet.to, to.parse::<IpAddr>().unwrap());
            let body = Body::Udp {
                from: 5000,
                to: 53,
                data: b"question",
            };
            assert_eq!(packet.body, body);
            let bytes = syn(to);
            let body = Body::Tcp {
                from: 5000,
                to: 80,
                begins: true,
            };
            assert_eq!(Packet::parse(&bytes).unwrap().body, body);
        }
    }

    #[test]
    fn a_reset_answers_what_began() {
        for to in ["203.0.113.1", "2001:db8::1"] {
            let bytes = syn(to);
            let packet = Packet::parse(&bytes).unwrap();
            let reset = packet.reset().unwrap();
            let payload = &reset[reset.len() - 20..];
            let segment = TcpPacket::new_checked(payload).unwrap();
            assert!(segment.rst() && segment.ack());
            assert_eq!(segment.ack_number().0, 8);
            assert_eq!((segment.src_port(), segment.dst_port()), (80, 5000));
            assert!(segment.verify_checksum(&packet.to.into(), &packet.from.into()));
        }
    }

    #[test]
    fn no_garbage_is_a_packet_and_none_panics() {
        let whole = [
            udp("203.0.113.1", b"question"),
            udp("2001:db8::1", b"question"),
            syn("203.0.113.1"),
            syn("2001:db8::1"),
        ];
        for bytes in whole {
            for end in 0..bytes.len() {
                let cut = &bytes[..end];
                if let Some(packet) = Packet::parse(cut) {
                    let _ = (packet.reset(), packet.unreachable(Unreachable::Host));
                }
            }
            for at in 0..bytes.len() {
                for value in [0, 0x7f, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] = value;
                    if let Some(packet) = Packet::parse(&changed) {
                        let _ = (packet.reset(), packet.unreachable(Unreachable::Port));
                    }
                }
            }
        }
    }

    #[test]
    fn another_sender_is_not_served() {
        let other: IpAddr = "10.0.0.1".parse().unwrap();
        let to = SocketAddr::new("203.0.113.1".parse().unwrap(), 53);
        let bytes = datagram(SocketAddr::new(other, 5000), to, b"");
        assert_eq!(Packet::parse(&bytes), None);
    }
}
