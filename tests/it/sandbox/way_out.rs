//! The way out of a sandbox: what can be reached, what not, and what survives what.

use std::time::Duration;

use pastina::{
    model::{AppId, Exit, Grant, NetworkPolicy, Peer, PeerInstance, PortRange},
    sandbox::Network,
};

use super::{
    adoption::SPEC,
    internet::{ECHO, Internet, SINK, SOURCE},
    support::{Case, ended, is_root, output, parent, running, says, shell, until},
};

/// A sandbox with a way out that runs `code` in Python.
pub(super) fn python(policy: NetworkPolicy, code: &str) -> Case {
    let mut case = shell("");
    case.spec.network = Network::Tunnel;
    case.spec.egress = policy;
    let prelude = "import errno, os, socket, sys, time\n\
        def connect(to, port, timeout=20): return socket.create_connection((to, port), timeout)\n\
        def why(to, port):\n\
        \x20   try: connect(to, port).close(); return 'open'\n\
        \x20   except socket.timeout: return 'timeout'\n\
        \x20   except OSError as e: return errno.errorcode.get(e.errno, str(e))\n\
        say = lambda *words: print(*words, flush=True)\n";
    let code = format!("{prelude}{code}");
    case.spec.argv = ["python3", "-c", &code].map(str::to_owned).into();
    case
}

#[tokio::test]
async fn what_is_open_is_reached_over_both_families() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let code = format!(
        "for to in '{}', '{}':\n\
         \x20   c = connect(to, {ECHO}); c.sendall(b'hello'); say(c.recv(100).decode()); c.close()\n\
         \x20   c = connect(to, {SINK}); c.sendall(bytes(5_000_000)); c.shutdown(socket.SHUT_WR)\n\
         \x20   say(c.recv(100).decode()); c.close()\n\
         \x20   s = socket.socket(socket.AF_INET6 if ':' in to else socket.AF_INET, socket.SOCK_DGRAM)\n\
         \x20   s.settimeout(20); s.sendto(b'datagram', (to, {ECHO})); say(s.recv(100).decode())\n",
        internet.v4, internet.v6,
    );
    let case = python(internet.open(), &code);
    let expected = "hello\n5000000\ndatagram\n".repeat(2);
    assert_eq!(case.run().await, (Exit::Code { code: 0 }, expected));
}

#[tokio::test]
async fn what_is_closed_is_refused_at_once_and_told() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let here = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = here.local_addr().unwrap().port();
    let mut policy = internet.open();
    // All of IPv4, so that nothing is closed for want of a rule.
    policy.rules[0].first = "0.0.0.0".parse().unwrap();
    policy.rules[0].last = "255.255.255.255".parse().unwrap();
    let code = format!(
        "for to, port in [('{host}', {port}), ('169.254.169.254', 80), ('198.18.0.1', {port}),\n\
         \x20       ('198.19.0.1', 80), ('255.255.255.255', 80), ('2001:db8:ffff::1', 80), ('127.0.0.1', {port})]:\n\
         \x20   say(to, why(to, port))\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)\n\
         s.connect(('{host}', {port})); s.send(b'x')\n\
         try: s.recv(1)\n\
         except OSError as e: say('udp', errno.errorcode[e.errno])\n",
        host = internet.host,
    );
    let (exit, output) = python(policy, &code).run().await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    for refused in [
        &internet.host.to_string(),
        "169.254.169.254",
        "198.18.0.1",
        "198.19.0.1",
        "2001:db8:ffff::1",
        "127.0.0.1",
        "udp",
    ] {
        let line = format!("{refused} ECONNREFUSED\n");
        assert!(output.contains(&line), "{refused}: {output}");
    }
    assert!(
        !output.contains(" open\n") && !output.contains(" timeout\n"),
        "{output}"
    );
    let told = format!(
        "[network] a TCP connection to {}:{port} was refused: it is an address of the platform's host",
        internet.host
    );
    assert!(output.contains(&told), "{output}");
    here.set_nonblocking(true).unwrap();
    assert!(here.accept().is_err(), "somebody came");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused_and_a_network_that_is_not_there_is_unreachable() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let code = format!("say(why('{}', 1), why('{}', 1))", internet.v4, internet.v6);
    let (_, output) = python(internet.open(), &code).run().await;
    assert_eq!(output, "ECONNREFUSED ECONNREFUSED\n");
}

