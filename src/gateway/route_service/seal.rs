//! The signature by which a request is known that comes back from a route service.

use std::{fmt, fs, io, path::Path};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::{gateway::refusal::Refusal, model::RouteId, stdx::private_file};

/// Bytes of the key.
const KEY: usize = 32;

/// How long a route service has to send a request on (gorouter's `route_services_timeout`).
const LIFE_MS: u64 = 60_000;

/// Bytes of a time.
const TIME: usize = 8;

/// Makes and checks signatures: the time, encrypted and authenticated together with the route
/// (AES-256-GCM-SIV, RFC 8452), whose tag is compared in constant time.
pub struct Seal(RandomizedNonceKey);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use the key of route services in {}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no randomness, or the file holds no key.
    #[error("there is no key of route services; remove {} to have a new one made", path.display())]
    Key {
        /// The file.
        path: std::path::PathBuf,
    },
}

/// What goes with a request, as two headers.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) signature: HeaderValue,
    pub(super) metadata: HeaderValue,
}

/// The content of `X-CF-Proxy-Metadata`.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    nonce: String,
}

impl Seal {
    /// The key in the file at `path`, so that what is under way outlives a restart; a new one is
    /// put there if there is none. Blocks.
    ///
    /// # Errors
    /// Where the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let none = || KeyError::Key {
            path: path.to_owned(),
        };
        let key = match fs::read(path) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = vec![0; KEY];
                rand::fill(&mut key).map_err(|_| none())?;
                private_file::write(path, &key).map_err(failed)?;
                key
            }
            Err(error) => return Err(failed(error)),
        };
        Self::of(&key).ok_or_else(none)
    }

    /// One with this key of 32 bytes.
    pub(in crate::gateway) fn of(key: &[u8]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM_SIV, key)
            .ok()
            .map(Self)
    }

    /// What proves for a minute from `now_ms` on that a request for the route passed here.
    pub(super) fn seal(&self, route: RouteId, now_ms: u64) -> Option<Sealed> {
        let mut sealed = now_ms.to_be_bytes().to_vec();
        let about = Aad::from(route.uuid().into_bytes());
        let nonce = self.0.seal_in_place_append_tag(about, &mut sealed).ok()?;
        let metadata = Metadata {
            nonce: STANDARD.encode(nonce.as_ref()),
        };
        let metadata = serde_json::to_vec(&metadata).ok()?;
        Some(Sealed {
            signature: URL_SAFE.encode(sealed).try_into().ok()?,
            metadata: URL_SAFE.encode(metadata).try_into().ok()?,
        })
    }

    /// Passes where both headers are what [`Seal::seal`] made of the route within the last
    /// minute.
    pub(super) fn check(
        &self,
        route: RouteId,
        signature: &HeaderValue,
        metadata: Option<&HeaderValue>,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let at = metadata.and_then(|metadata| self.open_sealed(route, signature, metadata));
        let at = at.ok_or(Refusal::SignatureInvalid)?;
        if now_ms.abs_diff(at) > LIFE_MS {
            return Err(Refusal::SignatureExpired);
        }
        Ok(())
    }

    fn open_sealed(
        &self,
        route: RouteId,
        signature: &HeaderValue,
        metadata: &HeaderValue,
    ) -> Option<u64> {
        let metadata = URL_SAFE.decode(metadata.as_bytes()).ok()?;
        let metadata: Metadata = serde_json::from_slice(&metadata).ok()?;
        let nonce = STANDARD.decode(metadata.nonce).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let mut sealed = URL_SAFE.decode(signature.as_bytes()).ok()?;
        let about = Aad::from(route.uuid().into_bytes());
        let time = self.0.open_in_place(nonce, about, &mut sealed).ok()?;
        let time: [u8; TIME] = (&*time).try_into().ok()?;
        Some(u64::from_be_bytes(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    #[test]
    fn a_signature_holds_for_its_route_and_a_minute() {
        let seal = Seal::of(&[7; KEY]).unwrap();
        let (route, other) = (RouteId::random(), RouteId::random());
        let Sealed {
            signature,
            metadata,
        } = seal.seal(route, NOW).unwrap();
        let check = |seal: &Seal, route, signature: &HeaderValue, metadata, now| {
            seal.check(route, signature, metadata, now)
        };
        let whole = Some(&metadata);
        assert_eq!(check(&seal, route, &signature, whole, NOW + 59_000), Ok(()));
        assert_eq!(
            check(&seal, route, &signature, whole, NOW + 61_000),
            Err(Refusal::SignatureExpired)
        );
        let invalid = Err(Refusal::SignatureInvalid);
        assert_eq!(check(&seal, other, &signature, whole, NOW), invalid);
        assert_eq!(check(&seal, route, &signature, None, NOW), invalid);
        let stranger = Seal::of(&[8; KEY]).unwrap();
        assert_eq!(check(&stranger, route, &signature, whole, NOW), invalid);
        let again = seal.seal(route, NOW).unwrap();
        assert_ne!(again.signature, signature);
        assert_eq!(check(&seal, route, &again.signature, whole, NOW), invalid);
        for at in 0..signature.len() {
            let mut bent = signature.as_bytes().to_vec();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = HeaderValue::from_bytes(&bent).unwrap();
            assert!(check(&seal, route, &bent, whole, NOW).is_err(), "{at}");
        }
        for bad in ["", "!", "e30=", "bnVsbA=="] {
            let bad = HeaderValue::from_static(bad);
            assert_eq!(seal.check(route, &signature, Some(&bad), NOW), invalid);
            assert_eq!(seal.check(route, &bad, whole, NOW), invalid);
        }
    }

    #[test]
    fn a_key_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway/key");
        let first = Seal::open(&path).unwrap();
        let route = RouteId::random();
        let sealed = first.seal(route, NOW).unwrap();
        let second = Seal::open(&path).unwrap();
        let known = second.check(route, &sealed.signature, Some(&sealed.metadata), NOW);
        assert_eq!(known, Ok(()));
        fs::write(&path, "short").unwrap();
        let error = Seal::open(&path).unwrap_err().to_string();
        assert!(error.contains("remove"), "{error}");
    }
}
