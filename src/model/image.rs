//! Images: the root file system of an app, made elsewhere.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

/// What makes a text not the name of a layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the SHA-256 of a layer")]
pub struct InvalidLayer(pub String);

/// One layer of an image by what it is unpacked from: the SHA-256 of its uncompressed archive, in
/// hexadecimal. Names a folder, so it can be nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LayerId(String);

impl LayerId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LayerId {
    type Err = InvalidLayer;

    fn from_str(text: &str) -> Result<Self, InvalidLayer> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 64 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidLayer(text.chars().take(100).collect()))
        }
    }
}

impl<'de> Deserialize<'de> for LayerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image as it was pulled: from then on it is this one, whatever its tag moves to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What was asked for, such as `registry.example.kr/shop:1.2`.
    pub reference: String,
    /// The digest of its manifest, with `sha256:` before it.
    pub digest: String,
    /// The layers of its root, the lowest first.
    pub layers: Vec<LayerId>,
}

/// How an image says that it is to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The command's beginning.
    pub entrypoint: Vec<String>,
    /// The rest of the command.
    pub cmd: Vec<String>,
    /// The folder that it runs in.
    pub workdir: String,
    /// The user as the image names it; empty where it names none.
    pub user: String,
    /// That user's id inside.
    pub uid: u32,
    /// That user's group inside.
    pub gid: u32,
    /// More groups of that user.
    pub groups: Vec<u32>,
    /// That user's home.
    pub home: String,
    /// TCP ports that the image exposes, in order.
    pub ports: Vec<u16>,
    /// The signal that asks it to stop, where it is not SIGTERM.
    pub stop_signal: Option<i32>,
}

impl Launch {
    /// The command that runs where the user wants no other one.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.cmd).cloned().collect()
    }
}

/// Who is asking a registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// The user's name at the registry.
    pub username: String,
    /// The password, or a token in its place.
    pub password: String,
}

// The password is nobody's to read.
impl fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryLogin")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Where the image of a package is to be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSource {
    /// What was asked for.
    pub reference: String,
    /// Who asks; none for anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<RegistryLogin>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_names_a_folder_and_nothing_else() {
        let check = |text: &str, good: bool| {
            assert_eq!(text.parse::<LayerId>().is_ok(), good, "{text}");
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(serde_json::from_str::<LayerId>(&json).is_ok(), good);
        };
        check(&"0a".repeat(32), true);
        check(&"0A".repeat(32), false);
        check(&"a".repeat(63), false);
        check(&format!("../{}", "a".repeat(61)), false);
        check("", false);
    }

    #[test]
    fn a_password_is_not_shown() {
        let login = RegistryLogin {
            username: "me".to_owned(),
            password: "secret".to_owned(),
        };
        let source = ImageSource {
            reference: "shop".to_owned(),
            login: Some(login),
        };
        let shown = format!("{source:?}");
        assert!(shown.contains("me") && !shown.contains("secret"), "{shown}");
    }
}
