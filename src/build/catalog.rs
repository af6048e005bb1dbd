//! Reads an operator's folder of runtimes.

use std::{fs, io, path::Path};

use crate::runtimes::{Catalog, RuntimeError};

impl Catalog {
    /// The built-in runtimes and those of the `*.toml` files in `dir`, which need not exist.
    /// A file whose runtime has a built-in's name replaces it. Blocks on the disk.
    ///
    /// # Errors
    /// The first file that cannot be read or is wrong, with its line.
    pub fn load(dir: Option<&Path>) -> Result<Self, RuntimeError> {
        let mut files = Vec::new();
        if let Some(dir) = dir {
            let failed = |path: &Path| {
                let path = path.display().to_string();
                move |source| RuntimeError::Read { path, source }
            };
            let entries = match fs::read_dir(dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                entries => Some(entries.map_err(failed(dir))?),
            };
            for entry in entries.into_iter().flatten() {
                let path = entry.map_err(failed(dir))?.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "toml")
                {
                    let text = fs::read_to_string(&path).map_err(failed(&path))?;
                    files.push((path.display().to_string(), text));
                }
            }
        }
        files.sort();
        let files = files.iter();
        Self::parse(files.map(|(name, text)| (name.as_str(), text.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_replaces_adds_and_may_be_missing() {
        let dir = tempfile::tempdir().unwrap();
        let known = Catalog::load(Some(&dir.path().join("none"))).unwrap();
        assert_eq!(
            known.iter().count(),
            Catalog::load(None).unwrap().iter().count()
        );
        let text = "name = \"python\"\nlabel = \"Ours\"\nkind = \"process\"\nbuildpacks = []\n";
        fs::write(dir.path().join("a.toml"), text).unwrap();
        fs::write(dir.path().join("notes.txt"), "no runtime").unwrap();
        let catalog = Catalog::load(Some(dir.path())).unwrap();
        assert_eq!(catalog.answering("python").unwrap().label, "Ours");

        fs::write(dir.path().join("b.toml"), format!("{text}detect = 1\n")).unwrap();
        let error = Catalog::load(Some(dir.path())).unwrap_err().to_string();
        let expected = format!("{}, line 5: ", dir.path().join("b.toml").display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
