//! The little of rtnetlink(7) that is needed: to set a device up, and to ask where an address leads.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    libc,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket},
};

/// A conversation with the kernel about its networks.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// What the kernel does with packets to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// It is one of the host's own.
    Here,
    /// To more than one machine.
    Broadcast,
    /// Elsewhere, or nowhere.
    Away,
}

const HEADER: usize = 16;

/// Parts of a message are aligned to so much.
const ALIGN: usize = 4;

struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: i32, body: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        let flags = u16::try_from(flags).unwrap_or(0);
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(body);
        Self { bytes }
    }

    fn with(mut self, attribute: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + ALIGN).unwrap_or(0);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&attribute.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        let padded = self.bytes.len().next_multiple_of(ALIGN);
        self.bytes.resize(padded, 0);
        self
    }
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sets how long packets of the device `index` may be, and brings it up.
    pub(super) fn bring_up(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        let (up, multicast) = (
            libc::IFF_UP.cast_unsigned(),
            libc::IFF_MULTICAST.cast_unsigned(),
        );
        let mut body = vec![0, 0, 0, 0];
        body.extend_from_slice(&index.to_ne_bytes());
        body.extend_from_slice(&up.to_ne_bytes());
        // Without multicast the kernel has nothing to say by itself.
        body.extend_from_slice(&(up | multicast).to_ne_bytes());
        let message = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, &body);
        self.carry_out(message.with(libc::IFLA_MTU, &mtu.to_ne_bytes()))
    }

    /// Gives the device an address.
    pub(super) fn add_address(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix: u8,
    ) -> io::Result<()> {
        let (family, bytes) = parts(address);
        // Nobody else can have it, so it need not be asked for.
        let flags = u8::try_from(libc::IFA_F_NODAD).unwrap_or(0);
        let mut body = vec![family, prefix, flags, libc::RT_SCOPE_UNIVERSE];
        body.extend_from_slice(&index.to_ne_bytes());
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let message = Message::new(libc::RTM_NEWADDR, flags, &body)
            .with(libc::IFA_LOCAL, &bytes)
            .with(libc::IFA_ADDRESS, &bytes);
        self.carry_out(message)
    }

    /// Sends all that leads nowhere else to the device; `family` is that of the address.
    pub(super) fn add_default_route(&mut self, index: u32, family: IpAddr) -> io::Result<()> {
        let (family, _) = parts(family);
        let body = [
            family,
            0,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_STATIC,
            libc::RT_SCOPE_LINK,
            libc::RTN_UNICAST,
            0,
            0,
            0,
            0,
        ];
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let message = Message::new(libc::RTM_NEWROUTE, flags, &body);
        self.carry_out(message.with(libc::RTA_OIF, &index.to_ne_bytes()))
    }

    /// What the kernel would do with a packet to `address`.
    ///
    /// # Errors
    /// Where the kernel did not say: then nothing is known. No route at all is an answer.
    pub(super) fn leads(&mut self, address: IpAddr) -> io::Result<Leads> {
        let (family, bytes) = parts(address);
        let bits = u8::try_from(bytes.len() * 8).unwrap_or(0);
        let body = [family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let message = Message::new(libc::RTM_GETROUTE, 0, &body).with(libc::RTA_DST, &bytes);
        let answer = match self.ask(message) {
            Ok(answer) => answer,
            Err(error) => {
                let nowhere = [
                    libc::ENETUNREACH,
                    libc::EHOSTUNREACH,
                    libc::EACCES,
                    libc::EINVAL,
                ];
                return match error.raw_os_error() {
                    Some(errno) if nowhere.contains(&errno) => Ok(Leads::Away),
                    _ => Err(error),
                };
            }
        };
        // struct rtmsg: the type is the eighth byte.
        match answer.get(HEADER + 7) {
            Some(&(libc::RTN_LOCAL | libc::RTN_ANYCAST)) => Ok(Leads::Here),
            Some(&(libc::RTN_BROADCAST | libc::RTN_MULTICAST)) => Ok(Leads::Broadcast),
            Some(_) => Ok(Leads::Away),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn carry_out(&mut self, message: Message) -> io::Result<()> {
        self.ask(message).map(drop)
    }

    /// The answer to a message; empty where that is "done".
    fn ask(&mut self, message: Message) -> io::Result<Vec<u8>> {
        let mut bytes = message.bytes;
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(bytes.len()).unwrap_or(0);
        bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        let request = u16::try_from(libc::NLM_F_REQUEST).unwrap_or(1);
        let flags = u16::from_ne_bytes([bytes[6], bytes[7]]) | request;
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut answer = vec![0; 8 << 10];
        loop {
            let read = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            let got = &answer[..read];
            let word = |at: usize| {
                let bytes = got.get(at..at + 4)?;
                bytes.try_into().ok().map(u32::from_ne_bytes)
            };
            if word(8) != Some(self.sequence) {
                continue;
            }
            let kind = word(4).map(|word| word & 0xffff);
            if kind != Some(libc::NLMSG_ERROR.cast_unsigned()) {
                return Ok(got.to_vec());
            }
            return match word(HEADER).map(u32::cast_signed) {
                Some(0) => Ok(Vec::new()),
                Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
                None => Err(io::ErrorKind::InvalidData.into()),
            };
        }
    }
}

fn parts(address: IpAddr) -> (u8, Vec<u8>) {
    let family = |family: i32| u8::try_from(family).unwrap_or(0);
    match address {
        IpAddr::V4(address) => (family(libc::AF_INET), address.octets().to_vec()),
        IpAddr::V6(address) => (family(libc::AF_INET6), address.octets().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_its_own_addresses_from_others() {
        let mut netlink = Netlink::open().unwrap();
        let mut check = |address: &str, leads: Leads| {
            let found = netlink.leads(address.parse().unwrap()).unwrap();
            assert_eq!(found, leads, "{address}");
        };
        check("127.0.0.1", Leads::Here);
        check("127.1.2.3", Leads::Here);
        check("127.255.255.255", Leads::Broadcast);
        check("::1", Leads::Here);
        check("192.0.2.200", Leads::Away);
        check("2001:db8::1", Leads::Away);
    }
}
