//! Zips that are the same for the same files: in order, with fixed times.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Seek, Write},
};

use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::files::{Entry, Kind};

/// A zip in a file without a name, of `entries` less the files in `without`.
pub(super) fn zip(entries: &[Entry], without: &BTreeSet<&str>) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    write(entries, without, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn write(entries: &[Entry], without: &BTreeSet<&str>, into: impl Write + Seek) -> io::Result<()> {
    let mut zip = ZipWriter::new(into);
    for entry in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(entry.mode);
        match &entry.kind {
            Kind::Folder => zip.add_directory(&entry.path, options)?,
            Kind::Link { target } => zip.add_symlink(&entry.path, target, options)?,
            Kind::File { .. } if without.contains(entry.path.as_str()) => {}
            Kind::File { source, size } => {
                let large = *size >= u64::from(u32::MAX);
                zip.start_file(&entry.path, options.large_file(large))?;
                io::copy(&mut File::open(source)?, &mut zip)?;
            }
        }
    }
    zip.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::files, *};
    use std::{
        fs,
        io::{Cursor, Read as _},
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        fs::write(dir.path().join("bin/run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(
            dir.path().join("bin/run"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        fs::write(dir.path().join("data"), "data").unwrap();
        symlink("bin/run", dir.path().join("start")).unwrap();
        dir
    }

    fn zipped(dir: &tempfile::TempDir, without: &[&str]) -> Vec<u8> {
        let files::Files::Tree(entries) = files::collect(dir.path()).unwrap() else {
            panic!("not a tree")
        };
        let mut bytes = Cursor::new(Vec::new());
        write(&entries, &without.iter().copied().collect(), &mut bytes).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn the_same_files_give_the_same_zip() {
        assert_eq!(zipped(&tree(), &[]), zipped(&tree(), &[]));
    }

    #[test]
    fn modes_and_links_are_kept_and_matched_files_left_out() {
        let bytes = zipped(&tree(), &["data"]);
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<_> = zip
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(names, ["bin/", "bin/run", "start"]);
        let run = zip.by_name("bin/run").unwrap();
        assert_eq!(run.unix_mode(), Some(0o100_755));
        drop(run);
        let mut link = zip.by_name("start").unwrap();
        assert!(link.is_symlink());
        let mut target = String::new();
        link.read_to_string(&mut target).unwrap();
        assert_eq!(target, "bin/run");
    }
}
