//! What the daemon says once it is ready: to a person at a terminal what to type next, to a
//! log a line or two.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use super::config::{Config, LogFormat};
use crate::cli::{Endpoint, Places};

/// Tells whoever started the daemon where it is, how to log in, and how to stop it.
pub(super) fn announce(config: &Config, endpoint: &Endpoint, first: bool, took: Duration) {
    let mut err = io::stderr().lock();
    if err.is_terminal() && config.log_format == LogFormat::Text {
        let text = for_people(config, endpoint, &Places::here(), took);
        // A terminal that has gone is no reason to end.
        let _ = err.write_all(text.as_bytes());
        return;
    }
    drop(err);
    let api = &endpoint.api;
    tracing::info!(api, ready_ms = took.as_millis(), "pastina is ready");
    if first {
        let (user, password) = (&endpoint.admin_username, &endpoint.admin_password_file);
        tracing::info!(
            "first start: the password of {user:?} is in {}; `{}` on this machine finds it by \
             itself, or: cf login -a {api} --skip-ssl-validation -u {user}",
            password.display(),
            log_in(config, &Places::here()),
        );
    }
}

fn for_people(config: &Config, endpoint: &Endpoint, places: &Places, took: Duration) -> String {
    let Endpoint {
        api,
        admin_username: user,
        admin_password_file: password,
        ..
    } = endpoint;
    let apps = [
        ("http", &endpoint.http_listen),
        ("https", &endpoint.https_listen),
    ]
    .into_iter()
    .filter_map(|(scheme, listen)| {
        let (_, port) = listen.as_ref()?.rsplit_once(':')?;
        let port = match (scheme, port) {
            ("http", "80") | ("https", "443") => String::new(),
            _ => format!(":{port}"),
        };
        Some(format!("{scheme}://NAME.{}{port}", config.domain))
    })
    .next()
    .unwrap_or_default();
    format!(
        "\nPastina is ready after {:.1} s.\n\n  \
           apps    {apps}\n  \
           API     {api}\n  \
           state   {}\n\n\
         In another terminal, in the folder of an app:\n\n  \
           {}\n  \
           pastina push\n\n\
         Or with the stock client:\n\n  \
           cf login -a {api} --skip-ssl-validation -u {user} -p \"$(cat {})\"\n\n\
         Ctrl-C ends the platform and its apps. What goes wrong is told below.\n\n",
        took.as_secs_f64(),
        config.state_dir.display(),
        log_in(config, places),
        password.display(),
    )
}

/// How the client finds this daemon: by itself, or by the run folder where it is not the usual.
fn log_in(config: &Config, places: &Places) -> String {
    let usual = places.run_dir_beside(&places.state_dir);
    let named = places.named_run_dir.as_ref().unwrap_or(&usual);
    if config.run_dir == *named {
        return "pastina login".to_owned();
    }
    format!("PASTINA_RUN_DIR={} pastina login", config.run_dir.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::config::Args;

    fn config(args: &Args, places: &Places) -> Config {
        Config::load_from(args, places, Vec::new()).unwrap()
    }

    #[test]
    fn people_are_told_what_to_type() {
        let home = |name: &str| (name == "HOME").then(|| "/home/kim".to_owned());
        let places = Places::of(false, &home);
        let elsewhere = Args {
            state_dir: Some("/srv/p".to_owned()),
            ..Args::default()
        };
        let endpoint = Endpoint {
            api: "https://127.0.0.1:8443".to_owned(),
            http_listen: Some("127.0.0.1:8080".to_owned()),
            https_listen: Some("127.0.0.1:8443".to_owned()),
            ssh_listen: None,
            ca_file: None,
            admin_username: "admin".to_owned(),
            admin_password_file: "/home/kim/.local/state/pastina/admin-password".into(),
        };
        let took = Duration::from_millis(300);
        let usual = config(&Args::default(), &places);
        let text = for_people(&usual, &endpoint, &places, took);
        insta::assert_snapshot!(text.trim(), @r#"
        Pastina is ready after 0.3 s.

          apps    http://NAME.localhost:8080
          API     https://127.0.0.1:8443
          state   /home/kim/.local/state/pastina

        In another terminal, in the folder of an app:

          pastina login
          pastina push

        Or with the stock client:

          cf login -a https://127.0.0.1:8443 --skip-ssl-validation -u admin -p "$(cat /home/kim/.local/state/pastina/admin-password)"

        Ctrl-C ends the platform and its apps. What goes wrong is told below.
        "#);
        let other = config(&elsewhere, &places);
        let text = for_people(&other, &endpoint, &places, took);
        assert!(
            text.contains("  PASTINA_RUN_DIR=/srv/p/run pastina login\n"),
            "{text}"
        );
    }
}
