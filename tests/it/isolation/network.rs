//! Where packets and sockets lead.

use std::os::{
    linux::net::SocketAddrExt,
    unix::net::{SocketAddr, UnixListener},
};

use super::support::{Neighbour, attack, held};

#[tokio::test]
async fn the_hosts_loopback_is_not_its_own() {
    let host = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = host.local_addr().unwrap().port();
    held(&attack(&format!(
        r"
for address in ('127.0.0.1', '127.1.2.3', '0.0.0.0', 'localhost', '::1', '::ffff:127.0.0.1', '::'):
    refused(address, lambda: socket.create_connection((address, {port}), 2), errno.ECONNREFUSED, errno.ENETUNREACH, errno.EADDRNOTAVAIL)
"
    )))
    .await;
}

#[tokio::test]
async fn addresses_of_clouds_and_neighbours_lead_nowhere() {
    held(&attack(
        r"
for address in ('169.254.169.254', '100.100.100.200', 'fd00:ec2::254', '10.0.0.1', '172.17.0.1', '192.168.0.1', '224.0.0.1', '255.255.255.255', 'fe80::1%lo'):
    try: socket.create_connection((address, 80), 2)
    except OSError: continue
    broke(address)
",
    ))
    .await;
}

#[tokio::test]
async fn another_instances_port_is_not_on_its_loopback() {
    let neighbour = Neighbour::start().await;
    held(&attack(
        r"
refused('8080', lambda: socket.create_connection(('127.0.0.1', 8080), 2), errno.ECONNREFUSED)
mine = socket.create_server(('0.0.0.0', 8080))
",
    ))
    .await;
    // That somebody else has the same port changed nothing.
    neighbour.noticed_nothing().await;
}

#[tokio::test]
async fn abstract_sockets_of_the_host_are_not_there() {
    let name = format!("pastina-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let program = format!(
        r"
one = socket.socket(socket.AF_UNIX)
refused('abstract', lambda: one.connect('\0{name}'), errno.ECONNREFUSED, errno.EPERM)
sockets = read('/proc/net/unix').decode()
if '{name}' in sockets: broke('its name is told')
"
    );
    held(&attack(&program)).await;
}

#[tokio::test]
async fn interfaces_and_routes_cannot_be_changed() {
    held(&attack(
        r"
import fcntl
names = [name for _, name in socket.if_nameindex()]
if 'lo' not in names or [name for name in names if name.startswith(('eth', 'en', 'wl', 'docker', 'br'))]: broke(names)
one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
one.bind((0, 0))
def ask(kind, body):
    one.send(struct.pack('IHHII', 16 + len(body), kind, 0x605, 1, 0) + body)
    answer = one.recv(65536)
    code = struct.unpack('i', answer[16:20])[0]
    if code < 0: raise OSError(-code, os.strerror(-code))
# A new link, an address, a route: RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE.
refused('link', lambda: ask(16, struct.pack('BxHiII', 0, 0, 0, 1, 1) + struct.pack('HH', 8, 3) + b'x0\0\0'), errno.EPERM)
refused('address', lambda: ask(20, struct.pack('BBBBI', 2, 32, 0, 0, 1) + struct.pack('HH4s', 8, 2, b'\x08\x08\x08\x08')), errno.EPERM)
refused('route', lambda: ask(24, struct.pack('BBBBBBBBI', 2, 0, 0, 0, 254, 3, 0, 1, 0)), errno.EPERM)
plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
refused('interface down', lambda: fcntl.ioctl(plain, 0x8914, struct.pack('16sH22x', b'lo', 0)), errno.EPERM)
",
    ))
    .await;
}

#[tokio::test]
async fn names_of_the_host_are_not_looked_up() {
    held(&attack(
        r"
for name in ('metadata.google.internal', 'host.docker.internal', 'example.com', 'api.localhost.'):
    try: found = socket.getaddrinfo(name, 80)
    except OSError: continue
    if any(one[4][0] not in ('127.0.0.1', '::1') for one in found): broke(f'{name}: {found}')
if os.path.exists('/etc/resolv.conf') and b'127.0.0.53' in read('/etc/resolv.conf'): broke('the host\'s resolver')
",
    ))
    .await;
}

#[tokio::test]
async fn what_the_platform_speaks_to_the_sandbox_by_is_not_inside() {
    held(&attack(
        r"
import stat
found = []
for root, folders, files in os.walk('/'):
    if root.startswith(('/proc', '/usr', '/sys')): folders.clear(); continue
    for name in files + folders:
        path = os.path.join(root, name)
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode): found.append(path)
        except OSError: pass
if found: broke(found)
named = [line for line in read('/proc/net/unix').decode().splitlines()[1:] if '.sock' in line]
print(named)
if [line for line in named if '/' in line]: broke(named)
",
    ))
    .await;
}
