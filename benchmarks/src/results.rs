//! JSON lines of runs, read back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::engine::Res;

/// The lines of one process.
pub struct Run {
    lines: Vec<Map<String, Value>>,
}

impl Run {
    /// # Errors
    /// If the file cannot be read. A last line that was cut off is left out.
    pub fn read(path: &Path) -> Res<Self> {
        let text = fs::read_to_string(path)?;
        Ok(Self { lines: text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect() })
    }

    /// The phases, in order.
    pub fn phases(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| line.get("phase")?.as_str())
    }

    pub fn line(&self, phase: &str) -> Option<&Map<String, Value>> {
        self.lines.iter().find(|line| line.get("phase").and_then(Value::as_str) == Some(phase))
    }

    /// A number of a phase; `a.b` for a field of a field.
    pub fn number(&self, phase: &str, field: &str) -> Option<f64> {
        let line = self.line(phase)?;
        match field.split_once(':') {
            None => line.get(field)?.as_f64(),
            Some((outer, inner)) => line.get(outer)?.get(inner)?.as_f64(),
        }
    }

    pub fn text(&self, phase: &str, field: &str) -> Option<&str> {
        self.line(phase)?.get(field)?.as_str()
    }

    /// Whether it came to its end.
    pub fn is_whole(&self) -> bool {
        self.line("whole").is_some()
    }

    /// What other processes took, in cores.
    pub fn others_share(&self) -> f64 {
        let seconds = |field| self.number("whole", field);
        match (seconds("others_user_s"), seconds("wall_s")) {
            (Some(others), Some(wall)) if wall > 0.0 => others / wall,
            _ => 0.0,
        }
    }
}

/// A figure over the repetitions.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Figure {
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { median, least, most })
    }

    /// Half of the distance from the least to the most, by the median, in percent.
    pub fn spread_percent(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.most - self.least) / 2.0 / self.median * 100.0 }
    }
}

/// The runs of a suite, by engine.
pub struct SuiteResults {
    pub engines: BTreeMap<String, Vec<Run>>,
}

impl SuiteResults {
    /// Files `<engine>-<repetition>.jsonl` of a folder.
    pub fn read(folder: &Path) -> Res<Self> {
        let mut engines: BTreeMap<String, Vec<Run>> = BTreeMap::new();
        let mut paths: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some((engine, _)) = name.strip_suffix(".jsonl").and_then(|stem| stem.rsplit_once('-')) else {
                continue;
            };
            engines.entry(engine.to_owned()).or_default().push(Run::read(&path)?);
        }
        Ok(Self { engines })
    }

    pub fn figure(&self, engine: &str, phase: &str, field: &str) -> Option<Figure> {
        let runs = self.engines.get(engine)?;
        Figure::of(runs.iter().filter_map(|run| run.number(phase, field)).collect())
    }

    pub fn median(&self, engine: &str, phase: &str, field: &str) -> Option<f64> {
        self.figure(engine, phase, field).map(|figure| figure.median)
    }

    /// Whether some run did not find what it had written before.
    pub fn lost(&self, engine: &str, phase: &str) -> bool {
        let lost = |run: &Run| run.line(phase).and_then(|line| line.get("found")?.as_bool()) == Some(false);
        self.engines.get(engine).is_some_and(|runs| runs.iter().any(lost))
    }

    /// The most of a field over all phases, as the median of the runs.
    pub fn peak(&self, engine: &str, field: &str) -> Option<f64> {
        let runs = self.engines.get(engine)?;
        let peak = |run: &Run| run.phases().filter_map(|phase| run.number(phase, field)).reduce(f64::max);
        Figure::of(runs.iter().filter_map(peak).collect()).map(|figure| figure.median)
    }

    /// Phases that have a field in some run, in order: one that only some runs have stands behind the one that
    /// came before it there.
    pub fn phases_with(&self, field: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for run in self.engines.values().flatten() {
            let mut next = 0;
            for phase in run.phases().filter(|phase| run.number(phase, field).is_some()) {
                next = match found.iter().position(|known| known == phase) {
                    Some(at) => at + 1,
                    None => {
                        found.insert(next, phase.to_owned());
                        next + 1
                    }
                };
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(phases: &[&str]) -> Run {
        let line = |phase: &&str| serde_json::json!({ "phase": phase, "rate": 1.0 }).as_object().cloned();
        Run { lines: phases.iter().filter_map(line).collect() }
    }

    #[test]
    fn a_phase_of_some_runs_stands_in_its_place() {
        let runs =
            vec![run(&["load", "scan"]), run(&["load", "read", "scan", "sync"]), run(&["open", "load"])];
        let suite = SuiteResults { engines: [("some".to_owned(), runs)].into_iter().collect() };
        assert_eq!(suite.phases_with("rate"), ["open", "load", "read", "scan", "sync"]);
    }

    #[test]
    fn a_figure_is_the_median_with_its_spread() {
        let figure = Figure::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((figure.median, figure.spread_percent()), (2.0, 50.0));
        assert_eq!(Figure::of(vec![1.0, 3.0]).unwrap().median, 2.0);
        assert!(Figure::of(vec![]).is_none());
    }
}
