//! Plots: rates as bars, latencies as curves, bytes on disk as bars.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::numbers::short;
use super::tables::order;
use crate::engine::Res;
use crate::phase::PERCENTILES;
use crate::results::SuiteResults;
use crate::suites::Suite;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Of one panel, in pixels.
const PANEL: (u32, u32) = (330, 190);
const COLUMNS: usize = 3;

/// One for each engine, ours first.
const COLORS: [RGBColor; 7] = [
    RGBColor(214, 39, 40),
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(90, 90, 90),
];

/// Latencies worth a curve, where they are there.
const CURVES: [(&str, &str); 10] = [
    ("load", "write_us"),
    ("read", "read_us"),
    ("mixed", "write_us"),
    ("mixed", "read_us"),
    ("write4", "write_us"),
    ("sync1", "write_us"),
    ("fillrandom", "write_us"),
    ("readrandom", "read_us"),
    ("readwhilewriting", "read_us"),
    ("a", "write_us"),
];

/// Draws what there is. The names of the files.
pub fn draw(suite: &Suite, figures: &SuiteResults, out: &Path) -> Res<Vec<String>> {
    let mut names = Vec::new();
    let rates =
        bars_of(figures, &figures.phases_with("rate"), |engine, phase| figures.median(engine, phase, "rate"));
    let disk = bars_of(figures, &figures.phases_with("disk_bytes"), |engine, phase| {
        figures.median(engine, phase, "disk_bytes")
    });
    for (kind, panels) in [("throughput", rates), ("disk", disk)] {
        if !panels.is_empty() {
            let name = format!("{}-{kind}.svg", suite.name);
            draw_panels(&out.join(&name), &panels, draw_bars)?;
            names.push(name);
        }
    }
    let curves = curves_of(figures);
    if !curves.is_empty() {
        let name = format!("{}-latency.svg", suite.name);
        draw_panels(&out.join(&name), &curves, draw_curves)?;
        names.push(name);
    }
    Ok(names)
}

/// A title, and what each engine has.
type Panel<T> = (String, Vec<(&'static str, T)>);

fn bars_of(
    figures: &SuiteResults,
    phases: &[String],
    value: impl Fn(&str, &str) -> Option<f64>,
) -> Vec<Panel<f64>> {
    let panel = |phase: &String| {
        let bars = order(figures).into_iter().filter_map(|engine| Some((engine, value(engine, phase)?)));
        (phase.clone(), bars.collect())
    };
    phases.iter().map(panel).collect()
}

/// Points `(nines, microseconds)`.
fn curves_of(figures: &SuiteResults) -> Vec<Panel<Vec<(f64, f64)>>> {
    let mut panels = Vec::new();
    for (phase, group) in CURVES {
        let curve = |engine: &&'static str| {
            let point = |(name, share): &(&str, f64)| {
                let micros = figures.median(engine, phase, &format!("{group}:{name}"))?;
                // The longest has no place on an axis of nines.
                (*share < 1.0).then(|| (-(1.0 - share).log10(), micros.max(0.01)))
            };
            PERCENTILES.iter().filter_map(point).collect::<Vec<_>>()
        };
        let curves: Vec<_> = order(figures).iter().map(|engine| (*engine, curve(engine))).collect();
        let there: Vec<_> = curves.into_iter().filter(|(_, curve)| !curve.is_empty()).collect();
        if !there.is_empty() {
            panels.push((format!("{phase}: {}", group.replace("_us", ", microseconds")), there));
        }
    }
    panels
}

fn draw_panels<T>(path: &Path, panels: &[T], mut draw: impl FnMut(&Area, &T) -> Res<()>) -> Res<()> {
    let rows = panels.len().div_ceil(COLUMNS);
    let columns = panels.len().min(COLUMNS);
    let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE).map_err(plot_error)?;
    for (area, panel) in root.split_evenly((rows, columns)).iter().zip(panels) {
        draw(area, panel)?;
    }
    root.present().map_err(plot_error)
}

fn draw_bars(area: &Area, (title, bars): &Panel<f64>) -> Res<()> {
    let most = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(6)
        // Names stand left of the bars, figures right of them.
        .build_cartesian_2d(-0.45 * most..1.3 * most, bars.len() as f64..0.0)
        .map_err(plot_error)?;
    for (at, (engine, value)) in bars.iter().enumerate() {
        let (top, bottom) = (at as f64 + 0.1, at as f64 + 0.9);
        let bar = Rectangle::new([(0.0, top), (*value, bottom)], color(engine).filled());
        let style = ("sans-serif", 14);
        let name = Text::new((*engine).to_owned(), (-0.44 * most, at as f64 + 0.2), style);
        let figure = Text::new(short(*value), (*value + 0.02 * most, at as f64 + 0.2), style);
        chart.draw_series([bar]).map_err(plot_error)?;
        chart.draw_series([name, figure]).map_err(plot_error)?;
    }
    Ok(())
}

fn draw_curves(area: &Area, (title, curves): &Panel<Vec<(f64, f64)>>) -> Res<()> {
    let micros = || curves.iter().flat_map(|(_, curve)| curve.iter().map(|(_, micros)| *micros));
    let least = micros().fold(f64::MAX, f64::min);
    let most = micros().fold(least * 10.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(6)
        .x_label_area_size(20)
        .y_label_area_size(45)
        .build_cartesian_2d(0.0..5.0, (least * 0.8..most * 1.2).log_scale())
        .map_err(plot_error)?;
    chart
        .configure_mesh()
        .x_labels(6)
        .x_label_formatter(&|nines| percentile(*nines))
        .y_label_formatter(&|micros| short(*micros))
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(plot_error)?;
    for (engine, curve) in curves {
        let color = color(engine);
        let line = LineSeries::new(curve.iter().copied(), color.stroke_width(2));
        let series = chart.draw_series(line).map_err(plot_error)?;
        series
            .label(*engine)
            .legend(move |(x, y)| Rectangle::new([(x, y - 3), (x + 10, y + 3)], color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 12))
        .background_style(WHITE.mix(0.7))
        .draw()
        .map_err(plot_error)
}

/// 2 nines are 99 %.
fn percentile(nines: f64) -> String {
    let percent = 100.0 - 100.0 * 10f64.powf(-nines);
    format!("{:.*}", (nines.round() as usize).saturating_sub(2), percent)
}

fn color(engine: &str) -> RGBColor {
    let at = crate::engines::names().iter().position(|name| *name == engine).unwrap_or(0);
    COLORS[at % COLORS.len()]
}

/// Errors of the backend borrow from it.
fn plot_error(error: impl std::fmt::Display) -> Box<dyn std::error::Error + Send + Sync> {
    error.to_string().into()
}
