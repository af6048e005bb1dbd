//! What is wrong gets a clear error, and nothing is lost or left behind.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::support::{
    Answer, Api, Cf, Daemon, Setup, eventually, example, folder, is_root, program, text, zip,
};

/// Sends an archive, or whatever is in a file, as a package's bits.
fn upload(api: &Api, package: &str, file: &Path, more: &[&str]) -> Answer {
    let form = format!("bits=@{}", file.display());
    // As the stock command line does, whose uploads are never HTTP/2.
    let mut arguments = vec!["--http1.1", "-F", &form];
    arguments.extend(more);
    api.curl(
        "POST",
        &format!("/v3/packages/{package}/upload"),
        &arguments,
    )
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut seed = 1_u64;
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Sees that the daemon answers and that no half of an upload lies about.
#[track_caller]
fn well(daemon: &Daemon, api: &Api) {
    api.get("/v3/apps").expect(200);
    let half = daemon.inside(&daemon.state_dir()).join("blobs/half");
    eventually("halves of uploads to be gone", || {
        (fs::read_dir(&half).unwrap().count() == 0).then_some(())
    });
}

#[test]
fn archives_that_reach_out_of_the_app() {
    let daemon = Daemon::shared();
    let (api, dir) = (Api::login(&daemon), tempfile::tempdir().unwrap());
    let file = dir.path().join("app.zip");
    let cases: [(&str, &[u8], &str); 5] = [
        ("../outside", b"x", "leaves the app's folder"),
        ("a/../../outside", b"x", "leaves the app's folder"),
        ("/etc/outside", b"x", "leaves the app's folder"),
        ("link", b"->../../etc/passwd", "leaves the app's folder"),
        ("link", b"->/etc/passwd", "leaves the app's folder"),
    ];
    for (number, (name, bytes, expected)) in cases.into_iter().enumerate() {
        let (app, package) = api.app_with_package(&format!("reaching-{number}"));
        zip(&file, &[("index.html", b"x"), (name, bytes)]);
        let refusal = upload(&api, &package, &file, &[]).refusal(422);
        assert!(
            refusal.contains(expected) && refusal.contains(name),
            "{refusal}"
        );
        assert_eq!(
            api.get(&format!("/v3/packages/{package}")).expect(200)["state"],
            "FAILED"
        );
        well(&daemon, &api);
        api.delete(&format!("/v3/apps/{app}")).expect(202);
    }
    let (app, package) = api.app_with_package("not-a-zip");
    fs::write(&file, "this is no archive").unwrap();
    let refusal = upload(&api, &package, &file, &[]).refusal(422);
    assert!(refusal.contains("not a zip archive"), "{refusal}");
    well(&daemon, &api);
    api.delete(&format!("/v3/apps/{app}")).expect(202);
}

#[test]
fn more_than_the_limits() {
    let limits = ["--set", "limits.upload=4M", "--set", "limits.unpacked=8M"];
    let arguments = limits.map(str::to_owned).to_vec();
    let daemon = Daemon::with(Setup {
        arguments,
        ..Setup::default()
    });
    let (api, dir) = (Api::login(&daemon), tempfile::tempdir().unwrap());
    let file = dir.path().join("app.zip");

    // A bomb: 64 MiB that are 64 KiB on the way.
    let (_, package) = api.app_with_package("bomb");
    zip(&file, &[("zeros", &vec![0; 64 << 20])]);
    assert!(fs::metadata(&file).unwrap().len() < 1 << 20);
    let refusal = upload(&api, &package, &file, &[]).refusal(413);
    assert!(refusal.contains("limit of 8"), "{refusal}");
    well(&daemon, &api);

    // Ten gigabytes are refused by what the request says of itself.
    let (_, package) = api.app_with_package("announced");
    let announced = ["--http1.1", "-H", "Content-Length: 10737418240"];
    let kind = [
        "-H",
        "Content-Type: multipart/form-data; boundary=x",
        "--data-binary",
        "--x",
    ];
    let path = format!("/v3/packages/{package}/upload");
    let refusal = api
        .curl("POST", &path, &[announced.as_slice(), &kind].concat())
        .refusal(413);
    assert!(
        refusal.contains("limit of 4 MiB") && refusal.contains(".cfignore"),
        "{refusal}"
    );
    well(&daemon, &api);

    // A length that is not told beforehand is refused on the way.
    let (_, package) = api.app_with_package("chunked");
    let noise = noise(6 << 20);
    fs::write(&file, noise).unwrap();
    let answer = upload(&api, &package, &file, &["-H", "Transfer-Encoding: chunked"]);
    let refusal = answer.refusal(413);
    assert!(refusal.contains("limit of 4"), "{refusal}");
    well(&daemon, &api);
}

#[test]
fn bodies_names_and_routes_that_are_none() {
    let daemon = Daemon::shared();
    let api = Api::login(&daemon);
    let space = api.space();
    let in_space = json!({ "space": { "data": { "guid": space } } });

    let refusal = api
        .raw("POST", "/v3/apps", "application/json", "{\"name\": ")
        .refusal(400);
    assert!(refusal.contains("parse error"), "{refusal}");
    for name in [json!(""), json!("a\nb"), json!("x".repeat(300)), json!(7)] {
        let body = json!({ "name": name, "relationships": in_space });
        let refusal = api.send("POST", "/v3/apps", &body).refusal(422);
        assert!(refusal.to_lowercase().contains("name"), "{name}: {refusal}");
    }

    let domains = api.get("/v3/domains").expect(200);
    let domain = &domains["resources"][0]["guid"];
    for (host, path) in [
        ("a/b", ""),
        ("a b", ""),
        ("a.b..c", ""),
        ("fine", "no-slash"),
        ("fine", "/a?b"),
    ] {
        let mut body = json!({ "host": host, "relationships": in_space });
        body["relationships"]["domain"] = json!({ "data": { "guid": domain } });
        if !path.is_empty() {
            body["path"] = path.into();
        }
        let refusal = api.send("POST", "/v3/routes", &body).refusal(422);
        let wrong = if path.is_empty() { "host" } else { "path" };
        assert!(
            refusal.to_lowercase().contains(wrong),
            "{host}{path}: {refusal}"
        );
    }
    let routes = api.get(&format!("/v3/routes?space_guids={space}&hosts=fine"));
    assert_eq!(routes.expect(200)["pagination"]["total_results"], 0);
    let nameless = json!({ "relationships": in_space });
    let refusal = api.send("POST", "/v3/apps", &nameless).refusal(422);
    assert!(refusal.contains("name"), "{refusal}");

    // Every mistake of a manifest at once, with the app and the attribute.
    let manifest = "applications:\n- name: wrong\n  memory: [1]\n  instances: many\n  routes: 7\n";
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    let answer = api.raw("POST", &path, "application/x-yaml", manifest);
    answer.refusal(422);
    for part in ["'wrong'", "'memory'", "'instances'"] {
        assert!(answer.body.contains(part), "no {part} in {}", answer.body);
    }
    let cf = Cf::login(&daemon);
    let files = folder(&[("manifest.yml", manifest), ("index.html", "x")]);
    let mut push = cf.command();
    let output = push
        .args(["push"])
        .current_dir(files.path())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{}", text(&output));
    assert!(cf.fail(&["app", "wrong"]).contains("not found"));
    well(&daemon, &api);
}

#[test]
fn tokens_that_are_forged_or_somebody_elses() {
    let daemon = Daemon::shared();
    let api = Api::login(&daemon);
    let parts: Vec<&str> = api.token.split('.').collect();
    let claims: Vec<u8> = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
    let mut claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());

    claims["exp"] = json!(claims["exp"].as_u64().unwrap() + 1000);
    let longer = format!("{}.{}.{}", parts[0], encode(&claims), parts[2]);
    let none = format!(
        "{}.{}.",
        encode(&json!({ "alg": "none", "typ": "JWT" })),
        parts[1]
    );
    let cut = format!("{}.{}.{}", parts[0], parts[1], &parts[2][..20]);
    for token in [longer.as_str(), &none, &cut, "x.y.z", "nonsense"] {
        let answer = api.with_token(token).get("/v3/apps");
        assert!(
            answer.refusal(401).contains("Invalid Auth Token"),
            "{answer:?}"
        );
    }
    api.with_token("").get("/v3/apps").refusal(401);

    // Another user sees nothing of it, and changes nothing.
    let (app, package) = api.app_with_package("mine");
    let user = json!({ "userName": "eve", "password": "a long enough one", "origin": "uaa" });
    api.send("POST", "/Users", &user).expect(201);
    let eve = Api::login_as(&daemon, "eve", "a long enough one");
    eve.get(&format!("/v3/apps/{app}")).refusal(404);
    eve.delete(&format!("/v3/apps/{app}")).refusal(404);
    let variables = format!("/v3/apps/{app}/environment_variables");
    eve.send("PATCH", &variables, &json!({ "var": { "A": "1" } }))
        .refusal(404);
    let file = example("static-site").join("Staticfile");
    let answer = upload(&eve, &package, &file, &[]);
    assert!(matches!(answer.status, 403 | 404), "{answer:?}");
    api.get(&format!("/v3/apps/{app}")).expect(200);
    api.delete(&format!("/v3/apps/{app}")).expect(202);
    well(&daemon, &api);
}

