use std::{net::UdpSocket, os::unix::net::UnixDatagram};

use super::{super::device::Device, *};

const ID: Id = 7;

fn world() -> World {
    let (device, channel) = UnixDatagram::pair().unwrap();
    let traffic = tempfile::tempfile().unwrap();
    World::new(Device::new(device.into()), channel.into(), traffic).unwrap()
}

fn server() -> UdpSocket {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    server
}

fn resolver(world: &World, servers: &[&UdpSocket], hosts: &[(&str, &str)]) -> Resolver {
    let mut resolver = Resolver::new(world.now);
    let servers = servers.iter().map(|one| one.local_addr().unwrap());
    let hosts = hosts
        .iter()
        .map(|(name, address)| ((*name).to_owned(), address.parse().unwrap()));
    let names = Names {
        servers: servers.collect(),
        hosts: hosts.collect(),
    };
    resolver.tell(names, world.now);
    resolver
}

fn question(name: &str) -> Vec<u8> {
    let mut bytes = message::ask(name, false).unwrap();
    bytes[..2].copy_from_slice(&[0x12, 0x34]);
    bytes
}

fn asker() -> Asker {
    Asker::Datagram("198.18.0.2:5000".parse().unwrap())
}

fn ask(
    resolver: &mut Resolver,
    world: &mut World,
    policy: &NetworkPolicy,
    name: &str,
) -> Option<Vec<u8>> {
    let peers = Peers::default().assign(policy);
    resolver.ask(world, policy, &peers, ID, asker(), &question(name))
}

/// The code of an answer: 0 for found, 2 for failed, 3 for unknown.
fn code(answer: &[u8]) -> u8 {
    answer[3] & 0xf
}

#[test]
fn an_answer_of_the_hosts_server_comes_back_and_a_forged_one_does_not() {
    let (mut world, server) = (world(), server());
    let mut resolver = resolver(&world, &[&server], &[]);
    let policy = NetworkPolicy::default();
    assert_eq!(ask(&mut resolver, &mut world, &policy, "example.kr"), None);
    let mut asked = [0; 512];
    let (length, from) = server.recv_from(&mut asked).unwrap();
    let mut answer = asked[..length].to_vec();
    answer[2] |= 0x80;
    let mut forged = answer.clone();
    forged[1] ^= 1;
    server.send_to(&forged, from).unwrap();
    assert!(resolver.wake(&mut world, ID, false).is_none());
    // Nor one from elsewhere.
    self::server().send_to(&answer, from).unwrap();
    assert!(resolver.wake(&mut world, ID, false).is_none());
    server.send_to(&answer, from).unwrap();
    let delivery = resolver.wake(&mut world, ID, false).unwrap();
    assert_eq!(delivery.to, asker());
    assert_eq!(delivery.bytes[..2], [0x12, 0x34]);
    assert_eq!(delivery.bytes[2..], answer[2..]);
    assert!(resolver.is_quiet());
}

#[test]
fn servers_that_are_silent_are_asked_in_turn_and_in_the_end_the_asker_is_told() {
    let (mut world, first, second) = (world(), server(), server());
    let mut resolver = resolver(&world, &[&first, &second], &[]);
    let policy = NetworkPolicy::default();
    assert_eq!(ask(&mut resolver, &mut world, &policy, "example.kr"), None);
    assert!(resolver.wake(&mut world, ID, true).is_none(), "too early");
    let mut delivery = None;
    for _ in 0..4 {
        assert!(delivery.is_none());
        world.now += Duration::from_secs(3);
        delivery = resolver.wake(&mut world, ID, true);
    }
    assert_eq!(code(&delivery.unwrap().bytes), 2);
    for server in [first, second] {
        let mut buffer = [0; 512];
        let asked = std::iter::from_fn(|| server.recv(&mut buffer).ok());
        assert_eq!(asked.count(), 2);
    }
}

#[test]
fn the_hosts_own_names_are_told_where_they_are_granted() {
    let mut world = world();
    let mut resolver = resolver(&world, &[], &[("db.lan", "10.0.0.9")]);
    let mut policy = NetworkPolicy::default();
    // With no server to ask: it fails, and tells nothing.
    let answer = ask(&mut resolver, &mut world, &policy, "db.lan").unwrap();
    assert_eq!(code(&answer), 2);
    policy.grants.push(crate::model::Grant {
        host: "DB.lan".to_owned(),
        port: 5432,
    });
    let answer = ask(&mut resolver, &mut world, &policy, "db.lan").unwrap();
    let (found, _) = message::addresses(&answer).unwrap();
    assert_eq!(found, ["10.0.0.9".parse::<IpAddr>().unwrap()]);
}

#[test]
fn names_that_are_ours_are_not_asked_for_outside() {
    let (mut world, server) = (world(), server());
    let mut resolver = resolver(&world, &[&server], &[]);
    let policy = NetworkPolicy::default();
    for name in [
        "orders.apps.internal",
        "apps.internal",
        "host.pastina.internal",
        "1.0.19.198.in-addr.arpa",
    ] {
        let answer = ask(&mut resolver, &mut world, &policy, name).unwrap();
        assert_eq!(code(&answer), 3, "{name}");
    }
    assert!(server.recv(&mut [0; 512]).is_err());
}

#[test]
fn who_asks_too_much_is_not_answered() {
    let mut world = world();
    let mut resolver = resolver(&world, &[], &[]);
    let policy = NetworkPolicy::default();
    let mut answered = 0;
    for _ in 0..2 * BURST {
        let answer = ask(&mut resolver, &mut world, &policy, "apps.internal");
        answered += u64::from(answer.is_some());
    }
    assert_eq!(answered, BURST);
}
