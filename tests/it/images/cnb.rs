//! Cloud Native Buildpacks, in a builder that is made here. Its lifecycle is the smallest that
//! keeps to the interfaces of platforms and of buildpacks, in some lines of shell.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    made::{Image, Layer, Packed},
    registry::{PASSWORD, Registry, USERNAME},
    stories::{all_gone, has, with_program},
};
use crate::support::{Cf, Daemon, Own, Setup, folder, text};

/// Tries each group of the order; a buildpack without a version is the only one of its id.
const DETECTOR: &str = r#"#!/bin/bash
set -e
[ "$CNB_PLATFORM_API" = 0.12 ]
grep -q 'os = "linux"' "$CNB_ANALYZED_PATH"
passes=no
try() { # a group is complete
  [ -n "$group" ] || return 0
  [ $passes = no ] || return 0
  : > "$CNB_GROUP_PATH.new"
  for one in $group; do
    folder=$CNB_BUILDPACKS_DIR/${one%@*}/${one#*@}
    [ -n "${one#*@}" ] || folder=$(echo "$CNB_BUILDPACKS_DIR/${one%@*}"/*)
    export CNB_BUILDPACK_DIR=$folder CNB_BUILD_PLAN_PATH=$CNB_PLAN_PATH
    (cd "$CNB_APP_DIR" && "$folder/bin/detect") || { echo "fail: $one"; return 0; }
    echo "pass: $one"
    echo "${one%@*} ${folder##*/} $folder" >> "$CNB_GROUP_PATH.new"
  done
  passes=yes
}
group= id=
flush() { [ -z "$id" ] || group="$group $id@$version"; id= version=; }
while read -r key _ value; do
  value=${value//\"/}
  case $key in
    '[[order]]') flush; try; group= ;;
    '[[order.group]]') flush ;;
    id) id=${value//\//_} ;;
    version) version=$value ;;
  esac
done < "$CNB_ORDER_PATH"
flush; try
[ $passes = yes ] || { echo 'ERROR: No buildpack groups passed detection.'; exit 20; }
"#;

/// Builds with those of the group, and writes down how the app is started.
const BUILDER: &str = r#"#!/bin/bash
set -e
mkdir -p "$CNB_LAYERS_DIR/config"
metadata=$CNB_LAYERS_DIR/config/metadata.toml
processes=
echo 'buildpack-default-process-type = "serve"' > "$metadata"
while read -r id version folder; do
  layers=$CNB_LAYERS_DIR/$id
  mkdir -p "$layers"
  (cd "$CNB_APP_DIR" && CNB_LAYERS_DIR=$layers CNB_BUILDPACK_DIR=$folder "$folder/bin/build")
  printf '[[buildpacks]]\nid = "%s"\nversion = "%s"\n' "${id/_//}" "$version" >> "$metadata"
  [ ! -e "$layers/launch.toml" ] || processes=$processes$(<"$layers/launch.toml")$'\n'
done < "$CNB_GROUP_PATH.new"
echo "$processes" >> "$metadata"
"#;

/// Is told by its name which process it is, or behind `--` what to run.
const LAUNCHER: &str = r#"#!/bin/bash
set -e
shopt -s nullglob
cd "$CNB_APP_DIR"
for file in "$CNB_LAYERS_DIR"/*/*/env.launch/*.override; do
  name=${file##*/}
  export "${name%.override}=$(<"$file")"
