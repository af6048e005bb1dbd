use std::{net::Ipv4Addr, path::PathBuf};

use super::*;
use crate::model::{Grant, Peer, PeerInstance};

fn rule(first: &str, last: &str, protocol: EgressProtocol) -> EgressRule {
    EgressRule {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        protocol,
        log: false,
    }
}

fn ports(text: &str) -> Vec<PortRange> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        PortRange {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
        }
    };
    text.split(',').map(range).collect()
}

fn grant(host: &str, port: u16) -> Grant {
    Grant {
        host: host.to_owned(),
        port,
    }
}

/// Rules that open every address there is.
fn everything() -> NetworkPolicy {
    NetworkPolicy {
        rules: vec![
            rule("0.0.0.0", "255.255.255.255", EgressProtocol::All),
            rule(
                "::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                EgressProtocol::All,
            ),
        ],
        ..NetworkPolicy::default()
    }
}

fn to(protocol: Protocol, address: &str, port: u16) -> Destination {
    Destination {
        protocol,
        address: address.parse().unwrap(),
        port,
    }
}

fn tcp(address: &str, port: u16) -> Destination {
    to(Protocol::Tcp, address, port)
}

fn simple(policy: &NetworkPolicy, to: &Destination) -> Verdict {
    decide(policy, &Peers::default(), Facts::default(), to)
}

fn refused(policy: &NetworkPolicy, to: &Destination) -> Option<Refusal> {
    match simple(policy, to) {
        Verdict::Refused(why) => Some(why),
        _ => None,
    }
}

#[test]
fn without_rules_nothing_is_open() {
    for address in ["1.1.1.1", "10.0.0.1", "2606:4700::1111"] {
        assert_eq!(
            refused(&NetworkPolicy::default(), &tcp(address, 443)),
            Some(Refusal::NoRule),
            "{address}"
        );
    }
}

#[test]
fn a_rule_opens_its_addresses_ports_and_protocol() {
    let check = |protocol: EgressProtocol, to: Destination, open: bool| {
        let policy = NetworkPolicy {
            rules: vec![rule("203.0.113.10", "203.0.113.20", protocol)],
            ..NetworkPolicy::default()
        };
        assert_eq!(refused(&policy, &to).is_none(), open, "{to:?} {policy:?}");
    };
    let web = || EgressProtocol::Tcp(ports("80,8000-8100"));
    check(web(), tcp("203.0.113.10", 80), true);
    check(web(), tcp("203.0.113.20", 8000), true);
    check(web(), tcp("203.0.113.15", 8100), true);
    check(web(), tcp("203.0.113.15", 8101), false);
    check(web(), tcp("203.0.113.9", 80), false);
    check(web(), tcp("203.0.113.21", 80), false);
    check(web(), to(Protocol::Udp, "203.0.113.10", 80), false);
    let udp = || EgressProtocol::Udp(ports("53"));
    check(udp(), to(Protocol::Udp, "203.0.113.10", 53), true);
    check(udp(), tcp("203.0.113.10", 53), false);
    let ping = Protocol::Icmp { kind: 8, code: 0 };
    let icmp = |kind, code| EgressProtocol::Icmp { kind, code };
    check(icmp(None, None), to(ping, "203.0.113.10", 0), true);
    check(icmp(Some(8), None), to(ping, "203.0.113.10", 0), true);
    check(icmp(Some(8), Some(0)), to(ping, "203.0.113.10", 0), true);
    check(icmp(Some(0), None), to(ping, "203.0.113.10", 0), false);
    check(icmp(Some(8), Some(1)), to(ping, "203.0.113.10", 0), false);
    check(icmp(None, None), tcp("203.0.113.10", 80), false);
    check(EgressProtocol::All, to(ping, "203.0.113.10", 0), true);
    check(EgressProtocol::All, tcp("203.0.113.10", 1), true);
    // Not by the numbers of the other family.
    check(EgressProtocol::All, tcp("cb00:710a::", 1), false);
}

