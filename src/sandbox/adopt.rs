//! Taking sandboxes over from an earlier daemon.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Sandbox, SandboxError, Status, connection, status::Kept};

/// Takes over the sandbox whose folder is `dir`, whatever state it is in: one whose shim has
/// vanished is cleaned up and reports [`Exit::Lost`](crate::model::Exit::Lost).
///
/// # Errors
/// Where the folder holds no sandbox of a version that is known.
pub async fn adopt(dir: &Path) -> Result<Sandbox, SandboxError> {
    let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let known = || {
        let kept = Kept::read(&dir)?;
        kept.ok_or_else(|| SandboxError::NoSandbox { dir: dir.clone() })
    };
    let mut kept = known()?;
    // One that nobody watches any more must not count as running, not even for a moment.
    if !matches!(kept.status, Status::Ended(_)) && !kept.shim.lives() {
        connection::settle(&dir).await;
        kept = known()?;
    }
    Ok(Sandbox::new(dir, &kept))
}

/// Takes over every sandbox whose folder is directly in `root`, as [`adopt`] does. Folders that
/// hold no sandbox, or one of an unknown version, come with their error.
///
/// # Errors
/// Where `root` cannot be listed; a `root` that does not exist has no sandboxes.
pub async fn adopt_all(root: &Path) -> io::Result<Vec<(PathBuf, Result<Sandbox, SandboxError>)>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let dir = entry.path();
            let adopted = adopt(&dir).await;
            found.push((dir, adopted));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exit;

    #[tokio::test]
    async fn a_folder_without_a_sandbox_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = adopt(dir.path()).await.unwrap_err();
        assert!(matches!(error, SandboxError::NoSandbox { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_sandbox_of_another_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("status.json"),
            r#"{"version":99,"other":1}"#,
        )
        .unwrap();
        let error = adopt(dir.path()).await.unwrap_err();
        assert!(
            matches!(error, SandboxError::Version { version: 99, .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_sandbox_whose_shim_has_vanished_is_lost_from_the_first_look_on() {
        let root = tempfile::tempdir().unwrap();
        let text = r#"{"version":1,"shim":{"pid":1,"started":1},"init":null,"group":null,"weaker":[],
            "status":{"state":"running","pid":1}}"#;
        fs::write(root.path().join("status.json"), text).unwrap();
        let sandbox = adopt(root.path()).await.unwrap();
        assert_eq!(*sandbox.status().borrow(), Status::Ended(Exit::Lost));
    }

    #[tokio::test]
    async fn a_sandbox_that_has_ended_tells_how() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("one")).unwrap();
        let text = r#"{"version":1,"shim":{"pid":1,"started":0},"init":null,"group":null,"weaker":[],
            "status":{"state":"ended","how":"code","code":3}}"#;
        fs::write(root.path().join("one/status.json"), text).unwrap();
        let mut adopted = adopt_all(root.path()).await.unwrap();
        let sandbox = adopted.remove(0).1.unwrap();
        assert_eq!(
            *sandbox.status().borrow(),
            Status::Ended(Exit::Code { code: 3 })
        );
        sandbox.remove().await.unwrap();
        assert!(!root.path().join("one").exists());
    }
}
