//! Campaigns that are tests of the engine, run longer than CI runs them.

use std::process::{Command, Stdio};

use crate::outcome::{Outcome, failure};

/// The root of the workspace.
pub(crate) const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Which tests of the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A file or folder of `tests/`.
    Suite(&'a str),
    /// Those beside the code, built for the exploration of schedules.
    Explorations,
}

impl<'a> Target<'a> {
    fn arguments(self) -> Vec<&'a str> {
        match self {
            Self::Suite(name) => vec!["--test", name],
            Self::Explorations => vec!["--lib", "--features", "exploration"],
        }
    }
}

/// A test target of the engine, and what makes it long.
#[derive(Debug, Clone)]
pub(crate) struct Campaign<'a> {
    pub(crate) target: Target<'a>,
    /// Only tests whose names contain this.
    pub(crate) filter: Option<&'a str>,
    pub(crate) environment: Vec<(&'a str, String)>,
    /// What the lines with figures begin with.
    pub(crate) figures: &'a [&'a str],
}

impl Campaign<'_> {
    /// Runs the tests and shows their figures.
    pub(crate) fn run(&self) -> Outcome<String> {
        let mut command = Command::new("cargo");
        command.current_dir(WORKSPACE).args(["test", "--quiet", "-p", "hestiastore"]);
        command.args(self.target.arguments()).arg("--").args(self.filter).arg("--nocapture");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            eprintln!("{text}");
            let target = self.target.arguments().join(" ");
            return failure(format!("cargo test {target} failed ({})", output.status));
        }
        let mut figures: Vec<&str> = text.lines().filter_map(|line| self.figures_in(line)).collect();
        figures.sort_unstable();
        figures.iter().for_each(|line| println!("  {line}"));
        let cases: u64 = figures.iter().filter_map(|line| cases_in(line)).sum();
        let cases = if cases > 0 { format!("{cases} cases, ") } else { String::new() };
        Ok(format!("{cases}{} tests", passed(&text)))
    }

    /// The line from the figures' name on: dots of the test harness may stand before it.
    fn figures_in<'t>(&self, line: &'t str) -> Option<&'t str> {
        self.figures.iter().find_map(|name| line.get(line.find(name)?..))
    }
}

/// Of `.. 12 cases ..` the 12.
fn cases_in(line: &str) -> Option<u64> {
    let words: Vec<&str> = line.split([' ', ',']).collect();
    let pair = words.windows(2).find(|pair| pair.ends_with(&["cases"]))?;
    pair.first()?.parse().ok()
}

/// How many tests passed, from the summaries.
fn passed(text: &str) -> u64 {
    let summaries = text.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    summaries.filter_map(|line| line.split(' ').next()?.parse::<u64>().ok()).sum()
}
