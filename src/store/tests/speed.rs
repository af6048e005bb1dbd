//! How long it takes with 1,000 apps. Run by hand: `cargo test --release -- --ignored --nocapture`.

use super::fixture::{every_kind, put, run};
use crate::store::{Config, Store};

#[test]
#[ignore = "it shows figures and asserts none"]
fn opening_with_a_thousand_apps() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path());
    run(async {
        let (store, _) = Store::open(&config).unwrap();
        for number in 0..600 {
            put(&store, every_kind(number)).await.unwrap();
        }
        drop(store);
        for _ in 0..3 {
            let (_store, opened) = Store::open(&config).unwrap();
            println!(
                "{} records from {:?} in {:?}",
                opened.records, opened.source, opened.took
            );
        }
        std::fs::remove_dir_all(dir.path().join("sled")).unwrap();
        let (_store, opened) = Store::open(&config).unwrap();
        println!(
            "{} records from {:?} in {:?}",
            opened.records, opened.source, opened.took
        );
    });
}
