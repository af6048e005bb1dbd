//! Computing a query.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    QueryError,
    functions::Function,
    parse::{Aggregation, Expr, Grouping, Selector},
    value::{Labels, Series, Value, Vector, nameless, quantile},
};

/// How old the newest sample of a series may be.
const LOOKBACK_MS: i64 = 300_000;
/// Times of one query.
const MOST_STEPS: i64 = 11_000;
/// Samples that one query may touch, each as often as it does.
const MOST_WORK: usize = 20_000_000;

/// What a query comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A number.
    Scalar(f64),
    /// A value of each series.
    Vector(Vec<(Labels, f64)>),
    /// Samples of each series.
    Matrix(Vec<Series>),
}

type Computed<T> = Result<T, QueryError>;

fn refuse<T>(what: &str) -> Computed<T> {
    Err(QueryError::Execution(what.to_owned()))
}

impl Expr {
    /// What it comes to at one time.
    ///
    /// # Errors
    /// Where it cannot be computed, or is too much work.
    pub fn at(&self, series: &[Series], at_ms: i64) -> Computed<Answer> {
        let work = Cell::new(0);
        let moment = Moment {
            series,
            at_ms,
            work: &work,
        };
        if let Self::Range(selector, range_ms) = self {
            let found = moment.over(selector, *range_ms)?;
            let found = found.into_iter().map(|(series, samples, _)| Series {
                labels: series.labels.clone(),
                samples: samples.to_vec(),
            });
            return Ok(Answer::Matrix(found.collect()));
        }
        Ok(match moment.value(self)? {
            Value::Scalar(number) => Answer::Scalar(number),
            Value::Vector(vector) => Answer::Vector(vector),
        })
    }

    /// What it comes to from `from_ms` to `to_ms`, every `step_ms`.
    ///
    /// # Errors
    /// As [`Expr::at`], and for too many times.
    pub fn over(
        &self,
        series: &[Series],
        (from_ms, to_ms): (i64, i64),
        step_ms: i64,
    ) -> Computed<Answer> {
        if step_ms <= 0 {
            return refuse("zero or negative query resolution step widths are not accepted");
        }
        if to_ms < from_ms {
            return refuse("end timestamp must not be before start time");
        }
        if to_ms.saturating_sub(from_ms) / step_ms > MOST_STEPS {
            return refuse("exceeded maximum resolution of 11,000 points per timeseries");
        }
        if self.is_range() {
            return refuse("a range query takes no range vector");
        }
        let work = Cell::new(0);
        let mut found: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
        let mut at_ms = from_ms;
        while at_ms <= to_ms {
            let moment = Moment {
                series,
                at_ms,
                work: &work,
            };
            let vector = match moment.value(self)? {
                Value::Scalar(number) => vec![(Labels::new(), number)],
                Value::Vector(vector) => vector,
            };
            moment.work(vector.len())?;
            for (labels, value) in vector {
                found.entry(labels).or_default().push((at_ms, value));
            }
            at_ms += step_ms;
        }
        let found = found.into_iter();
        Ok(Answer::Matrix(
            found
                .map(|(labels, samples)| Series { labels, samples })
                .collect(),
        ))
    }
}

/// One time at which a query is computed.
struct Moment<'a> {
    series: &'a [Series],
    at_ms: i64,
    work: &'a Cell<usize>,
}

/// A series, its samples in a time, and that time.
type Window<'a> = (&'a Series, &'a [(i64, f64)], (i64, i64));

impl<'a> Moment<'a> {
    fn work(&self, count: usize) -> Computed<()> {
        self.work.set(self.work.get() + count + 1);
        if self.work.get() > MOST_WORK {
            return refuse("query processing would load too many samples into memory");
        }
        Ok(())
    }

