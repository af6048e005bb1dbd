//! Folders and archives to push.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::Path};

use zip::{ZipWriter, write::SimpleFileOptions};

/// A folder with these files, gone when it is dropped.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("pastina-it-app-")
        .tempdir()
        .unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// Writes an archive with these files; a content that begins with `->` makes a symbolic link.
pub fn zip(to: &Path, files: &[(&str, &[u8])]) {
    let mut archive = ZipWriter::new(fs::File::create(to).unwrap());
    let options = SimpleFileOptions::default();
    for (name, bytes) in files {
        if let Some(target) = bytes.strip_prefix(b"->") {
            let target = std::str::from_utf8(target).unwrap();
            archive.add_symlink(*name, target, options).unwrap();
        } else {
            archive.start_file(*name, options).unwrap();
            archive.write_all(bytes).unwrap();
        }
    }
    archive.finish().unwrap();
}
