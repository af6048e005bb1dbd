use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::*;
use crate::{
    model::{KnownTo, Metadata, Profile, UserId, Username},
    store::StoreError,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOST: &str = "https://api.example.kr";

fn later(seconds: u64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() + seconds * 1000)
}

async fn with_user(name: &str, password: &str) -> (Identity, Store) {
    let store = Store::in_memory();
    let identity = Identity::ephemeral(store.clone()).unwrap();
    let hash = identity.hash(Password::entered(password)).await.unwrap();
    let user = User {
        id: UserId::random(),
        username: Username::parse(name).unwrap(),
        origin: "uaa".to_owned(),
        external_id: None,
        known_to: KnownTo::default(),
        password_hash: Some(hash),
        admin: false,
        profile: Profile::default(),
        metadata: Metadata::default(),
        created_at: NOW,
        updated_at: NOW,
    };
    store
        .commit(|tx| {
            tx.put(user);
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    (identity, store)
}

fn cli() -> Known {
    Known {
        name: CLI.to_owned(),
        record: None,
    }
}

async fn log_in(identity: &Identity, name: &str, password: &str) -> Result<Tokens, LoginError> {
    let login = Login {
        username: name,
        origin: None,
        password: Password::entered(password),
        client: std::net::Ipv4Addr::LOCALHOST.into(),
    };
    let client = cli();
    let start = Start::new(&client, "password", None);
    identity.log_in(login, start, HOST, NOW).await
}

#[tokio::test]
async fn a_login_gives_a_token_that_proves_the_user_until_it_expires() {
    let (identity, store) = with_user("ann", "correct horse").await;
    let tokens = log_in(&identity, "ANN", "correct horse").await.unwrap();
    let state = store.state();
    let user = identity.verify(&state, &tokens.access, NOW).unwrap();
    assert_eq!(&*user.username, "ann");
    assert!(
        identity
            .verify(&state, &tokens.access, later(3599))
            .is_some()
    );
    assert!(
        identity
            .verify(&state, &tokens.access, later(3600))
            .is_none()
    );
    let next = identity
        .refresh(&tokens.refresh, &cli(), HOST, later(86_400))
        .await
        .unwrap();
    assert_eq!(next.refresh, tokens.refresh);
    assert!(
        identity
            .verify(&state, &next.access, later(86_401))
            .is_some()
    );
    assert!(
        identity
            .refresh(&tokens.refresh, &cli(), HOST, later(31 * 86_400))
            .await
            .is_err()
    );
    assert!(
        identity
            .refresh(&tokens.access, &cli(), HOST, NOW)
            .await
            .is_err()
    );
    assert!(identity.verify(&state, &tokens.refresh, NOW).is_none());
    let stored = format!("{:?}", state.tokens);
    assert!(!stored.contains(&tokens.refresh));
}

#[tokio::test]
async fn forged_tokens_prove_nothing() {
    let (identity, store) = with_user("ann", "correct horse").await;
    let tokens = log_in(&identity, "ann", "correct horse").await.unwrap();
    let state = store.state();
    let refused = |token: &str| assert!(identity.verify(&state, token, NOW).is_none(), "{token}");

    let mut bad = tokens.access.clone();
    let last = if bad.pop() == Some('A') { 'Q' } else { 'A' };
    bad.push(last);
    refused(&bad);
    refused("");
    refused("a.b.c");

    // Another key of the same kind.
    let other = Identity::ephemeral(store.clone()).unwrap();
    refused(&other.shared.key.sign(&tokens.claims).unwrap());

    // The public key taken for a secret, and no signature at all.
    let public = identity.public_keys()[0].pem.clone();
    let secret = EncodingKey::from_secret(public.as_bytes());
    let header = Header::new(Algorithm::HS256);
    refused(&jsonwebtoken::encode(&header, &tokens.claims, &secret).unwrap());
    let mut parts = tokens.access.split('.');
    let (_, body) = (parts.next().unwrap(), parts.next().unwrap());
    // {"alg":"none","typ":"JWT"}
    refused(&format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."));

    // Signed by us, but for somebody else.
    let mut claims = tokens.claims.clone();
    claims.aud = vec!["elsewhere".to_owned()];
    refused(&identity.shared.key.sign(&claims).unwrap());
    // A session of another user.
    let mut claims = tokens.claims.clone();
    claims.user_id = Some(UserId::random());
    refused(&identity.shared.key.sign(&claims).unwrap());
}

#[tokio::test]
async fn logging_out_and_deletion_end_tokens_at_once() {
    let (identity, store) = with_user("ann", "correct horse").await;
    let first = log_in(&identity, "ann", "correct horse").await.unwrap();
    let second = log_in(&identity, "ann", "correct horse").await.unwrap();

    let jti = format!("{}-r", first.claims.sid);
    assert!(identity.revoke(&second.access, &jti, NOW).await.is_err());
    identity.revoke(&first.access, &jti, NOW).await.unwrap();
    let state = store.state();
    assert!(identity.verify(&state, &first.access, NOW).is_none());
    assert!(
        identity
            .refresh(&first.refresh, &cli(), HOST, NOW)
            .await
            .is_err()
    );
    // The CLI revokes the access token right after.
    identity
        .revoke(&first.access, &first.claims.jti, NOW)
        .await
        .unwrap();

    let user = identity.verify(&state, &second.access, NOW).unwrap();
    store
        .commit(|tx| {
            tx.delete(user.id);
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert!(
        identity
            .verify(&store.state(), &second.access, NOW)
            .is_none()
    );
    assert!(
        identity
            .refresh(&second.refresh, &cli(), HOST, NOW)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn repeated_wrong_passwords_lock_even_the_right_one_out() {
    let (identity, _) = with_user("ann", "correct horse").await;
    for name in ["ann", "nobody"] {
        for _ in 0..5 {
            let error = log_in(&identity, name, "wrong").await.unwrap_err();
            assert!(matches!(error, LoginError::BadCredentials), "{error}");
        }
        let error = log_in(&identity, name, "correct horse").await.unwrap_err();
        assert!(matches!(error, LoginError::Locked), "{error}");
    }
}

#[tokio::test]
async fn sessions_of_one_user_are_bounded() {
    let (identity, store) = with_user("ann", "correct horse").await;
    let user = store.state().user_by_name("ann", "uaa").unwrap().id;
    store
        .commit(|tx| {
            for n in 0..150 {
                tx.put(crate::model::RefreshToken {
                    id: crate::model::TokenId::random(),
                    user,
                    digest: String::new(),
                    client: None,
                    scope: None,
                    grant: None,
                    expires_at: later(n + 1),
                });
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    log_in(&identity, "ann", "correct horse").await.unwrap();
    assert_eq!(store.state().tokens_of(user).count(), 100);
}

#[test]
fn the_key_is_made_once_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        dir: dir.path().join("identity"),
        lifetimes: Lifetimes::DEFAULT,
        providers: Vec::new(),
    };
    let first = Identity::open(&config, Store::in_memory()).unwrap();
    let again = Identity::open(&config, Store::in_memory()).unwrap();
    assert_eq!(first.public_keys()[0].n, again.public_keys()[0].n);
    let file = config.dir.join("token-key.pem");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&file, "garbage").unwrap();
    let error = Identity::open(&config, Store::in_memory()).unwrap_err();
    assert!(error.to_string().contains("token-key.pem"), "{error}");
}

#[tokio::test]
async fn a_code_tells_whose_token_it_was_until_the_session_ends() {
    let (identity, _) = with_user("ann", "correct horse").await;
    let tokens = log_in(&identity, "ann", "correct horse").await.unwrap();
    let issue = || {
        identity
            .issue_code(&tokens.access, "ssh-proxy", NOW)
            .unwrap()
    };
    let code = issue();
    let user = identity.redeem_code(&code, "ssh-proxy", later(1)).unwrap();
    assert_eq!(&*user.username, "ann");
    assert!(identity.redeem_code(&code, "ssh-proxy", later(1)).is_none());
    assert!(identity.issue_code("a.b.c", "ssh-proxy", NOW).is_err());

    let here = ("cf:x/0", std::net::Ipv4Addr::LOCALHOST.into());
    let redeem = |code: &str| identity.redeem_code_of(code, "ssh-proxy", here, NOW);
    assert!(redeem(&issue()).is_ok());
    for _ in 0..5 {
        let error = redeem("wrong").unwrap_err();
        assert!(matches!(error, LoginError::BadCredentials), "{error}");
    }
    let error = redeem(&issue()).unwrap_err();
    assert!(matches!(error, LoginError::Locked), "{error}");

    let late = issue();
    let jti = &tokens.claims.jti;
    identity.revoke(&tokens.access, jti, NOW).await.unwrap();
    assert!(identity.redeem_code(&late, "ssh-proxy", NOW).is_none());
}