#[test]
fn what_is_closed_to_all_no_rule_opens() {
    let policy = everything();
    let closed = [
        ("0.0.0.0", Closed::Unspecified),
        ("0.1.2.3", Closed::Unspecified),
        ("::", Closed::Unspecified),
        ("127.0.0.1", Closed::Loopback),
        ("127.255.255.254", Closed::Loopback),
        ("::1", Closed::Loopback),
        ("169.254.0.1", Closed::LinkLocal),
        ("fe80::1", Closed::LinkLocal),
        ("febf::1", Closed::LinkLocal),
        ("fec0::1", Closed::LinkLocal),
        ("169.254.169.254", Closed::Metadata),
        ("100.100.100.200", Closed::Metadata),
        ("168.63.129.16", Closed::Metadata),
        ("192.0.0.192", Closed::Metadata),
        ("fd00:ec2::254", Closed::Metadata),
        ("fd20:ce::254", Closed::Metadata),
        ("224.0.0.1", Closed::Multicast),
        ("239.255.255.255", Closed::Multicast),
        ("ff02::1", Closed::Multicast),
        ("240.0.0.1", Closed::Reserved),
        ("255.255.255.255", Closed::Reserved),
        ("::ffff:1.1.1.1", Closed::Disguised),
        ("::ffff:127.0.0.1", Closed::Disguised),
        ("::ffff:0:127.0.0.1", Closed::Disguised),
        ("::127.0.0.1", Closed::Disguised),
        ("64:ff9b:1::7f00:1", Closed::Disguised),
        ("2001::1", Closed::Disguised),
        ("64:ff9b::127.0.0.1", Closed::Loopback),
        ("64:ff9b::169.254.169.254", Closed::Metadata),
        ("2002:7f00:1::1", Closed::Loopback),
        ("2002:a9fe:a9fe::1", Closed::Metadata),
        ("2002:e000:1::", Closed::Multicast),
        ("198.18.0.2", Closed::Virtual),
        ("198.19.0.1", Closed::Virtual),
        ("fd70:6173:7469::1", Closed::Virtual),
    ];
    for (address, why) in closed {
        for protocol in [
            Protocol::Tcp,
            Protocol::Udp,
            Protocol::Icmp { kind: 8, code: 0 },
        ] {
            assert_eq!(
                refused(&policy, &to(protocol, address, 80)),
                Some(Refusal::Closed(why)),
                "{address}"
            );
        }
    }
    for open in [
        "1.0.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "10.0.0.1",
        "192.168.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "fd00::1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
    ] {
        assert_eq!(refused(&policy, &tcp(open, 80)), None, "{open}");
    }
}

#[test]
fn what_the_host_has_is_closed() {
    let policy = everything();
    let facts = |own, broadcast| Facts {
        own,
        broadcast,
        named: &[],
    };
    let check = |facts, why| {
        let verdict = decide(&policy, &Peers::default(), facts, &tcp("192.168.1.5", 80));
        assert_eq!(verdict, Verdict::Refused(Refusal::Closed(why)));
    };
    check(facts(true, false), Closed::Host);
    check(facts(false, true), Closed::Multicast);
}

#[test]
fn an_address_in_disguise_needs_both_rules() {
    let mut policy = NetworkPolicy {
        rules: vec![rule(
            "::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            EgressProtocol::All,
        )],
        ..NetworkPolicy::default()
    };
    for address in ["64:ff9b::10.0.0.1", "2002:a00:1::1"] {
        assert_eq!(
            refused(&policy, &tcp(address, 80)),
            Some(Refusal::NoRule),
            "{address}"
        );
    }
    policy
        .rules
        .push(rule("10.0.0.0", "10.255.255.255", EgressProtocol::All));
    for address in ["64:ff9b::10.0.0.1", "2002:a00:1::1"] {
        assert_eq!(refused(&policy, &tcp(address, 80)), None, "{address}");
    }
}

#[test]
fn a_rule_that_is_to_be_told_is() {
    let mut policy = everything();
    let log = |policy: &NetworkPolicy| match simple(policy, &tcp("1.1.1.1", 80)) {
        Verdict::Open { log, .. } => log,
        other => panic!("{other:?}"),
    };
    assert!(!log(&policy));
    let told = EgressRule {
        log: true,
        ..rule("1.0.0.0", "1.255.255.255", EgressProtocol::Tcp(ports("80")))
    };
    policy.rules.push(told);
    assert!(log(&policy));
}

