//! Making file systems: the first of a size by mke2fs, more by writing the same blocks.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::{Whence, lseek};

use super::quota::{BLOCK, INODE};
use crate::sandbox::Quota;

/// Where the program is, which is not in everybody's path.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// What its file systems have, whatever the host's own configuration wants: nothing that is for
/// after a crash, since none of them outlasts one.
const FEATURES: &str = "none,dir_index,dir_nlink,ext_attr,extent,extra_isize,filetype,flex_bg,\
                        huge_file,large_file,sparse_super2,uninit_bg";

/// mke2fs of this host (e2fsprogs).
pub(super) fn program() -> io::Result<PathBuf> {
    let places = FOLDERS.map(|folder| Path::new(folder).join("mkfs.ext4"));
    let found = places.into_iter().find(|place| place.exists());
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "mkfs.ext4 is not installed"))
}

/// The blocks of a file system with nothing in it, but those that are all zeros.
#[derive(Debug)]
pub(super) struct Template(Vec<(u64, Box<[u8]>)>);

impl Template {
    /// Makes a file system in `file`, which is empty, and learns from it.
    pub(super) fn make(program: &Path, path: &Path, quota: Quota) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        file.set_len(quota.bytes)?;
        let made = Command::new(program)
            .args(["-q", "-F", "-m", "0", "-U", "clear", "-O", FEATURES])
            .args(["-E", "lazy_itable_init=1,nodiscard,num_backup_sb=0"])
            .args(["-b", &BLOCK.to_string(), "-I", &INODE.to_string()])
            .args(["-N", &quota.inodes.to_string()])
            .arg(path)
            .env_clear()
            .env("MKE2FS_CONFIG", "/dev/null")
            .stdin(Stdio::null())
            .output()?;
        if !made.status.success() {
            let words = String::from_utf8_lossy(&made.stderr);
            return Err(io::Error::other(format!(
                "{} failed: {}",
                program.display(),
                words.trim()
            )));
        }
        read(&file, quota.bytes).map(Self)
    }

    /// Makes the same in `file`, which is empty.
    pub(super) fn plant(&self, file: &File, quota: Quota) -> io::Result<()> {
        file.set_len(quota.bytes)?;
        let mut blocks = self.0.iter();
        blocks.try_for_each(|(at, block)| file.write_all_at(block, *at))
    }
}

/// Whether the file system in `file` was unmounted in order and has no known errors
/// (Documentation/filesystems/ext4/super.rst).
pub(super) fn is_clean(file: &File) -> io::Result<bool> {
    const MAGIC_AND_STATE: u64 = 1024 + 0x38;
    const CLEAN: [u8; 4] = [0x53, 0xef, 1, 0];
    let mut found = [0; 4];
    file.read_exact_at(&mut found, MAGIC_AND_STATE)?;
    Ok(found == CLEAN)
}

fn read(file: &File, len: u64) -> io::Result<Vec<(u64, Box<[u8]>)>> {
    let mut blocks: Vec<(u64, Box<[u8]>)> = Vec::new();
    let mut block = vec![0; usize::try_from(BLOCK).unwrap_or_default()];
    let mut at = 0;
    while let Some(data) = next(file, at)?.filter(|data| *data < len) {
        at = data / BLOCK * BLOCK;
        file.read_exact_at(&mut block, at)?;
        if block.iter().any(|byte| *byte != 0) {
            blocks.push((at, block.clone().into()));
        }
        at += BLOCK;
    }
    Ok(blocks)
}

/// Where there is something from `at` on.
fn next(file: &File, at: u64) -> io::Result<Option<u64>> {
    let from = i64::try_from(at).map_err(io::Error::other)?;
    match lseek(file, from, Whence::SeekData) {
        Ok(found) => Ok(u64::try_from(found).ok()),
        Err(nix::errno::Errno::ENXIO) => Ok(None),
        // A file system that cannot tell: everything may be something.
        Err(nix::errno::Errno::EINVAL) => Ok(Some(at)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planted_is_what_was_made() {
        let Ok(program) = program() else {
            panic!("mkfs.ext4 is missing: install e2fsprogs");
        };
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = dir.path().join(name);
            (File::create_new(&path).unwrap(), path)
        };
        let quota = Quota::of(300 << 20, u64::MAX);
        let (_, first) = file("first");
        let template = Template::make(&program, &first, quota).unwrap();
        let (copy, second) = file("second");
        template.plant(&copy, quota).unwrap();
        assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
        let written: usize = template.0.iter().map(|(_, block)| block.len()).sum();
        assert!(written < 256 << 10, "{written} bytes to write for each");
    }
}
