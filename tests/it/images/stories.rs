//! What people do with images.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::{
    made::{Image, Layer, Packed},
    registry::{PASSWORD, Registry, USERNAME},
};
use crate::support::{Cf, Daemon, Own, Setup, eventually, folder, is_root, text};

/// Nobody's user id on the machines that tests run on.
const USER: u32 = 1500;

/// Tells who and where it is, as a CGI script.
const TELL: &str = "#!/bin/sh
echo 'Content-Type: text/plain'
echo
echo \"who $(id -u):$(id -g) groups $(id -G)\"
echo \"home $HOME user $USER port $PORT color $COLOR\"
echo \"hosts $(grep -c localhost /etc/hosts) names $(grep -c nameserver /etc/resolv.conf)\"
echo \"hidden $(ls -A /proc/acpi /proc/bus 2>/dev/null | grep -c full) own $(cat /.empty/full)\"
echo \"whited $(ls /whited | tr '\\n' ' ')\"
echo \"busybox $(stat -c '%u:%g' /bin/busybox) mine $(stat -c '%a %u:%g' /srv/mine)\"
echo \"setuid $(stat -c %a /setuid) links $(test $(stat -c %h /bin/sh) -gt 9 && echo many)\"
grep -E 'NoNewPrivs|CapEff' /proc/self/status
test -c /dev/null && test ! -e /dev/mem && test ! -e /dev/kmsg && echo devices fine
echo x > /srv/new && echo may write
chown 1000 /srv/new && echo may give
echo \"became $(su app -c 'id -u' 2>/dev/null)\"
echo x 2>/dev/null > /proc/sys/kernel/hostname || echo kernel closed
mount -t tmpfs none /srv 2>/dev/null || echo no mounts
";

fn base() -> Layer {
    Layer::busybox()
        .folder("whited", 0o755)
        .file("whited/gone", 0o644, b"1")
        .file("whited/stays", 0o644, b"2")
        .folder("whited/opaque", 0o755)
        .file("whited/opaque/old", 0o644, b"3")
        .folder("srv", 0o777)
        // Names that the platform might want for itself.
        .folder(".empty", 0o755)
        .file(".empty/full", 0o644, b"4")
        .folder(".empty0", 0o755)
        .file(".empty0/full", 0o644, b"5")
        .owned("srv/mine", 0o640, (1000, 1001), b"mine")
        .owned("setuid", 0o6755, (0, 0), b"#!/bin/sh\n")
        .entry("dev/kmsg", tar::EntryType::Char, 0o666, (0, 0), b"")
        // Where the platform puts its own, links lead elsewhere.
        .link("etc/resolv.conf", "../srv/mine")
        .link("etc/hosts", "/nowhere")
        .link("proc", "srv")
}

fn server(user: &str, port: u16, greeting: &str) -> Image {
    let app = Layer::new()
        .file("whited/.wh.gone", 0o644, b"")
        .folder("whited/opaque", 0o755)
        .file("whited/opaque/.wh..wh..opq", 0o644, b"")
        .folder("www", 0o755)
        .folder("www/cgi-bin", 0o755)
        .xattrs(&[("user.note", "kept"), ("security.capability", "all")])
        .file("www/cgi-bin/tell", 0o755, TELL.as_bytes())
        .file("www/index.html", 0o644, greeting.as_bytes());
    let run = json!({
        "User": user, "WorkingDir": "/made/here", "Env": ["COLOR=blue", "PATH=/bin"],
        "Entrypoint": ["/bin/httpd", "-f"],
        "Cmd": ["-p", port.to_string(), "-h", "/www"],
        "ExposedPorts": { format!("{port}/tcp"): {}, "9000/tcp": {} },
        "StopSignal": "SIGKILL",
    });
    Image::new(
        &[(base().tar(), Packed::Gzip), (app.tar(), Packed::Zstd)],
        &run,
    )
}

fn setup(user: Option<u32>) -> Setup {
    Setup {
        arguments: ["--set", "images.local_registries=127.0.0.1"]
            .map(str::to_owned)
            .into(),
        user,
        ..Setup::default()
    }
}

/// What the app at `host` tells of itself.
fn told(daemon: &Daemon, host: &str) -> String {
    eventually("the app to tell of itself", || {
        let (status, body) = daemon.get(host, "/cgi-bin/tell");
        (status == 200).then_some(body)
    })
}

