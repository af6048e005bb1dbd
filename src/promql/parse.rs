//! What a query says.

use regex::{Regex, RegexBuilder};

use super::{
    QueryError,
    functions::Function,
    lexer::{Token, tokens},
    value::Labels,
};

/// How deep expressions stand in each other.
const DEEPEST: usize = 40;
/// Bytes that a pattern may become.
const PATTERN: usize = 64 << 10;

/// A query.
#[derive(Debug)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// The newest sample of each series.
    Select(Selector),
    /// The samples of each series over so many milliseconds.
    Range(Selector, i64),
    /// A function.
    Call(Function, Vec<Expr>),
    /// Many series made one.
    Aggregate {
        /// How.
        how: Aggregation,
        /// Which become one.
        grouping: Grouping,
        /// What some take beside.
        parameter: Option<Box<Expr>>,
        /// Of what.
        of: Box<Expr>,
    },
    /// Two, computed with each other.
    Binary {
        /// How.
        operator: &'static str,
        /// Whether a comparison is 0 or 1 in place of leaving out what does not hold.
        is_bool: bool,
        /// Which belong together.
        matching: Grouping,
        /// The left one.
        left: Box<Expr>,
        /// The right one.
        right: Box<Expr>,
    },
    /// The same with the other sign.
    Negate(Box<Expr>),
}

/// How many become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The least of them.
    Min,
    /// The largest of them.
    Max,
    /// How many they are.
    Count,
    /// The largest ones.
    Topk,
    /// The least ones.
    Bottomk,
    /// A quantile of them.
    Quantile,
}

/// By which labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grouping {
    /// By these alone.
    By(Vec<String>),
    /// By all but these.
    Without(Vec<String>),
}

/// Which series are meant.
#[derive(Debug)]
pub struct Selector {
    /// What their labels have to be; the name is the label `__name__`.
    pub matchers: Vec<Matcher>,
    /// So many milliseconds earlier.
    pub offset_ms: i64,
}

/// What one label has to be.
#[derive(Debug)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// What it is compared with.
    pub value: String,
    /// The pattern, where it is compared with one.
    pub pattern: Option<Regex>,
    /// Whether it must not be so.
    pub negated: bool,
}

impl Matcher {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.label).map_or("", String::as_str);
        let same = match &self.pattern {
            Some(pattern) => pattern.is_match(value),
            None => value == self.value,
        };
        same != self.negated
    }
}

impl Selector {
    /// Whether a series with these labels is meant.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

impl Expr {
    /// Every selector in it.
    #[must_use]
    pub fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Select(selector) | Self::Range(selector, _) => vec![selector],
            Self::Call(_, arguments) => arguments.iter().flat_map(Self::selectors).collect(),
            Self::Aggregate { of, parameter, .. } => {
                let parameter = parameter.iter().flat_map(|found| found.selectors());
                of.selectors().into_iter().chain(parameter).collect()
            }
            Self::Binary { left, right, .. } => {
                let right = right.selectors();
                left.selectors().into_iter().chain(right).collect()
            }
            Self::Negate(of) => of.selectors(),
        }
    }

    /// Whether it is samples over a time, which only functions take.
    pub(super) const fn is_range(&self) -> bool {
        matches!(self, Self::Range(..))
    }
}

/// What `text` says.
///
/// # Errors
/// Where it says nothing that is understood.
pub fn parse(text: &str) -> Result<Expr, QueryError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let expr = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.wrong("unexpected text after the query")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, QueryError>;

/// How tightly an operator binds; those that bind more tightly have a larger number.
fn strength(operator: &str) -> Option<u8> {
    Some(match operator {
        "or" => 1,
        "and" | "unless" => 2,
        "==" | "!=" | ">" | "<" | ">=" | "<=" => 3,
        "+" | "-" => 4,
        "*" | "/" | "%" => 5,
        "^" => 7,
        _ => return None,
    })
}