#[tokio::test]
async fn a_change_of_policy_holds_at_once_for_new_and_old_connections() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let code = format!(
        "say('first', why('{to}', {ECHO}))\n\
         while why('{to}', {ECHO}) != 'open': time.sleep(0.05)\n\
         c = connect('{to}', {ECHO}); c.sendall(b'x'); c.recv(1); say('open')\n\
         try: say(c.recv(1))\n\
         except OSError as e: say('then', errno.errorcode[e.errno])\n\
         say('last', why('{to}', {ECHO}))\n",
        to = internet.v4
    );
    let sandbox = python(NetworkPolicy::default(), &code);
    let case = sandbox;
    let sandbox = case.spawn().await;
    says(&sandbox, "first ECONNREFUSED").await;
    sandbox.set_network(&internet.open()).await.unwrap();
    says(&sandbox, "open\n").await;
    // By a later daemon.
    drop(sandbox);
    let sandbox = pastina::sandbox::adopt(&case.spec.dir).await.unwrap();
    let closed = NetworkPolicy::default();
    sandbox.set_network(&closed).await.unwrap();
    assert_eq!(ended(&sandbox).await, Exit::Code { code: 0 });
    let output = output(&sandbox);
    assert!(output.contains("then ECONNRESET"), "{output}");
    assert!(output.contains("last ECONNREFUSED"), "{output}");
    let traffic = sandbox.traffic();
    assert!(traffic.connections >= 1 && traffic.sent >= 1, "{traffic:?}");
    sandbox.remove().await.unwrap();
}

#[tokio::test]
async fn a_granted_port_of_the_host_is_reached_by_its_name_and_no_other() {
    let here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = other.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::Write;
        for stream in here.incoming() {
            stream.unwrap().write_all(b"the host").unwrap();
        }
    });
    let policy = NetworkPolicy {
        grants: vec![Grant {
            host: "host.pastina.internal".to_owned(),
            port,
        }],
        ..NetworkPolicy::default()
    };
    let code = format!(
        "c = connect('host.pastina.internal', {port}); say(c.recv(100).decode())\n\
         say(why('host.pastina.internal', {closed}), why('127.0.0.1', {port}))\n"
    );
    let (_, output) = python(policy, &code).run().await;
    assert!(output.contains("the host\n"), "{output}");
    assert!(output.contains("ECONNREFUSED ECONNREFUSED\n"), "{output}");
    let none =
        "try: socket.getaddrinfo('host.pastina.internal', 80)\nexcept OSError as e: say(e)\n";
    let (_, output) = python(NetworkPolicy::default(), none).run().await;
    assert!(output.contains("not known"), "{output}");
}

#[tokio::test]
async fn another_app_is_reached_by_its_name_where_a_policy_opens_it() {
    let mut server = shell("exec python3 -u -m http.server 8080 --bind 127.0.0.1");
    server.spec.home = Some(server.folder("home", &[("hello", "from the other")]));
    let udp = "import socket, sys\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 9000))\n\
        while True:\n    data, who = s.recvfrom(100); s.sendto(data.upper(), who)\n";
    server.spec.argv = vec![
        "sh".to_owned(),
        "-c".to_owned(),
        format!("python3 -c \"{udp}\" & exec python3 -u -m http.server 8080 --bind 127.0.0.1"),
    ];
    let other = server.spawn().await;
    running(&other).await;
    let ports = |port| {
        vec![PortRange {
            first: port,
            last: port,
        }]
    };
    let policy = NetworkPolicy {
        peers: vec![Peer {
            app: AppId::random(),
            names: vec!["orders.apps.internal".to_owned()],
            tcp: ports(8080),
            udp: ports(9000),
            instances: vec![PeerInstance {
                index: 2,
                dir: server.spec.dir.clone(),
            }],
        }],
        ..NetworkPolicy::default()
    };
    let code = "\
import urllib.request\n\
def get(name):\n\
\x20   for _ in range(600):\n\
\x20       try: return urllib.request.urlopen(f'http://{name}:8080/hello', timeout=20).read().decode()\n\
\x20       except OSError as e: time.sleep(0.1)\n\
say(get('orders.apps.internal')); say(get('2.orders.apps.internal'))\n\
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)\n\
s.connect(('orders.apps.internal', 9000)); s.send(b'loud'); say(s.recv(100).decode())\n\
say(why('orders.apps.internal', 8081))\n\
for name in '0.orders.apps.internal', 'billing.apps.internal':\n\
\x20   try: say(socket.getaddrinfo(name, 80))\n\
\x20   except OSError as e: say(e)\n";
    let (_, output) = python(policy, code).run().await;
    assert_eq!(output.matches("from the other\n").count(), 2, "{output}");
    assert!(output.contains("LOUD\n"), "{output}");
    assert!(output.contains("ECONNREFUSED\n"), "{output}");
    assert_eq!(output.matches("not known").count(), 2, "{output}");
    let stranger =
        "try: say(socket.getaddrinfo('orders.apps.internal', 80))\nexcept OSError as e: say(e)\n";
    let (_, output) = python(NetworkPolicy::default(), stranger).run().await;
    assert!(output.contains("not known"), "{output}");
    other.stop(Duration::ZERO);
    ended(&other).await;
}

