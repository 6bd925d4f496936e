//! Campaigns that are tests of the engine, run longer than CI runs them.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::outcome::{Outcome, failure};

/// A test target of the engine, and what makes it long.
#[derive(Debug, Clone)]
pub(crate) struct Campaign<'a> {
    pub(crate) target: &'a str,
    /// Only tests whose names contain this.
    pub(crate) filter: Option<&'a str>,
    pub(crate) environment: Vec<(&'a str, String)>,
}

impl Campaign<'_> {
    /// Runs the tests; lines that begin with the target's name and a colon are figures, and are shown.
    pub(crate) fn run(&self) -> Outcome<String> {
        let start = Instant::now();
        let mut command = Command::new("cargo");
        command.args(["test", "--quiet", "-p", "hestiastore", "--test", self.target, "--"]);
        command.args(self.filter).arg("--nocapture");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            eprintln!("{text}");
            return failure(format!("cargo test --test {} failed ({})", self.target, output.status));
        }
        let prefix = format!("{}: ", self.target);
        let mut figures: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(&prefix)).collect();
        figures.sort_unstable();
        figures.iter().for_each(|line| println!("  {line}"));
        let cases: u64 = figures.iter().filter_map(|line| line.split(' ').next()?.parse::<u64>().ok()).sum();
        let cases = if cases > 0 { format!("{cases} cases, ") } else { String::new() };
        Ok(format!("{cases}{} tests, {} s", passed(&text), start.elapsed().as_secs()))
    }
}

/// How many tests passed, from the summaries.
fn passed(text: &str) -> u64 {
    let summaries = text.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    summaries.filter_map(|line| line.split(' ').next()?.parse::<u64>().ok()).sum()
}
