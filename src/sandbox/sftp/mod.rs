//! A server of files on stdin and stdout: version 3 of SFTP (draft-ietf-secsh-filexfer-02), which
//! is what OpenSSH and nearly everybody else speaks.
//!
//! It runs in a process of a sandbox that is walled in like any other of the app's and was not
//! begun by exec, so nothing of the app or its image has to be there for it. What it may read and
//! write is what the kernel lets the app itself. One request is answered after the other.

mod files;
mod handles;
mod packet;

use std::io::{self, Read, Write};

use super::sys;
use files::{Name, Outcome};
use handles::Handles;
use packet::{Reader, Writer};

/// The longest packet: OpenSSH's limit.
const LONGEST: usize = 256 << 10;

/// Requests and answers by number.
mod kind {
    pub(super) const INIT: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const OPEN: u8 = 3;
    pub(super) const CLOSE: u8 = 4;
    pub(super) const READ: u8 = 5;
    pub(super) const WRITE: u8 = 6;
    pub(super) const LSTAT: u8 = 7;
    pub(super) const FSTAT: u8 = 8;
    pub(super) const SETSTAT: u8 = 9;
    pub(super) const FSETSTAT: u8 = 10;
    pub(super) const OPENDIR: u8 = 11;
    pub(super) const READDIR: u8 = 12;
    pub(super) const REMOVE: u8 = 13;
    pub(super) const MKDIR: u8 = 14;
    pub(super) const RMDIR: u8 = 15;
    pub(super) const REALPATH: u8 = 16;
    pub(super) const STAT: u8 = 17;
    pub(super) const RENAME: u8 = 18;
    pub(super) const READLINK: u8 = 19;
    pub(super) const SYMLINK: u8 = 20;
    pub(super) const STATUS: u8 = 101;
    pub(super) const HANDLE: u8 = 102;
    pub(super) const DATA: u8 = 103;
    pub(super) const NAME: u8 = 104;
    pub(super) const ATTRS: u8 = 105;
    pub(super) const EXTENDED: u8 = 200;
}

/// Extensions of OpenSSH's that are served, each of version 1.
const EXTENSIONS: [&str; 4] = [
    "posix-rename@openssh.com",
    "hardlink@openssh.com",
    "fsync@openssh.com",
    "expand-path@openssh.com",
];

/// Serves until the client has gone. Returns the exit code of the process.
pub(super) fn serve() -> i32 {
    // What init has open is none of its business.
    sys::close_all_but(std::iter::empty());
    match converse(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sftp: {error}");
            1
        }
    }
}

fn converse(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut handles = Handles::default();
    let mut packet = Vec::new();
    loop {
        let mut length = [0; 4];
        match from.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 || length > LONGEST {
            return Err(io::Error::other("a packet is too long"));
        }
        packet.resize(length, 0);
        from.read_exact(&mut packet)?;
        to.write_all(&answer(&packet, &mut handles))?;
        to.flush()?;
    }
}

/// The answer to a packet that is not empty.
fn answer(packet: &[u8], handles: &mut Handles) -> Vec<u8> {
    let (kind, mut rest) = (packet[0], Reader::new(&packet[1..]));
    if kind == kind::INIT {
        let mut writer = Writer::new(kind::VERSION);
        writer.number(3);
        for extension in EXTENSIONS {
            writer.bytes(extension.as_bytes());
            writer.bytes(b"1");
        }
        return writer.finish();
    }
    let id = rest.number().unwrap_or_default();
    let outcome = perform(kind, &mut rest, handles).unwrap_or_else(Outcome::Refused);
    present(id, outcome)
}

fn perform(kind: u8, rest: &mut Reader<'_>, handles: &mut Handles) -> io::Result<Outcome> {
    match kind {
        kind::OPEN => {
            let (path, flags) = (rest.path()?, rest.number()?);
            let permissions = rest.attributes()?.permissions;
            handles.open(&path, flags, permissions)
        }
        kind::OPENDIR => handles.open_folder(&rest.path()?),
        kind::CLOSE => handles.close(rest.handle()?),
        kind::READ => handles.read(rest.handle()?, rest.long()?, rest.number()?),
        kind::WRITE => handles.write(rest.handle()?, rest.long()?, rest.bytes()?),
        kind::FSTAT => handles.stat(rest.handle()?),
        kind::FSETSTAT => handles.set(rest.handle()?, &rest.attributes()?),
        kind::READDIR => handles.read_folder(rest.handle()?),
        kind::LSTAT => files::stat(&rest.path()?, false),
        kind::STAT => files::stat(&rest.path()?, true),
        kind::SETSTAT => files::set(&rest.path()?, &rest.attributes()?),
        kind::REMOVE => files::remove(&rest.path()?),
        kind::MKDIR => files::make_folder(&rest.path()?, &rest.attributes()?),
        kind::RMDIR => files::remove_folder(&rest.path()?),
        kind::REALPATH => files::real_path(&rest.path()?),
        kind::RENAME => files::rename(&rest.path()?, &rest.path()?, false),
        kind::READLINK => files::read_link(&rest.path()?),
        // The draft has the link first; OpenSSH, and all who follow it, the target.
        kind::SYMLINK => files::link(&rest.path()?, &rest.path()?, true),
        kind::EXTENDED => match rest.bytes()? {
            b"posix-rename@openssh.com" => files::rename(&rest.path()?, &rest.path()?, true),
            b"hardlink@openssh.com" => files::link(&rest.path()?, &rest.path()?, false),
            b"fsync@openssh.com" => handles.sync(rest.handle()?),
            b"expand-path@openssh.com" => files::expand(&rest.path()?),
            _ => Ok(Outcome::Unknown),
        },
        _ => Ok(Outcome::Unknown),
    }
}

fn present(id: u32, outcome: Outcome) -> Vec<u8> {
    let status = |code: u32, text: &str| {
        let mut writer = Writer::new(kind::STATUS);
        writer.number(id);
        writer.number(code);
        writer.bytes(text.as_bytes());
        writer.bytes(b"");
        writer.finish()
    };
    match outcome {
        Outcome::Done => status(0, "Success"),
        Outcome::End => status(1, "End of file"),
        Outcome::Unknown => status(8, "Operation unsupported"),
        Outcome::Refused(error) => match error.kind() {
            io::ErrorKind::NotFound => status(2, "No such file"),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                status(3, "Permission denied")
            }
            io::ErrorKind::InvalidData => status(5, "Bad message"),
            _ => status(4, &error.to_string()),
        },
        Outcome::Handle(handle) => {
            let mut writer = Writer::new(kind::HANDLE);
            writer.number(id);
            writer.bytes(&handle.to_be_bytes());
            writer.finish()
        }
        Outcome::Data(data) => {
            let mut writer = Writer::new(kind::DATA);
            writer.number(id);
            writer.bytes(&data);
            writer.finish()
        }
        Outcome::Attributes(found) => {
            let mut writer = Writer::new(kind::ATTRS);
            writer.number(id);
            writer.attributes(&found);
            writer.finish()
        }
        Outcome::Names(names) => {
            let mut writer = Writer::new(kind::NAME);
            writer.number(id);
            writer.number(u32::try_from(names.len()).unwrap_or(u32::MAX));
            for Name { name, long, found } in names {
                writer.bytes(&name);
                writer.bytes(&long);
                match found {
                    Some(found) => writer.attributes(&found),
                    None => writer.number(0),
                }
            }
            writer.finish()
        }
    }
}

#[cfg(test)]
mod tests;
