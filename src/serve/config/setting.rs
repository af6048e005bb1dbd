//! How each type of value is read and shown.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

use crate::model::{DomainName, Megabytes, Username};

use super::{
    error::Place,
    given::{Given, Value},
    types::{HostPort, Listen, LogFormat, OriginUrl, Origins, Ports, Secrets, Threads},
};

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// The value, or what would be right.
    fn read(given: &Given) -> Result<Self, String>;

    /// The value as TOML, secrets hidden.
    fn show(&self) -> String;
}

fn kind(given: &Given) -> String {
    match &given.value {
        Value::Text(text) => format!("{text:?}"),
        Value::Integer(number) => number.clone(),
        Value::Boolean(value) => value.to_string(),
        Value::List(_) => "an array".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        Value::Tables(_) => "a table of tables".to_owned(),
        Value::Other(kind) => format!("a {kind}"),
    }
}

fn text<'a>(given: &'a Given, meant: &str) -> Result<&'a str, String> {
    match &given.value {
        Value::Text(text) => Ok(text),
        _ => Err(format!("must be {meant}, in quotes, not {}", kind(given))),
    }
}

/// A whole number; environment and flags have only texts, so there a text will do.
fn number<T: std::str::FromStr>(given: &Given, meant: &str) -> Result<T, String> {
    let digits = match (&given.value, &given.place) {
        (Value::Integer(digits), _) => Some(digits),
        (Value::Text(digits), Place::Environment(_) | Place::Flag(_)) => Some(digits),
        _ => None,
    };
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("must be {meant}, not {}", kind(given)))
}

impl Setting for DomainName {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(given, "a domain name")?.to_ascii_lowercase()).map_err(|e| e.to_string())
    }
    fn show(&self) -> String {
        format!("{:?}", self.as_str())
    }
}

impl Setting for Username {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(given, "a user name")?).map_err(|error| error.to_string())
    }
    fn show(&self) -> String {
        format!("{:?}", self.as_str())
    }
}

impl Setting for PathBuf {
    fn read(given: &Given) -> Result<Self, String> {
        let path = Self::from(text(given, "a path")?);
        if path.as_os_str().is_empty() {
            return Err("must be a path, not empty".to_owned());
        }
        match given.place {
            // A file can be read from any folder, so a relative path in it has no meaning.
            Place::File { .. } if !path.is_absolute() => {
                Err(format!("must be an absolute path, not {path:?}"))
            }
            _ => std::path::absolute(&path).map_err(|error| error.to_string()),
        }
    }
    fn show(&self) -> String {
        format!("{:?}", self.display().to_string())
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(given: &Given) -> Result<Self, String> {
        T::read(given).map(Some)
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, T::show)
    }
}

impl Setting for Listen {
    fn read(given: &Given) -> Result<Self, String> {
        const MEANT: &str = "an address and port such as \"127.0.0.1:8080\", or \"off\"";
        let text = text(given, MEANT)?;
        if text == "off" {
            return Ok(Self::Off);
        }
        let known_host = match text.rsplit_once(':') {
            Some(("", port)) => port.parse().ok().map(|p| (Ipv4Addr::UNSPECIFIED, p).into()),
            Some(("localhost", port)) => port.parse().ok().map(|p| (Ipv4Addr::LOCALHOST, p).into()),
            _ => None,
        };
        known_host
            .or_else(|| text.parse::<SocketAddr>().ok())
            .map(Self::On)
            .ok_or_else(|| format!("must be {MEANT}, not {text:?}"))
    }
    fn show(&self) -> String {
        self.address()
            .map_or_else(|| "\"off\"".to_owned(), |address| format!("\"{address}\""))
    }
}

impl Setting for Ports {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(
            given,
            "two ports such as \"61000-61099\", or \"off\"",
        )?)
    }
    fn show(&self) -> String {
        self.0.map_or_else(
            || "\"off\"".to_owned(),
            |ports| format!("\"{}-{}\"", ports.first, ports.last),
        )
    }
}

impl Setting for HostPort {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(given, "a host and port such as ssh.example.kr:2222")?)
    }
    fn show(&self) -> String {
        format!("{:?}", self.as_str())
    }
}

impl Setting for OriginUrl {
    fn read(given: &Given) -> Result<Self, String> {
        Self::parse(text(given, "an address such as https://paas.example.kr")?)
    }
    fn show(&self) -> String {
        format!("{:?}", self.as_str())
    }
}