    fn value(&self, expr: &Expr) -> Computed<Value> {
        Ok(match expr {
            Expr::Number(number) => Value::Scalar(*number),
            Expr::Select(selector) => {
                let found = self.over(selector, LOOKBACK_MS)?;
                let newest = found.into_iter().filter_map(|(series, samples, _)| {
                    let (_, value) = samples.last()?;
                    Some((series.labels.clone(), *value))
                });
                Value::Vector(newest.collect())
            }
            Expr::Range(..) => return refuse("a range vector stands where none may"),
            Expr::Call(function, arguments) => self.call(*function, arguments)?,
            Expr::Aggregate {
                how,
                grouping,
                parameter,
                of,
            } => {
                let parameter = match parameter {
                    Some(parameter) => self.scalar(parameter)?,
                    None => 0.0,
                };
                Value::Vector(aggregate(*how, grouping, parameter, self.vector(of)?))
            }
            Expr::Binary {
                operator,
                is_bool,
                matching,
                left,
                right,
            } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                let sides = match (&left, &right) {
                    (Value::Vector(left), Value::Vector(right)) => left.len() + right.len(),
                    _ => 0,
                };
                self.work(sides)?;
                binary(operator, *is_bool, matching, left, right)?
            }
            Expr::Negate(of) => match self.value(of)? {
                Value::Scalar(number) => Value::Scalar(-number),
                Value::Vector(vector) => Value::Vector(each(vector, |value| -value)),
            },
        })
    }

    fn scalar(&self, expr: &Expr) -> Computed<f64> {
        match self.value(expr)? {
            Value::Scalar(number) => Ok(number),
            Value::Vector(_) => refuse("a vector stands where a scalar has to"),
        }
    }

    fn vector(&self, expr: &Expr) -> Computed<Vector> {
        match self.value(expr)? {
            Value::Vector(vector) => Ok(vector),
            Value::Scalar(_) => refuse("a scalar stands where a vector has to"),
        }
    }

    /// The samples of each series that is meant, of the last so many milliseconds.
    fn over(&self, selector: &Selector, range_ms: i64) -> Computed<Vec<Window<'a>>> {
        let to_ms = self.at_ms.saturating_sub(selector.offset_ms);
        let from_ms = to_ms.saturating_sub(range_ms);
        let mut found = Vec::new();
        for series in self.series {
            self.work(selector.matchers.len())?;
            if !selector.matches(&series.labels) {
                continue;
            }
            let first = series.samples.partition_point(|(at, _)| *at <= from_ms);
            let end = series.samples.partition_point(|(at, _)| *at <= to_ms);
            if first < end {
                self.work(end - first)?;
                found.push((series, &series.samples[first..end], (from_ms, to_ms)));
            }
        }
        Ok(found)
    }

    #[expect(clippy::cast_precision_loss, reason = "times of this age")]
    fn call(&self, function: Function, arguments: &[Expr]) -> Computed<Value> {
        let seconds = self.at_ms as f64 / 1000.0;
        let value = match (function, arguments) {
            (Function::Time, _) => Value::Scalar(seconds),
            (Function::Vector, [of]) => Value::Vector(vec![(Labels::new(), self.scalar(of)?)]),
            (Function::Scalar, [of]) => Value::Scalar(match self.vector(of)?.as_slice() {
                [(_, value)] => *value,
                _ => f64::NAN,
            }),
            (Function::Absent, [of]) => Value::Vector(if self.vector(of)?.is_empty() {
                vec![(Labels::new(), 1.0)]
            } else {
                Vec::new()
            }),
            (Function::Timestamp, [Expr::Select(selector)]) => {
                let found = self.over(selector, LOOKBACK_MS)?.into_iter();
                let newest = found.filter_map(|(series, samples, _)| {
                    let (at_ms, _) = samples.last()?;
                    Some((nameless(series.labels.clone()), *at_ms as f64 / 1000.0))
                });
                Value::Vector(newest.collect())
            }
            (Function::Timestamp, [of]) => Value::Vector(each(self.vector(of)?, |_| seconds)),
            (Function::Sort | Function::SortDesc, [of]) => {
                let mut vector = self.vector(of)?;
                vector.sort_by(|(_, one), (_, two)| one.total_cmp(two));
                if function == Function::SortDesc {
                    vector.reverse();
                }
                Value::Vector(vector)
            }
            (_, [Expr::Range(selector, range_ms)]) => {
                Value::Vector(self.ranged(function, selector, *range_ms, 0.0)?)
            }
            (_, [parameter, Expr::Range(selector, range_ms)]) => {
                let parameter = self.scalar(parameter)?;
                Value::Vector(self.ranged(function, selector, *range_ms, parameter)?)
            }
            (_, [of, rest @ ..]) => {
                let parameter = match rest {
                    [parameter, ..] => self.scalar(parameter)?,
                    [] => 0.0,
                };
                let vector = self.vector(of)?;
                Value::Vector(each(vector, |value| function.of_one(value, parameter)))
            }
            (_, []) => return refuse("a function has no arguments"),
        };
        Ok(value)
    }

    fn ranged(
        &self,
        function: Function,
        selector: &Selector,
        range_ms: i64,
        parameter: f64,
    ) -> Computed<Vector> {
        let found = self.over(selector, range_ms)?.into_iter();
        let computed = found.filter_map(|(series, samples, span)| {
            let value = function.of_range(samples, span, parameter)?;
            let labels = series.labels.clone();
            // The last sample is one of the series itself.
            let is_own = function == Function::LastOverTime;
            Some((if is_own { labels } else { nameless(labels) }, value))
        });
        Ok(computed.collect())
    }
}

