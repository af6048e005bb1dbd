//! The home and other folders of the host.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use pastina::{model::Exit, sandbox::Bind};

use super::support::{ended, output, shell};

#[tokio::test]
async fn writes_to_the_home_stay_private() {
    let script = "cat app/file; echo changed > app/file; echo new > app/new; rm app/gone; mkdir d; \
                  stat -c %u app/file; cat app/file; ls app; ls -ld /home/vcap | cut -c1-10";
    let mut case = shell(script);
    let home = case.folder(
        "home",
        &[("app/file", "original\n"), ("app/gone", "still here\n")],
    );
    case.spec.home = Some(home.clone());
    let sandbox = case.spawn().await;
    let exit = ended(&sandbox).await;
    let output = output(&sandbox);
    assert_eq!(exit, Exit::Code { code: 0 }, "{output}");
    assert_eq!(output, "original\n2000\nchanged\nfile\nnew\ndrwxr-xr-x\n");
    assert_eq!(
        sandbox
            .weaker()
            .iter()
            .filter(|reason| reason.contains("copied"))
            .count(),
        0
    );
    assert_eq!(
        fs::read_to_string(home.join("app/file")).unwrap(),
        "original\n"
    );
    assert!(home.join("app/gone").exists() && !home.join("app/new").exists());
    sandbox.remove().await.unwrap();
    assert!(!case.spec.dir.exists());
}

#[tokio::test]
async fn a_writable_home_and_binds_are_the_hosts_own() {
    let mut case = shell(
        "echo built > result && cat /opt/tool/x && echo kept > /cache/deep/y && \
         (echo no > /opt/tool/x) 2>/dev/null; cat /cache/deep/y",
    );
    let home = case.folder("home", &[("app/file", "")]);
    let tool = case.folder("tool", &[("x", "tool\n")]);
    let cache = case.folder("cache", &[("x", "")]);
    for folder in [&home, &tool, &cache] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    case.spec.home = Some(home.clone());
    case.spec.home_writable = true;
    let bind = |source: &Path, target: &str, writable| Bind {
        source: source.to_owned(),
        target: target.into(),
        writable,
    };
    case.spec.binds = vec![
        bind(&tool, "/opt/tool", false),
        bind(&cache, "/cache/deep", true),
    ];
    let (exit, output) = case.run().await;
    assert_eq!(
        (exit, output.as_str()),
        (Exit::Code { code: 0 }, "tool\nkept\n")
    );
    assert_eq!(fs::read_to_string(home.join("result")).unwrap(), "built\n");
    assert_eq!(fs::read_to_string(cache.join("y")).unwrap(), "kept\n");
    assert_eq!(fs::read_to_string(tool.join("x")).unwrap(), "tool\n");
}
