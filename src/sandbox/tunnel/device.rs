//! The device inside that leads out, as init makes it.

use std::{
    fs::{self, OpenOptions},
    io,
    net::Ipv4Addr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

use nix::{libc, net::if_::if_nametoindex};

use super::{
    address::{INSTANCE, INSTANCE_PREFIX, INSTANCE_V6, INSTANCE_V6_PREFIX},
    netlink::Netlink,
};
use crate::sandbox::sys;

/// Where devices are made.
pub(in crate::sandbox) const MAKER: &str = "/dev/net/tun";

/// As most programs expect it.
const NAME: &str = "eth0";

/// The longest packet: as long as IP allows, since every packet costs the same, and no line that
/// could be too narrow lies between the sandbox and its way out.
pub(super) const MTU: u16 = 65_535;

/// Makes the device in this network namespace and brings it up. The host's `/dev` and `/proc` are
/// still in sight. `group` is who runs the command.
pub(in crate::sandbox) fn make(group: u32) -> io::Result<OwnedFd> {
    let maker = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(MAKER)
        .map_err(|error| told(MAKER, &error))?;
    let device = OwnedFd::from(maker);
    sys::make_tun(device.as_fd(), NAME).map_err(|error| told("make a TUN device", &error))?;
    let index = if_nametoindex(NAME)?;
    quieten(group);
    let mut netlink = Netlink::open()?;
    netlink.bring_up(index, MTU.into())?;
    netlink.add_address(index, INSTANCE.into(), INSTANCE_PREFIX)?;
    netlink.add_default_route(index, Ipv4Addr::UNSPECIFIED.into())?;
    // A host without IPv6 is one without IPv6 inside, too.
    let _ = netlink
        .add_address(index, INSTANCE_V6.into(), INSTANCE_V6_PREFIX)
        .and_then(|()| netlink.add_default_route(index, INSTANCE_V6.into()));
    Ok(device)
}

fn told(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Keeps the kernel from saying anything on the device by itself, which would wake the way out of
/// every sandbox that starts; and lets the app ping, as far as rules allow. What cannot be set
/// only costs that.
fn quieten(group: u32) {
    let settings = [
        ("addr_gen_mode", "1"),
        ("accept_ra", "0"),
        ("autoconf", "0"),
        ("router_solicitations", "0"),
    ];
    for (name, value) in settings {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{NAME}/{name}"), value);
    }
    let _ = fs::write(
        "/proc/sys/net/ipv4/ping_group_range",
        format!("{group} {group}"),
    );
}