#[test]
fn a_grant_of_an_address_opens_it_wherever_it_is() {
    let check = |host: &str, own: bool, address: &str, port: u16, open: bool| {
        let policy = NetworkPolicy {
            grants: vec![grant(host, 5432)],
            ..NetworkPolicy::default()
        };
        let facts = Facts {
            own,
            ..Facts::default()
        };
        let verdict = decide(&policy, &Peers::default(), facts, &tcp(address, port));
        let expected = Verdict::Open {
            by: By::Grant(host.to_owned()),
            log: false,
        };
        assert_eq!(verdict == expected, open, "{host} {address} {verdict:?}");
    };
    check("10.1.2.3", false, "10.1.2.3", 5432, true);
    check("10.1.2.3", false, "10.1.2.3", 5433, false);
    check("10.1.2.3", false, "10.1.2.4", 5432, false);
    check("10.1.2.3", true, "10.1.2.3", 5432, true);
    check("[fd00::7]", false, "fd00::7", 5432, true);
    check("fd00::7", false, "fd00::7", 5432, true);
    check("169.254.169.254", false, "169.254.169.254", 5432, true);
    for never in [
        "127.0.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "255.255.255.255",
    ] {
        check(never, false, never, 5432, false);
    }
}

#[test]
fn a_granted_name_opens_what_it_stands_for_but_no_infrastructure() {
    let policy = NetworkPolicy {
        grants: vec![grant("DB.example.kr", 5432)],
        ..NetworkPolicy::default()
    };
    let check = |named: &str, own: bool, to: Destination, open: bool| {
        let named = [("db.example.kr".to_owned(), named.parse().unwrap())];
        let facts = Facts {
            own,
            broadcast: false,
            named: &named,
        };
        let verdict = decide(&policy, &Peers::default(), facts, &to);
        assert_eq!(
            matches!(verdict, Verdict::Open { .. }),
            open,
            "{to:?} {verdict:?}"
        );
    };
    check("10.0.0.9", false, tcp("10.0.0.9", 5432), true);
    check("10.0.0.9", false, to(Protocol::Udp, "10.0.0.9", 5432), true);
    check("10.0.0.9", true, tcp("10.0.0.9", 5432), true);
    check("10.0.0.9", false, tcp("10.0.0.9", 5433), false);
    check("10.0.0.8", false, tcp("10.0.0.9", 5432), false);
    for never in ["127.0.0.1", "169.254.169.254", "fe80::1", "198.19.0.1"] {
        check(never, false, tcp(never, 5432), false);
    }
    let ping = to(Protocol::Icmp { kind: 8, code: 0 }, "10.0.0.9", 5432);
    check("10.0.0.9", false, ping, false);
    let asked = |port| names_to_ask(&policy, &tcp("10.0.0.9", port)).count();
    assert_eq!((asked(5432), asked(5433)), (1, 0));
}

#[test]
fn the_hosts_loopback_is_open_under_its_name_alone() {
    let policy = NetworkPolicy {
        grants: vec![grant("host.pastina.internal", 5432)],
        ..everything()
    };
    let loopback = Verdict::Open {
        by: By::Loopback,
        log: false,
    };
    let host = HOST.to_string();
    assert_eq!(simple(&policy, &tcp(&host, 5432)), loopback);
    assert_eq!(refused(&policy, &tcp(&host, 8080)), Some(Refusal::NoGrant));
    assert_eq!(
        refused(&everything(), &tcp(&host, 5432)),
        Some(Refusal::NoGrant)
    );
    assert_eq!(names_to_ask(&policy, &tcp(&host, 5432)).count(), 0);
}

#[test]
fn the_resolver_is_always_there_and_only_that() {
    let policy = NetworkPolicy::default();
    let address = RESOLVER.to_string();
    let check = |protocol, port, is: bool| {
        let verdict = simple(&policy, &to(protocol, &address, port));
        assert_eq!(verdict == Verdict::Resolver, is, "{protocol:?} {port}");
    };
    check(Protocol::Udp, 53, true);
    check(Protocol::Tcp, 53, true);
    check(Protocol::Tcp, 80, false);
    check(Protocol::Icmp { kind: 8, code: 0 }, 53, false);
}

