//! Addressing one instance by `X-Cf-App-Instance`.

use std::{fmt, str::FromStr};

use crate::model::AppId;

/// One instance of an app: `<app guid>:<index>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceAddress {
    /// The app.
    pub app: AppId,
    /// The slot's number.
    pub index: u32,
}

/// Why a request cannot go to the instance that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The header is not `<app guid>:<index>`.
    #[error("the instance address is not <app guid>:<index>")]
    Malformed,
    /// The route has no such instance that takes requests.
    #[error("the route has no instance {0}")]
    Unknown(InstanceAddress),
}

impl FromStr for InstanceAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (app, index) = text.trim().split_once(':').ok_or(AddressError::Malformed)?;
        if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::Malformed);
        }
        Ok(Self {
            app: app.parse().map_err(|_| AddressError::Malformed)?,
            index: index.parse().map_err(|_| AddressError::Malformed)?,
        })
    }
}

impl fmt::Display for InstanceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.app, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_guid_and_an_index() {
        let app = AppId::random();
        assert_eq!(
            format!("{app}:3").parse(),
            Ok(InstanceAddress { app, index: 3 })
        );
        for bad in [
            "",
            "3",
            &format!("{app}"),
            &format!("{app}:"),
            &format!("{app}:-1"),
            "x:1",
        ] {
            assert_eq!(
                bad.parse::<InstanceAddress>(),
                Err(AddressError::Malformed),
                "{bad}"
            );
        }
    }
}
