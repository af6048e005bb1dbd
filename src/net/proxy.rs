//! Proxies between this machine and the internet, as the usual variables name them.

use std::{
    error::Error,
    fmt, io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use percent_encoding::percent_decode_str;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tower_service::Service;

use super::{Lookup, LookupError};

/// Longest answer of a proxy to who wants through.
const LONGEST: usize = 8 << 10;

/// How long our own name servers have to say that a name is none of the internet's: behind a proxy
/// they often know nothing.
const LOOK: Duration = Duration::from_secs(2);

/// Which proxies there are, and for what none is used.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    except: Vec<Except>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    place: Uri,
    /// `Proxy-Authorization`.
    login: Option<HeaderValue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Except {
    Everything,
    /// A domain with all under it.
    Domain(String),
    /// So many first bits of an address.
    Network(IpAddr, u32),
}

// Their addresses often hold passwords.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("except", &self.except)
            .finish()
    }
}

impl Proxies {
    /// Those that `environment` names: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in
    /// either case, of which the lower one goes first. What is no HTTP proxy is told in the log and
    /// left out.
    #[must_use]
    pub fn named_by(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let all: Vec<(String, String)> = environment.into_iter().collect();
        let get = |name: &str| {
            let upper = name.to_ascii_uppercase();
            let of = |name: &str| all.iter().find(|(known, _)| known == name);
            let found = of(name)
                .or_else(|| of(&upper))
                .map(|(_, value)| value.trim());
            found.filter(|value| !value.is_empty())
        };
        let proxy = |name: &str| {
            let value = get(name).or_else(|| get("all_proxy"))?;
            let proxy = Proxy::parse(value);
            if proxy.is_none() {
                tracing::warn!("{name} names no HTTP proxy (http://HOST:PORT); none is used");
            }
            proxy
        };
        let except = get("no_proxy").unwrap_or_default().split(',');
        Self {
            http: proxy("http_proxy"),
            https: proxy("https_proxy"),
            except: except.filter_map(Except::parse).collect(),
        }
    }

    /// The proxy to what is at `to`; none where it is asked itself, as this machine always is.
    fn of(&self, to: &Uri) -> Option<&Proxy> {
        let host = to.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let address: Option<IpAddr> = host.parse().ok();
        let own = address.map_or_else(
            || host == "localhost" || host.ends_with(".localhost"),
            |address| address.is_loopback(),
        );
        if own || self.except.iter().any(|one| one.holds(host, address)) {
            return None;
        }
        if is_tls(to) {
            self.https.as_ref()
        } else {
            self.http.as_ref()
        }
    }

    /// What a request to `to` has to tell its proxy; through a tunnel nothing.
    pub(super) fn login(&self, to: &Uri) -> Option<HeaderValue> {
        self.of(to).filter(|_| !is_tls(to))?.login.clone()
    }
}

fn is_tls(to: &Uri) -> bool {
    to.scheme_str() == Some("https")
}

impl Proxy {
    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = match text.contains("://") {
            true => text.parse().ok()?,
            false => format!("http://{text}").parse().ok()?,
        };
        if uri.scheme_str() != Some("http") {
            return None;
        }
        let authority = uri.authority()?;
        let login = match authority.as_str().rsplit_once('@') {
            Some((login, _)) => {
                let login = percent_decode_str(login).decode_utf8().ok()?;
                let header = format!("Basic {}", STANDARD.encode(login.as_bytes()));
                let mut header = HeaderValue::from_str(&header).ok()?;
                header.set_sensitive(true);
                Some(header)
            }
            None => None,
        };
        let (host, port) = (authority.host(), authority.port_u16().unwrap_or(80));
        let place = format!("http://{host}:{port}/").parse().ok()?;
        Some(Self { place, login })
    }
}

impl Except {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = text.split_once('/') {
            return Some(Self::Network(address.parse().ok()?, bits.parse().ok()?));
        }
        let bare = text.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Network(address, u32::MAX));
        }
        // A port says nothing that the name does not.
        let host = text.split(':').next().unwrap_or_default();
        let host = host.trim_start_matches("*.").trim_start_matches('.');
        (!host.is_empty()).then(|| Self::Domain(host.to_owned()))
    }

    fn holds(&self, host: &str, address: Option<IpAddr>) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        match (self, address) {
            (Self::Everything, _) => true,
            (Self::Domain(domain), None) => {
                let above = host.strip_suffix(domain.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            (Self::Network(network, first), Some(address)) => {
                let ((network, most), (address, other)) = (bits(*network), bits(address));
                let first = (*first).min(most);
                let differ = network ^ address;
                most == other && (first == 0 || differ.leading_zeros() >= first)
            }
            (Self::Domain(_), Some(_)) | (Self::Network(..), None) => false,
        }
    }
}

/// Connects to servers: directly, or by way of a proxy.
#[derive(Clone)]
pub(super) struct Route {
    direct: HttpConnector<Lookup>,
    /// A proxy was named by the operator, and may be anywhere.
    to_proxy: HttpConnector<Lookup>,
    lookup: Lookup,
    proxies: Arc<Proxies>,
    patience: Duration,
}

