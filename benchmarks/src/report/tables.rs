//! Markdown tables: a row a phase, a column an engine.

use std::fmt::Write as _;

use serde_json::json;

use super::numbers::{digits, short};
use crate::engine::Res;
use crate::engines;
use crate::results::SuiteResults;
use crate::rounds::Kind;
use crate::suites::Suite;

const OURS: &str = "hestiastore";

/// A disturbance that a reader should know of.
const MOST_OTHERS: f64 = 0.05;

/// Engines with results, in the order of the tables.
pub fn order(figures: &SuiteResults) -> Vec<&'static str> {
    engines::names().into_iter().filter(|name| figures.engines.contains_key(*name)).collect()
}

fn header(page: &mut String, first: &str, columns: &[&str]) -> Res<()> {
    writeln!(page, "| {first} | {} |", columns.join(" | "))?;
    writeln!(page, "|---|{}", "--:|".repeat(columns.len()))?;
    Ok(())
}

fn row(page: &mut String, first: &str, cells: &[String]) -> Res<()> {
    writeln!(page, "| {first} | {} |", cells.join(" | "))?;
    Ok(())
}

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".into())
}

/// What each engine said of itself.
pub fn options(page: &mut String, figures: &SuiteResults) -> Res<()> {
    for engine in order(figures) {
        let said = figures.engines.get(engine).and_then(|runs| runs.first()?.text("open", "options"));
        writeln!(page, "- {}", said.unwrap_or(engine))?;
    }
    writeln!(page)?;
    Ok(())
}

/// Operations a second; ours by the best of the others.
pub fn rates(page: &mut String, figures: &SuiteResults) -> Res<()> {
    let engines = order(figures);
    let phases = figures.phases_with("rate");
    if phases.is_empty() {
        return Ok(());
    }
    writeln!(page, "Operations a second (entries for scans, ranges for ranges):\n")?;
    let columns: Vec<&str> = engines.iter().copied().chain(["ours / best other"]).collect();
    header(page, "phase", &columns)?;
    for phase in phases {
        let cell = |engine: &&str| {
            or_dash(figures.figure(engine, &phase, "rate").map(|figure| match figure.spread_percent() {
                spread if spread < 3.0 => short(figure.median),
                spread => format!("{} ±{spread:.0}", short(figure.median)),
            }))
        };
        let mut cells: Vec<String> = engines.iter().map(cell).collect();
        cells.push(or_dash(
            against_best(figures, &engines, &phase).map(|ratio| format!("**{}**", digits(ratio))),
        ));
        row(page, &phase, &cells)?;
    }
    writeln!(page)?;
    Ok(())
}

fn against_best(figures: &SuiteResults, engines: &[&str], phase: &str) -> Option<f64> {
    let rate = |engine: &str| figures.median(engine, phase, "rate");
    let best = engines
        .iter()
        .filter(|engine| **engine != OURS)
        .filter_map(|engine| rate(engine))
        .reduce(f64::max)?;
    Some(rate(OURS)? / best)
}

pub fn cpu(page: &mut String, figures: &SuiteResults) -> Res<()> {
    let engines = order(figures);
    writeln!(page, "CPU of the whole process for an operation, in microseconds:\n")?;
    header(page, "phase", &engines)?;
    for phase in figures.phases_with("cpu_us_per_operation") {
        let cell =
            |engine: &&str| or_dash(figures.median(engine, &phase, "cpu_us_per_operation").map(digits));
        row(page, &phase, &engines.iter().map(cell).collect::<Vec<_>>())?;
    }
    writeln!(page)?;
    Ok(())
}

/// p50, p99, p99.9, p99.99 and the longest.
pub fn latencies(page: &mut String, figures: &SuiteResults) -> Res<()> {
    let engines = order(figures);
    writeln!(
        page,
        "Latency p50 / p99 / p99.9 / p99.99 / longest, in microseconds (of a batch where writes go in batches):\n"
    )?;
    header(page, "phase", &engines)?;
    for phase in figures.phases_with("rate") {
        for (_, kind) in Kind::ALL {
            let group = format!("{kind}_us");
            let percentiles = ["p50", "p99", "p99.9", "p99.99", "max"];
            let cell = |engine: &&str| {
                let of =
                    |percentile| figures.median(engine, &phase, &format!("{group}:{percentile}")).map(short);
                or_dash(
                    percentiles.into_iter().map(of).collect::<Option<Vec<_>>>().map(|all| all.join(" / ")),
                )
            };
            let cells: Vec<String> = engines.iter().map(cell).collect();
            if cells.iter().any(|cell| cell != "–") {
                row(page, &format!("{phase}, {kind}"), &cells)?;
            }
        }
    }
    writeln!(page)?;
    Ok(())
}

