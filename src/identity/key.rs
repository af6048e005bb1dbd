//! The key that signs tokens: RSA with 2,048 bits, since RS256 is what UAA's clients expect.

use std::{fmt, fs, io, path::Path};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::IdentityError;
use crate::stdx::private_file;

const ALGORITHM: Algorithm = Algorithm::RS256;

/// What others verify our tokens with.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// The key's name in token headers.
    pub id: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
    /// The key as SubjectPublicKeyInfo in PEM.
    pub pem: String,
}

/// Signs and verifies.
pub(super) struct SigningKey {
    header: Header,
    encoding: EncodingKey,
    decoding: DecodingKey,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.public.id)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The key in the file at `path`; a new one is put there if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, IdentityError> {
        match fs::read_to_string(path) {
            Ok(text) => from_pem(&text).ok_or_else(|| IdentityError::BadKey {
                path: path.to_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = new_pem()?;
                private_file::write(path, pem.as_bytes()).map_err(|source| IdentityError::Io {
                    what: "write",
                    path: path.to_owned(),
                    source,
                })?;
                from_pem(&pem).ok_or(IdentityError::Generate)
            }
            Err(source) => Err(IdentityError::Io {
                what: "read",
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// A key that is kept nowhere.
    pub(super) fn generate() -> Result<Self, IdentityError> {
        from_pem(&new_pem()?).ok_or(IdentityError::Generate)
    }

    /// The public half.
    pub(super) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A signed token with these claims.
    pub(super) fn sign<T: Serialize>(
        &self,
        claims: &T,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&self.header, claims, &self.encoding)
    }

    /// The claims of any token that we signed for `audience`, be it expired. Only our own
    /// algorithm passes: neither `none` nor one that takes the public key for a secret.
    pub(super) fn read<T: DeserializeOwned + Clone>(
        &self,
        token: &str,
        audience: &str,
    ) -> Option<T> {
        let mut validation = Validation::new(ALGORITHM);
        // Times are compared with the caller's clock, by the caller.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.set_audience(&[audience]);
        jsonwebtoken::decode::<T>(token, &self.decoding, &validation)
            .ok()
            .map(|data| data.claims)
    }
}

pub(super) fn new_pem() -> Result<String, IdentityError> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| IdentityError::Generate)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| IdentityError::Generate)?;
    Ok(pem("PRIVATE KEY", der.as_ref()))
}

pub(super) fn from_pem(text: &str) -> Option<SigningKey> {
    let body: String = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let pair = KeyPair::from_pkcs8(&STANDARD.decode(body).ok()?).ok()?;
    let public = pair.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    let (n, e) = (
        n.big_endian_without_leading_zero(),
        e.big_endian_without_leading_zero(),
    );
    let der: PublicKeyX509Der<'_> = public.as_der().ok()?;
    let digest = Sha256::digest(der.as_ref());
    let public = PublicKey {
        // A name for the key, not a check of it: 96 bits are plenty.
        id: URL_SAFE_NO_PAD.encode(&digest[..12]),
        n: URL_SAFE_NO_PAD.encode(n),
        e: URL_SAFE_NO_PAD.encode(e),
        pem: pem("PUBLIC KEY", der.as_ref()),
    };
    let mut header = Header::new(ALGORITHM);
    header.kid = Some(public.id.clone());
    Some(SigningKey {
        header,
        encoding: EncodingKey::from_rsa_pem(text.as_bytes()).ok()?,
        decoding: DecodingKey::from_rsa_raw_components(n, e),
        public,
    })
}

/// RFC 7468: base64 in lines of 64 between two labelled lines.
fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
