//! The stock command line pushes an app. A stand-in for the
//! reconciler ends builds and runs what should run.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use pastina::{
    actions::Actions,
    model::{
        AppState, Build, BuildState, DropletId, InstanceId, InstanceState, InstanceView, Observed,
        Usage,
    },
    store::StoreError,
};
use tokio::sync::watch;

use super::{
    cf::{Cf, serve},
    harness::{PASSWORD, Platform},
    push::made_of,
};
use crate::support::stock_cf;

/// Ends builds and says that what should run runs, until it is dropped.
pub(super) async fn reconcile(actions: Actions, observed: watch::Sender<Arc<Observed>>) {
    let mut changes = actions.store.watch();
    loop {
        let now = actions.now();
        let staged = actions.store.commit(|tx| {
            let staging: Vec<Build> = tx.staging_builds().cloned().collect();
            for mut build in staging {
                let droplet = DropletId::random();
                tx.put(made_of(droplet, build.app, Some(&build), now));
                build.state = BuildState::Staged { droplet };
                tx.put(build);
            }
            Ok::<_, StoreError>(())
        });
        staged.await.unwrap();
        let state = actions.store.state();
        let mut processes = BTreeMap::new();
        for process in state.processes.values() {
            if state.apps[&process.app].state == AppState::Stopped {
                continue;
            }
            let slots = (0..process.instances).map(|index| InstanceView {
                id: Some(InstanceId::random()),
                index,
                state: InstanceState::Running,
                since: now,
                routable: Some(true),
                details: None,
                usage: Usage::default(),
            });
            processes.insert(process.id, slots.collect());
        }
        observed.send_replace(Arc::new(Observed { processes }));
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_command_line_pushes() {
    let platform = Platform::start().await;
    let address = serve(&platform).await;
    let stand_in = tokio::spawn(reconcile(
        platform.actions.clone(),
        platform.observed.clone(),
    ));
    let cf = Cf {
        program: stock_cf(),
        home: tempfile::tempdir().unwrap(),
    };
    let story = move || {
        let folder = tempfile::tempdir().unwrap();
        tell(&cf, &format!("http://{address}"), folder.path());
    };
    tokio::task::spawn_blocking(story).await.unwrap();
    stand_in.abort();
}

fn tell(cf: &Cf, api: &str, folder: &Path) {
    let check = |line: &str, expected: &[&str]| {
        let text = cf.good(line);
        for part in expected {
            assert!(text.contains(part), "cf {line} lacks {part:?}:\n{text}");
        }
    };
    let refused = |line: &str, expected: &str| {
        let arguments: Vec<_> = line.split(' ').collect();
        let output = cf.run(&arguments);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.status.success(), "cf {line}:\n{text}");
        assert!(
            text.contains(expected),
            "cf {line} lacks {expected:?}:\n{text}"
        );
    };
    let password = PASSWORD.replace(' ', "+");
    check(
        &format!("login -a {api} -u admin -p {password} -o dev -s dev"),
        &["OK"],
    );
    let site = folder.join("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("index.html"), "<h1>hello</h1>").unwrap();
    std::fs::write(site.join("secret.txt"), "no").unwrap();
    std::fs::write(site.join(".cfignore"), "secret.txt\n").unwrap();
    let site = site.display();
    check("buildpacks", &["staticfile_buildpack", "python_buildpack"]);
    check(
        &format!("push site -p {site} -m 64M -k 128M -i 2"),
        &["site.apps.test", "instances:", "2/2", "running", "64M"],
    );
    check(
        &format!("push site -p {site} -m 64M -c serve --no-wait"),
        &["running"],
    );
    check("apps", &["site", "started", "web:2/2", "site.apps.test"]);
    check("app site", &["web", "2/2"]);
    check("scale site -i 3", &["3/3"]);
    check("scale site -m 128M -f", &["128M"]);
    check("set-env site COLOUR red", &["OK"]);
    check("env site", &["COLOUR", "red", "VCAP_APPLICATION"]);
    check("unset-env site COLOUR", &["OK"]);
    check("events site", &["audit.app.start", "audit.app.create"]);
    check("logs site --recent", &["Retrieving logs for app site"]);
    check("stop site", &["OK"]);
    check("start site", &["3/3"]);
    check("restart site", &["3/3"]);
    check("restage site", &["3/3"]);
    check("restart-app-instance site 0", &["OK"]);
    check("packages site", &["ready"]);
    check("droplets site", &["(current)"]);
    check("get-health-check site", &["port"]);
    check("set-health-check site http --endpoint /", &["OK"]);
    check("get-health-check site", &["http"]);
    check("ssh-enabled site", &["disabled"]);
    check("revisions site", &["Initial revision."]);
    check("tasks site", &["No tasks found"]);
    check("set-label app site tier=web", &["OK"]);
    check("apps --labels tier=web", &["site"]);
    let manifest = folder.join("manifest.yml");
    check(
        &format!("create-app-manifest site -p {}", manifest.display()),
        &["OK"],
    );
    check(
        &format!("push -f {} -p {site}", manifest.display()),
        &["3/3"],
    );
    let two = "
applications:
- name: two
  path: site
  memory: 64M
  random-route: true
  env:
    A: 1
- name: three
  path: site
  no-route: true
  instances: 1
";
    std::fs::write(&manifest, two).unwrap();
    check(&format!("push -f {}", manifest.display()), &["two-", "1/1"]);
    check("map-route three apps.test --hostname third", &["OK"]);
    check("routes", &["third", "three"]);
    check("unmap-route three apps.test --hostname third", &["OK"]);
    check("rename three drei", &["OK"]);
    check("copy-source site drei", &["1/1"]);
    check("create-app later", &["OK"]);
    refused("start later", "without a package to stage");
    std::fs::write(&manifest, "applications:\n- name: x\n  memory: lots\n").unwrap();
    refused(
        &format!("push -f {} -p {site}", manifest.display()),
        "'memory' must be a size",
    );
    refused(
        &format!("push y -p {site} -b cobol_buildpack"),
        "Buildpack must be an existing admin buildpack",
    );
    refused("push site -o nginx", "Lifecycle type cannot be changed");
    check("delete site -r -f", &["OK"]);
    check("delete site -f", &["does not exist"]);
    refused("app site", "App 'site' not found");
    check("delete two -r -f", &["OK"]);
    check("delete drei -f", &["OK"]);
    check("delete later -f", &["OK"]);
    check("apps", &["No apps found"]);
    check("routes", &["third"]);
}
