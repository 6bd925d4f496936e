//! A progress bar on a terminal, and nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const KNOWN_LENGTH: &str =
    "{bar:30} {bytes}/{total_bytes}  {msg}  {binary_bytes_per_sec}  {elapsed} gone, {eta} left";
const UNKNOWN_LENGTH: &str = "{spinner} {bytes}  {msg}  {binary_bytes_per_sec}  {elapsed} gone";

/// Lines are counted in steps, so that counting costs nothing.
const STEP_LINES: u64 = 1 << 12;

pub(crate) struct Progress {
    bar: ProgressBar,
    shown: bool,
}

impl Progress {
    /// Of an input of so many bytes, if that is known.
    pub(crate) fn new(total_bytes: Option<u64>) -> Self {
        let shown = std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total_bytes, target);
        let template = if total_bytes.is_some() { KNOWN_LENGTH } else { UNKNOWN_LENGTH };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, shown }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_shown(&self) -> bool {
        self.shown
    }

    #[inline]
    pub(crate) fn update(&self, lines: u64, bytes: u64) {
        if self.shown && lines.is_multiple_of(STEP_LINES) {
            let seconds = self.bar.elapsed().as_secs_f64().max(0.001);
            self.bar.set_message(format!("{lines} lines, {:.0}/s", lines as f64 / seconds));
            self.bar.set_position(bytes);
        }
    }

    /// Of something that is not counted in lines.
    pub(crate) fn set(&self, bytes: u64, total_bytes: u64) {
        self.bar.set_length(total_bytes.max(bytes));
        self.bar.set_position(bytes);
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
