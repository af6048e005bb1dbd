//! ID tokens: which one is believed (OpenID Connect Core 1.0, 3.1.3.7).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    errors::ErrorKind,
    jwk::{Jwk, PublicKeyUse},
};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::model::Timestamp;

/// Signatures that are taken: those with a key of which only the provider has the private half.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Seconds that clocks may differ.
const LEEWAY: u64 = 60;

/// What a token has to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// The sign-on that it is of; none where any will do.
    pub(super) nonce: Option<&'a str>,
    pub(super) now: Timestamp,
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is signed with a key that is not among those known; newer ones may be.
    UnknownKey,
    /// Anything else.
    Wrong(String),
}

fn wrong(why: &str) -> Flaw {
    Flaw::Wrong(why.to_owned())
}

/// The keys of a JWK set (RFC 7517, 5). Such as nobody here understands are left out.
pub(super) fn keys(set: &Value) -> Vec<Jwk> {
    let keys = set.get("keys").and_then(Value::as_array);
    let each = keys.into_iter().flatten();
    each.filter_map(|key| serde_json::from_value(key.clone()).ok())
        .filter(|key: &Jwk| key.common.public_key_use != Some(PublicKeyUse::Encryption))
        .collect()
}

/// Who says that `token` is theirs, which proves nothing yet.
pub(super) fn issuer(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.get("iss")?.as_str().map(ToOwned::to_owned)
}

/// What `token` says, where it is believed.
pub(super) fn read(
    token: &str,
    keys: &[Jwk],
    expected: Expected<'_>,
) -> Result<Map<String, Value>, Flaw> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| wrong("its token is not one"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Flaw::Wrong(format!(
            "its token is signed with {:?}, which cannot be verified with a public key",
            header.alg
        )));
    }
    let named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let candidates: Vec<_> = keys.iter().filter(named).collect();
    if candidates.is_empty() {
        return Err(Flaw::UnknownKey);
    }
    let mut validation = Validation::new(header.alg);
    // Times are compared with the caller's clock.
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.set_audience(&[expected.client_id]);
    validation.set_issuer(&[expected.issuer]);
    let mut flaw = Flaw::UnknownKey;
    for key in candidates {
        let Ok(key) = DecodingKey::from_jwk(key) else {
            continue;
        };
        match jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation) {
            Ok(data) => return check(data.claims, expected),
            Err(error) => flaw = told(error.kind()),
        }
    }
    Err(flaw)
}

fn told(kind: &ErrorKind) -> Flaw {
    match kind {
        ErrorKind::InvalidAudience => wrong("its token is for somebody else"),
        ErrorKind::InvalidIssuer => wrong("its token is of another issuer"),
        ErrorKind::MissingRequiredClaim(claim) => Flaw::Wrong(format!("its token lacks '{claim}'")),
        _ => wrong("its token is not signed with its key"),
    }
}

