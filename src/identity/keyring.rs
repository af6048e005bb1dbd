//! The key that signs, and those that signed before it, whose tokens are still about.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Claims, IdentityError, PublicKey, claims,
    key::{self, SigningKey},
};
use crate::{model::Timestamp, stdx::private_file};

/// Keys that are remembered at most; an operator who changes them more often than that while
/// tokens last ends the oldest tokens.
const MOST: usize = 16;

/// What an old key's file is called after: the time since which it is old is the file's.
const OLD: &str = ".old.pem";

/// All keys, the one that signs first.
#[derive(Debug)]
pub(super) struct Keyring {
    /// Where they are kept; none for tests.
    dir: Option<PathBuf>,
    keys: RwLock<Vec<Arc<SigningKey>>>,
}

impl Keyring {
    /// The keys under `dir`, of which one is made if there is none. Old ones whose tokens have
    /// all ended, `life` after them, are removed.
    pub(super) fn open(dir: &Path, life: Duration) -> Result<Self, IdentityError> {
        let mut keys = vec![Arc::new(SigningKey::open(&current(dir))?)];
        let read = |what| {
            let path = dir.to_owned();
            move |source| IdentityError::Io { what, path, source }
        };
        let mut old: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(dir).map_err(read("read"))? {
            let entry = entry.map_err(read("read"))?;
            let name = entry.file_name();
            if !name.to_string_lossy().ends_with(OLD) {
                continue;
            }
            let since = entry.metadata().and_then(|file| file.modified());
            let since = since.map_err(read("read"))?;
            if since.elapsed().is_ok_and(|age| age > life) {
                fs::remove_file(entry.path()).map_err(read("remove a file of"))?;
            } else {
                old.push((since, entry.path()));
            }
        }
        old.sort();
        for (_, path) in old.into_iter().rev().take(MOST - 1) {
            keys.push(Arc::new(SigningKey::open(&path)?));
        }
        Ok(Self {
            dir: Some(dir.to_owned()),
            keys: RwLock::new(keys),
        })
    }

    /// A key that is kept nowhere.
    pub(super) fn ephemeral() -> Result<Self, IdentityError> {
        let key = SigningKey::generate()?;
        Ok(Self {
            dir: None,
            keys: RwLock::new(vec![Arc::new(key)]),
        })
    }

    fn all(&self) -> Vec<Arc<SigningKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// What others verify tokens with; first with the key that signs now.
    pub(super) fn public(&self) -> Vec<PublicKey> {
        self.all().iter().map(|key| key.public().clone()).collect()
    }

    /// A signed token with these claims.
    pub(super) fn sign<T: Serialize>(
        &self,
        claims: &T,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        match self.all().first() {
            Some(key) => key.sign(claims),
            None => Err(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat.into()),
        }
    }

    /// The claims of an access token that one of the keys signed and that has not expired.
    pub(super) fn access_claims(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let claims: Claims = self.read(token, claims::AUDIENCE)?;
        (claims.exp > now.seconds()).then_some(claims)
    }

    /// The claims of any token that one of the keys signed for `audience`, be it expired.
    pub(super) fn read<T: DeserializeOwned + Clone>(
        &self,
        token: &str,
        audience: &str,
    ) -> Option<T> {
        let named = jsonwebtoken::decode_header(token).ok()?.kid?;
        let keys = self.all();
        let key = keys.iter().find(|key| key.public().id == named)?;
        key.read(token, audience)
    }

    /// Signs with a new key from now on. Blocks.
    pub(super) fn rotate(&self) -> Result<(), IdentityError> {
        let pem = key::new_pem()?;
        let new = Arc::new(key::from_pem(&pem).ok_or(IdentityError::Generate)?);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = &self.dir {
            let failed = |what| {
                let path = dir.clone();
                move |source: io::Error| IdentityError::Io { what, path, source }
            };
            let now = current(dir);
            if let Some(old) = keys.first() {
                // A copy first: were the file moved, a crash in between would leave no key.
                let text = fs::read_to_string(&now).map_err(failed("read"))?;
                let kept = dir.join(format!("token-key-{}{OLD}", old.public().id));
                private_file::write(&kept, text.as_bytes()).map_err(failed("write"))?;
            }
            private_file::write(&now, pem.as_bytes()).map_err(failed("write"))?;
        }
        keys.insert(0, new);
        keys.truncate(MOST);
        Ok(())
    }
}

fn current(dir: &Path) -> PathBuf {
    dir.join("token-key.pem")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_keys_verify_what_they_signed_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let life = Duration::from_secs(3_600);
        let ring = Keyring::open(dir.path(), life).unwrap();
        let claims = serde_json::json!({ "aud": ["x"], "exp": 1, "n": 1 });
        let token = ring.sign(&claims).unwrap();
        ring.rotate().unwrap();
        let newer = ring.sign(&claims).unwrap();
        assert_ne!(token, newer);
        let again = Keyring::open(dir.path(), life).unwrap();
        for ring in [&ring, &again] {
            assert_eq!(ring.public().len(), 2);
            assert_ne!(ring.public()[0].id, ring.public()[1].id);
            for token in [&token, &newer] {
                assert!(ring.read::<serde_json::Value>(token, "x").is_some());
            }
        }
        // Once nothing that it signed can be valid, an old key goes.
        let old = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let old = old
            .into_iter()
            .find(|path| path.to_string_lossy().ends_with(OLD));
        let old = fs::File::options().write(true).open(old.unwrap()).unwrap();
        old.set_modified(SystemTime::now() - 2 * life).unwrap();
        let later = Keyring::open(dir.path(), life).unwrap();
        assert_eq!(later.public().len(), 1);
        assert!(later.read::<serde_json::Value>(&token, "x").is_none());
        assert!(later.read::<serde_json::Value>(&newer, "x").is_some());
    }
}
