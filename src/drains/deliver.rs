//! Sending one drain's messages, over one connection after another.

use std::time::Duration;

use http::{Request, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, split},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    address::{Address, Carrier},
    message::{Sender, framed},
};
use crate::{
    logs::{Entry, Heard, Line, Listener, Logs, Stream},
    model::AppId,
    net::{self, Client, Lookup, Verify},
    stdx::backoff::doubling,
};

/// How long a connection, and a message on it, may take.
const CONNECT: Duration = Duration::from_secs(10);
const WRITE: Duration = Duration::from_secs(10);
/// Between tries to connect.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(120);
/// Between lines that say how much was lost.
const TELL: Duration = Duration::from_secs(10);
/// Tries of one request.
const TRIES: u32 = 3;
/// Bytes that a receiver may say, to whom nobody listens; some send a greeting.
const CHATTER: usize = 64 << 10;
/// What goes into one request of a batch: what comes in so long, and so much of it (Cloud
/// Foundry's syslog agent).
const BATCH_TIME: Duration = Duration::from_secs(1);
const BATCH_BYTES: usize = 512 << 10;

/// One drain.
#[derive(Debug)]
pub(super) struct Drain {
    pub(super) app: AppId,
    pub(super) address: Address,
    pub(super) sender: Sender,
    pub(super) verify: Verify,
    pub(super) lookup: Lookup,
    pub(super) logs: Logs,
}

/// What did not arrive.
#[derive(Debug, Default)]
struct Lost {
    messages: u64,
    /// When it was last told.
    told: Option<Instant>,
}

impl Drain {
    /// Sends what comes, until it is dropped.
    pub(super) async fn run(self) {
        let listener = self.logs.listen(self.address.interest(self.app));
        let mut attempt = 0;
        let mut lost = Lost::default();
        loop {
            let began = Instant::now();
            let why = match self.address.carrier {
                Carrier::Tcp | Carrier::Tls => self.over_stream(&listener, &mut lost).await,
                Carrier::Https => self.over_https(&listener, false, &mut lost).await,
                Carrier::HttpsBatch => self.over_https(&listener, true, &mut lost).await,
            };
            // One that held for long begins anew.
            if began.elapsed() > LONGEST {
                attempt = 0;
            }
            let pause = doubling(FIRST, attempt, LONGEST);
            attempt = attempt.saturating_add(1);
            let shown = self.address.shown();
            self.say(format!(
                "Syslog Drain: Error when connecting to {shown}: {why}. Backing off for {}s.",
                pause.as_secs()
            ));
            sleep(pause).await;
        }
    }

    /// Writes to a connection until it breaks; says why it did.
    async fn over_stream(&self, listener: &Listener, lost: &mut Lost) -> String {
        let verify = (self.address.carrier == Carrier::Tls).then_some(&self.verify);
        let to = (self.address.host.as_str(), self.address.port);
        let connected = timeout(CONNECT, net::connect(&self.lookup, verify, to)).await;
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return error.for_users(),
            Err(_) => return "it takes too long".to_owned(),
        };
        let (mut from, mut to) = split(stream);
        let mut nothing = [0; 256];
        let mut said = 0;
        loop {
            // Neither has taken anything when it is dropped.
            let heard = tokio::select! {
                heard = listener.next() => heard,
                read = from.read(&mut nothing) => match read {
                    Ok(count @ 1..) if said + count <= CHATTER => {
                        said += count;
                        continue;
                    }
                    Ok(1..) => return "it sends what nobody asked for".to_owned(),
                    Ok(0) | Err(_) => return "it closed the connection".to_owned(),
                },
            };
            let Some(entry) = self.entry(heard, lost) else {
                continue;
            };
            let frames: Vec<u8> = self
                .messages(&entry)
                .iter()
                .flat_map(|message| framed(message))
                .collect();
            let write = async {
                to.write_all(&frames).await?;
                to.flush().await
            };
            let why = match timeout(WRITE, write).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => "the connection broke",
                Err(_) => "it takes nothing any more",
            };
            // How much of it arrived nobody knows.
            lost.messages += 1;
            return why.to_owned();
        }
    }

    /// Posts messages until nobody takes one; says why.
    async fn over_https(&self, listener: &Listener, batched: bool, lost: &mut Lost) -> String {
        let config = net::Config {
            verify: self.verify.clone(),
            connect_timeout: CONNECT,
            idle_timeout: WRITE,
            answer_limit: CHATTER,
            ..net::Config::default()
        };
        let client = match Client::try_new(config, self.lookup.clone()) {
            Ok(client) => client,
            Err(error) => return error.for_users(),
        };
        loop {
            let Some(entry) = self.entry(listener.next().await, lost) else {
                continue;
            };
            let mut bodies = self.messages(&entry);
            if batched {
                let mut body = bodies.concat();
                let count = self.batch(listener, &mut body, lost).await;
                if let Err(why) = self.post(&client, body).await {
                    lost.messages += 1 + count;
                    return why;
                }
                continue;
            }
            for body in bodies.drain(..) {
                if let Err(why) = self.post(&client, body).await {
                    lost.messages += 1;
                    return why;
                }
            }
        }
    }

    /// Adds to `body` what comes in the next moment; says how much that was.
    async fn batch(&self, listener: &Listener, body: &mut Vec<u8>, lost: &mut Lost) -> u64 {
        let (until, mut count) = (Instant::now() + BATCH_TIME, 0);
        while body.len() < BATCH_BYTES {
            let Ok(heard) = timeout_at(until, listener.next()).await else {
                break;
            };
            if let Some(entry) = self.entry(heard, lost) {
                body.extend(self.messages(&entry).concat());
                count += 1;
            }
        }
        count
    }

    /// Posts a body, and again where that fails.
    async fn post(&self, client: &Client, body: Vec<u8>) -> Result<(), String> {
        let body = bytes::Bytes::from(body);
        let mut why = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                sleep(doubling(FIRST, attempt - 1, LONGEST)).await;
            }
            let mut request =
                Request::post(&self.address.url).header(header::CONTENT_TYPE, "text/plain");
            if let Some(login) = &self.address.login {
                request = request.header(header::AUTHORIZATION, login);
            }
            let request = request
                .body(net::full(body.clone()))
                .map_err(|_| "its address cannot be asked".to_owned())?;
            match client.fetch(request).await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => why = format!("it answered {}", answer.status().as_u16()),
                Err(error) => why = error.for_users(),
            }
        }
        Err(why)
    }

    fn messages(&self, entry: &Entry) -> Vec<Vec<u8>> {
        self.sender.messages(entry, self.address.tags)
    }

    /// What there is to send; says in the app's log how much was lost, now and then.
    fn entry(&self, heard: Heard, lost: &mut Lost) -> Option<Entry> {
        let entry = match heard {
            Heard::Entry(entry) => Some(entry),
            Heard::Missed(count) => {
                lost.messages += count;
                None
            }
        };
        if lost.messages > 0 && lost.told.is_none_or(|told| told.elapsed() >= TELL) {
            lost.told = Some(Instant::now());
            let (count, shown) = (std::mem::take(&mut lost.messages), self.address.shown());
            self.say(format!(
                "{count} messages lost for application {} in user provided syslog drain with url \
                 {shown}",
                self.app
            ));
        }
        entry
    }

    fn say(&self, text: String) {
        let now = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
        self.logs.append(Line {
            at_ns: u64::try_from(now).unwrap_or(0),
            app: self.app,
            source: "LGR".to_owned(),
            instance: "0".to_owned(),
            process: None,
            stream: Stream::Err,
            text: text.into(),
        });
    }
}