impl Setting for Megabytes {
    fn read(given: &Given) -> Result<Self, String> {
        text(given, "a size such as \"512M\" or \"2G\"")?
            .parse()
            .map_err(|error: crate::model::InvalidSize| error.to_string())
    }
    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for Duration {
    fn read(given: &Given) -> Result<Self, String> {
        const MEANT: &str = "a time such as \"500ms\", \"30s\", \"15m\", \"12h\" or \"30d\"";
        let text = text(given, MEANT)?;
        let wrong = || format!("must be {MEANT}, not {text:?}");
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let ms = number.checked_mul(unit_ms).filter(|ms| *ms > 0);
        ms.map(Self::from_millis).ok_or_else(wrong)
    }
    fn show(&self) -> String {
        let ms = self.as_millis();
        let units = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
            (1, "ms"),
        ];
        let (size, unit) = units
            .into_iter()
            .find(|(size, _)| ms >= *size && ms.is_multiple_of(*size))
            .unwrap_or((1, "ms"));
        format!("\"{}{unit}\"", ms / size)
    }
}

macro_rules! numbers {
    ($($type:ty: $meant:literal),*) => {$(
        impl Setting for $type {
            fn read(given: &Given) -> Result<Self, String> {
                number(given, $meant)
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers! {
    std::num::NonZeroU32: "a whole number from 1",
    std::num::NonZeroU64: "a whole number from 1",
    NonZeroUsize: "a whole number from 1"
}

impl Setting for bool {
    fn read(given: &Given) -> Result<Self, String> {
        let word = match (&given.value, &given.place) {
            (Value::Boolean(value), _) => return Ok(*value),
            (Value::Text(word), Place::Environment(_) | Place::Flag(_)) => word.as_str(),
            _ => "",
        };
        match word {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("must be true or false, not {}", kind(given))),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Threads {
    fn read(given: &Given) -> Result<Self, String> {
        if matches!(&given.value, Value::Text(text) if text == "auto") {
            return Ok(Self::Auto);
        }
        number(given, "a whole number from 1, or \"auto\"").map(Self::Exactly)
    }
    fn show(&self) -> String {
        match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Exactly(number) => number.to_string(),
        }
    }
}

impl Setting for LogFormat {
    fn read(given: &Given) -> Result<Self, String> {
        match text(given, "\"text\" or \"json\"")? {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("must be \"text\" or \"json\", not {other:?}")),
        }
    }
    fn show(&self) -> String {
        match self {
            Self::Text => "\"text\"".to_owned(),
            Self::Json => "\"json\"".to_owned(),
        }
    }
}

impl Setting for String {
    fn read(given: &Given) -> Result<Self, String> {
        text(given, "a text").map(str::to_owned)
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Setting for Vec<String> {
    fn read(given: &Given) -> Result<Self, String> {
        match (&given.value, &given.place) {
            (Value::List(items), _) => Ok(items.clone()),
            (Value::Text(items), Place::Environment(_) | Place::Flag(_)) => {
                let items = items.split(',').map(str::trim);
                Ok(items
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect())
            }
            _ => Err(format!("must be an array of strings, not {}", kind(given))),
        }
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Setting for Secrets {
    fn read(given: &Given) -> Result<Self, String> {
        match &given.value {
            Value::Table(entries) => Ok(Self(entries.clone())),
            _ => Err("must be a table of strings in the configuration file".to_owned()),
        }
    }
    fn show(&self) -> String {
        let entries: Vec<String> = self
            .0
            .keys()
            .map(|key| format!("{key:?} = \"***\""))
            .collect();
        format!("{{ {} }}", entries.join(", "))
    }
}

impl Setting for Origins {
    fn read(given: &Given) -> Result<Self, String> {
        let Value::Table(entries) = &given.value else {
            return Err("must be a table of addresses in the configuration file".to_owned());
        };
        let read = |(name, text): (&String, &String)| {
            let origin = OriginUrl::parse(text).map_err(|wrong| format!("of {name:?}: {wrong}"))?;
            Ok((name.clone(), origin))
        };
        entries.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
    fn show(&self) -> String {
        let entries = self.0.iter();
        let entries: Vec<String> = entries
            .map(|(name, origin)| format!("{name:?} = {:?}", origin.as_str()))
            .collect();
        format!("{{ {} }}", entries.join(", "))
    }
}
