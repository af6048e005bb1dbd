//! What released versions wrote can still be read, and is written the same way.

use std::{collections::BTreeSet, path::Path};

use super::fixture;
use crate::model::LifecycleKind;
use crate::store::{Kind, Record, codec};

const V1: &str = include_str!("../testdata/v1.json");
const V2: &str = include_str!("../testdata/v2.json");
/// Not released yet: written anew until it is.
const V3: &str = include_str!("../testdata/v3.json");

/// Kinds that version 1 did not know.
const SINCE_V2: [Kind; 5] = [
    Kind::SecurityGroup,
    Kind::PeerPolicy,
    Kind::Service,
    Kind::Binding,
    Kind::Seed,
];

/// Kinds that version 2 did not know.
const SINCE_V3: [Kind; 20] = [
    Kind::AppUsage,
    Kind::OrgQuota,
    Kind::SpaceQuota,
    Kind::Sidecar,
    Kind::Task,
    Kind::Broker,
    Kind::Offering,
    Kind::Plan,
    Kind::RouteBinding,
    Kind::Orphan,
    Kind::ServiceUsage,
    Kind::Buildpack,
    Kind::Client,
    Kind::Deployment,
    Kind::EnvGroup,
    Kind::FeatureFlag,
    Kind::Group,
    Kind::IsolationSegment,
    Kind::Revision,
    Kind::Stack,
];

#[test]
fn todays_records_are_what_the_golden_file_says() {
    let today = serde_json::to_string_pretty(&fixture::every_kind(1)).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/testdata/v3.json");
        std::fs::write(path, &today).unwrap();
        return;
    }
    assert!(
        today == V3,
        "the shape of a record changed: add a step to schema.rs and a golden file for the new \
         version (BLESS=1 writes one), or give a new field a serde default and leave it out \
         of what is written while it has it\n{today}"
    );
}

#[test]
fn records_of_every_released_version_are_read() {
    let since_v1 = [SINCE_V2.as_slice(), &SINCE_V3].concat();
    let versions = [(V1, &since_v1[..]), (V2, &SINCE_V3), (V3, &[])];
    for (golden, since) in versions {
        let golden: Vec<serde_json::Value> = serde_json::from_str(golden).unwrap();
        let expected = fixture::every_kind(1);
        let known = |record: &&Record| !since.contains(&record.key().kind());
        let expected: Vec<_> = expected.iter().filter(known).collect();
        assert_eq!(golden.len(), expected.len());
        let mut kinds = BTreeSet::new();
        for (value, expected) in golden.iter().zip(expected) {
            let json = serde_json::to_vec(value).unwrap();
            let record = codec::decode_record(&json, Path::new("golden"), 0).unwrap();
            assert_eq!(record, *expected);
            kinds.insert(record.key().kind());
        }
        kinds.extend(since);
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), Kind::ALL);
    }
}

#[test]
fn a_field_that_a_later_release_added_does_no_harm() {
    let mut value: Vec<serde_json::Value> = serde_json::from_str(V3).unwrap();
    value[0]["value"]["later"] = serde_json::json!(1);
    let json = serde_json::to_vec(&value[0]).unwrap();
    codec::decode_record(&json, Path::new("v3.json"), 0).unwrap();
}

/// What was written of images when they came: fields that are left out where there is none.
const IMAGES: &str = include_str!("../testdata/v2-images.json");

#[test]
fn records_of_images_are_read_and_written_the_same() {
    let golden: Vec<serde_json::Value> = serde_json::from_str(IMAGES).unwrap();
    let read = |value: &serde_json::Value| {
        let json = serde_json::to_vec(value).unwrap();
        codec::decode_record(&json, Path::new("v2-images.json"), 0).unwrap()
    };
    let records: Vec<Record> = golden.iter().map(read).collect();
    for (record, golden) in records.iter().zip(&golden) {
        let written = serde_json::to_value(record).unwrap();
        assert_eq!(written["value"], golden["value"]);
    }
    let [
        Record::App(app),
        Record::Package(package),
        Record::Droplet(droplet),
    ] = &records[..]
    else {
        panic!("{records:?}");
    };
    assert_eq!(app.lifecycle.kind, LifecycleKind::Docker);
    let login = package
        .image
        .as_ref()
        .and_then(|image| image.login.as_ref());
    assert_eq!(login.map(|login| login.username.as_str()), Some("student"));
    assert_eq!((droplet.port(), droplet.layers().len()), (8000, 2));
}
