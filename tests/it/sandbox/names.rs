//! What the host's name servers say, where they are ours: a grant by name, and answers that are
//! too long for a datagram.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    process::Command,
    thread,
};

use pastina::model::{Exit, Grant, NetworkPolicy};

use super::{
    internet::{ECHO, Internet, PLACE, SINK},
    way_out::python,
};
use crate::support::is_root;

/// Tells [`with_servers_of_our_own`] where its server shall be.
const SERVER: &str = "PASTINA_TEST_NAME_SERVER";

/// Runs [`with_servers_of_our_own`] where /etc/resolv.conf names a server of the test's.
#[test]
fn names_are_asked_of_the_hosts_servers() {
    let Some(internet) = Internet::reach().filter(|_| is_root()) else {
        return;
    };
    let [high, low] = u16::try_from(std::process::id() % 65_000)
        .unwrap()
        .to_be_bytes();
    let server = Ipv4Addr::new(127, 53, high, low);
    let files = tempfile::tempdir().unwrap();
    let servers = files.path().join("resolv.conf");
    std::fs::write(&servers, format!("nameserver {server}\n")).unwrap();
    let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
    let done = Command::new("unshare")
        .args(["--mount", "--propagation", "slave", "sh", "-c", script])
        .arg(&servers)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::names::with_servers_of_our_own"])
        .env(SERVER, server.to_string())
        .env(PLACE, internet.number())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn with_servers_of_our_own() {
    let (Some(internet), Ok(server)) = (Internet::reach(), std::env::var(SERVER)) else {
        return;
    };
    serve(server.parse().unwrap(), internet.v4);
    let grants = ["db.pastina.test", "many.pastina.test"];
    let policy = NetworkPolicy {
        grants: grants
            .map(|host| Grant {
                host: host.to_owned(),
                port: ECHO,
            })
            .into(),
        ..NetworkPolicy::default()
    };
    let code = format!(
        "import struct\n\
         for name in 'db.pastina.test', 'many.pastina.test':\n\
         \x20   c = connect(name, {ECHO}); c.sendall(b'hello'); say(name, c.recv(100).decode())\n\
         \x20   say(why(name, {SINK}))\n\
         say(why('other.pastina.test', {ECHO}), why('{to}', {ECHO}))\n\
         c = connect('198.18.0.53', 53)\n\
         for name in 'db', 'many':\n\
         \x20   q = struct.pack('>6H', 7, 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name.encode()\n\
         \x20   q += b'\\x07pastina\\x04test\\x00\\x00\\x01\\x00\\x01'\n\
         \x20   c.sendall(struct.pack('>H', len(q)) + q)\n\
         \x20   n = struct.unpack('>H', c.recv(2, socket.MSG_WAITALL))[0]\n\
         \x20   a = c.recv(n, socket.MSG_WAITALL); say('tcp', a[:2].hex(), socket.inet_ntoa(a[-4:]))\n",
        to = internet.v4,
    );
    let (exit, output) = python(policy, &code).run().await;
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    for name in grants {
        assert!(output.contains(&format!("{name} hello\n")), "{output}");
    }
    assert_eq!(output.matches("\nECONNREFUSED\n").count(), 2, "{output}");
    // What is granted is the port at the address that the name stands for, by whatever name.
    assert!(output.contains("open open\n"), "{output}");
    let told = format!("tcp 0007 {}\n", internet.v4);
    assert_eq!(output.matches(&told).count(), 2, "{output}");
}

/// A name server for which every name under pastina.test is the machine at `address`, but which
/// says so of `many` over TCP alone.
fn serve(at: Ipv4Addr, address: Ipv4Addr) {
    let datagrams = UdpSocket::bind((at, 53)).unwrap();
    let streams = TcpListener::bind((at, 53)).unwrap();
    thread::spawn(move || {
        let mut question = [0; 512];
        loop {
            let (length, asker) = datagrams.recv_from(&mut question).unwrap();
            let answer = answer(&question[..length], address, false);
            // An asker that has gone fails nobody's test.
            let _ = datagrams.send_to(&answer, asker);
        }
    });
    thread::spawn(move || {
        for stream in streams.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            if stream.read_exact(&mut length).is_err() {
                continue;
            }
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question).unwrap();
            let answer = answer(&question, address, true);
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            let _ = stream.write_all(&[&length[..], &answer].concat());
        }
    });
}

/// RFC 1035, 4: the question again, and one address where it asks for one.
fn answer(question: &[u8], address: Ipv4Addr, whole: bool) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let asks_v4 = question[end - 4..end] == [0, 1, 0, 1];
    let truncated = !whole && question[13..].starts_with(b"many");
    let found = asks_v4 && !truncated;
    let mut answer = question[..end].to_vec();
    answer[2] = 0x81 | if truncated { 2 } else { 0 };
    answer[3] = 0x80;
    answer[6..12].copy_from_slice(&[0, u8::from(found), 0, 0, 0, 0]);
    if found {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}
