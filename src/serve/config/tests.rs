use std::{fs, path::PathBuf};

use super::*;
use crate::cli::Places;

fn places() -> Places {
    Places::of(false, &|name| {
        (name == "HOME").then(|| "/home/kim".to_owned())
    })
}

fn load(file: &str, environment: &[(&str, &str)], args: Args) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pastina.toml");
    fs::write(&path, file).unwrap();
    let args = Args {
        config: Some(path.clone()),
        ..args
    };
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::load_from(&args, &places(), environment).map_err(|error| {
        error
            .to_string()
            .replace(&path.display().to_string(), "FILE")
    })
}

fn from_file(file: &str) -> Result<Config, String> {
    load(file, &[], Args::default())
}

#[test]
fn a_user_needs_no_configuration() {
    let config = Config::load_from(&Args::default(), &places(), Vec::new()).unwrap();
    assert_eq!(config.file, None);
    assert_eq!(config.http.address(), "127.0.0.1:8080".parse().ok());
    assert_eq!(config.https.address(), "127.0.0.1:8443".parse().ok());
    assert_eq!(config.domain.as_str(), "localhost");
    let state = PathBuf::from("/home/kim/.local/state/pastina");
    assert_eq!(config.run_dir, state.join("run"));
    assert_eq!(config.admin_password_file, state.join("admin-password"));
}

#[test]
fn root_serves_everybody() {
    let places = Places::of(true, &|_| None);
    let args = Args {
        config: Some("/dev/null".into()),
        ..Args::default()
    };
    let config = Config::load_from(&args, &places, Vec::new()).unwrap();
    assert_eq!(config.http.address(), "0.0.0.0:80".parse().ok());
    assert_eq!(config.run_dir, PathBuf::from("/run/pastina"));
}

#[test]
fn flags_win_over_environment_and_environment_over_the_file() {
    let file = "domain = \"file.kr\"\n[apps]\nmemory = \"64M\"\npids = 7\n";
    let environment = [
        ("PASTINA_DOMAIN", "env.kr"),
        ("PASTINA_APPS_MEMORY", "128M"),
        ("PASTINA_BUILDS_PASS_ENV", "A, B"),
        ("PASTINA_HOME", "/x"),
        ("PASTINA_TEST_ABSENT", "cgroups"),
        ("HOME", "/y"),
    ];
    let args = Args {
        domain: Some("flag.kr".to_owned()),
        set: vec!["gateway.threads=3".to_owned()],
        ..Args::default()
    };
    let config = load(file, &environment, args).unwrap();
    assert_eq!(config.domain.as_str(), "flag.kr");
    assert_eq!(config.app_memory.0, 128);
    assert_eq!(config.app_pids.get(), 7);
    assert_eq!(config.build_pass_env, ["A", "B"]);
    assert_eq!(
        config.gateway_threads,
        Threads::Exactly(3.try_into().unwrap())
    );
}

#[test]
fn every_complaint_names_the_place_and_what_was_meant() {
    let check = |file: &str, expected: &str| {
        let complaint = from_file(file).unwrap_err();
        let complaint = complaint
            .strip_prefix("the configuration is not right:\n  ")
            .unwrap();
        assert_eq!(complaint, expected, "{file}");
    };
    check(
        "domian = 'a.kr'",
        "FILE:1:1: there is no key domian; did you mean domain?",
    );
    check(
        "[listen]\n  htp = 'off'",
        "FILE:2:3: there is no key listen.htp; did you mean listen.http?",
    );
    check(
        "[lisen]\nhttp = 'off'",
        "FILE:1:2: there is no table lisen; did you mean listen?",
    );
    check(
        "[a]\nb = 1",
        "FILE:1:2: there is no table a; docs/configuration.md lists what there is",
    );
    check(
        "pids = 3",
        "FILE:1:1: there is no key pids; did you mean apps.pids?",
    );
    check(
        "[listen]\nhttp = 8080",
        "FILE:2:8: listen.http must be an address and port such as \"127.0.0.1:8080\", \
         or \"off\", in quotes, not 8080",
    );
    check(
        "[gateway]\ndrain = \"20\"",
        "FILE:2:9: gateway.drain must be a time such as \"500ms\", \"30s\", \"15m\", \"12h\" \
         or \"30d\", not \"20\"",
    );
    check(
        "[apps]\npids = \"7\"",
        "FILE:2:8: apps.pids must be a whole number from 1, not \"7\"",
    );
    check(
        "[listen]\nbehind_proxy = 'yes'",
        "FILE:2:16: listen.behind_proxy must be true or false, not \"yes\"",
    );
    check(
        "apps = 1",
        "FILE:1:1: apps is a table of keys, not of type integer",
    );
    check(
        "state_dir = 'here'",
        "FILE:1:13: state_dir must be an absolute path, not \"here\"",
    );
    check(
        "[logs]\nformat = 'xml'",
        "FILE:2:10: logs.format must be \"text\" or \"json\", not \"xml\"",
    );
    check(
        "[tls]\ncert = '/c.pem'",
        "configuration: tls.cert needs tls.key beside it",
    );
    check(
        "[listen]\nhttp = 'off'\nhttps = 'off'",
        "configuration: listen.http and listen.https are both off, so nobody could reach it",
    );
    assert!(from_file("domain = \n").unwrap_err().contains("  FILE:1:"));
    assert!(
        from_file("[logs]\nfilter = 'a=b=c'")
            .unwrap_err()
            .contains("logs.filter")
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let complaint = load(
        "domian = 1\n[apps]\nmemory = 5",
        &[("PASTINA_APS_MEMORY", "1G"), ("PASTINA_APPS_DISK", "much")],
        Args {
            set: vec!["nonsense".to_owned()],
            ..Args::default()
        },
    )
    .unwrap_err();
    for part in [
        "FILE:1:1",
        "FILE:3:10",
        "PASTINA_APS_MEMORY",
        "PASTINA_APPS_DISK",
        "--set",
    ] {
        assert!(complaint.contains(part), "{part} is not in {complaint}");
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let args = Args {
        config: Some("/nonexistent/pastina.toml".into()),
        ..Args::default()
    };
    let error = Config::load_from(&args, &places(), Vec::new()).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }));
}

#[test]
fn what_is_in_effect_can_be_read_again_and_holds_no_secret() {
    let file = "[builds.env]\nPIP_INDEX_URL = 'https://user:s3cret@example.kr'\n";
    let config = from_file(file).unwrap();
    let text = config.to_toml();
    assert!(!text.contains("s3cret") && !format!("{config:?}").contains("s3cret"));
    let mut again = from_file(&text).unwrap();
    again.file.clone_from(&config.file);
    assert_eq!(config.changed(&again), ["builds.env"]);
}

#[test]
fn builds_get_what_is_passed_and_what_is_set() {
    let file = "[builds]\npass_env = ['A', 'B']\nenv = { B = 'set' }\n";
    let config = from_file(file).unwrap();
    let own = ["A", "B", "C"].map(|name| (name.to_owned(), "own".to_owned()));
    let variables = config.build_environment(own);
    let shown: Vec<String> = variables
        .into_iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(shown, ["A=own", "B=set"]);
}