fn each(vector: Vector, compute: impl Fn(f64) -> f64) -> Vector {
    let vector = vector.into_iter();
    vector
        .map(|(labels, value)| (nameless(labels), compute(value)))
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of some thousands; a wish for fewer than none is for none"
)]
fn aggregate(how: Aggregation, grouping: &Grouping, parameter: f64, vector: Vector) -> Vector {
    let mut groups: BTreeMap<Labels, Vector> = BTreeMap::new();
    for (labels, value) in vector {
        groups
            .entry(grouping.of(&labels))
            .or_default()
            .push((labels, value));
    }
    let mut found = Vec::new();
    for (labels, mut members) in groups {
        let values = || members.iter().map(|(_, value)| *value);
        let value = match how {
            Aggregation::Sum => values().sum(),
            Aggregation::Avg => values().sum::<f64>() / members.len() as f64,
            Aggregation::Min => values().fold(f64::NAN, f64::min),
            Aggregation::Max => values().fold(f64::NAN, f64::max),
            Aggregation::Count => members.len() as f64,
            Aggregation::Quantile => quantile(parameter, values().collect()),
            Aggregation::Topk | Aggregation::Bottomk => {
                members.sort_by(|(_, one), (_, two)| one.total_cmp(two));
                if how == Aggregation::Topk {
                    members.reverse();
                }
                members.truncate(parameter.max(0.0) as usize);
                found.extend(members);
                continue;
            }
        };
        found.push((labels, value));
    }
    found
}

fn binary(
    operator: &str,
    is_bool: bool,
    matching: &Grouping,
    left: Value,
    right: Value,
) -> Computed<Value> {
    let compares = matches!(operator, "==" | "!=" | ">" | "<" | ">=" | "<=");
    // What does not hold is 0, or left out.
    let shown = |computed: f64, value: f64| match (compares, is_bool) {
        (true, false) => (computed != 0.0).then_some(value),
        _ => Some(computed),
    };
    let named = |labels: Labels| {
        if compares && !is_bool {
            labels
        } else {
            nameless(labels)
        }
    };
    Ok(match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            if compares && !is_bool {
                return refuse("comparisons between scalars must use the bool modifier");
            }
            Value::Scalar(compute(operator, left, right)?)
        }
        (Value::Vector(left), Value::Vector(right)) => Value::Vector(joined(
            operator,
            matching,
            left,
            right,
            shown,
            compares && !is_bool,
        )?),
        (Value::Vector(vector), Value::Scalar(number)) => {
            let mut found = Vec::new();
            for (labels, value) in vector {
                let computed = compute(operator, value, number)?;
                found.extend(shown(computed, value).map(|value| (named(labels), value)));
            }
            Value::Vector(found)
        }
        (Value::Scalar(number), Value::Vector(vector)) => {
            let mut found = Vec::new();
            for (labels, value) in vector {
                let computed = compute(operator, number, value)?;
                found.extend(shown(computed, value).map(|value| (named(labels), value)));
            }
            Value::Vector(found)
        }
    })
}

/// Two vectors, computed by pairs of what belongs together.
fn joined(
    operator: &str,
    matching: &Grouping,
    left: Vector,
    right: Vector,
    shown: impl Fn(f64, f64) -> Option<f64>,
    filters: bool,
) -> Computed<Vector> {
    let keys = |vector: &Vector| -> BTreeSet<Labels> {
        vector
            .iter()
            .map(|(labels, _)| matching.of(labels))
            .collect()
    };
    match operator {
        "and" | "unless" => {
            let there = keys(&right);
            let wanted = operator == "and";
            let left = left.into_iter();
            return Ok(left
                .filter(|(labels, _)| there.contains(&matching.of(labels)) == wanted)
                .collect());
        }
        "or" => {
            let there = keys(&left);
            let right = right.into_iter();
            let more = right.filter(|(labels, _)| !there.contains(&matching.of(labels)));
            return Ok(left.into_iter().chain(more).collect());
        }
        _ => {}
    }
    let mut by_key = BTreeMap::new();
    for (labels, value) in right {
        if by_key.insert(matching.of(&labels), value).is_some() {
            return refuse("many-to-many matching not allowed: matching labels must be unique");
        }
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (labels, value) in left {
        let key = matching.of(&labels);
        let Some(other) = by_key.get(&key) else {
            continue;
        };
        if !seen.insert(key.clone()) {
            return refuse("many-to-many matching not allowed: matching labels must be unique");
        }
        let computed = compute(operator, value, *other)?;
        if let Some(value) = shown(computed, value) {
            let whole = filters && matches!(matching, Grouping::Without(_));
            found.push((if whole { labels } else { key }, value));
        }
    }
    Ok(found)
}

fn compute(operator: &str, left: f64, right: f64) -> Computed<f64> {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    #[expect(clippy::float_cmp, reason = "it is what is asked for")]
    let same = left == right;
    Ok(match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left / right,
        "%" => left % right,
        "^" => left.powf(right),
        "==" => truth(same),
        "!=" => truth(!same),
        ">" => truth(left > right),
        "<" => truth(left < right),
        ">=" => truth(left >= right),
        "<=" => truth(left <= right),
        _ => return refuse("set operators take vectors"),
    })
}