#[tokio::test]
async fn a_limit_holds_in_bytes() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    const RATE: u64 = 200_000;
    // A quarter of a second's may come at once, and no less than this.
    const BURST: u64 = 64 << 10;
    let mut policy = internet.open();
    policy.bytes_per_second = Some(RATE);
    let code = format!(
        "begun = time.monotonic(); c = connect('{}', {SOURCE}); total = 0\n\
         while total < 300_000: total += len(c.recv(65536))\n\
         say(total, time.monotonic() - begun)\n",
        internet.v4
    );
    let (_, output) = python(policy, &code).run().await;
    let (total, seconds) = output.trim().split_once(' ').unwrap();
    let (total, seconds): (f64, f64) = (total.parse().unwrap(), seconds.parse().unwrap());
    // However slow the machine is, it was not faster than allowed.
    let allowed = seconds.mul_add(RATE as f64, BURST as f64);
    assert!(total <= allowed, "{total} of {allowed}");
}

#[tokio::test]
async fn what_a_rule_wants_told_is_told_when_it_is_let_through() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let mut policy = internet.open();
    policy.rules[0].log = true;
    let code = format!(
        "for to in '{v4}', '{v6}': connect(to, {ECHO}).close()\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)\n\
         s.sendto(b'x', ('{v4}', {ECHO})); s.recv(1); say('done')\n",
        v4 = internet.v4,
        v6 = internet.v6,
    );
    let (exit, output) = python(policy, &code).run().await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    for what in ["a TCP connection to", "UDP to"] {
        let told = format!("[network] {what} {}:{ECHO} was opened\n", internet.v4);
        assert_eq!(output.matches(&told).count(), 1, "{output}");
    }
    assert_eq!(output.matches("[network]").count(), 2, "{output}");
}

#[tokio::test]
async fn a_way_out_with_nothing_to_do_ends_and_is_there_again() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let code = format!(
        "for name in 'first', 'second':\n\
         \x20   c = connect('{to}', {ECHO}); c.sendall(b'x'); c.recv(1); say(name)\n\
         \x20   time.sleep(0.3); say(name, 'is held'); c.close()\n\
         \x20   while name == 'first' and not os.path.exists('/home/vcap/go'): time.sleep(0.05)\n",
        to = internet.v4
    );
    let mut case = python(internet.open(), &code);
    let home = case.folder("home", &[("x", "")]);
    case.spec.home = Some(home.clone());
    case.spec.home_writable = true;
    case.spec.quiet_ms = Some(100);
    let sandbox = case.spawn().await;
    let init = parent(running(&sandbox).await);
    says(&sandbox, "first\n").await;
    let shim = parent(init);
    // A connection that only waits is something to do.
    let ways_out = || children(shim).len() - 1;
    says(&sandbox, "first is held\n").await;
    until("the way out to end", || ways_out() == 0).await;
    std::fs::write(home.join("go"), "").unwrap();
    assert_eq!(ended(&sandbox).await, Exit::Code { code: 0 });
    assert!(
        output(&sandbox).contains("second is held\n"),
        "{}",
        output(&sandbox)
    );
    assert_eq!(sandbox.traffic().connections, 2);
    sandbox.remove().await.unwrap();
}

