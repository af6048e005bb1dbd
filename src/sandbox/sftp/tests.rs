use std::path::Path;

use super::*;

/// A conversation: requests go in, and what is answered comes out.
struct Client(Handles);

impl Client {
    fn new() -> Self {
        Self(Handles::default())
    }

    /// The answer's kind, and what follows the id.
    fn ask(&mut self, kind: u8, with: impl FnOnce(&mut Writer)) -> (u8, Vec<u8>) {
        let mut request = Writer::new(kind);
        request.number(7);
        with(&mut request);
        let request = request.finish();
        let answer = answer(&request[4..], &mut self.0);
        assert_eq!(answer[5..9], [0, 0, 0, 7]);
        (answer[4], answer[9..].to_vec())
    }

    fn code(&mut self, kind: u8, with: impl FnOnce(&mut Writer)) -> u32 {
        let (kind, rest) = self.ask(kind, with);
        assert_eq!(kind, kind::STATUS);
        Reader::new(&rest).number().unwrap()
    }

    fn handle(&mut self, kind: u8, with: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let (kind, rest) = self.ask(kind, with);
        assert_eq!(kind, kind::HANDLE);
        Reader::new(&rest).bytes().unwrap().to_vec()
    }
}

fn path(writer: &mut Writer, path: &Path) {
    writer.bytes(path.to_str().unwrap().as_bytes());
}

#[test]
fn a_file_is_written_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let (file, mut client) = (dir.path().join("file"), Client::new());
    let handle = client.handle(kind::OPEN, |writer| {
        path(writer, &file);
        writer.number(0x1a);
        writer.number(4);
        writer.number(0o640);
    });
    let write = |offset: u64, text: &'static [u8]| {
        let handle = handle.clone();
        move |writer: &mut Writer| {
            writer.bytes(&handle);
            writer.number(0);
            writer.number(u32::try_from(offset).unwrap());
            writer.bytes(text);
        }
    };
    assert_eq!(client.code(kind::WRITE, write(6, b"world")), 0);
    assert_eq!(client.code(kind::WRITE, write(0, b"hello ")), 0);
    assert_eq!(client.code(kind::CLOSE, |writer| writer.bytes(&handle)), 0);
    assert_eq!(client.code(kind::CLOSE, |writer| writer.bytes(&handle)), 4);

    let handle = client.handle(kind::OPEN, |writer| {
        path(writer, &file);
        writer.number(1);
        writer.number(0);
    });
    let read = |offset: u32| {
        let handle = handle.clone();
        move |writer: &mut Writer| {
            writer.bytes(&handle);
            writer.number(0);
            writer.number(offset);
            writer.number(100);
        }
    };
    let (kind, data) = client.ask(kind::READ, read(0));
    assert_eq!((kind, &data[4..]), (kind::DATA, &b"hello world"[..]));
    assert_eq!(client.code(kind::READ, read(11)), 1);
}

#[test]
fn folders_are_made_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (inner, mut client) = (dir.path().join("inner"), Client::new());
    let make = |writer: &mut Writer| path(writer, &inner);
    assert_eq!(client.code(kind::MKDIR, make), 0);
    assert_eq!(client.code(kind::MKDIR, make), 4);
    let handle = client.handle(kind::OPENDIR, |writer| path(writer, dir.path()));
    let (kind, names) = client.ask(kind::READDIR, |writer| writer.bytes(&handle));
    assert_eq!(kind, kind::NAME);
    let mut names = Reader::new(&names);
    assert_eq!(names.number().unwrap(), 1);
    assert_eq!(names.bytes().unwrap(), b"inner");
    assert!(names.bytes().unwrap().starts_with(b"drwx"));
    assert_eq!(
        client.code(kind::READDIR, |writer| writer.bytes(&handle)),
        1
    );
    assert_eq!(client.code(kind::RMDIR, make), 0);
    assert_eq!(client.code(kind::STAT, make), 2);
}

#[test]
fn a_path_is_made_absolute_though_nothing_is_there() {
    let mut client = Client::new();
    let real = |client: &mut Client, given: &'static [u8]| {
        let (kind, rest) = client.ask(kind::REALPATH, |writer| writer.bytes(given));
        assert_eq!(kind, kind::NAME);
        let mut rest = Reader::new(&rest);
        rest.number().unwrap();
        String::from_utf8(rest.bytes().unwrap().to_vec()).unwrap()
    };
    let here = std::env::current_dir().unwrap();
    assert_eq!(real(&mut client, b""), here.to_str().unwrap());
    assert_eq!(real(&mut client, b"/nowhere/a/../b"), "/nowhere/b");
}

#[test]
fn what_makes_no_sense_is_answered_and_harms_nothing() {
    let mut client = Client::new();
    assert_eq!(client.code(99, |_| {}), 8);
    assert_eq!(client.code(kind::OPEN, |_| {}), 5);
    assert_eq!(client.code(kind::READ, |writer| writer.bytes(b"abcd")), 5);
    assert_eq!(client.code(kind::CLOSE, |writer| writer.bytes(b"abcd")), 4);
    let extended = |writer: &mut Writer| writer.bytes(b"unheard@of");
    assert_eq!(client.code(kind::EXTENDED, extended), 8);
    assert_eq!(answer(&[kind::OPEN], &mut client.0)[4], kind::STATUS);

    let mut out = Vec::new();
    assert!(converse(&mut &[0xff_u8; 8][..], &mut out).is_err());
    assert!(converse(&mut &[0, 0, 0, 0][..], &mut out).is_err());
    let hello = [0, 0, 0, 5, kind::INIT, 0, 0, 0, 3];
    converse(&mut &hello[..], &mut out).unwrap();
    assert_eq!(out[4..9], [kind::VERSION, 0, 0, 0, 3]);
}
