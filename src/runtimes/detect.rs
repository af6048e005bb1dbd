//! Which runtime an app needs.

use super::{Catalog, Facts, Runtime};

/// Why no runtime was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// The app names a buildpack that is not known.
    #[error("there is no buildpack {name:?} here; there are {known}{hint}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
        /// A name that may have been meant, in words, or nothing.
        hint: String,
    },
    /// The package holds nothing at all.
    #[error("the package is empty: push from the app's folder, or name it with -p")]
    Empty,
    /// No runtime recognises the app.
    #[error(
        "no runtime recognises this app. {seen}. Expected one of: {wanted}. If the app lies in \
         a folder below, push that folder with -p; a Procfile or a start command (-c) runs \
         anything"
    )]
    Nothing {
        /// What is at the top of the package.
        seen: String,
        /// What would have been recognised.
        wanted: String,
    },
}

/// The runtimes that build an app: those of the buildpacks that were `requested`, in their
/// order, or the one that recognises it best. The last one says how the app is started.
///
/// # Errors
/// Words for the user.
pub fn detect<'a>(
    catalog: &'a Catalog,
    facts: Facts<'_>,
    requested: &[String],
) -> Result<Vec<&'a Runtime>, DetectError> {
    if !requested.is_empty() {
        return requested
            .iter()
            .map(|name| {
                catalog
                    .answering(name)
                    .ok_or_else(|| unknown(catalog, name))
            })
            .collect();
    }
    if facts.files.paths().is_empty() {
        return Err(DetectError::Empty);
    }
    catalog
        .iter()
        .flat_map(|runtime| runtime.detect.iter().map(move |rule| (rule, runtime)))
        .filter(|(rule, _)| rule.when.holds(facts).is_some())
        // Among equals the first by name, so that the choice is always the same.
        .reduce(|best, next| {
            if next.0.priority > best.0.priority {
                next
            } else {
                best
            }
        })
        .map(|(_, runtime)| vec![runtime])
        .ok_or_else(|| nothing(catalog, facts))
}

fn unknown(catalog: &Catalog, name: &str) -> DetectError {
    let known: Vec<&str> = catalog.iter().map(Runtime::buildpack).collect();
    // An address such as https://github.com/cloudfoundry/python-buildpack.git#v1.8
    let last = name.split('#').next().unwrap_or(name);
    let last = last
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(last);
    let meant = last.trim_end_matches(".git").replace('-', "_");
    let hint = catalog.answering(&meant).map_or_else(String::new, |found| {
        format!("; {} does the same as that address", found.buildpack())
    });
    DetectError::Unknown {
        name: name.to_owned(),
        known: known.join(", "),
        hint,
    }
}

/// How many names of files are told.
const TOLD: usize = 8;

fn nothing(catalog: &Catalog, facts: Facts<'_>) -> DetectError {
    let mut top: Vec<String> = Vec::new();
    for path in facts.files.paths() {
        let name = match path.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => path.clone(),
        };
        if top.last() != Some(&name) && !top.contains(&name) {
            top.push(name);
        }
    }
    let more = top.len().saturating_sub(TOLD);
    top.truncate(TOLD);
    let mut seen = format!("Found {}", top.join(", "));
    if more > 0 {
        seen.push_str(&format!(" and {more} more"));
    }
    let wanted: Vec<String> = catalog
        .iter()
        .filter_map(|runtime| {
            Some(format!(
                "{} ({})",
                runtime.recognised_by.as_deref()?,
                runtime.label
            ))
        })
        .collect();
    DetectError::Nothing {
        seen,
        wanted: wanted.join("; "),
    }
}
