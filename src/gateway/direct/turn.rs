//! One ordinary request, from its head to the choice of who answers it.

use std::{
    mem::MaybeUninit,
    rc::Rc,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use uuid::Uuid;

use super::{
    edit::{self, Known},
    names::Name,
    request::{self, Parsed},
};
use crate::{
    gateway::{
        access::Asked,
        exchange::Exchange,
        headers,
        io::ConnState,
        request::{is_local_name, name_of},
        service::Choice,
        sticky,
        worker::Worker,
    },
    model::AppProtocol,
    routing::{Backend, Entry, Target},
};

/// Most fields of a head that the short way takes: as many as the long way by default.
const FIELDS: usize = 100;

/// One ordinary request on its way.
pub(super) struct Turn {
    pub(super) exchange: Box<Exchange>,
    pub(super) entry: Arc<Entry>,
    pub(super) choice: Choice,
    /// The instance that is to be asked first.
    pub(super) first: Arc<Backend>,
    /// The head for the instance, and what of the body came with it.
    pub(super) out: Vec<u8>,
    /// Bytes of `out` that are the same for every instance.
    shared: usize,
    /// What of the body came with the head.
    early: Vec<u8>,
    /// Bytes of the body that have not been read yet.
    pub(super) left: u64,
    pub(super) id: Uuid,
    pub(super) repeatable: bool,
    pub(super) to_head: bool,
    /// Whether the client's connection ends with the answer.
    pub(super) close: bool,
}

/// What the bytes of a client are.
pub(super) enum Taken {
    /// The end of the head is not there yet.
    Partial,
    /// For the long way.
    Unusual,
    /// A request, and how many bytes it took.
    Turn(Box<Turn>, usize),
}

/// Looks at what a client has sent.
pub(super) fn take(worker: &Rc<Worker>, conn: &Arc<ConnState>, bytes: &[u8]) -> Taken {
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS];
    let head = match request::parse(bytes, &mut slots) {
        Parsed::Partial => return Taken::Partial,
        Parsed::Unusual => return Taken::Unusual,
        Parsed::Ordinary(head) => head,
    };
    let limits = &worker.shared.config.limits;
    if head.size > limits.header_bytes || head.fields.len() > limits.header_count {
        return Taken::Unusual;
    }
    let Some((entry, choice, first)) = find(worker, &head) else {
        return Taken::Unusual;
    };
    let early = &bytes[head.size..];
    let early =
        &early[..usize::try_from(head.length).map_or(early.len(), |it| it.min(early.len()))];
    let used = head.size + early.len();

    let now = SystemTime::now();
    let known = Known {
        client: conn.peer.ip().to_canonical(),
        tls: conn.tls,
        keep_proto: worker.shared.config.keep_forwarded_proto,
        at_ms: now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis(),
        id: headers::request_id(&mut || worker.random()),
        span: worker.random(),
    };
    let mut out = worker.scratch.head();
    let told = edit::request(&mut out, &head, &known);
    let mut exchange = Exchange::begin(worker, conn);
    if worker.has_line(&entry, exchange.started()) {
        let mut id = Uuid::encode_buffer();
        let text = [
            head.host.as_bytes(),
            head.method.as_bytes(),
            head.target.as_bytes(),
            told.referer,
            told.user_agent,
            &told.forwarded_for,
            told.forwarded_proto,
            known.id.hyphenated().encode_lower(&mut id).as_bytes(),
            &told.trace,
        ];
        exchange.asked(Asked::new(now, conn.peer, Version::HTTP_11, text));
    }
    exchange.received(early.len() as u64);
    let turn = Turn {
        exchange,
        entry,
        choice,
        first,
        shared: out.len(),
        out,
        early: early.to_vec(),
        left: head.length - early.len() as u64,
        id: known.id,
        repeatable: head.is_repeatable(),
        to_head: head.is_head(),
        close: head.close || worker.draining.get(),
    };
    Taken::Turn(Box::new(turn), used)
}

/// The route, if all its instances are asked in the ordinary way.
fn find(
    worker: &Worker,
    head: &request::Head<'_, '_>,
) -> Option<(Arc<Entry>, Choice, Arc<Backend>)> {
    let host = name_of(head.host);
    if is_local_name(&host) || (worker.shared.config.platform)(&host) {
        return None;
    }
    let table = worker.shared.table.load();
    let entry = table.lookup(head.host, head.path())?;
    if entry.service.is_some() || !entry.backends.iter().all(|backend| is_ordinary(backend)) {
        return None;
    }
    let cookies = head.field(Name::Cookie);
    let session = sticky::wanted_by(cookies.into_iter());
    let choice = session.map_or(Choice::Any, Choice::Session);
    let first = choice.first(worker, entry)?;
    Some((Arc::clone(entry), choice, first))
}

fn is_ordinary(backend: &Backend) -> bool {
    match backend.target {
        Target::Sandbox { protocol, .. } => protocol != AppProtocol::Http2,
        Target::Static { .. } => false,
    }
}

impl Turn {
    /// Makes `out` the request for this instance.
    pub(super) fn address(&mut self, backend: &Backend) {
        self.out.truncate(self.shared);
        edit::instance(&mut self.out, backend);
        self.out.extend_from_slice(&self.early);
    }

    /// What a refusal needs to know of the request: its method, which forms the client accepts,
    /// and the host.
    pub(super) fn asked(&self) -> (Method, HeaderMap, String) {
        let (mut accepts, mut host) = (HeaderMap::new(), String::new());
        let mut slots = [httparse::EMPTY_HEADER; FIELDS + 16];
        let mut request = httparse::Request::new(&mut slots);
        // Nothing of it is lost where the end is missing.
        let _ = request.parse(&self.out[..self.shared]);
        for field in request.headers.iter() {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("host") {
                host = String::from_utf8_lossy(field.value).into_owned();
            }
            if (is("accept") || is("accept-language"))
                && let Ok(name) = HeaderName::from_bytes(field.name.as_bytes())
                && let Ok(value) = HeaderValue::from_bytes(field.value)
            {
                accepts.insert(name, value);
            }
        }
        let method = request.method.and_then(|method| method.parse().ok());
        (method.unwrap_or_default(), accepts, host)
    }
}
