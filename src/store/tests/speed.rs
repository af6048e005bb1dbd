//! How long it takes with 1,000 apps. Run by hand: `cargo test --release -- --ignored --nocapture`.

use super::fixture::{every_kind, put, run};
use crate::store::{Config, Store};

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line["VmRSS:".len()..].trim().to_owned()
}

#[test]
#[ignore = "it shows figures and asserts none"]
fn opening_what_another_run_left() {
    let Some(dir) = std::env::var_os("STORE") else {
        return;
    };
    let before = resident();
    let (_store, opened) = Store::open(&Config::new(dir)).unwrap();
    println!("memory: {before} before, {} after; {opened:?}", resident());
}

#[test]
#[ignore = "it shows figures and asserts none"]
fn opening_with_a_thousand_apps() {
    let dir = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("STORE").map(std::path::PathBuf::from);
    let config = Config::new(kept.as_deref().unwrap_or(dir.path()));
    run(async {
        let (store, _) = Store::open(&config).unwrap();
        for number in 0..600 {
            put(&store, every_kind(number)).await.unwrap();
        }
        drop(store);
        for _ in 0..3 {
            let before = resident();
            let (_store, opened) = Store::open(&config).unwrap();
            println!("memory: {before} before, {} after", resident());
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
