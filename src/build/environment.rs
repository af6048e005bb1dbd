//! The environment of a build.

use std::{collections::BTreeMap, path::PathBuf};

use super::{Config, Request, decision::Decision, image::Toolchain};
use crate::model::Megabytes;

/// Where programs are looked up, behind the folders of the runtime's own tools.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The stack where nothing is asked for.
const STACK: &str = "cflinuxfs4";

/// Where the caches of an app are seen.
pub(super) const CACHES: &str = "/home/vcap/cache";

/// The stack that `request` is staged for.
pub(super) fn stack(request: &Request) -> String {
    let asked = request.lifecycle.stack.clone();
    asked.unwrap_or_else(|| STACK.to_owned())
}

/// Of two that set a variable the later wins: the operator, the image, the runtimes, the user, the
/// platform.
pub(super) fn environment(
    config: &Config,
    decision: &Decision,
    toolchain: Option<&Toolchain>,
    request: &Request,
    memory: Megabytes,
) -> Vec<(String, String)> {
    let mut env = config.env.clone();
    let of_image = toolchain.map_or(&[][..], |toolchain| &toolchain.env);
    env.extend(of_image.iter().cloned());
    let usual = env.get("PATH").cloned().unwrap_or_else(|| PATH.to_owned());
    for runtime in &decision.runtimes {
        env.extend(runtime.build.env.clone());
        let caches = runtime.build.caches.iter();
        env.extend(caches.map(|(variable, folder)| {
            (
                variable.clone(),
                format!("{CACHES}/{}/{folder}", runtime.name),
            )
        }));
    }
    env.extend(request.app.env.clone());
    env.extend(request.env.clone());
    env.extend(
        [
            ("CF_STACK", stack(request)),
            ("DEPS_DIR", "/home/vcap/deps".to_owned()),
            // Not the app's folder, where tools would leave their traces.
            ("HOME", "/home/vcap".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("MEMORY_LIMIT", format!("{}m", memory.0)),
            ("PATH", path(&decision.tools, &usual)),
            ("PWD", "/home/vcap/app".to_owned()),
            ("TMPDIR", "/home/vcap/tmp".to_owned()),
            ("USER", "vcap".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    env.into_iter()
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect()
}

fn path(tools: &[PathBuf], usual: &str) -> String {
    let mut folders: Vec<&str> = Vec::new();
    let tools = tools.iter().filter_map(|tool| tool.parent()?.to_str());
    for folder in tools.chain(usual.split(':')) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_come_first_and_once() {
        let tools = [
            "/usr/local/go/bin/go",
            "/usr/bin/gcc",
            "/usr/local/go/bin/gofmt",
        ];
        assert_eq!(
            path(&tools.map(PathBuf::from), PATH),
            "/usr/local/go/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"
        );
    }
}
