//! Procfiles: a YAML map from process type to command.

use std::collections::BTreeMap;

use crate::model::ProcessType;

/// What is wrong with a Procfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcfileError {
    /// It is not a map of texts.
    #[error(
        "the Procfile is not a list of `type: command` lines, such as `web: python3 app.py`: {0}"
    )]
    Shape(String),
    /// A key is not a process type.
    #[error("the Procfile's {name:?} is not a process type: {reason}")]
    Type {
        /// The key.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A command is empty.
    #[error("the Procfile's {0} has no command behind the colon")]
    Empty(String),
}

/// The commands of a Procfile by process type.
///
/// # Errors
/// Words for the user.
pub fn read_procfile(text: &str) -> Result<BTreeMap<ProcessType, String>, ProcfileError> {
    let lines: BTreeMap<String, String> = match serde_saphyr::from_str(text) {
        Ok(lines) => lines,
        Err(error) => plain_lines(text).ok_or_else(|| {
            let reason = error.to_string();
            ProcfileError::Shape(reason.lines().next().unwrap_or_default().to_owned())
        })?,
    };
    if lines.is_empty() {
        return Err(ProcfileError::Shape("it is empty".to_owned()));
    }
    lines
        .into_iter()
        .map(|(name, command)| {
            let command = command.trim().to_owned();
            if command.is_empty() {
                return Err(ProcfileError::Empty(name));
            }
            match ProcessType::parse(name.clone()) {
                Ok(process) => Ok((process, command)),
                Err(error) => Err(ProcfileError::Type {
                    name,
                    reason: error.to_string(),
                }),
            }
        })
        .collect()
}

/// Many Procfiles are no YAML, for instance for a colon and a space in a command; read as
/// other platforms do, line by line.
fn plain_lines(text: &str) -> Option<BTreeMap<String, String>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, command) = line.split_once(':')?;
            Some((name.trim().to_owned(), command.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_types_and_commands() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let read = read_procfile(text).unwrap();
            let read: Vec<_> = read.iter().map(|(k, v)| (&**k, v.as_str())).collect();
            assert_eq!(read, expected);
        };
        check("web: ./serve", &[("web", "./serve")]);
        check(
            "# two\nweb: \"./serve --port $PORT\"\nworker: ./work\n",
            &[("web", "./serve --port $PORT"), ("worker", "./work")],
        );
        check("web: echo a: b\n", &[("web", "echo a: b")]);
        check("web: 'x'\r\n", &[("web", "x")]);
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |text: &str, expected: &str| {
            let error = read_procfile(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "empty");
        check("./serve", "not a list of `type: command` lines");
        check("web:", "no command");
        check("../web: x", "not a process type");
    }
}
