//! The functions.

use super::{parse::Expr, value::quantile};

/// What a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Instant,
    Range,
}

macro_rules! functions {
    ($($variant:ident $name:literal [$($kind:ident)*];)*) => {
        /// A function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Function {
            $($variant,)*
        }

        /// Each with its name and what it takes.
        const ALL: &[(&str, Function, &[Kind])] =
            &[$(($name, Function::$variant, &[$(Kind::$kind),*]),)*];
    };
}

functions! {
    Abs "abs" [Instant];
    Ceil "ceil" [Instant];
    Floor "floor" [Instant];
    Round "round" [Instant];
    Exp "exp" [Instant];
    Ln "ln" [Instant];
    Log2 "log2" [Instant];
    Log10 "log10" [Instant];
    Sqrt "sqrt" [Instant];
    ClampMin "clamp_min" [Instant Scalar];
    ClampMax "clamp_max" [Instant Scalar];
    Sort "sort" [Instant];
    SortDesc "sort_desc" [Instant];
    Timestamp "timestamp" [Instant];
    Absent "absent" [Instant];
    Scalar "scalar" [Instant];
    Vector "vector" [Scalar];
    Time "time" [];
    Rate "rate" [Range];
    Irate "irate" [Range];
    Increase "increase" [Range];
    Delta "delta" [Range];
    Idelta "idelta" [Range];
    Changes "changes" [Range];
    Resets "resets" [Range];
    AvgOverTime "avg_over_time" [Range];
    MinOverTime "min_over_time" [Range];
    MaxOverTime "max_over_time" [Range];
    SumOverTime "sum_over_time" [Range];
    CountOverTime "count_over_time" [Range];
    LastOverTime "last_over_time" [Range];
    QuantileOverTime "quantile_over_time" [Scalar Range];
}

/// What an expression is.
fn kind(expr: &Expr) -> Kind {
    match expr {
        Expr::Number(_) => Kind::Scalar,
        Expr::Select(_) | Expr::Aggregate { .. } => Kind::Instant,
        Expr::Range(..) => Kind::Range,
        Expr::Call(Function::Scalar | Function::Time, _) => Kind::Scalar,
        Expr::Call(..) => Kind::Instant,
        Expr::Binary { left, right, .. } => match (kind(left), kind(right)) {
            (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
            _ => Kind::Instant,
        },
        Expr::Negate(of) => kind(of),
    }
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = ALL.iter().find(|(known, ..)| *known == name);
        found.map(|(_, function, _)| *function)
    }

    /// Passes where it takes these.
    pub(super) fn check(self, arguments: &[Expr]) -> Result<(), String> {
        let found = ALL.iter().find(|(_, function, _)| *function == self);
        let (name, _, takes) = found.copied().unwrap_or(("", self, &[]));
        if arguments.len() != takes.len() {
            return Err(format!("{name} takes {} arguments", takes.len()));
        }
        for (argument, takes) in arguments.iter().zip(takes) {
            if kind(argument) != *takes {
                let what = match takes {
                    Kind::Scalar => "a scalar",
                    Kind::Instant => "an instant vector",
                    Kind::Range => "a range vector",
                };
                return Err(format!("{name} takes {what}"));
            }
        }
        Ok(())
    }

    /// What it makes of one value.
    pub(super) fn of_one(self, value: f64, parameter: f64) -> f64 {
        match self {
            Self::Abs => value.abs(),
            Self::Ceil => value.ceil(),
            Self::Floor => value.floor(),
            Self::Round => (value + 0.5).floor(),
            Self::Exp => value.exp(),
            Self::Ln => value.ln(),
            Self::Log2 => value.log2(),
            Self::Log10 => value.log10(),
            Self::Sqrt => value.sqrt(),
            Self::ClampMin => value.max(parameter),
            Self::ClampMax => value.min(parameter),
            _ => value,
        }
    }

    /// What it makes of the samples from `from_ms` to `to_ms`; none where they are too few.
    #[expect(clippy::cast_precision_loss, reason = "counts of some thousands")]
    pub(super) fn of_range(
        self,
        samples: &[(i64, f64)],
        (from_ms, to_ms): (i64, i64),
        parameter: f64,
    ) -> Option<f64> {
        let (_, last) = *samples.last()?;
        let values = || samples.iter().map(|(_, value)| *value);
        let pairs = || samples.windows(2).map(|pair| (pair[0].1, pair[1].1));
        let count = samples.len() as f64;
        Some(match self {
            Self::Rate | Self::Increase | Self::Delta => {
                let change = extrapolated(samples, (from_ms, to_ms), self != Self::Delta)?;
                if self == Self::Rate {
                    change / seconds(to_ms - from_ms)
                } else {
                    change
                }
            }
            Self::Irate | Self::Idelta => {
                let [(before_ms, before), (at_ms, at)] = *samples.last_chunk::<2>()?;
                let reset = self == Self::Irate && at < before;
                let change = if reset { at } else { at - before };
                let took = seconds(at_ms - before_ms);
                if self == Self::Idelta {
                    change
                } else if took > 0.0 {
                    change / took
                } else {
                    return None;
                }
            }
            Self::Changes => pairs().filter(|(one, two)| one != two).count() as f64,
            Self::Resets => pairs().filter(|(one, two)| two < one).count() as f64,
            Self::AvgOverTime => values().sum::<f64>() / count,
            Self::MinOverTime => values().fold(f64::NAN, f64::min),
            Self::MaxOverTime => values().fold(f64::NAN, f64::max),
            Self::SumOverTime => values().sum(),
            Self::CountOverTime => count,
            Self::QuantileOverTime => quantile(parameter, values().collect()),
            _ => last,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans of some days")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// By how much samples change over the whole of a time of which they cover a part, as Prometheus
/// estimates it: they go on to its ends where those are as near as samples are to each other, else
/// by half of that. A counter that falls began anew, and none was ever below zero.
#[expect(clippy::cast_precision_loss, reason = "counts of some thousands")]
fn extrapolated(
    samples: &[(i64, f64)],
    (from_ms, to_ms): (i64, i64),
    is_counter: bool,
) -> Option<f64> {
    let [(first_ms, first), .., (last_ms, last)] = *samples else {
        return None;
    };
    let mut change = last - first;
    if is_counter {
        let falls = samples.windows(2).filter(|pair| pair[1].1 < pair[0].1);
        change += falls.map(|pair| pair[0].1).sum::<f64>();
    }
    let sampled = seconds(last_ms - first_ms);
    if sampled <= 0.0 {
        return None;
    }
    let between = sampled / (samples.len() - 1) as f64;
    let mut before = seconds(first_ms - from_ms);
    let after = seconds(to_ms - last_ms);
    if is_counter && change > 0.0 && first >= 0.0 {
        before = before.min(sampled * (first / change));
    }
    let reach = |gap: f64| {
        if gap < between * 1.1 {
            gap
        } else {
            between / 2.0
        }
    };
    Some(change * (sampled + reach(before) + reach(after)) / sampled)
}
