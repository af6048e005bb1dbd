//! What is computed with.

use std::collections::BTreeMap;

use super::parse::Grouping;

/// What tells series apart.
pub type Labels = BTreeMap<String, String>;

/// The label that is a series' name.
pub(super) const NAME: &str = "__name__";

/// Samples of one thing, by time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is of.
    pub labels: Labels,
    /// Milliseconds since the Unix epoch, and the value then.
    pub samples: Vec<(i64, f64)>,
}

/// One value of each series.
pub(super) type Vector = Vec<(Labels, f64)>;

/// What an expression comes to at one time.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Vector(Vector),
}

impl Grouping {
    /// What is left of `labels`.
    pub(super) fn of(&self, labels: &Labels) -> Labels {
        let kept = |name: &String| match self {
            Self::By(names) => names.contains(name),
            Self::Without(names) => name != NAME && !names.contains(name),
        };
        let kept = labels.iter().filter(|(name, _)| kept(name));
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// The labels without the name: what was computed is not what it was computed from.
pub(super) fn nameless(mut labels: Labels) -> Labels {
    labels.remove(NAME);
    labels
}

/// The `wanted` part of values, with what lies between two computed in proportion.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions in lists of some thousands, which are not negative"
)]
pub(super) fn quantile(wanted: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || wanted.is_nan() {
        return f64::NAN;
    }
    if wanted < 0.0 {
        return f64::NEG_INFINITY;
    }
    if wanted > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(f64::total_cmp);
    let place = wanted * (values.len() - 1) as f64;
    let below = place.floor();
    let above = (below as usize + 1).min(values.len() - 1);
    let part = place - below;
    values[below as usize] * (1.0 - part) + values[above] * part
}
