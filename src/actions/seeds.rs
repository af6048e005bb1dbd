//! The security groups that every platform begins with.

use uuid::Uuid;

use super::ActionError;
use crate::{
    model::{
        Reach, RuleProtocol, SecurityGroup, SecurityGroupId, SecurityGroupName, SecurityRule, Seed,
        SeedId, Timestamp,
    },
    store::Tx,
};

/// The mark that the groups were made, so that one that an admin deleted stays deleted.
const MADE: SeedId = SeedId::from_uuid(Uuid::from_u128(1));

/// Public addresses, as Cloud Foundry's group of this name has them: all but private networks,
/// loopback, link-local and multicast; nor carriers' and protocols' own networks, in which some
/// clouds keep their metadata (100.100.100.200, 192.0.0.192), nor Azure's 168.63.129.16. Of IPv6
/// global unicast without the addresses that carry IPv4 ones (6to4).
const PUBLIC: [&str; 11] = [
    "1.0.0.0-9.255.255.255",
    "11.0.0.0-100.63.255.255",
    "100.128.0.0-126.255.255.255",
    "128.0.0.0-168.63.129.15",
    "168.63.129.17-169.253.255.255",
    "169.255.0.0-172.15.255.255",
    "172.32.0.0-191.255.255.255",
    "192.0.1.0-192.167.255.255",
    "192.169.0.0-223.255.255.255",
    "2000::-2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2003::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

/// Puts the groups `public_networks` and `dns`, which hold everywhere, where they have never
/// been put.
pub(super) fn put_security_groups(tx: &mut Tx, now: Timestamp) -> Result<(), ActionError> {
    if tx.seeds.contains_key(&MADE) {
        return Ok(());
    }
    let rule = |protocol, ports: Option<&str>| SecurityRule {
        protocol,
        destination: PUBLIC.join(","),
        ports: ports.map(str::to_owned),
        kind: None,
        code: None,
        description: None,
        log: None,
    };
    let groups = [
        ("public_networks", vec![rule(RuleProtocol::All, None)]),
        (
            "dns",
            vec![
                rule(RuleProtocol::Tcp, Some("53")),
                rule(RuleProtocol::Udp, Some("53")),
            ],
        ),
    ];
    let everywhere = || Reach {
        everywhere: true,
        ..Reach::default()
    };
    for (name, rules) in groups {
        if tx.security_group_by_name(name).is_none() {
            tx.put(SecurityGroup {
                id: SecurityGroupId::random(),
                name: SecurityGroupName::parse(name)?,
                rules,
                running: everywhere(),
                staging: everywhere(),
                created_at: now,
                updated_at: now,
            });
        }
    }
    tx.put(Seed {
        id: MADE,
        name: "security groups".to_owned(),
        at: now,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::store::Store;

    async fn seeded(store: &Store) {
        store
            .commit(|tx| put_security_groups(tx, Timestamp::from_millis(1)))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn the_internet_is_open_and_what_is_near_is_closed() {
        let store = Store::in_memory();
        seeded(&store).await;
        let state = store.state();
        let group = state.security_group_by_name("public_networks").unwrap();
        let opened: Vec<_> = group.egress().collect();
        let check = |address: &str, expected: bool| {
            let address: IpAddr = address.parse().unwrap();
            let is_open = opened
                .iter()
                .any(|rule| rule.first <= address && address <= rule.last);
            assert_eq!(is_open, expected, "{address}");
        };
        for open in ["1.1.1.1", "93.184.216.34", "203.0.113.9", "2606:4700::1111"] {
            check(open, true);
        }
        for closed in [
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "168.63.129.16",
            "192.0.0.192",
            "192.168.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
        ] {
            check(closed, false);
        }
    }

    #[tokio::test]
    async fn a_group_that_was_deleted_stays_deleted() {
        let store = Store::in_memory();
        seeded(&store).await;
        let id = store.state().security_group_by_name("dns").unwrap().id;
        let deleted = store.commit(|tx| {
            tx.delete(id);
            Ok::<_, ActionError>(())
        });
        deleted.await.unwrap();
        seeded(&store).await;
        assert!(store.state().security_group_by_name("dns").is_none());
    }
}
