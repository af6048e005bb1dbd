//! Packets from and to the device.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use smoltcp::{
    phy::{self, Checksum, ChecksumCapabilities, DeviceCapabilities, Medium},
    time::Instant,
};

use super::super::{HEADER, device::MTU};

/// VIRTIO_NET_HDR_F_NEEDS_CSUM: the checksum is not there, and nobody need miss it, since the
/// packet has not been on any line.
const NEEDS_CHECKSUM: u8 = 1;

/// Where the checksum of a TCP segment is.
const TCP_CHECKSUM: u16 = 16;

#[derive(Debug)]
pub(super) struct Device {
    file: File,
    outgoing: Vec<u8>,
}

impl Device {
    pub(super) fn new(device: OwnedFd) -> Self {
        Self {
            file: device.into(),
            outgoing: vec![0; HEADER + usize::from(MTU)],
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Room for the longest packet and what stands before it.
    pub(super) fn buffer() -> Vec<u8> {
        vec![0; HEADER + usize::from(MTU)]
    }

    /// The next packet that the sandbox has sent; none where there is none.
    pub(super) fn read<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match self.file.read(buffer) {
            Ok(read) => Ok(buffer.get(HEADER..read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends the sandbox a packet that is whole. One that is not taken is lost, as on any line.
    pub(super) fn write(&mut self, packet: &[u8]) {
        let Some(room) = self.outgoing.get_mut(..HEADER + packet.len()) else {
            return;
        };
        room[..HEADER].fill(0);
        room[HEADER..].copy_from_slice(packet);
        let _ = self.file.write(room);
    }

    /// The device as one flow sees it, with at most one packet that came in.
    pub(super) fn port<'a>(&'a mut self, mtu: usize, incoming: Option<&'a [u8]>) -> Port<'a> {
        Port {
            device: self,
            mtu,
            incoming,
        }
    }

    /// Sends a TCP segment whose checksum is left out.
    fn send(&mut self, length: usize) {
        let Some(room) = self.outgoing.get_mut(..HEADER + length) else {
            return;
        };
        let start: u16 = if room.get(HEADER).is_some_and(|byte| byte >> 4 == 4) {
            20
        } else {
            40
        };
        room[..HEADER].fill(0);
        room[0] = NEEDS_CHECKSUM;
        room[6..8].copy_from_slice(&start.to_ne_bytes());
        room[8..10].copy_from_slice(&TCP_CHECKSUM.to_ne_bytes());
        let _ = self.file.write(room);
    }
}

#[derive(Debug)]
pub(super) struct Port<'a> {
    device: &'a mut Device,
    mtu: usize,
    incoming: Option<&'a [u8]>,
}

impl phy::Device for Port<'_> {
    type RxToken<'b>
        = Incoming<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Outgoing<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let packet = self.incoming.take()?;
        Some((Incoming(packet), Outgoing(self.device)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(self.device))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut checksum = ChecksumCapabilities::default();
        checksum.tcp = Checksum::None;
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities.checksum = checksum;
        capabilities
    }
}

#[derive(Debug)]
pub(super) struct Incoming<'a>(&'a [u8]);

impl phy::RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

#[derive(Debug)]
pub(super) struct Outgoing<'a>(&'a mut Device);

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        if self.0.outgoing.len() < HEADER + length {
            self.0.outgoing.resize(HEADER + length, 0);
        }
        let result = fill(&mut self.0.outgoing[HEADER..HEADER + length]);
        self.0.send(length);
        result
    }
}