/// What a way out that has failed leaves: nothing of it, not even for a program that only waits;
/// and the next one serves.
#[tokio::test]
async fn a_way_out_that_is_killed_is_there_again() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let code = format!(
        "for to in '{}', '{}':\n\
         \x20   c = connect(to, {ECHO}); c.sendall(b'x'); c.recv(1); c.settimeout(None); say('open', to)\n\
         \x20   try: c.recv(1)\n\
         \x20   except OSError as e: say('broken', errno.errorcode[e.errno])\n\
         \x20   while why(to, {ECHO}) != 'open': time.sleep(0.05)\n\
         say('again')\n",
        internet.v4, internet.v6,
    );
    let case = python(internet.open(), &code);
    let sandbox = case.spawn().await;
    let init = parent(running(&sandbox).await);
    for to in [internet.v4.to_string(), internet.v6.to_string()] {
        says(&sandbox, &format!("open {to}\n")).await;
        let children = children(parent(init));
        let way_out = children.into_iter().find(|child| *child != init);
        kill(way_out.expect("the way out is a child of the shim"));
    }
    assert_eq!(ended(&sandbox).await, Exit::Code { code: 0 });
    let output = output(&sandbox);
    assert_eq!(output.matches("broken ECONNRESET\n").count(), 2, "{output}");
    assert!(output.contains("again\n"), "{output}");
    case.left_nothing().await;
}

/// Pings go out where the host lets the way out's group send them.
#[tokio::test]
async fn a_ping_is_answered_where_a_rule_and_the_host_allow_it() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let code = format!(
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP); s.settimeout(20)\n\
         s.connect(('{}', 0)); s.send(bytes([8, 0, 0, 0, 0, 0, 0, 5]) + b'ping')\n\
         try: data = s.recv(100); say(data[0], data[6:].decode('latin1')[2:])\n\
         except OSError as e: say(errno.errorcode[e.errno])\n",
        internet.v4
    );
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap();
    let mut ends = range
        .split_whitespace()
        .map(|end| end.parse::<u64>().unwrap());
    let (first, last) = (ends.next().unwrap(), ends.next().unwrap());
    let (_, output) = python(internet.open(), &code).run().await;
    let expected = if first == 0 && last > 1 << 30 {
        "0 ping\n"
    } else {
        "EHOSTUNREACH\n"
    };
    assert_eq!(output, expected);
    let (_, output) = python(NetworkPolicy::default(), &code).run().await;
    assert!(output.contains("EHOSTUNREACH\n"), "{output}");
}

/// The connections that must survive the daemon's death.
const CONNECTIONS: usize = 1000;

#[tokio::test]
async fn a_thousand_connections_survive_the_daemon_being_killed() {
    let Some(internet) = Internet::reach() else {
        return;
    };
    let code = format!(
        "all = [connect('{to}', {ECHO}) for _ in range({CONNECTIONS})]\n\
         def ask(round):\n\
         \x20   for i, c in enumerate(all): c.sendall(b'%d-%d' % (round, i))\n\
         \x20   for i, c in enumerate(all): assert c.recv(100) == b'%d-%d' % (round, i)\n\
         ask(0); say('before')\n\
         while not os.path.exists('/home/vcap/go'): time.sleep(0.05)\n\
         ask(1); say('after', len(all))\n",
        to = internet.v4
    );
    let mut case = python(internet.open(), &code);
    let home = case.folder("home", &[("x", "")]);
    case.spec.home = Some(home.clone());
    case.spec.home_writable = true;
    let spec = case.root.path().join("spec.json");
    std::fs::write(&spec, serde_json::to_vec(&case.spec).unwrap()).unwrap();
    let mut daemon = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::adoption::a_daemon_that_will_be_killed"])
        .env(SPEC, &spec)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the sandbox", || case.spec.dir.join("status.json").exists()).await;
    let sandbox = pastina::sandbox::adopt(&case.spec.dir).await.unwrap();
    says(&sandbox, "before").await;
    if is_root() {
        let init = parent(running(&sandbox).await);
        let all = children(parent(init));
        let way_out = all.into_iter().find(|child| *child != init).unwrap();
        let memory = own_memory(way_out);
        // docs/performance.md has the figure.
        assert!(
            memory < 20 << 10,
            "{memory} kB for {CONNECTIONS} connections"
        );
    }
    drop(sandbox);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    std::fs::write(home.join("go"), "").unwrap();
    let sandbox = pastina::sandbox::adopt(&case.spec.dir).await.unwrap();
    assert_eq!(ended(&sandbox).await, Exit::Code { code: 0 });
    let output = output(&sandbox);
    assert!(
        output.contains(&format!("after {CONNECTIONS}\n")),
        "{output}"
    );
    assert_eq!(sandbox.traffic().connections, CONNECTIONS as u64);
    sandbox.remove().await.unwrap();
}

/// Memory of a process in kilobytes that is no file's, what it shares divided by how many do.
fn own_memory(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("Pss_Anon:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let numbers = text.split_whitespace();
    numbers.map(|number| number.parse().unwrap()).collect()
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}
