//! A piece of the internet: a machine of its own behind a wire, in a network namespace that is
//! gone with the tests. It echoes, swallows, sends without end, and says who asks.

use std::{
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use pastina::model::{EgressProtocol, EgressRule, NetworkPolicy};

use crate::support::is_root;

/// Tells tests that run without root where the machine is, which takes root to make.
pub(super) const PLACE: &str = "PASTINA_TEST_INTERNET";

/// Echoes what it gets, over TCP and UDP.
pub(super) const ECHO: u16 = 7;
/// Reads until the end and says how much that was.
pub(super) const SINK: u16 = 9;
/// Sends without end.
pub(super) const SOURCE: u16 = 19;

const PROGRAM: &str = r"
import ctypes, selectors, socket, sys, threading
threads = lambda f: threading.Thread(target=f, daemon=True).start()
sys.stdin.readline()
def serve(port, handle):
    s = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    def loop():
        while True:
            c, _ = s.accept()
            threads(lambda c=c: safely(handle, c))
    threads(loop)
def safely(handle, c):
    try:
        with c: handle(c)
    except OSError: pass
def echo():
    s = socket.create_server(('::', 7), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    s.setblocking(False)
    sel = selectors.DefaultSelector()
    sel.register(s, selectors.EVENT_READ)
    while True:
        for key, _ in sel.select():
            try:
                if key.fileobj is s:
                    c, _ = s.accept()
                    sel.register(c, selectors.EVENT_READ)
                    continue
                data = key.fileobj.recv(65536)
                if data: key.fileobj.sendall(data)
                else: raise OSError
            except OSError:
                sel.unregister(key.fileobj); key.fileobj.close()
def sink(c):
    total = 0
    while data := c.recv(1 << 20): total += len(data)
    c.sendall(b'%d' % total)
def source(c):
    while True: c.sendall(bytes(1 << 16))
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(('::', 7))
    while True:
        data, who = s.recvfrom(65536)
        s.sendto(data, who)
threads(echo); serve(9, sink); serve(19, source); threads(udp)
print('ready', flush=True)
sys.stdin.readline()
";

/// Where the machine is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Internet {
    /// Its address.
    pub(super) v4: Ipv4Addr,
    /// The same in IPv6.
    pub(super) v6: Ipv6Addr,
    /// The host's own address on the wire to it.
    pub(super) host: Ipv4Addr,
}

struct Machine {
    place: Internet,
    // The end of its input is its end.
    _process: Child,
}

impl Internet {
    /// The machine; none where the tests run without root and nobody made one for them.
    pub(super) fn reach() -> Option<Self> {
        static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
        if let Ok(text) = std::env::var(PLACE) {
            let number = text.parse().expect("a number");
            return Some(Self::numbered(number));
        }
        MACHINE
            .get_or_init(|| is_root().then(make))
            .as_ref()
            .map(|machine| machine.place)
    }

    fn numbered(number: u8) -> Self {
        let v4 = |last| Ipv4Addr::new(198, 51, 100, number * 4 + last);
        Self {
            v4: v4(2),
            v6: format!("2001:db8:{number}::2").parse().unwrap(),
            host: v4(1),
        }
    }

    /// What [`PLACE`] is to hold.
    pub(super) fn number(self) -> String {
        (self.v4.octets()[3] / 4).to_string()
    }

    /// A policy that opens it, over IPv4 and IPv6.
    pub(super) fn open(self) -> NetworkPolicy {
        let rule = |address: IpAddr| EgressRule {
            first: address,
            last: address,
            protocol: EgressProtocol::All,
            log: false,
        };
        NetworkPolicy {
            rules: vec![rule(self.v4.into()), rule(self.v6.into())],
            ..NetworkPolicy::default()
        }
    }
}

/// Lays the wire, with numbers that nobody else on this machine has taken.
fn make() -> Machine {
    let ip = |words: String| {
        let status = Command::new("ip")
            .args(words.split(' '))
            .stderr(Stdio::null())
            .status();
        status.expect("ip(8) is installed").success()
    };
    let first = u8::try_from(std::process::id() % 62).unwrap();
    for number in (0..62).map(|step| (first + step) % 62) {
        let place = Internet::numbered(number);
        let mut process = Command::new("unshare")
            .args(["--net", "python3", "-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare(1) is installed");
        let pid = process.id();
        until_apart(pid);
        let (near, far) = (format!("ptest{number}"), format!("pfar{number}"));
        if !ip(format!(
            "link add {near} type veth peer name {far} netns {pid}"
        )) {
            let _ = process.kill();
            let _ = process.wait();
            continue;
        }
        let inside = |words: String| {
            let words = format!("-t {pid} -n ip {words}");
            let status = Command::new("nsenter").args(words.split(' ')).status();
            assert!(
                status.expect("nsenter(1) is installed").success(),
                "{words}"
            );
        };
        assert!(ip(format!("addr add {}/30 dev {near}", place.host)));
        assert!(ip(format!(
            "addr add 2001:db8:{number}::1/64 dev {near} nodad"
        )));
        assert!(ip(format!("link set {near} up")));
        inside(format!("addr add {}/30 dev {far}", place.v4));
        inside(format!("addr add {}/64 dev {far} nodad", place.v6));
        inside(format!("link set {far} up"));
        inside("link set lo up".to_owned());
        use std::io::Write;
        let mut input = process.stdin.as_ref().unwrap();
        input.write_all(b"go\n").unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        return Machine {
            place,
            _process: process,
        };
    }
    panic!("every number is taken");
}

/// Waits until a process has a network of its own.
fn until_apart(pid: u32) {
    let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    let ours = network("self");
    while network(&pid.to_string()) == ours {
        std::thread::yield_now();
    }
}
