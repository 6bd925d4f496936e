//! Tables and plots of the results.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::engine::Res;
use crate::results::SuiteResults;
use crate::suites::{FULL, QUICK, Suite};

mod numbers;
mod plots;
mod tables;

/// Writes `README.md`, plots and `medians.jsonl` into a folder.
pub fn write(results: &Path, out: &Path) -> Res<()> {
    fs::create_dir_all(out)?;
    let mut page = String::from(INTRODUCTION);
    machine(&mut page)?;
    let mut medians = String::new();
    for suite in FULL.iter().chain(QUICK) {
        let folder = results.join(suite.name);
        if !folder.is_dir() {
            continue;
        }
        let figures = SuiteResults::read(&folder)?;
        if figures.engines.is_empty() {
            continue;
        }
        section(&mut page, suite, &figures, out)?;
        tables::medians(&mut medians, suite, &figures)?;
    }
    fs::write(out.join("README.md"), page)?;
    fs::write(out.join("medians.jsonl"), medians)?;
    Ok(())
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `benchmarks report`; what is measured and how stands in [benchmarks/README.md](../../benchmarks/README.md).
Medians of the repetitions; `±` is half of the distance from the least to the most, in percent, left out below 3.

";

/// What it ran on.
fn machine(page: &mut String) -> Res<()> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let total_kib: u64 = total.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    writeln!(
        page,
        "Machine: {cores} x {}, {} GiB of memory, Linux {}.\n",
        model.trim_start_matches([' ', '\t', ':']),
        total_kib >> 20,
        kernel.trim()
    )?;
    Ok(())
}

fn section(page: &mut String, suite: &Suite, figures: &SuiteResults, out: &Path) -> Res<()> {
    writeln!(page, "## {}\n", suite.title)?;
    let runs = figures.engines.values().map(Vec::len).max().unwrap_or(0);
    writeln!(page, "Suite `{}`, cache {} MiB, runs of each engine: {runs}.\n", suite.name, suite.cache_mib)?;
    tables::options(page, figures)?;
    tables::rates(page, figures)?;
    tables::cpu(page, figures)?;
    tables::latencies(page, figures)?;
    tables::space(page, figures)?;
    tables::remarks(page, figures)?;
    for name in plots::draw(suite, figures, out)? {
        writeln!(page, "![{name}]({name})\n")?;
    }
    Ok(())
}