#[track_caller]
pub(super) fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// Waits until nothing is left of the instances of deleted apps.
pub(super) fn all_gone(daemon: &Daemon) {
    let instances = daemon.state_dir().join("instances");
    eventually("the instances to go", || {
        (fs::read_dir(&instances).unwrap().count() == 0).then_some(())
    });
}

/// How many layers the daemon keeps.
fn layers(daemon: &Daemon) -> usize {
    fs::read_dir(daemon.state_dir().join("images/layers"))
        .unwrap()
        .count()
}

#[test]
fn the_stock_cf_pushes_an_image() {
    let registry = Registry::start();
    let name = registry.push("shop", "1", &server("app", 8000, "Hello from an image"));
    let mut daemon = Daemon::with(setup(None));
    let cf = Cf::login(&daemon);
    let pushed = cf.run(&["push", "shop", "--docker-image", &name, "-m", "64M"]);
    has(&pushed, &["running", "Pulling 127.0.0.1:"]);
    assert_eq!(daemon.get_ok("shop"), "Hello from an image");
    let tells = told(&daemon, "shop");
    has(
        &tells,
        &[
            "who 1000:1001 groups 1001 44\n",
            "home /srv user app port 8000 color blue\n",
            "hosts 2 names 1\n",
            "whited opaque stays \n",
            "hidden 0 own 4\n",
            "setuid 755 links many\n",
            "CapEff:\t0000000000000000",
            "NoNewPrivs:\t1",
            "devices fine\nmay write\n",
            "kernel closed\nno mounts\n",
        ],
    );
    if is_root() {
        has(&tells, &["busybox 0:0 mine 640 1000:1001\n"]);
    }
    let digest = server("app", 8000, "Hello from an image").digest();
    has(
        &cf.run(&["app", "shop"]),
        &["docker image:", &format!("shop:1@{digest}"), "1/1"],
    );
    has(&cf.run(&["feature-flags"]), &["diego_docker"]);
    let destinations = cf.run(&["curl", &format!("/v3/apps/{}/routes", cf.guid("shop"))]);
    let routes: serde_json::Value = serde_json::from_str(&destinations).unwrap();
    let port = &routes["resources"][0]["destinations"][0]["port"];
    assert_eq!(port, 8000, "{destinations}");
    let droplet = format!("/v3/apps/{}/droplets/current", cf.guid("shop"));
    let droplet: serde_json::Value = serde_json::from_str(&cf.run(&["curl", &droplet])).unwrap();
    let ports = droplet["execution_metadata"].as_str().unwrap();
    has(
        ports,
        &[r#"{"Port":8000,"Protocol":"tcp"}"#, r#"{"Port":9000,"#],
    );
    let manifest = cf.run(&["create-app-manifest", "shop", "-p", "/dev/stdout"]);
    has(&manifest, &["docker:", &name]);

    // Another app of the same layers: nothing is sent or kept twice.
    let pulled = registry.asked("GET", "/v2/shop/blobs/");
    cf.run(&[
        "push",
        "twin",
        "--docker-image",
        &name,
        "-m",
        "64M",
        "-c",
        "exec httpd -f -p $PORT -h /www",
    ]);
    daemon.get_ok("twin");
    let path = format!("/v3/apps/{}/processes/web", cf.guid("twin"));
    has(&cf.run(&["curl", &path]), &["exec httpd -f -p $PORT"]);
    // The configuration alone.
    assert_eq!(registry.asked("GET", "/v2/shop/blobs/"), pulled + 1);
    assert_eq!(layers(&daemon), 2);

    // The tag moves: what runs stays, until the app is staged anew.
    registry.push("shop", "1", &server("app", 8000, "Hello again"));
    cf.run(&["restart", "shop"]);
    assert_eq!(daemon.get_ok("shop"), "Hello from an image");
    cf.run(&["restage", "shop"]);
    assert_eq!(daemon.get_ok("shop"), "Hello again");

    // By digest, and with neither daemon nor registry.
    let by_digest = format!("{}/shop@{digest}", registry.at());
    cf.run(&["push", "fixed", "--docker-image", &by_digest, "-m", "64M"]);
    assert_eq!(daemon.get_ok("fixed"), "Hello from an image");
    drop(registry);
    daemon.kill();
    daemon.spawn();
    assert_eq!(daemon.get_ok("fixed"), "Hello from an image");
    cf.run(&["restart", "fixed"]);
    assert_eq!(daemon.get_ok("fixed"), "Hello from an image");

    // What nobody needs goes; a daemon that starts knows of no grace.
    for app in ["shop", "twin"] {
        cf.run(&["delete", app, "-f", "-r"]);
    }
    daemon.kill();
    daemon.spawn();
    eventually("the layers of deleted apps to go", || {
        (layers(&daemon) == 2).then_some(())
    });
    assert_eq!(daemon.get_ok("fixed"), "Hello from an image");
    cf.run(&["delete", "fixed", "-f", "-r"]);
    daemon.kill();
    daemon.spawn();
    all_gone(&daemon);
    eventually("the last layers to go", || {
        (layers(&daemon) == 0).then_some(())
    });
}

#[test]
fn root_of_an_image_is_nobody_outside() {
    let registry = Registry::start();
    let name = registry.push("rooted", "latest", &server("", 80, "Hello from port 80"));
    let daemon = Daemon::with(setup(None));
    let cf = Cf::login(&daemon);
    let short = name.strip_suffix(":latest").unwrap();
    cf.run(&["push", "rooted", "--docker-image", short, "-m", "64M"]);
    assert_eq!(daemon.get_ok("rooted"), "Hello from port 80");
    let tells = told(&daemon, "rooted");
    has(
        &tells,
        &[
            "who 0:0 groups",
            "home /root user root port 80 color blue\n",
            "NoNewPrivs:\t1",
            "kernel closed\nno mounts\n",
        ],
    );
    if is_root() {
        // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID.
        has(
            &tells,
            &["CapEff:\t00000000000000fb", "may give", "became 1000\n"],
        );
    } else {
        has(&tells, &["CapEff:\t0000000000000000"]);
    }
    cf.run(&["delete", "rooted", "-f", "-r"]);
    all_gone(&daemon);
}

#[test]
fn an_ordinary_user_pushes_images_with_our_own_command_line() {
    let registry = Registry::start();
    let user = is_root().then_some(USER);
    let daemon = Daemon::with(setup(user));
    let own = Own::login(&daemon);
    let here = Path::new("/");
    for (app, user, port, who) in [
        ("named", "app", 8000, "who 1000:1001 "),
        ("rooted", "", 80, "who 0:0 "),
    ] {
        let greeting = format!("Hello from {app}");
        let name = registry.push(app, "1", &server(user, port, &greeting));
        own.json(here, &["push", app, "--image", &name, "-m", "64M"]);
        assert_eq!(daemon.get_ok(app), greeting);
        let tells = told(&daemon, app);
        has(
            &tells,
            &[
                who,
                "whited opaque stays \n",
                "setuid 755 links many\n",
                "CapEff:\t0000000000000000",
                "may write\n",
                "kernel closed\nno mounts\n",
            ],
        );
        let shown = own.json(here, &["app", app]).to_string();
        has(&shown, &[&name]);
    }
    // The manifest's word counts as well, and nothing is looked for in the folder.
    let name = registry.push("listed", "1", &server("app", 8000, "Hello from a manifest"));
    let manifest =
        format!("applications:\n- name: listed\n  memory: 64M\n  docker: {{image: \"{name}\"}}\n");
    let files = folder(&[("manifest.yml", &manifest)]);
    own.json(files.path(), &["push"]);
    assert_eq!(daemon.get_ok("listed"), "Hello from a manifest");
    own.fail(here, &["push", "--image", "x"], 2);
    own.fail(here, &["push", "a", "--docker-username", "me"], 2);
    let said = own.fail(here, &["push", "a", "--image", "No Such Name"], 5);
    has(&said, &["is not the name of an image"]);
    for app in ["named", "rooted", "listed"] {
        own.json(here, &["delete", "-f", "-r", app]);
    }
    all_gone(&daemon);
}

#[test]
fn a_registry_asks_who_it_is() {
    let registry = Registry::with_login();
    let name = registry.push(
        "private/shop",
        "1",
        &server("app", 8000, "Hello from behind"),
    );
    let daemon = Daemon::with(setup(None));
    let cf = Cf::login(&daemon);
    let said = cf.fail(&["push", "shop", "--docker-image", &name, "-m", "64M"]);
    has(
        &said,
        &["private/shop:1", "needs a login: give --docker-username"],
    );
    let push = |password: &str| {
        let mut command = cf.command();
        let arguments = [
            "push",
            "shop",
            "--docker-image",
            &name,
            "--docker-username",
            USERNAME,
        ];
        let output = command
            .args(arguments)
            .args(["-m", "64M"])
            .env("CF_DOCKER_PASSWORD", password)
            .output();
        text(&output.unwrap())
    };
    has(&push("wrong"), &["refuses the login of student"]);
    let pushed = push(PASSWORD);
    assert_eq!(daemon.get_ok("shop"), "Hello from behind");
    let missing = format!("{}/private/none:1", registry.at());
    let mut command = cf.command();
    let output = command
        .args([
            "push",
            "none",
            "--docker-image",
            &missing,
            "--docker-username",
            USERNAME,
        ])
        .env("CF_DOCKER_PASSWORD", PASSWORD)
        .output();
    has(
        &text(&output.unwrap()),
        &["says: image private/none:1 not found"],
    );

    // The password is nowhere to be read.
    let packages = cf.run(&["curl", "/v3/packages"]);
    has(&packages, &["\"***\"", USERNAME]);
    let logs = cf.run(&["logs", "shop", "--recent"]);
    let events = cf.run(&["curl", "/v3/audit_events?per_page=200"]);
    for text in [packages, logs, events, pushed, daemon.log()] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    cf.run(&["delete", "shop", "-f", "-r"]);
    cf.run(&["delete", "none", "-f", "-r"]);
    all_gone(&daemon);
}

#[test]
fn an_image_is_stopped_by_its_own_signal() {
    let registry = Registry::start();
    let script =
        "trap 'echo said goodbye; exit 0' USR1\necho ready\nwhile :; do sleep 0.05; done\n";
    let tar = Layer::busybox().file("run", 0o755, script.as_bytes()).tar();
    let run = json!({ "Cmd": ["/bin/sh", "/run"], "StopSignal": "SIGUSR1" });
    let name = registry.push("signal", "1", &Image::new(&[(tar, Packed::Plain)], &run));
    let daemon = Daemon::with(setup(None));
    let cf = Cf::login(&daemon);
    let arguments = [
        "push",
        "signal",
        "--docker-image",
        &name,
        "-m",
        "64M",
        "--no-route",
    ];
    cf.run(&[&arguments[..], &["-u", "process"]].concat());
    let log = |part: &str| {
        eventually(part, || {
            cf.run(&["logs", "signal", "--recent"])
                .contains(part)
                .then_some(())
        });
    };
    log("ready");
    cf.run(&["stop", "signal"]);
    log("said goodbye");
    cf.run(&["delete", "signal", "-f"]);
    all_gone(&daemon);
}

#[test]
fn what_images_cannot_do_is_said() {
    let registry = Registry::start();
    let daemon = Daemon::with(Setup {
        arguments: ["--set", "images.local_registries=127.0.0.1"]
            .map(str::to_owned)
            .into(),
        ..Setup::default()
    });
    let cf = Cf::login(&daemon);
    let tar = Layer::busybox().tar();
    let silent = Image::new(&[(tar, Packed::Gzip)], &json!({}));
    let name = registry.push("silent", "1", &silent);
    let said = cf.fail(&["push", "silent", "--docker-image", &name, "-m", "64M"]);
    has(&said, &["neither an ENTRYPOINT nor a CMD"]);
    // What a tenant can make the host keep is what the tenant was given.
    let said = cf.fail(&["push", "silent", "--docker-image", &name, "-k", "1M"]);
    has(
        &said,
        &[
            "limit of 1 MiB",
            "counts for the disk of its app, which is 1M",
        ],
    );
    let absent = format!("{}/absent:1", registry.at());
    let said = cf.fail(&["push", "absent", "--docker-image", &absent, "-m", "64M"]);
    has(&said, &["says: image absent:1 not found"]);
    let inner = daemon.http();
    let inner = format!("localhost:{}/x", inner.rsplit(':').next().unwrap());
    let said = cf.fail(&["push", "inner", "--docker-image", &inner, "-m", "64M"]);
    has(&said, &["images.local_registries"]);
    // What an app is made of does not change.
    let files = folder(&[("index.html", "files")]);
    cf.run_in(files.path(), &["push", "files", "-m", "64M"]);
    let said = cf.fail(&["push", "files", "--docker-image", &name]);
    has(&said, &["Lifecycle type cannot be changed"]);
    for app in ["silent", "absent", "inner", "files"] {
        cf.run(&["delete", app, "-f", "-r"]);
    }
    all_gone(&daemon);
    drop(daemon);

    let daemon = Daemon::with(Setup {
        arguments: ["--set", "images.enabled=false"].map(str::to_owned).into(),
        ..Setup::default()
    });
    let cf = Cf::login(&daemon);
    let said = cf.fail(&["push", "off", "--docker-image", "nginx"]);
    has(&said, &["Docker support has not been enabled"]);
    has(&cf.run(&["feature-flag", "diego_docker"]), &["disabled"]);
}

/// A layer with a program of the host and what it is linked with.
pub(super) fn with_program(mut layer: Layer, path: &str) -> Layer {
    let output = Command::new("ldd").arg(path).output().unwrap();
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut paths: Vec<&str> = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .collect();
    paths.push(path);
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let content = fs::read(path).unwrap();
        layer = layer.file(path.trim_start_matches('/'), 0o755, &content);
    }
    layer
}