fn check(claims: Map<String, Value>, expected: Expected<'_>) -> Result<Map<String, Value>, Flaw> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let expires = claims.get("exp").and_then(Value::as_f64).unwrap_or(0.0);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let now = expected.now.seconds().saturating_sub(LEEWAY) as f64;
    if expires <= now {
        return Err(wrong("its token has expired"));
    }
    let nonce = text("nonce").unwrap_or_default();
    if let Some(expected) = expected.nonce
        && !bool::from(nonce.as_bytes().ct_eq(expected.as_bytes()))
    {
        return Err(wrong("its token is of another sign-on"));
    }
    let several = claims
        .get("aud")
        .and_then(Value::as_array)
        .is_some_and(|audiences| audiences.len() > 1);
    match text("azp") {
        Some(party) if party != expected.client_id => {
            Err(wrong("its token was issued to somebody else"))
        }
        None if several => Err(wrong("its token does not say whom it was issued to")),
        _ if text("sub").is_none_or(str::is_empty) => Err(wrong("its token names nobody")),
        _ => Ok(claims),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;
    use crate::identity::key;

    const NOW: u64 = 1_790_000_000;

    struct Signer {
        pem: String,
        keys: Vec<Jwk>,
    }

    impl Signer {
        fn new(kid: &str) -> Self {
            let pem = key::new_pem().unwrap();
            let key = key::from_pem(&pem).unwrap();
            let public = key.public();
            let set = json!({ "keys": [
                { "kty": "RSA", "use": "enc", "kid": kid, "n": public.n, "e": public.e },
                { "kty": "from the future" },
                { "kty": "RSA", "use": "sig", "kid": kid, "n": public.n, "e": public.e },
            ] });
            let keys = keys(&set);
            assert_eq!(keys.len(), 2);
            Self { pem, keys }
        }

        fn sign(&self, alg: Algorithm, kid: Option<&str>, claims: &Value) -> String {
            let mut header = Header::new(alg);
            header.kid = kid.map(ToOwned::to_owned);
            let key = EncodingKey::from_rsa_pem(self.pem.as_bytes()).unwrap();
            encode(&header, claims, &key).unwrap()
        }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": "pastina", "sub": "248289", "nonce": "n-0S6",
            "exp": NOW + 60, "preferred_username": "ann",
        })
    }

    fn read_it(token: &str, keys: &[Jwk]) -> Result<Map<String, Value>, Flaw> {
        let expected = Expected {
            issuer: "https://id.example",
            client_id: "pastina",
            nonce: Some("n-0S6"),
            now: Timestamp::from_millis(NOW * 1000),
        };
        read(token, keys, expected)
    }

    #[test]
    fn a_token_that_is_ours_is_believed_and_no_other() {
        let signer = Signer::new("k1");
        let verdict = |changes: Value| {
            let mut claims = claims();
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let token = signer.sign(Algorithm::RS256, Some("k1"), &claims);
            read_it(&token, &signer.keys).map(|claims| claims["sub"].clone())
        };
        assert_eq!(verdict(json!({})), Ok(json!("248289")));
        assert!(verdict(json!({ "aud": ["pastina"] })).is_ok());
        assert!(verdict(json!({ "aud": ["pastina", "other"], "azp": "pastina" })).is_ok());
        for (changes, why) in [
            (json!({ "aud": "other" }), "for somebody else"),
            (json!({ "iss": "https://evil.example" }), "another issuer"),
            (json!({ "exp": NOW - 61 }), "expired"),
            (json!({ "nonce": "other" }), "another sign-on"),
            (json!({ "nonce": null }), "another sign-on"),
            (json!({ "azp": "other" }), "issued to somebody else"),
            (
                json!({ "aud": ["pastina", "other"] }),
                "whom it was issued to",
            ),
            (json!({ "sub": "" }), "names nobody"),
        ] {
            match verdict(changes.clone()) {
                Err(Flaw::Wrong(told)) => assert!(told.contains(why), "{changes}: {told}"),
                other => panic!("{changes}: {other:?}"),
            }
        }
    }

    #[test]
    fn signatures_count_whatever_the_header_says() {
        let (signer, other) = (Signer::new("k1"), Signer::new("k1"));
        let token = other.sign(Algorithm::RS256, Some("k1"), &claims());
        assert!(matches!(read_it(&token, &signer.keys), Err(Flaw::Wrong(_))));
        let token = signer.sign(Algorithm::RS256, Some("k2"), &claims());
        assert_eq!(read_it(&token, &signer.keys), Err(Flaw::UnknownKey));
        // Without a name every key is tried.
        let token = signer.sign(Algorithm::PS384, None, &claims());
        assert!(read_it(&token, &signer.keys).is_ok());
        // The public key is no secret to sign with.
        let public = signer.pem.as_bytes();
        let header = Header::new(Algorithm::HS256);
        let token = encode(&header, &claims(), &EncodingKey::from_secret(public)).unwrap();
        assert!(matches!(read_it(&token, &signer.keys), Err(Flaw::Wrong(_))));
        for token in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
            assert!(matches!(read_it(token, &signer.keys), Err(Flaw::Wrong(_))));
        }
    }
}
