//! What the environment says about serving.

use std::time::Duration;

use super::component::WasmError;

/// How long a request may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Memory that is assumed where there is no limit.
const MEMORY: usize = 512 * 1024 * 1024;

/// Most requests that are worked on at once where nothing is said: beyond that they only
/// take each other's time.
const MOST_AT_ONCE: u32 = 64;

/// How the host serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// The port on every address.
    pub(super) port: u16,
    /// How long a request may take.
    pub(super) timeout: Duration,
    /// Bytes that one guest may have, and all together may grow by.
    pub(super) memory: usize,
    /// Requests that are worked on at once; more wait.
    pub(super) at_once: u32,
}

impl Settings {
    /// Reads `PORT`, `MEMORY_LIMIT`, `PASTINA_WASM_TIMEOUT` (seconds) and
    /// `PASTINA_WASM_CONCURRENCY` through `variable`.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, WasmError> {
        let number = |name: &str, meaning: &str| match variable(name) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<u32>() {
                Ok(number) if number > 0 => Ok(Some(number)),
                _ => Err(WasmError::Setting(format!(
                    "{name} is {text:?}, but it is {meaning}: a whole number above 0"
                ))),
            },
        };
        let port = number("PORT", "the port to serve on")?.unwrap_or(8080);
        let port = u16::try_from(port)
            .map_err(|_| WasmError::Setting(format!("PORT is {port}, but ports end at 65535")))?;
        let timeout = number(
            "PASTINA_WASM_TIMEOUT",
            "the seconds that a request may take",
        )?
        .map_or(TIMEOUT, |seconds| Duration::from_secs(seconds.into()));
        let limit = variable("MEMORY_LIMIT").and_then(|text| megabytes(&text));
        let limit = limit.map_or(MEMORY, |megabytes| megabytes.saturating_mul(1024 * 1024));
        // The rest is for the engine, the machine code and the bodies that pass through.
        let memory = limit / 4 * 3;
        let fitting = u32::try_from(limit / (4 * 1024 * 1024)).unwrap_or(MOST_AT_ONCE);
        let at_once = number("PASTINA_WASM_CONCURRENCY", "the requests worked on at once")?
            .unwrap_or_else(|| fitting.clamp(4, MOST_AT_ONCE))
            .min(1000);
        Ok(Self {
            port,
            timeout,
            memory,
            at_once,
        })
    }
}

/// The megabytes of a text such as `64m`.
fn megabytes(text: &str) -> Option<usize> {
    let digits = text.trim().trim_end_matches(['m', 'M']);
    digits.parse().ok().filter(|megabytes| *megabytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        Settings::read(variable).map_err(|error| error.to_string())
    }

    #[test]
    fn fit_the_memory_limit() {
        let settings = read(&[("PORT", "9000"), ("MEMORY_LIMIT", "64m")]).unwrap();
        assert_eq!(settings.port, 9000);
        assert_eq!(settings.memory, 48 << 20);
        assert_eq!(settings.at_once, 16);
        assert_eq!(settings.timeout, TIMEOUT);
    }

    #[test]
    fn nonsense_is_told() {
        let check = |variable: (&str, &str), expected: &str| {
            let error = read(&[variable]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check(("PORT", "http"), "PORT is \"http\"");
        check(("PORT", "70000"), "ports end at 65535");
        check(
            ("PASTINA_WASM_TIMEOUT", "0"),
            "seconds that a request may take",
        );
    }
}