done
if [ "$1" = -- ]; then shift; exec "$@"; fi
self=${0##*/} type= command=
run() { if [ "$type" = "$self" ] && [ -n "$command" ]; then eval "exec ${command//,/ }"; fi; }
while read -r key _ value; do
  case $key in
    '[['*) run; type= command= ;;
    type) type=${value//\"/} ;;
    command) command=${value#[}; command=${command%]} ;;
  esac
done < "$CNB_LAYERS_DIR/config/metadata.toml"
run
echo "there is no process $self"
exit 1
"#;

/// Counts, in a layer that is kept for the next build, and leaves a word to the app.
const COUNT_BUILD: &str = r#"#!/bin/bash
set -e
layer=$CNB_LAYERS_DIR/words
if grep -q launch "$layer.toml" 2> /dev/null; then echo 'it says already what it is for'; exit 1; fi
count=0
[ ! -e "$layer/count" ] || count=$(<"$layer/count")
mkdir -p "$layer/env.launch" "$CNB_LAYERS_DIR/tools"
echo $((count + 1)) > "$layer/count"
echo "build $((count + 1)) in $(<"$CNB_PLATFORM_DIR/env/COLOR")" > "$layer/env.launch/WORD.override"
printf '[types]\nlaunch = true\ncache = true\n\n[metadata]\nkind = "words"\n' > "$layer.toml"
printf '[types]\nbuild = true\n' > "$CNB_LAYERS_DIR/tools.toml"
"#;

const SERVE_BUILD: &str = r#"#!/bin/bash
cat > "$CNB_LAYERS_DIR/launch.toml" <<'END'
[[processes]]
type = "serve"
command = ["bash", "serve.sh"]
default = true

[[processes]]
type = "tick"
command = ["sleep", "1000"]
END
"#;

/// The app, which tells what it finds when it runs.
const APP: &str = "mkdir -p /tmp/www\n\
    echo \"$WORD; tools $(ls /home/vcap/layers/test_count | grep -c tools); in $PWD\" > /tmp/www/index.html\n\
    exec httpd -f -p $PORT -h /tmp/www\n";

fn buildpack(layer: Layer, path: &str, detect: &str, build: &str) -> Layer {
    let (id, _) = path.split_once('/').unwrap();
    let base = "cnb/buildpacks";
    layer
        .folder(&format!("{base}/{id}"), 0o755)
        .folder(&format!("{base}/{path}"), 0o755)
        .folder(&format!("{base}/{path}/bin"), 0o755)
        .file(
            &format!("{base}/{path}/bin/detect"),
            0o755,
            detect.as_bytes(),
        )
        .file(&format!("{base}/{path}/bin/build"), 0o755, build.as_bytes())
}

/// A builder with one buildpack, which takes every app that has a `serve.sh`.
fn builder() -> Image {
    let base = Layer::busybox().hard_link("bin/cp", "bin/busybox");
    let base = with_program(base, "/bin/bash");
    let order = "[[order]]\n[[order.group]]\nid = \"test/serve\"\nversion = \"0.1\"\n";
    let cnb = Layer::new()
        .folder("cnb", 0o755)
        .folder("cnb/lifecycle", 0o755)
        .folder("cnb/buildpacks", 0o755)
        .file("cnb/lifecycle/detector", 0o755, DETECTOR.as_bytes())
        .file("cnb/lifecycle/builder", 0o755, BUILDER.as_bytes())
        .file("cnb/lifecycle/launcher", 0o755, LAUNCHER.as_bytes())
        .file("cnb/order.toml", 0o644, order.as_bytes());
    let detect = "#!/bin/bash\n[ -e serve.sh ]\n";
    let cnb = buildpack(cnb, "test_serve/0.1", detect, SERVE_BUILD);
    let run = json!({ "Env": ["PATH=/usr/bin:/bin", "CNB_STACK_ID=test"] });
    let layers = [(base.tar(), Packed::Gzip), (cnb.tar(), Packed::Gzip)];
    Image::new(&layers, &run)
}

/// A buildpack as an image of its own.
fn count() -> Image {
    let layer = Layer::new()
        .folder("cnb", 0o755)
        .folder("cnb/buildpacks", 0o755);
    let detect = "#!/bin/bash\n[ -e count.txt ]\n";
    let layer = buildpack(layer, "test_count/1.2.3", detect, COUNT_BUILD);
    let label = json!({ "id": "test/count", "version": "1.2.3" }).to_string();
    let run = json!({ "Labels": { "io.buildpacks.buildpackage.metadata": label } });
    Image::new(&[(layer.tar(), Packed::Gzip)], &run)
}

#[test]
fn cloud_native_buildpacks_build_and_launch_an_app() {
    let (open, closed) = (Registry::start(), Registry::with_login());
    let builder = open.push("builder", "1", &builder());
    let count = closed.push("private/count", "1", &count());
    let setting = |text: String| ["--set".to_owned(), text];
    let arguments = [
        setting("images.local_registries=127.0.0.1".to_owned()),
        setting(format!("builds.cnb_builder={builder}")),
    ];
    let mut daemon = Daemon::with(Setup {
        arguments: arguments.concat(),
        ..Setup::default()
    });
    let cf = Cf::login(&daemon);
    let files = |manifest: &str| {
        let all = [
            ("serve.sh", APP),
            ("count.txt", ""),
            ("manifest.yml", manifest),
        ];
        folder(&all)
    };
    let manifest = format!(
        "applications:\n- name: native\n  memory: 64M\n  lifecycle: cnb\n  env: {{COLOR: blue}}\n  \
         buildpacks: [\"docker://{count}\", test/serve]\n"
    );
    let app = files(&manifest);
    let push = |password: &str| {
        let credentials = json!({ closed.at(): { "username": USERNAME, "password": password } });
        let mut command = cf.command();
        let push = command
            .current_dir(app.path())
            .arg("push")
            .env("CF_CNB_REGISTRY_CREDS", credentials.to_string());
        text(&push.output().unwrap())
    };

    // As in Cloud Foundry somebody has to allow it.
    has(&push(PASSWORD), &["diego_cnb"]);
    cf.run(&["enable-feature-flag", "diego_cnb"]);
    has(&push("wrong"), &["refuses the login of student"]);
    let pushed = push(PASSWORD);
    has(
        &pushed,
        &[
            "pass: test_count@1.2.3",
            "pass: test_serve@",
            "test/count",
            "test/serve",
        ],
    );
    let expected =
        |number: u32| format!("build {number} in blue; tools 0; in /home/vcap/workspace\n");
    assert_eq!(daemon.get_ok("native"), expected(1));

    // What it is shown as; the password is nowhere to be read, but where the client repeats it.
    let read = |path: &str| -> Value { serde_json::from_str(&cf.run(&["curl", path])).unwrap() };
    let guid = cf.guid("native");
    let shown = read(&format!("/v3/apps/{guid}"));
    let lifecycle = &shown["lifecycle"];
    assert_eq!(lifecycle["type"], "cnb");
    assert_eq!(lifecycle["data"]["credentials"], "***");
    let droplet = read(&format!("/v3/apps/{guid}/droplets/current"));
    assert_eq!(droplet["lifecycle"]["type"], "cnb");
    assert_eq!(droplet["buildpacks"][0]["name"], "test/count");
    assert_eq!(droplet["buildpacks"][0]["version"], "1.2.3");
    let types = &droplet["process_types"];
    assert_eq!(
        types,
        &json!({ "serve": "bash serve.sh", "tick": "sleep 1000", "web": "bash serve.sh" })
    );
    let manifest = cf.run(&["curl", &format!("/v3/apps/{guid}/manifest")]);
    has(&manifest, &["lifecycle: cnb", "test/serve"]);
    for text in [
        &manifest,
        &daemon.log(),
        &cf.run(&["logs", "native", "--recent"]),
    ] {
        assert!(!text.contains(PASSWORD), "{text}");
    }

    // A task has the same environment, and a command of the user's takes the place of the app's.
    let task = "test \"$WORD\" = 'build 1 in blue' && test $PWD = /home/vcap/workspace";
    cf.run(&["run-task", "native", "-c", task, "--wait"]);

    // The next build finds what the last one has kept, and the app outlives registries and daemon.
    has(&push(PASSWORD), &["test/count"]);
    assert_eq!(daemon.get_ok("native"), expected(2));
    drop((open, closed));
    daemon.kill();
    daemon.spawn();
    cf.run(&["restart", "native"]);
    assert_eq!(daemon.get_ok("native"), expected(2));
    cf.run(&["delete", "native", "-f", "-r"]);

    // With the builder's own order, by our own command line; what no buildpack takes is said.
    let own = Own::login(&daemon);
    let other = folder(&[("index.html", "Hello")]);
    let arguments = ["push", "other", "-m", "64M", "--lifecycle", "cnb"];
    let said = own.fail(other.path(), &arguments, 6);
    has(&said, &["no buildpack recognises this app"]);
    let wrong = [
        "push",
        "other",
        "--lifecycle",
        "cnb",
        "-b",
        "https://x.kr/y",
    ];
    has(&own.fail(other.path(), &wrong, 5), &["docker://"]);
    let plain = folder(&[("serve.sh", APP), ("count.txt", "")]);
    let arguments = ["push", "plain", "-m", "64M", "--lifecycle", "cnb"];
    own.json(plain.path(), &arguments);
    assert_eq!(
        daemon.get_ok("plain"),
        "; tools 0; in /home/vcap/workspace\n"
    );
    own.json(Path::new("/"), &["delete", "plain", "-f"]);
    all_gone(&daemon);
}