/// That of a sign.
const SIGN: u8 = 6;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn wrong(&self, what: &str) -> QueryError {
        let at = self.tokens[self.at.min(self.tokens.len() - 1)].0;
        QueryError::Parse {
            at,
            what: what.to_owned(),
        }
    }

    fn takes(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(found) if *found == mark);
        self.at += usize::from(found);
        found
    }

    fn needs(&mut self, mark: &str) -> Parsed<()> {
        if self.takes(mark) {
            return Ok(());
        }
        Err(self.wrong(&format!("expected {mark:?}")))
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(found) if found == word);
        self.at += usize::from(found);
        found
    }

    /// The operator that stands here.
    fn operator(&self) -> Option<&'static str> {
        match self.peek() {
            Token::Mark(mark) => strength(mark).map(|_| *mark),
            Token::Word(word) => {
                let words = ["or", "and", "unless"];
                words.into_iter().find(|known| known == word)
            }
            _ => None,
        }
    }

    /// An expression of operators that bind more tightly than `least`.
    fn expression(&mut self, least: u8) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("too many expressions in each other"));
        }
        let mut left = if self.takes("-") {
            Expr::Negate(Box::new(self.expression(SIGN)?))
        } else if self.takes("+") {
            self.expression(SIGN)?
        } else {
            self.operand()?
        };
        while let Some(operator) = self.operator() {
            let strength = strength(operator).unwrap_or_default();
            if strength <= least {
                break;
            }
            self.at += 1;
            let is_bool = self.takes_word("bool");
            if is_bool && strength != 3 {
                return Err(self.wrong("bool is for comparisons"));
            }
            let matching = self.matching()?;
            // Powers are computed from the right.
            let right = self.expression(strength - u8::from(operator == "^"))?;
            if left.is_range() || right.is_range() {
                return Err(self.wrong("operators take no range vectors"));
            }
            left = Expr::Binary {
                operator,
                is_bool,
                matching,
                left: Box::new(left),
                right: Box::new(right),
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn matching(&mut self) -> Parsed<Grouping> {
        let matching = if self.takes_word("on") {
            Grouping::By(self.names()?)
        } else if self.takes_word("ignoring") {
            Grouping::Without(self.names()?)
        } else {
            Grouping::Without(Vec::new())
        };
        if self.takes_word("group_left") || self.takes_word("group_right") {
            return Err(self.wrong("many-to-one matching is not supported"));
        }
        Ok(matching)
    }

    /// Names in parentheses.
    fn names(&mut self) -> Parsed<Vec<String>> {
        self.needs("(")?;
        let mut names = Vec::new();
        while !self.takes(")") {
            let Token::Word(name) = self.next() else {
                return Err(self.wrong("expected a label"));
            };
            names.push(name);
            if !self.takes(",") {
                self.needs(")")?;
                break;
            }
        }
        Ok(names)
    }

    fn operand(&mut self) -> Parsed<Expr> {
        match self.next() {
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Mark("(") => {
                let inside = self.expression(0)?;
                self.needs(")")?;
                Ok(inside)
            }
            Token::Mark("{") => {
                self.at -= 1;
                self.selector(None)
            }
            Token::Word(word) => self.word(word),
            _ => {
                self.at -= 1;
                Err(self.wrong("expected an expression"))
            }
        }
    }

    fn word(&mut self, word: String) -> Parsed<Expr> {
        match word.to_ascii_lowercase().as_str() {
            "inf" => return Ok(Expr::Number(f64::INFINITY)),
            "nan" => return Ok(Expr::Number(f64::NAN)),
            _ => {}
        }
        let how = match word.as_str() {
            "sum" => Some(Aggregation::Sum),
            "avg" => Some(Aggregation::Avg),
            "min" => Some(Aggregation::Min),
            "max" => Some(Aggregation::Max),
            "count" => Some(Aggregation::Count),
            "topk" => Some(Aggregation::Topk),
            "bottomk" => Some(Aggregation::Bottomk),
            "quantile" => Some(Aggregation::Quantile),
            _ => None,
        };
        let grouped = matches!(self.peek(), Token::Word(word) if word == "by" || word == "without");
        let called = matches!(self.peek(), Token::Mark("("));
        match how {
            Some(how) if grouped || called => self.aggregate(how),
            _ if called => {
                let function = Function::named(&word);
                let function = function.ok_or_else(|| {
                    self.at -= 1;
                    self.wrong(&format!("unknown function {word:?}"))
                })?;
                let arguments = self.arguments()?;
                function
                    .check(&arguments)
                    .map_err(|what| self.wrong(&what))?;
                Ok(Expr::Call(function, arguments))
            }
            _ => self.selector(Some(word)),
        }
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        if self.takes_word("by") {
            return Ok(Some(Grouping::By(self.names()?)));
        }
        if self.takes_word("without") {
            return Ok(Some(Grouping::Without(self.names()?)));
        }
        Ok(None)
    }

    fn aggregate(&mut self, how: Aggregation) -> Parsed<Expr> {
        let before = self.grouping()?;
        let mut arguments = self.arguments()?;
        let after = self.grouping()?;
        let of = arguments.pop();
        let parameter = arguments.pop().map(Box::new);
        let takes = matches!(
            how,
            Aggregation::Topk | Aggregation::Bottomk | Aggregation::Quantile
        );
        match of {
            Some(of) if takes == parameter.is_some() && arguments.is_empty() && !of.is_range() => {
                Ok(Expr::Aggregate {
                    how,
                    grouping: before.or(after).unwrap_or(Grouping::By(Vec::new())),
                    parameter,
                    of: Box::new(of),
                })
            }
            _ => Err(self.wrong("wrong arguments of an aggregation")),
        }
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.needs("(")?;
        let mut arguments = Vec::new();
        while !self.takes(")") {
            arguments.push(self.expression(0)?);
            if !self.takes(",") {
                self.needs(")")?;
                break;
            }
        }
        Ok(arguments)
    }

    fn selector(&mut self, name: Option<String>) -> Parsed<Expr> {
        let mut matchers = Vec::new();
        matchers.extend(name.map(|value| Matcher {
            label: "__name__".to_owned(),
            value,
            pattern: None,
            negated: false,
        }));
        if self.takes("{") {
            while !self.takes("}") {
                matchers.push(self.matcher()?);
                if !self.takes(",") {
                    self.needs("}")?;
                    break;
                }
            }
        }
        let mut range_ms = None;
        if self.takes("[") {
            let Token::Span(span) = self.next() else {
                return Err(self.wrong("expected a duration"));
            };
            if span == 0 {
                return Err(self.wrong("duration must be greater than 0"));
            }
            self.needs("]")?;
            range_ms = Some(span);
        }
        let mut offset_ms = 0;
        if self.takes_word("offset") {
            let sign = if self.takes("-") { -1 } else { 1 };
            let Token::Span(span) = self.next() else {
                return Err(self.wrong("expected a duration"));
            };
            offset_ms = sign * span;
        }
        let selector = Selector {
            matchers,
            offset_ms,
        };
        Ok(match range_ms {
            Some(range_ms) => Expr::Range(selector, range_ms),
            None => Expr::Select(selector),
        })
    }

    fn matcher(&mut self) -> Parsed<Matcher> {
        let (Token::Word(label), Token::Mark(mark), Token::Text(value)) =
            (self.next(), self.next(), self.next())
        else {
            return Err(self.wrong("expected a label, =, !=, =~ or !~, and a text in quotes"));
        };
        let (is_pattern, negated) = match mark {
            "=" => (false, false),
            "!=" => (false, true),
            "=~" => (true, false),
            "!~" => (true, true),
            _ => return Err(self.wrong("expected =, !=, =~ or !~")),
        };
        let pattern = is_pattern.then(|| {
            let whole = format!("^(?:{value})$");
            RegexBuilder::new(&whole).size_limit(PATTERN).build()
        });
        let pattern = pattern.transpose();
        Ok(Matcher {
            label,
            value,
            pattern: pattern.map_err(|_| self.wrong("bad regular expression"))?,
            negated,
        })
    }
}
