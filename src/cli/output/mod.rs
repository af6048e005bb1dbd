//! The only place that writes to the terminal: results on standard output, everything else
//! on standard error; colours where the reader wants them.

mod table;

pub(super) use table::Table;

use std::{
    cell::{Cell, RefCell},
    fmt,
    io::{self, IsTerminal as _, Write},
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::{args::Format, failure::Failure};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();

/// `text` in `style`; what stands at the end takes the style out where colour is not wanted.
pub(super) fn paint(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Where a verb writes.
pub(super) struct Output {
    format: Format,
    out: RefCell<Box<dyn Write>>,
    err: RefCell<Box<dyn Write>>,
    live: bool,
    closed: Cell<bool>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// The terminal or whatever stands in its place. `NO_COLOR`, `CLICOLOR`,
    /// `CLICOLOR_FORCE` and pipes are respected.
    pub(super) fn standard(format: Format) -> Self {
        Self {
            format,
            out: RefCell::new(Box::new(anstream::stdout())),
            err: RefCell::new(Box::new(anstream::stderr())),
            live: io::stderr().is_terminal(),
            closed: Cell::new(false),
        }
    }

    /// Writers of the caller's, without colour.
    #[cfg(test)]
    pub(super) fn into(format: Format, out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self {
            format,
            out: RefCell::new(Box::new(anstream::StripStream::new(out))),
            err: RefCell::new(Box::new(anstream::StripStream::new(err))),
            live: false,
            closed: Cell::new(false),
        }
    }

    /// Whether nobody reads the results any more.
    pub(super) fn closed(&self) -> bool {
        self.closed.get()
    }

    pub(super) fn json(&self) -> bool {
        self.format == Format::Json
    }

    fn put(&self, text: &str) {
        let mut out = self.out.borrow_mut();
        if out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            self.closed.set(true);
        }
    }

    /// A line of the result.
    pub(super) fn line(&self, text: impl fmt::Display) {
        self.put(&format!("{text}\n"));
    }

    /// What is going on; not part of the result.
    pub(super) fn note(&self, text: impl fmt::Display) {
        // Nobody is left to be told where standard error is closed.
        let _ = writeln!(self.err.borrow_mut(), "{text}");
    }

    /// What went well and was perhaps not meant so.
    pub(super) fn warning(&self, text: impl fmt::Display) {
        self.note(format!("{} {text}", paint(WARN, "warning:")));
    }

    /// The result: as JSON where that was asked for, else in the words of `text`.
    pub(super) fn result<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json() {
            let json = serde_json::to_string_pretty(value);
            self.line(
                json.unwrap_or_else(|error| format!("{{\"error\": {:?}}}", error.to_string())),
            );
        } else {
            self.put(&text(value));
        }
    }

    /// One line of an endless result, as JSON on a line of its own where that was asked for.
    pub(super) fn entry<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json() {
            self.line(serde_json::to_string(value).unwrap_or_default());
        } else {
            self.line(text(value));
        }
    }

    /// Tells a failure and what to do about it.
    pub(super) fn failure(&self, failure: &Failure) {
        let (message, hint) = (failure.message(), failure.hint());
        if self.json() {
            let code = failure.number();
            self.note(serde_json::json!({"error": message, "hint": hint, "exit_code": code}));
            return;
        }
        self.note(format!("{} {message}", paint(BAD, "error:")));
        if let Some(hint) = hint {
            self.note(format!("{} {hint}", paint(GOOD, "hint:")));
        }
    }

    /// Something that counts bytes on one line of the terminal, and nothing elsewhere.
    pub(super) fn meter(&self, label: &str) -> impl FnMut(u64, u64) + Send + 'static + use<> {
        let (live, label) = (self.live && !self.json(), label.to_owned());
        let mut last: Option<Instant> = None;
        move |done, total| {
            let due = last.is_none_or(|last| last.elapsed() >= REDRAW);
            if !live || (!due && done < total) {
                return;
            }
            last = Some(Instant::now());
            let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
            let (done_text, total_text) = (bytes(done), bytes(total));
            let end = if done < total { "" } else { "\n" };
            let mut err = anstream::stderr();
            let _ = write!(
                err,
                "\r{label} {done_text} of {total_text} ({percent} %) {end}"
            );
            let _ = err.flush();
        }
    }
}

/// Ten times a second looks smooth and costs nothing.
const REDRAW: Duration = Duration::from_millis(100);

/// `count` bytes as people read them.
pub(super) fn bytes(count: u64) -> String {
    let units = [(1u64 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    for (size, unit) in units {
        if count >= size {
            let tenths = count.saturating_mul(10) / size;
            return match tenths % 10 {
                0 => format!("{}{unit}", tenths / 10),
                rest => format!("{}.{rest}{unit}", tenths / 10),
            };
        }
    }
    format!("{count}B")
}

/// `seconds` as people read them: the two largest units.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(bytes(512), "512B");
        assert_eq!(bytes(1536), "1.5K");
        assert_eq!(bytes(64 << 20), "64M");
        assert_eq!(duration(59), "59s");
        assert_eq!(duration(3 * 3600 + 61), "3h 1m");
        assert_eq!(duration(90_000), "1d 1h");
    }
}