impl Route {
    pub(super) fn new(lookup: &Lookup, proxies: Arc<Proxies>, patience: Duration) -> Self {
        let connector = |lookup: Lookup| {
            let mut connector = HttpConnector::new_with_resolver(lookup);
            connector.enforce_http(false);
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(patience));
            connector
        };
        Self {
            direct: connector(lookup.clone()),
            to_proxy: connector(lookup.anywhere()),
            lookup: lookup.clone(),
            proxies,
            patience,
        }
    }
}

type Failure = Box<dyn Error + Send + Sync>;

impl Service<Uri> for Route {
    type Response = Line;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Line, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        // Both are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.of(&to).cloned() else {
            let connecting = self.direct.call(to);
            return Box::pin(async move {
                let (stream, through) = (connecting.await?, false);
                Ok(Line { stream, through })
            });
        };
        let connecting = self.to_proxy.call(proxy.place.clone());
        let (lookup, patience) = (self.lookup.clone(), self.patience);
        Box::pin(async move {
            lookup.spare_private(to.host().unwrap_or_default()).await?;
            let stream = connecting.await?;
            if !is_tls(&to) {
                let through = true;
                return Ok(Line { stream, through });
            }
            let mut stream = stream.into_inner();
            let tunnel = open_tunnel(&mut stream, &to, proxy.login.as_ref());
            timeout(patience, tunnel)
                .await
                .map_err(|_| "the proxy did not answer")??;
            let (stream, through) = (TokioIo::new(stream), false);
            Ok(Line { stream, through })
        })
    }
}

impl Lookup {
    /// Refuses what must not be reached, as far as our own name servers know: a proxy would ask
    /// its own.
    async fn spare_private(&self, host: &str) -> Result<(), LookupError> {
        match timeout(LOOK, self.addresses(host)).await {
            Ok(Err(private @ LookupError::Private { .. })) => Err(private),
            _ => Ok(()),
        }
    }
}

/// RFC 9110, 9.3.6.
async fn open_tunnel(
    stream: &mut TcpStream,
    to: &Uri,
    login: Option<&HeaderValue>,
) -> Result<(), Failure> {
    let (host, port) = (to.host().unwrap_or_default(), to.port_u16().unwrap_or(443));
    let mut head =
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(login) = login {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(login.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == LONGEST {
            return Err("the proxy's answer has no end".into());
        }
        // One by one, since what follows is the server's.
        answer.push(stream.read_u8().await?);
    }
    let status = answer
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    match status {
        Some(status) if status.starts_with('2') => Ok(()),
        Some("407") => Err("the proxy wants another login".into()),
        status => {
            let status = status.unwrap_or("nothing that is HTTP");
            Err(format!("the proxy does not connect to {host}:{port}: it answers {status}").into())
        }
    }
}

/// A connection to a server, or to a proxy that is asked for whole addresses.
#[derive(Debug)]
pub(super) struct Line {
    stream: TokioIo<TcpStream>,
    through: bool,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.through)
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(all: &[(&str, &str)]) -> Proxies {
        let all = all.iter();
        Proxies::named_by(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_proxy_is_that_of_the_scheme_and_none_for_what_is_excepted() {
        let both = [
            ("HTTPS_PROXY", "http://me:se%40cret@10.0.0.1:3128"),
            ("http_proxy", "proxy.lan"),
            ("HTTP_PROXY", "http://other.lan"),
            (
                "NO_PROXY",
                "lan, .example.kr:5000,10.0.0.0/8,2001:db8::/32,192.0.2.7",
            ),
        ];
        let found = proxies(&both);
        let check = |to: &str, expected: Option<&str>| {
            let proxy = found.of(&to.parse().unwrap());
            let place = proxy.map(|proxy| proxy.place.to_string());
            assert_eq!(place.as_deref(), expected, "{to}");
        };
        let (tls, plain) = (Some("http://10.0.0.1:3128/"), Some("http://proxy.lan:80/"));
        check("https://ghcr.io/v2/", tls);
        check("http://ghcr.io/v2/", plain);
        check("https://registry.lan/v2/", None);
        check("https://lan/", None);
        check("https://plan/", tls);
        check("https://r.example.kr/", None);
        check("https://10.1.2.3/", None);
        check("https://11.1.2.3/", tls);
        check("https://192.0.2.7:5000/", None);
        check("https://192.0.2.8/", tls);
        check("https://[2001:db8::1]/", None);
        check("https://[2001:db9::1]/", tls);
        check("https://127.0.0.1:5000/", None);
        check("https://[::1]/", None);
        check("http://api.localhost/", None);
        let login = found.https.as_ref().unwrap().login.clone().unwrap();
        assert_eq!(login, format!("Basic {}", STANDARD.encode("me:se@cret")));
        assert!(!format!("{found:?}").contains("cret"));
    }

    #[test]
    fn what_is_no_proxy_is_none() {
        for value in [
            "",
            "socks5://10.0.0.1:1080",
            "https://proxy.lan",
            "http://",
            "http://a b",
        ] {
            assert_eq!(
                proxies(&[("ALL_PROXY", value)]),
                Proxies::default(),
                "{value}"
            );
        }
        let all = proxies(&[("all_proxy", "10.0.0.1:8080"), ("no_proxy", "*")]);
        assert!(all.http.is_some() && all.https.is_some());
        assert!(all.of(&"https://ghcr.io/".parse().unwrap()).is_none());
    }
}