/// Bytes on disk and written, memory, times of opening.
pub fn space(page: &mut String, figures: &SuiteResults) -> Res<()> {
    let engines = order(figures);
    let megabytes = |bytes: f64| digits(bytes / 1e6);
    header(page, "space and opening", &engines)?;
    let mut line = |name: &str, value: &dyn Fn(&str) -> Option<String>| -> Res<()> {
        let cells: Vec<String> = engines.iter().map(|engine| or_dash(value(engine))).collect();
        if cells.iter().any(|cell| cell != "–") { row(page, name, &cells) } else { Ok(()) }
    };
    for phase in figures.phases_with("disk_bytes") {
        line(&format!("{phase}: on disk without logs, MB"), &|engine| {
            let bytes = |field| figures.median(engine, &phase, field);
            Some(megabytes(bytes("disk_bytes")? - bytes("log_bytes")?))
        })?;
        line(&format!("{phase}: logs, MB"), &|engine| {
            figures.median(engine, &phase, "log_bytes").map(megabytes)
        })?;
        line(&format!("{phase}: seconds"), &|engine| figures.median(engine, &phase, "settle_s").map(digits))?;
        let write = phase.strip_suffix("_settle").unwrap_or("load").to_owned();
        line(
            &format!("{write} and settled: written per byte given, by `write` / pages dirtied"),
            &|engine| {
                let both = |field| {
                    Some(figures.median(engine, &write, field)? + figures.median(engine, &phase, field)?)
                };
                Some(format!(
                    "{} / {}",
                    digits(both("passed_per_given")?),
                    digits(both("dirtied_per_given")?)
                ))
            },
        )?;
    }
    for phase in figures.phases_with("peak_anonymous_bytes") {
        if matches!(phase.as_str(), "load" | "read" | "fillrandom" | "readrandom" | "scan") {
            line(&format!("{phase}: peak anonymous memory, MB"), &|engine| {
                figures.median(engine, &phase, "peak_anonymous_bytes").map(megabytes)
            })?;
        }
    }
    line("most anonymous memory of all phases, MB", &|engine| {
        figures.peak(engine, "peak_anonymous_bytes").map(megabytes)
    })?;
    for phase in figures.phases_with("open_ms") {
        if !phase.contains("open_") && phase != "open" {
            line(&format!("{phase}: ms"), &|engine| {
                let open_ms = digits(figures.median(engine, &phase, "open_ms")?);
                Some(if figures.lost(engine, &phase) { format!("{open_ms} (writes lost)") } else { open_ms })
            })?;
        }
    }
    writeln!(page)?;
    Ok(())
}

/// Runs that failed or were disturbed.
pub fn remarks(page: &mut String, figures: &SuiteResults) -> Res<()> {
    for (engine, runs) in &figures.engines {
        for (at, run) in runs.iter().enumerate() {
            if let Some(error) = run.text("failure", "error") {
                writeln!(page, "- {engine}, run {}: failed: {error}", at + 1)?;
            } else if !run.is_whole() {
                writeln!(page, "- {engine}, run {}: not ended", at + 1)?;
            }
            if run.others_share() > MOST_OTHERS {
                writeln!(
                    page,
                    "- {engine}, run {}: others took {:.0} % of a core",
                    at + 1,
                    run.others_share() * 100.0
                )?;
            }
        }
    }
    writeln!(page)?;
    Ok(())
}

/// One line for each suite, engine and phase with a rate: what later runs are compared with.
pub fn medians(lines: &mut String, suite: &Suite, figures: &SuiteResults) -> Res<()> {
    for engine in order(figures) {
        for phase in figures.phases_with("rate") {
            let Some(rate) = figures.figure(engine, &phase, "rate") else { continue };
            let cpu = figures.median(engine, &phase, "cpu_us_per_operation");
            let line = json!({
                "suite": suite.name, "engine": engine, "phase": phase, "rate": rate.median,
                "least": rate.least, "most": rate.most, "cpu_us": cpu,
            });
            writeln!(lines, "{line}")?;
        }
    }
    Ok(())
}
