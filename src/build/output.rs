//! Reads the output of a build's script: what is the user's to see, and where it stands.

use std::collections::VecDeque;

use super::script::MARK;
use crate::runtimes::{Mistake, plain};

/// Lines that a failure repeats.
const LAST: usize = 12;

/// Characters of a line that a failure repeats.
const WIDTH: usize = 300;

/// Where a build stands, by its output so far.
#[derive(Debug)]
pub(super) struct Output {
    nonce: String,
    /// The step that runs, by number.
    step: Option<usize>,
    /// The first command that failed in it.
    failed: Option<String>,
    last: VecDeque<String>,
    /// Whether the step has said that it found no room on a disk.
    no_room: bool,
    /// What may be wrong, the most telling first.
    mistakes: Vec<Mistake>,
    /// Which of them the step's output gave away, and in which words.
    mistake: Option<(usize, String)>,
}

/// How the kernel and tools put it, in lower case.
const NO_ROOM: [&str; 3] = ["no space left on device", "enospc", "disk quota exceeded"];

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The build's own words.
    Line,
    /// A step begins.
    Step(usize),
    /// A mark that says nothing to the user.
    Nothing,
}

impl Output {
    pub(super) fn new(nonce: &str, mistakes: Vec<Mistake>) -> Self {
        Self {
            nonce: nonce.to_owned(),
            step: None,
            failed: None,
            last: VecDeque::new(),
            no_room: false,
            mistakes,
            mistake: None,
        }
    }

    /// Where in the line a mark begins behind a tool's words, or its colours, that have no end of
    /// line.
    pub(super) fn mark_within(&self, line: &[u8]) -> Option<usize> {
        let begins = |at: &usize| self.mark(&line[*at..]).is_some();
        let marks = line.iter().enumerate().filter(|(_, byte)| **byte == MARK);
        marks.map(|(at, _)| at).find(begins).filter(|at| *at > 0)
    }

    /// Takes the next line.
    pub(super) fn take(&mut self, line: &[u8]) -> Shown {
        match self.mark(line) {
            Some(mark) => self.take_mark(&mark),
            None => {
                let text: String = String::from_utf8_lossy(line).chars().take(WIDTH).collect();
                let lower = text.to_ascii_lowercase();
                self.no_room |= NO_ROOM.iter().any(|words| lower.contains(words));
                let text = plain(&text);
                self.look_for_mistakes(&text);
                if !text.trim().is_empty() {
                    self.last.push_back(text.trim_end().to_owned());
                    if self.last.len() > LAST {
                        self.last.pop_front();
                    }
                }
                Shown::Line
            }
        }
    }

    fn look_for_mistakes(&mut self, line: &str) {
        let known = self
            .mistake
            .as_ref()
            .map_or(self.mistakes.len(), |found| found.0);
        let mut telling = self.mistakes[..known].iter().enumerate();
        let found = telling.find_map(|(at, mistake)| Some((at, mistake.told(line)?)));
        if found.is_some() {
            self.mistake = found;
        }
    }

    fn mark(&self, line: &[u8]) -> Option<String> {
        let text = line.strip_prefix(&[MARK])?;
        let text = text.strip_prefix(self.nonce.as_bytes())?;
        Some(String::from_utf8_lossy(text).trim().to_owned())
    }

    fn take_mark(&mut self, mark: &str) -> Shown {
        if let Some(number) = mark.strip_prefix("begin ") {
            let Ok(number) = number.parse() else {
                return Shown::Nothing;
            };
            self.step = Some(number);
            self.failed = None;
            self.no_room = false;
            self.mistake = None;
            self.last.clear();
            return Shown::Step(number);
        }
        // `fail STATUS COMMAND`. A shell within the step's shell tells first, and exactly.
        if let Some((_, command)) = mark
            .strip_prefix("fail ")
            .and_then(|rest| rest.split_once(' '))
            && self.failed.is_none()
        {
            self.failed = Some(command.chars().take(WIDTH).collect());
        }
        Shown::Nothing
    }

    /// The step that ran last.
    pub(super) const fn step(&self) -> Option<usize> {
        self.step
    }

    /// The command that failed.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Whether the step that ran last has said that it found no room on a disk.
    pub(super) const fn no_room(&self) -> bool {
        self.no_room
    }

    /// What is wrong, where the step's output gave it away.
    pub(super) fn mistake(&self) -> Option<&str> {
        self.mistake.as_ref().map(|(_, says)| says.as_str())
    }

    /// The last lines of the step.
    pub(super) fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_marks_from_words() {
        let mut output = Output::new("n1", Vec::new());
        let mut check = |line: &str, expected: Shown| {
            assert_eq!(output.take(line.as_bytes()), expected, "{line:?}");
        };
        check("\u{1e}n1 begin 0", Shown::Step(0));
        check("hello", Shown::Line);
        check("\u{1e}n2 begin 7", Shown::Line);
        check("\u{1e}n1 begin 1", Shown::Step(1));
        check("last words", Shown::Line);
        check("", Shown::Line);
        check("\u{1e}n1 fail 2 npm ci --omit=dev", Shown::Nothing);
        check("\u{1e}n1 fail 2 outer", Shown::Nothing);
        assert_eq!(output.step(), Some(1));
        assert_eq!(output.failed(), Some("npm ci --omit=dev"));
        assert_eq!(output.last().collect::<Vec<_>>(), ["last words"]);
    }

    #[test]
    fn a_mark_is_one_behind_words_without_an_end_of_line() {
        let mut output = Output::new("n1", Vec::new());
        assert_eq!(output.mark_within(b"\x1b[0m\x1en1 fail 1 mvn"), Some(4));
        assert_eq!(output.mark_within(b"\x1en1 fail 1 mvn"), None);
        assert_eq!(output.mark_within(b"\x1b[0m\x1en2 fail 1 mvn"), None);
        output.take(b"\x1b[1;31mred\x1b[0m");
        output.take(b"\x1b[0m\x1b[0m");
        assert_eq!(output.last().collect::<Vec<_>>(), ["red"]);
    }

    #[test]
    fn the_most_telling_mistake_of_the_step_counts() {
        let mistakes = [
            ("broken (?<what>.*)", "mend {{what}}"),
            ("error", "something is wrong"),
        ];
        let mistakes = mistakes.map(|(matches, says)| {
            toml::from_str(&format!("matches = '{matches}'\nsays = '{says}'")).unwrap()
        });
        let mut output = Output::new("n", mistakes.into());
        output.take(b"\x1en begin 0");
        output.take(b"an error");
        assert_eq!(output.mistake(), Some("something is wrong"));
        output.take(b"broken \x1b[1mwheel\x1b[0m");
        output.take(b"another error");
        assert_eq!(output.mistake(), Some("mend wheel"));
        output.take(b"\x1en begin 1");
        assert_eq!(output.mistake(), None);
    }

    #[test]
    fn keeps_the_last_lines_alone() {
        let mut output = Output::new("n", Vec::new());
        for number in 0..100 {
            output.take(format!("line {number}").as_bytes());
        }
        output.take(&vec![b'x'; 100_000]);
        let last: Vec<_> = output.last().collect();
        assert_eq!(last.len(), LAST);
        assert_eq!(last[0], "line 89");
        assert_eq!(last[LAST - 1].len(), WIDTH);
    }
}
