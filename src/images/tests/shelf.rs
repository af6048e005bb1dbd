//! What is kept, what is let go, and what is only held.

use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::{images::shelf::Shelf, model::Image};

const SIZE: Size = Size {
    bytes: 10,
    entries: 2,
};

fn layer(letter: char) -> LayerId {
    letter.to_string().repeat(64).parse().unwrap()
}

fn open(dir: &Path) -> Arc<Shelf> {
    Arc::new(Shelf::open(dir).unwrap().without_grace())
}

fn put(shelf: &Shelf, id: &LayerId) {
    let draft = shelf.begin().unwrap();
    fs::write(draft.root().join("file"), "text").unwrap();
    shelf.keep(id, draft, SIZE, "registry.kr").unwrap();
}

fn kept(shelf: &Shelf, letters: &str) -> String {
    let there = |letter: &char| shelf.root(&layer(*letter)).join("file").exists();
    letters.chars().filter(there).collect()
}

fn of(letters: &str) -> BTreeSet<LayerId> {
    letters.chars().map(layer).collect()
}

#[test]
fn only_what_somebody_needs_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path());
    "abcd"
        .chars()
        .for_each(|letter| put(&shelf, &layer(letter)));
    let lease = shelf.lease(&[layer('b')]);
    let toolchain = Image {
        reference: "docker.io/node:22".to_owned(),
        digest: "sha256:x".to_owned(),
        layers: vec![layer('c')],
    };
    shelf.keep_toolchain(&toolchain).unwrap();
    let named = BTreeSet::from([toolchain.reference.clone()]);
    shelf.retain(of("a"), &named).unwrap();
    assert_eq!(kept(&shelf, "abcd"), "abc");
    assert_eq!(
        shelf.toolchain(&toolchain.reference),
        Some(toolchain.clone())
    );
    drop(lease);
    shelf.retain(of("a"), &BTreeSet::new()).unwrap();
    assert_eq!(kept(&shelf, "abcd"), "a");
    assert_eq!(shelf.toolchain(&toolchain.reference), None);
    let left = fs::read_dir(dir.path().join("half")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn what_was_just_needed_is_kept_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Arc::new(Shelf::open(dir.path()).unwrap());
    put(&shelf, &layer('a'));
    drop(shelf.lease(&[layer('a')]));
    shelf.retain(BTreeSet::new(), &BTreeSet::new()).unwrap();
    assert_eq!(kept(&shelf, "a"), "a");
}

#[test]
fn half_a_layer_is_gone_with_its_draft_or_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path());
    let draft = shelf.begin().unwrap();
    fs::create_dir(draft.root().join("shut")).unwrap();
    drop(draft);
    std::mem::forget(shelf.begin().unwrap());
    let half = || fs::read_dir(dir.path().join("half")).unwrap().count();
    assert_eq!(half(), 1);
    drop(shelf);
    let shelf = open(dir.path());
    assert_eq!(half(), 0);
    put(&shelf, &layer('a'));
    let again = open(dir.path());
    assert_eq!(kept(&again, "a"), "a");
    // Numbers of owners mean nothing to another user.
    fs::write(dir.path().join("owner"), "4711").unwrap();
    let other = open(dir.path());
    assert_eq!(kept(&other, "a"), "");
}

#[test]
fn a_layer_knows_who_gave_it_out() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = open(dir.path());
    assert_eq!(shelf.about(&layer('a')), None);
    put(&shelf, &layer('a'));
    // The second to make it finds it made.
    put(&shelf, &layer('a'));
    shelf.add_source(&layer('a'), "other.kr").unwrap();
    let about = shelf.about(&layer('a')).unwrap();
    assert_eq!((about.bytes, about.entries), (10, 2));
    let sources: Vec<_> = about.sources.iter().map(String::as_str).collect();
    assert_eq!(sources, ["other.kr", "registry.kr"]);
}
