//! A registry that says whatever the test wants.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    /// Lines of the head, names in small letters.
    pub(super) head: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.head.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    head: Vec<(String, String)>,
    body: Vec<u8>,
    /// Of the body, only so much is sent, and then the connection breaks off.
    breaks_after: Option<usize>,
    /// The body again and again, until nobody listens.
    endless: bool,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            head: Vec::new(),
            body: body.into(),
            breaks_after: None,
            endless: false,
        }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.head.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn to(location: &str) -> Self {
        Self::new(307, "").with("Location", location)
    }

    pub(super) fn endless(body: impl Into<Vec<u8>>) -> Self {
        Self {
            endless: true,
            ..Self::new(200, body)
        }
    }

    pub(super) fn breaks_after(mut self, bytes: usize) -> Self {
        self.breaks_after = Some(bytes);
        self
    }
}

/// A server on a free port of the loopback. Its threads end with the test's process.
#[derive(Clone)]
pub(super) struct Fake {
    at: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(super) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (answer, seen) = (Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                std::thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        seen.lock().unwrap().push(request.clone());
                        send(stream, &answer(&request), &request);
                    }
                });
            }
        });
        Self { at, asked }
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut parts = first.split(' ').map(str::to_owned);
    let (method, path) = (parts.next()?, parts.next()?);
    let mut head = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        head.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Some(Asked { method, path, head })
}

fn send(mut stream: TcpStream, reply: &Reply, request: &Asked) {
    let mut head = format!("HTTP/1.1 {} Answer\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.head {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !reply.endless {
        head.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
    }
    head.push_str("\r\n");
    let _ = stream.write_all(head.as_bytes());
    if request.method == "HEAD" {
        return;
    }
    let most = reply.breaks_after.unwrap_or(reply.body.len());
    let _ = stream.write_all(&reply.body[..most.min(reply.body.len())]);
    while reply.endless && stream.write_all(&reply.body).is_ok() {}
}
