//! Name lookup without `getaddrinfo`, which a static executable cannot call: it loads NSS
//! modules of the very C library that the machine runs.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    vec,
};

use hickory_resolver::{
    TokioResolver,
    config::ResolverConfig,
    net::{NetError as DnsError, runtime::TokioRuntimeProvider},
};
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::is_public;

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The name servers gave no address.
    #[error("cannot find an address of {host}")]
    NotFound {
        /// The name.
        host: String,
        /// What the lookup said.
        source: Box<DnsError>,
    },
    /// It is none of the internet's, and nothing else was wanted.
    #[error("{host} is at {address}, which is not on the internet")]
    Private {
        /// The name.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// There is no address behind the name.
    #[error("{host} has no address")]
    Empty {
        /// The name.
        host: String,
    },
}

/// Finds the addresses of names; clones share one cache.
///
/// Addresses stand for themselves, `localhost` and everything under it is the loopback
/// (RFC 6761), then `/etc/hosts` and the name servers of `/etc/resolv.conf` are asked.
#[derive(Clone, Default)]
pub struct Lookup {
    resolver: Arc<OnceLock<TokioResolver>>,
    /// Whether names of this machine and of private networks are refused.
    public: bool,
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").finish_non_exhaustive()
    }
}

impl Lookup {
    /// One with the same cache that refuses what is not on the internet, whatever name it goes
    /// by: for addresses that somebody else chose.
    #[must_use]
    pub fn public_only(&self) -> Self {
        Self {
            resolver: Arc::clone(&self.resolver),
            public: true,
        }
    }

    /// One with the same cache that refuses nothing.
    pub(super) fn anywhere(&self) -> Self {
        Self {
            resolver: Arc::clone(&self.resolver),
            public: false,
        }
    }

    /// Passes where `host` is no address, or one that may be connected to.
    pub(super) fn check_address(&self, host: &str) -> Result<(), LookupError> {
        match bare(host).parse() {
            Ok(address) => self.check(host, &[address]),
            Err(_) => Ok(()),
        }
    }

    /// All must be on the internet: of two, somebody else's choice could be either.
    fn check(&self, host: &str, addresses: &[IpAddr]) -> Result<(), LookupError> {
        let private = addresses.iter().find(|address| !is_public(**address));
        match private.filter(|_| self.public) {
            Some(address) => Err(LookupError::Private {
                host: host.to_owned(),
                address: *address,
            }),
            None => Ok(()),
        }
    }

    /// The addresses of `host`, which may be a name or an address with or without brackets.
    ///
    /// # Errors
    /// [`LookupError`] where there is none.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let found = self.find(host).await?;
        self.check(host, &found)?;
        Ok(found)
    }

    async fn find(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Some(local) = local(host) {
            return Ok(local);
        }
        let failed = |source: DnsError| LookupError::NotFound {
            host: host.to_owned(),
            source: Box::new(source),
        };
        let found = self
            .resolver()
            .map_err(failed)?
            .lookup_ip(host)
            .await
            .map_err(failed)?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(LookupError::Empty {
                host: host.to_owned(),
            });
        }
        Ok(addresses)
    }

    fn resolver(&self) -> Result<&TokioResolver, DnsError> {
        if let Some(resolver) = self.resolver.get() {
            return Ok(resolver);
        }
        // Without a readable resolv.conf there is still /etc/hosts.
        let resolver = match TokioResolver::builder_tokio() {
            Ok(builder) => builder.build()?,
            Err(_) => TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(Vec::new()),
                TokioRuntimeProvider::default(),
            )
            .build()?,
        };
        Ok(self.resolver.get_or_init(|| resolver))
    }
}

/// A host without the brackets of an address.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

/// The addresses of what needs no lookup.
fn local(host: &str) -> Option<Vec<IpAddr>> {
    if let Ok(address) = bare(host).parse::<IpAddr>() {
        return Some(vec![address]);
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (name == "localhost" || name.ends_with(".localhost"))
        .then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

impl Service<Name> for Lookup {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = LookupError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let lookup = self.clone();
        Box::pin(async move {
            let addresses = lookup.addresses(name.as_str()).await?;
            // The connector puts in the port.
            let sockets: Vec<_> = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            Ok(sockets.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_and_addresses_need_no_server() {
        let check = |host: &str, expected: &str| {
            let found = local(host).map(|all| all[0].to_string());
            assert_eq!(found.as_deref().unwrap_or("-"), expected, "{host}");
        };
        check("localhost", "127.0.0.1");
        check("api.LOCALHOST", "127.0.0.1");
        check("api.localhost.", "127.0.0.1");
        check("192.0.2.7", "192.0.2.7");
        check("[::1]", "::1");
        check("::1", "::1");
        check("notlocalhost", "-");
        check("localhost.example.kr", "-");
    }
}
