//! Questions about names and answers to them, as bytes.

use std::{
    net::{IpAddr, Ipv4Addr},
    ops::Range,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata},
};

/// How long what we say ourselves may be kept, in seconds: peers come and go.
const TTL: u32 = 5;

/// A message begins with so many bytes before its first question.
const HEADER: usize = 12;

/// A question as it came.
#[derive(Debug, Clone)]
pub(super) struct Question {
    message: Message,
    /// In lower case, without the dot at its end.
    pub(super) name: String,
    kind: RecordType,
    /// Where in the bytes it stands.
    pub(super) range: Range<usize>,
}

/// What comes of a question's bytes.
#[derive(Debug)]
pub(super) enum Read {
    /// It asks for one thing, as all do.
    Question(Box<Question>),
    /// It is to be told that it is not understood.
    Answer(Vec<u8>),
    /// It is none.
    Garbage,
}

/// Reads a question.
pub(super) fn read(bytes: &[u8]) -> Read {
    let Ok(message) = Message::from_vec(bytes) else {
        return Read::Garbage;
    };
    let about = &message.metadata;
    if about.message_type != MessageType::Query {
        return Read::Garbage;
    }
    let refuse = |code| {
        let error = Message::error_msg(about.id, about.op_code, code);
        error.to_vec().map_or(Read::Garbage, Read::Answer)
    };
    if about.op_code != OpCode::Query {
        return refuse(ResponseCode::NotImp);
    }
    let ([query], Some(end)) = (&message.queries[..], question_end(bytes)) else {
        return refuse(ResponseCode::FormErr);
    };
    if query.query_class() != DNSClass::IN {
        return refuse(ResponseCode::NotImp);
    }
    let name = query.name().to_ascii().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
    Read::Question(Box::new(Question {
        name,
        kind: query.query_type(),
        range: HEADER..end,
        message,
    }))
}

/// Where the only question of a message ends; its name is not a reference to elsewhere.
fn question_end(bytes: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => break,
            length if length < 64 => at += 1 + length,
            _ => return None,
        }
    }
    let end = at + 1 + 4;
    (end <= bytes.len()).then_some(end)
}

impl Question {
    /// Whether it asks what a private address of ours is called.
    pub(super) fn is_reverse_of_ours(&self) -> bool {
        let ours = [".18.198.in-addr.arpa", ".19.198.in-addr.arpa"];
        ours.iter().any(|end| self.name.ends_with(end))
    }

    /// The answer that these are its addresses.
    pub(super) fn found(&self, addresses: &[IpAddr]) -> Option<Vec<u8>> {
        let mut answer = self.answer(ResponseCode::NoError);
        let name = self.message.queries.first()?.name();
        for address in addresses {
            let data = match (address, self.kind) {
                (IpAddr::V4(address), RecordType::A) => RData::A(rdata::A(*address)),
                (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(rdata::AAAA(*address)),
                _ => continue,
            };
            answer.add_answer(Record::from_rdata(name.clone(), TTL, data));
        }
        answer.to_vec().ok()
    }

    /// The answer that these are its addresses, of IPv4 alone.
    pub(super) fn found_v4(&self, addresses: &[Ipv4Addr]) -> Option<Vec<u8>> {
        let addresses: Vec<IpAddr> = addresses.iter().copied().map(IpAddr::from).collect();
        self.found(&addresses)
    }

    /// The answer that there is no such name.
    pub(super) fn unknown(&self) -> Option<Vec<u8>> {
        self.answer(ResponseCode::NXDomain).to_vec().ok()
    }

    /// The answer that nobody could be asked.
    pub(super) fn failed(&self) -> Option<Vec<u8>> {
        self.answer(ResponseCode::ServFail).to_vec().ok()
    }

    fn answer(&self, code: ResponseCode) -> Message {
        let asked = &self.message.metadata;
        let mut answer = Message::error_msg(asked.id, OpCode::Query, code);
        answer.metadata.recursion_desired = asked.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.metadata.authoritative = true;
        answer.add_queries(self.message.queries.iter().cloned());
        answer
    }
}

/// A question for the addresses of `name`, of one family.
pub(super) fn ask(name: &str, v6: bool) -> Option<Vec<u8>> {
    let kind = if v6 { RecordType::AAAA } else { RecordType::A };
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    // Whoever sends it gives it a number.
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    message.to_vec().ok()
}

/// The addresses in an answer, and for how many seconds they hold.
pub(super) fn addresses(answer: &[u8]) -> Option<(Vec<IpAddr>, u32)> {
    let message = Message::from_vec(answer).ok()?;
    let mut ttl = u32::MAX;
    let mut found = Vec::new();
    for record in &message.answers {
        match &record.data {
            RData::A(address) => found.push(address.0.into()),
            RData::AAAA(address) => found.push(address.0.into()),
            _ => continue,
        }
        ttl = ttl.min(record.ttl);
    }
    Some(if found.is_empty() {
        (found, 0)
    } else {
        (found, ttl)
    })
}

/// Whether `answer` is one to `question`, which was sent with the number `id`.
pub(super) fn is_answer(answer: &[u8], id: u16, question: &[u8]) -> bool {
    const RESPONSE: u8 = 0x80;
    let head = answer.get(..2) == Some(&id.to_be_bytes()[..])
        && answer.get(2).is_some_and(|flags| flags & RESPONSE != 0);
    let asked = answer.get(HEADER..HEADER + question.len());
    head && asked.is_some_and(|asked| asked.eq_ignore_ascii_case(question))
}

/// Whether there is more than a datagram can hold.
pub(super) fn is_truncated(answer: &[u8]) -> bool {
    const TRUNCATED: u8 = 2;
    answer.get(2).is_some_and(|flags| flags & TRUNCATED != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> (Vec<u8>, Box<Question>) {
        let bytes = ask(name, false).unwrap();
        match read(&bytes) {
            Read::Question(question) => (bytes, question),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_question_is_read_and_answered() {
        let (bytes, question) = question("Orders.Apps.Internal");
        assert_eq!(question.name, "orders.apps.internal");
        assert_eq!(question.range, 12..bytes.len());
        let answer = question.found_v4(&["198.19.0.7".parse().unwrap()]).unwrap();
        assert!(is_answer(&answer, 0, &bytes[question.range.clone()]));
        let (found, ttl) = addresses(&answer).unwrap();
        assert_eq!((found, ttl), (vec!["198.19.0.7".parse().unwrap()], TTL));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let (bytes, asked) = question("one.example.kr");
        let asked_bytes = &bytes[asked.range.clone()];
        let answer = asked.unknown().unwrap();
        assert!(is_answer(&answer, 0, asked_bytes));
        assert!(!is_answer(&answer, 1, asked_bytes));
        assert!(!is_answer(&bytes, 0, asked_bytes));
        let other = question("two.example.kr").1.unknown().unwrap();
        assert!(!is_answer(&other, 0, asked_bytes));
        assert!(!is_answer(&answer[..8], 0, asked_bytes));
    }

    #[test]
    fn no_garbage_panics() {
        let (bytes, _) = question("one.example.kr");
        for end in 0..bytes.len() {
            let _ = read(&bytes[..end]);
            let _ = addresses(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x3f, 0xc0, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = read(&changed);
                let _ = addresses(&changed);
            }
        }
    }

    #[test]
    fn our_own_addresses_have_no_names() {
        assert!(question("7.0.19.198.in-addr.arpa").1.is_reverse_of_ours());
        assert!(!question("7.0.20.198.in-addr.arpa").1.is_reverse_of_ours());
    }
}