fn with_peer(app: AppId, instances: &[u32]) -> NetworkPolicy {
    let instance = |index: &u32| PeerInstance {
        index: *index,
        dir: PathBuf::from(format!("/instances/{index}")),
    };
    NetworkPolicy {
        peers: vec![Peer {
            app,
            names: vec!["orders.apps.internal".to_owned()],
            tcp: ports("8080"),
            udp: ports("9000-9010"),
            instances: instances.iter().map(instance).collect(),
        }],
        ..NetworkPolicy::default()
    }
}

fn found(peers: &Peers, policy: &NetworkPolicy, name: &str) -> Vec<Ipv4Addr> {
    match peers.lookup(policy, name) {
        Answer::Found(found) => found,
        Answer::Unknown => panic!("{name} is unknown"),
    }
}

#[test]
fn a_peer_is_open_on_its_ports() {
    let app = AppId::random();
    let policy = with_peer(app, &[0, 3]);
    let peers = Peers::default().assign(&policy);
    let third = found(&peers, &policy, "3.orders.apps.internal")[0];
    let check = |protocol, port, open: bool| {
        let to = to(protocol, &third.to_string(), port);
        let expected = if open {
            Verdict::Open {
                by: By::Peer { app, index: 3 },
                log: false,
            }
        } else {
            Verdict::Refused(Refusal::NoPolicy)
        };
        assert_eq!(decide(&policy, &peers, Facts::default(), &to), expected);
    };
    check(Protocol::Tcp, 8080, true);
    check(Protocol::Tcp, 9000, false);
    check(Protocol::Udp, 9005, true);
    check(Protocol::Udp, 8080, false);
    check(Protocol::Icmp { kind: 8, code: 0 }, 8080, false);
}

#[test]
fn names_of_peers_are_known_and_no_others() {
    let policy = with_peer(AppId::random(), &[0, 3]);
    let peers = Peers::default().assign(&policy);
    assert_eq!(found(&peers, &policy, "orders.apps.internal").len(), 2);
    assert_eq!(found(&peers, &policy, "0.orders.apps.internal").len(), 1);
    for unknown in [
        "1.orders.apps.internal",
        "x.orders.apps.internal",
        "0.0.orders.apps.internal",
        "billing.apps.internal",
        "apps.internal",
    ] {
        assert_eq!(peers.lookup(&policy, unknown), Answer::Unknown, "{unknown}");
    }
    assert!(is_internal("apps.internal") && is_internal("a.apps.internal"));
    assert!(!is_internal("myapps.internal") && !is_internal("apps.internal.kr"));
}

#[test]
fn a_peer_keeps_its_address_while_others_come_and_go() {
    let app = AppId::random();
    let one = with_peer(app, &[1]);
    let peers = Peers::default().assign(&one);
    let before = found(&peers, &one, "orders.apps.internal");
    let instances: Vec<u32> = (0..2000).collect();
    let many = with_peer(app, &instances);
    let more = peers.assign(&many);
    assert_eq!(found(&more, &many, "1.orders.apps.internal"), before);
    let all = found(&more, &many, "orders.apps.internal");
    let places = all
        .iter()
        .map(|address| more.at((*address).into()).unwrap());
    let places: std::collections::BTreeSet<Place> = places.collect();
    assert_eq!((all.len(), places.len()), (2000, 2000));
    let none = more.assign(&NetworkPolicy::default());
    assert_eq!(none.at(before[0].into()), None);
}

#[test]
fn what_was_opened_stays_as_long_as_that_which_opened_it() {
    let app = AppId::random();
    let nothing = NetworkPolicy::default();
    let check = |policy: &NetworkPolicy, by: By, to: Destination| {
        assert!(keeps(policy, &by, &to), "{by:?}");
        assert!(!keeps(&nothing, &by, &to), "{by:?}");
    };
    check(&everything(), By::Rule, tcp("1.1.1.1", 80));
    let granted = NetworkPolicy {
        grants: vec![grant("db", 5432), grant("host.pastina.internal", 80)],
        ..NetworkPolicy::default()
    };
    check(&granted, By::Grant("db".to_owned()), tcp("10.0.0.1", 5432));
    check(&granted, By::Loopback, tcp("198.18.0.1", 80));
    let peer = By::Peer { app, index: 0 };
    check(&with_peer(app, &[0]), peer, tcp("198.19.0.1", 8080));
}