#[test]
fn a_token_that_expired() {
    let daemon = Daemon::with(Setup {
        arguments: ["--set", "tokens.access=2s"].map(str::to_owned).to_vec(),
        ..Setup::default()
    });
    let api = Api::login(&daemon);
    api.get("/v3/apps").expect(200);
    let answer = eventually("the token to expire", || {
        let answer = api.get("/v3/apps");
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(answer.refusal(401), "Invalid Auth Token");
    // Clients renew it by themselves, and nobody notices.
    let cf = Cf::login(&daemon);
    eventually("the client's token to have expired", || {
        (api.get("/v3/apps").status == 401).then_some(())
    });
    cf.run(&["apps"]);
}

#[test]
fn uploads_that_are_refused_while_they_come() {
    let limits = ["--set", "limits.upload=4M"].map(str::to_owned);
    let daemon = Daemon::with(Setup {
        arguments: limits.to_vec(),
        ..Setup::default()
    });
    let (api, dir) = (Api::login(&daemon), tempfile::tempdir().unwrap());
    let file = dir.path().join("app.zip");
    fs::write(&file, noise(24 << 20)).unwrap();
    let (_, package) = api.app_with_package("two");
    // The stock command line first, which sends more than the envelope may take, and less.
    let cf = Cf::login(&daemon);
    for size in [24 << 20, 6 << 20] {
        let large = tempfile::tempdir().unwrap();
        fs::write(large.path().join("noise"), noise(size)).unwrap();
        let said = cf.fail(&["push", "large", "-p", large.path().to_str().unwrap()]);
        assert!(
            said.contains("limit of 4 MiB") && said.contains(".cfignore"),
            "{said}"
        );
    }
    let path = format!("/v3/packages/{package}/upload");
    let form = format!("bits=@{}", file.display());
    let upload = |api: &Api| api.curl("POST", &path, &["--http2", "-F", &form]);
    // The client is in the midst of sending when it is refused, and has to learn why.
    let refusal = upload(&api).refusal(413);
    assert!(
        refusal.contains("limit of 4 MiB") && refusal.contains(".cfignore"),
        "{refusal}"
    );
    let refusal = upload(&api.with_token("nonsense")).refusal(401);
    assert_eq!(refusal, "Invalid Auth Token");
    // Nor without a length, of which much has been read by then.
    let chunked = api.curl("POST", &path, &["--http2", "-T", file.to_str().unwrap()]);
    assert!((400..500).contains(&chunked.status), "{chunked:?}");
    well(&daemon, &api);
}

#[test]
fn two_pushes_of_one_app_at_once() {
    let daemon = Daemon::shared();
    let api = Api::login(&daemon);
    let clients = [Cf::login(&daemon), Cf::login(&daemon)];
    let texts = ["the first", "the second"];
    let folders = texts.map(|text| folder(&[("Staticfile", ""), ("index.html", text)]));
    let pushes: Vec<_> = clients
        .iter()
        .zip(&folders)
        .map(|(cf, folder)| {
            let mut push = cf.command();
            push.args(["push", "contested", "-m", "32M"])
                .current_dir(folder.path());
            push.stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let outputs: Vec<_> = pushes
        .into_iter()
        .map(|push| push.wait_with_output().unwrap())
        .collect();
    let said: Vec<String> = outputs.iter().map(text).collect();
    assert!(
        outputs.iter().any(|output| output.status.success()),
        "{said:#?}"
    );
    for text in &said {
        assert!(!text.contains("500") && !text.contains("panic"), "{text}");
    }
    let body = daemon.get_ok("contested");
    assert!(texts.contains(&body.as_str()), "{body}");
    let cf = &clients[0];
    assert!(cf.run(&["app", "contested"]).contains("1/1"));
    cf.run(&["delete", "contested", "-f", "-r"]);
    well(&daemon, &api);
}

#[test]
fn a_full_disk() {
    if !is_root() {
        // Only root can mount a disk that is small enough to fill.
        return;
    }
    let daemon = Daemon::with(Setup {
        disk: Some(48),
        ..Setup::default()
    });
    let (api, cf) = (Api::login(&daemon), Cf::login(&daemon));
    let before = folder(&[("Staticfile", ""), ("index.html", "before")]);
    cf.run_in(before.path(), &["push", "kept", "-m", "32M"]);
    assert_eq!(daemon.get_ok("kept"), "before");

    let filler = daemon.inside(&daemon.state_dir()).join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    let chunk = vec![1; 1 << 12];
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    drop(file);

    // What is acknowledged is kept; what is not is refused in words.
    let app = cf.guid("kept");
    let path = format!("/v3/apps/{app}/environment_variables");
    let mut kept = Vec::new();
    let mut refused = None;
    for number in 0..2000 {
        let variable = format!("V{number}");
        let value = "x".repeat(1000);
        let answer = api.send(
            "PATCH",
            &path,
            &json!({ "var": { (variable.as_str()): value } }),
        );
        if answer.status == 200 {
            kept.push(variable);
        } else {
            refused = Some(answer);
            break;
        }
    }
    if let Some(answer) = refused {
        assert!(answer.status >= 500, "{answer:?}");
        let detail = answer.refusal(answer.status);
        assert!(
            detail.contains("full") || detail.contains("space"),
            "{detail}"
        );
    }
    let (_, package) = match api.send(
        "POST",
        "/v3/packages",
        &json!({ "type": "bits",
        "relationships": { "app": { "data": { "guid": app } } } }),
    ) {
        answer if answer.status == 201 => (app.clone(), answer.guid()),
        answer => (
            app.clone(),
            format!("refused: {}", answer.refusal(answer.status)),
        ),
    };
    if !package.starts_with("refused") {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("app.zip");
        let noise = noise(8 << 20);
        zip(&archive, &[("noise", &noise)]);
        let answer = upload(&api, &package, &archive, &[]);
        let detail = answer.refusal(answer.status);
        assert!(answer.status >= 500, "{answer:?}");
        assert!(
            detail.contains("full") || detail.contains("space"),
            "{detail}"
        );
    }
    assert_eq!(daemon.get_ok("kept"), "before");
    well(&daemon, &api);

    fs::remove_file(&filler).unwrap();
    let variables = eventually("the API to work again", || {
        let body = json!({ "var": { "AFTER": "1" } });
        (api.send("PATCH", &path, &body).status == 200).then(|| api.get(&path).expect(200))
    });
    for variable in kept {
        assert!(
            variables["var"][&variable].is_string(),
            "{variable} was lost"
        );
    }
    let after = folder(&[("Staticfile", ""), ("index.html", "after")]);
    cf.run_in(after.path(), &["push", "kept", "-m", "32M"]);
    eventually("the new files", || {
        (daemon.get_ok("kept") == "after").then_some(())
    });
}

#[test]
fn a_port_or_a_state_folder_in_use() {
    let daemon = Daemon::shared();
    let serve = |state: &Path, http: &str| {
        let mut command = Command::new(program());
        command
            .arg("serve")
            .args(["--state-dir".as_ref(), state.as_os_str()]);
        command.args([
            "--http",
            http,
            "--https",
            "127.0.0.1:0",
            "--domain",
            "localhost",
        ]);
        let output = command.env_remove("NOTIFY_SOCKET").output().unwrap();
        assert!(!output.status.success(), "{}", text(&output));
        text(&output)
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let said = serve(&dir.path().join("state"), &at);
    let port = at.rsplit(':').next().unwrap();
    for part in [port, "--http", "in use"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }

    let said = serve(&daemon.state_dir(), "127.0.0.1:0");
    let state = daemon.state_dir();
    assert!(said.contains(state.to_str().unwrap()), "{said}");
    assert!(said.contains("another"), "{said}");
    well(&daemon, &Api::login(&daemon));
}