#[test]
fn a_runtime_builds_and_runs_in_an_image_that_has_its_tools() {
    let registry = Registry::start();
    let greeter = "#!/bin/sh\necho \"Greeted by an image as $(id -u)\"\n";
    let base = with_program(Layer::new().folder("bin", 0o755), "/bin/bash");
    let tools = Layer::busybox()
        .folder("opt", 0o755)
        .folder("opt/greeter", 0o755)
        .file("opt/greeter/greet", 0o755, greeter.as_bytes());
    let run = json!({ "Env": ["PATH=/opt/greeter:/usr/bin:/bin", "GREETER=1"] });
    let layers = [(tools.tar(), Packed::Gzip), (base.tar(), Packed::Gzip)];
    let name = registry.push("greeter", "1", &Image::new(&layers, &run));
    let runtime = format!(
        "name = \"greeter\"\nlabel = \"Greeter\"\nkind = \"process\"\nbuildpacks = [\"greeter_buildpack\"]\n\
         image = \"{name}\"\n[[detect]]\npriority = 99\nwhen.all = [\"greet.txt\"]\n[[tools]]\n\
         name = \"greet\"\npaths = [\"/opt/greeter/greet\"]\ninstall = \"nothing\"\n[[steps]]\n\
         name = \"Greeting\"\nrun = \"test ! -e /usr/bin/python3; greet > index.html; echo $GREETER >> index.html\"\n\
         [[start]]\nrun = \"exec httpd -f -p $PORT -h /home/vcap/app\"\n"
    );
    let runtimes = folder(&[("greeter.toml", &runtime)]);
    let mut daemon = Daemon::with(Setup {
        arguments: vec![
            "--set".to_owned(),
            "images.local_registries=127.0.0.1".to_owned(),
            "--set".to_owned(),
            format!("runtimes_dir={}", runtimes.path().display()),
        ],
        ..Setup::default()
    });
    let cf = Cf::login(&daemon);
    let files = folder(&[("greet.txt", "")]);
    let pushed = cf.run_in(files.path(), &["push", "greet", "-m", "64M"]);
    has(&pushed, &["Using 127.0.0.1:", "greeter_buildpack"]);
    assert_eq!(daemon.get_ok("greet"), "Greeted by an image as 2000\n1\n");

    // Its registry is gone, and its layers stay: for the app, and for the next build.
    drop(registry);
    daemon.kill();
    daemon.spawn();
    cf.run(&["restart", "greet"]);
    daemon.get_ok("greet");
    cf.run(&["delete", "greet", "-f", "-r"]);
    daemon.kill();
    daemon.spawn();
    let pushed = cf.run_in(files.path(), &["push", "greet", "-m", "64M"]);
    has(&pushed, &["going on with sha256:"]);
    assert!(daemon.get_ok("greet").starts_with("Greeted"));
    cf.run(&["delete", "greet", "-f", "-r"]);
    all_gone(&daemon);
}
